//! The app is killed while it hosts: its next start says so once, and goes on with the room.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serambi_tests::{
    peer::Peer,
    places,
    sound_server::{Card, SoundServer},
    window::{Opening, PATIENCE, Window},
};

const STOPPED: &str = "Your room “Porch talk” ended when Serambi stopped";

fn open(card: &Card, profile: &Path, owner: &str, output: &Path) -> Window {
    let profile = profile.to_string_lossy().into_owned();
    let arguments = ["--listen", "127.0.0.1", "--folder", &profile].map(str::to_owned);
    Window::open(&Opening { owner, sound: card.server(), arguments: &arguments, output }).unwrap()
}

fn kill(window: &Window) {
    let app = i32::try_from(window.app().unwrap()).unwrap();
    kill_process(Pid::from_raw(app).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_room_that_ended_because_the_app_was_killed_is_told_at_the_next_start_and_goes_on_where_it_stood() {
    let output = places::fresh_output("started-again").unwrap();
    let profile = output.join("profile");
    let server = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let sari = open(&sari_card, &profile, "sari", &output);
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    sari.press_button("^start a room$").unwrap();
    sari.fill("^title", "Porch talk").unwrap();
    sari.press_button("^let's go$").unwrap();
    sari.press_button("^invite$").unwrap();
    sari.find("dialog", "link").unwrap();
    let link = sari.run("return document.querySelector('dialog input').value", &[]).unwrap();
    let mut wei = Peer::start("Wei", &wei_card, &["join", link.as_str().unwrap()], &output).unwrap();
    wei.event("joined", PATIENCE).unwrap();
    kill(&sari);
    drop(sari);

    // Said, with a way back to whoever waits there.
    let sari = open(&sari_card, &profile, "sari-again", &output);
    sari.read(STOPPED).unwrap();
    sari.photograph("told").unwrap();
    sari.press_button("^start it again$").unwrap();
    sari.find("heading", "Porch talk").unwrap();
    sari.find("button", "^unmute").unwrap();
    sari.read("2 here").unwrap();
    sari.photograph("goes-on").unwrap();
    sari.press_button("^leave quietly$").unwrap();
    sari.press_button("^leave quietly[^]*the room waits").unwrap();
    sari.find("button", "^start a room$").unwrap();
    wei.interrupt();
    sari.end().unwrap();

    // Who left needs no telling.
    let sari = open(&sari_card, &profile, "sari-later", &output);
    sari.find("button", "^start a room$").unwrap();
    assert!(!sari.words().unwrap().contains("ended when Serambi stopped"));
    sari.end().unwrap();
}
