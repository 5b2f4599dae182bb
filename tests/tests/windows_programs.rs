//! The programs for Windows, run by Wine: a house that is joined from Linux, and people who speak and hear through
//! WASAPI. `cargo xtask test --windows-programs` builds them first.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

use serambi_tests::{
    conversation::hears,
    peer::Peer,
    places,
    program::Program,
    sound_server::{Card, SoundServer},
    speech::{self, FERRY, PORCH},
    wait,
    wine::Wine,
};

/// Wine starts a program in seconds, on a busy machine in many.
const LIMIT: Duration = Duration::from_secs(120);
/// A hand is the host's cue to unmute and to invite.
const HOST: &str = "on hand_raised unmute; on hand_raised invite-first";
const GUEST: &str = "on joined hand; on your_turn accept; on on_stage unmute";

/// Each has a sound server of their own: under Wine a program sees the default devices only.
fn card(owner: &str, output: &Path) -> (SoundServer, Card) {
    let server = SoundServer::start(output).unwrap();
    let card = server.add_card(owner).unwrap();
    server.make_default(owner).unwrap();
    (server, card)
}

/// Somebody on Windows, with the default devices of that card's server.
fn on_windows(wine: &Wine, name: &str, card: &Card, arguments: &[&str], output: &Path) -> Peer {
    let folder = output.join(format!("profile-{name}"));
    let mut command = wine.program("serambi-peer").unwrap();
    command.env("PULSE_SERVER", card.server());
    Peer::start_in(command, name, &folder, arguments, output).unwrap()
}

/// Waits until both are on stage and unmuted, then each must hear the other's sentence.
fn hear_each_other(host: (&mut Peer, &Card), guest: (&mut Peer, &Card), output: &Path) {
    guest.0.event("on_stage", LIMIT).unwrap();
    guest.0.event("unmuted", LIMIT).unwrap();
    host.0.event("unmuted", LIMIT).unwrap();
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let ferry = speech::say("en-us+m3", FERRY).unwrap();
    let found = hears(host.1, guest.1, &porch, &output.join("guest-hears-host.wav")).unwrap();
    println!("the guest hears the host: {found:?}");
    let found = hears(guest.1, host.1, &ferry, &output.join("host-hears-guest.wav")).unwrap();
    println!("the host hears the guest: {found:?}");
}

fn link_of(host: &mut Peer) -> String {
    host.event("link", LIMIT).unwrap()["link"].as_str().unwrap().to_owned()
}

#[test]
fn two_people_on_linux_hear_each_other_through_a_house_on_windows() {
    let output = places::fresh_output("windows-house").unwrap();
    let wine = Wine::start(&output).unwrap();
    let ((_sari_server, sari_card), (_wei_server, wei_card)) = (card("sari", &output), card("wei", &output));
    let said = output.join("house.txt");
    let mut house = wine.program("serambi-house").unwrap();
    house.args(["--listen", "127.0.0.1", "--port", "0", "--media-port", "0", "--no-discovery", "--folder"]);
    house.arg(output.join("house"));
    let stdout = Stdio::from(File::create(&said).unwrap());
    let mut house = Program::start(&house, stdout, &output.join("house.log")).unwrap();
    let link = || {
        house.still_runs()?;
        let text = fs::read_to_string(&said).unwrap_or_default();
        Ok(text.split_once('\n').map(|(line, _)| line.trim().to_owned()))
    };
    let link = wait::until("the house's link", LIMIT, link, String::new).unwrap();
    let mut sari = Peer::start("Sari", &sari_card, &["host", "--house", &link, "--do", HOST], &output).unwrap();
    let room = link_of(&mut sari);
    let mut wei = Peer::start("Wei", &wei_card, &["join", &room, "--do", GUEST], &output).unwrap();
    hear_each_other((&mut sari, &sari_card), (&mut wei, &wei_card), &output);
    house.interrupt();
    assert_eq!(house.wait(LIMIT).unwrap().code(), Some(0));
}

#[test]
fn a_guest_on_windows_and_a_host_on_linux_hear_each_other() {
    let output = places::fresh_output("windows-guest").unwrap();
    let wine = Wine::start(&output).unwrap();
    let ((_sari_server, sari_card), (_wei_server, wei_card)) = (card("sari", &output), card("wei", &output));
    let arguments = ["host", "--listen", "127.0.0.1", "--do", HOST];
    let mut sari = Peer::start("Sari", &sari_card, &arguments, &output).unwrap();
    let room = link_of(&mut sari);
    let mut wei = on_windows(&wine, "Wei", &wei_card, &["join", &room, "--do", GUEST], &output);
    hear_each_other((&mut sari, &sari_card), (&mut wei, &wei_card), &output);
}

#[test]
fn a_host_on_windows_and_a_guest_on_linux_hear_each_other() {
    let output = places::fresh_output("windows-host").unwrap();
    let wine = Wine::start(&output).unwrap();
    let ((_sari_server, sari_card), (_wei_server, wei_card)) = (card("sari", &output), card("wei", &output));
    let arguments = ["host", "--listen", "127.0.0.1", "--do", HOST];
    let mut sari = on_windows(&wine, "Sari", &sari_card, &arguments, &output);
    let room = link_of(&mut sari);
    let mut wei = Peer::start("Wei", &wei_card, &["join", &room, "--do", GUEST], &output).unwrap();
    hear_each_other((&mut sari, &sari_card), (&mut wei, &wei_card), &output);
}
