//! What a screen reader finds in the real window: names, roles and states of every part, read over AT-SPI (room rules,
//! section 14). The trees stand in `golden/accessibility`; `SERAMBI_WRITE_GOLDEN=1` writes them anew.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serambi_tests::{
    accessibility_tree::expect_tree,
    peer::Peer,
    places,
    sound_server::{Card, SoundServer},
    window::{Opening, PATIENCE, Window},
};

const TITLE: &str = "Porch talk";
const ESCAPE: &str = "\u{E00C}";

fn open(owner: &str, card: &Card, link: Option<&str>, output: &Path) -> Window {
    let arguments: Vec<String> = link.into_iter().chain(["--listen", "127.0.0.1"]).map(str::to_owned).collect();
    Window::open(&Opening { owner, sound: card.server(), arguments: &arguments, output }).unwrap()
}

fn introduce(window: &Window, name: &str) {
    window.fill("your name", name).unwrap();
    window.press_button("^continue$").unwrap();
}

fn start_room(window: &Window) -> String {
    window.press_button("^start a room$").unwrap();
    window.fill("^title", TITLE).unwrap();
    window.press_button("^let's go$").unwrap();
    window.find("button", "^unmute").unwrap();
    window.press_button("^invite$").unwrap();
    window.find("dialog", "link").unwrap();
    let link = window.run("return document.querySelector('dialog input').value", &[]).unwrap();
    window.press_button("^close$").unwrap();
    link.as_str().unwrap().to_owned()
}

#[test]
fn every_part_of_the_window_has_a_name_a_role_and_its_states() {
    let output = places::fresh_output("accessibility").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let dewi_card = server.add_card("dewi").unwrap();

    let sari = open("sari", &sari_card, None, &output);
    let desktop = sari.desktop().unwrap();
    sari.find("textbox", "your name").unwrap();
    expect_tree(&desktop, "welcome").unwrap();
    introduce(&sari, "Sari");
    sari.find("heading", "^good .*, sari$").unwrap();
    expect_tree(&desktop, "home").unwrap();
    let link = start_room(&sari);
    expect_tree(&desktop, "host-alone").unwrap();

    // A host with an audience and a hand; somebody who listens.
    let mut dewi = Peer::start("Dewi", &dewi_card, &["join", &link, "--do", "on joined hand"], &output).unwrap();
    dewi.event("joined", PATIENCE).unwrap();
    sari.find("button", "^invite to speak, dewi$").unwrap();
    let wei = open("wei", &wei_card, Some(&link), &output);
    let wei_desktop = wei.desktop().unwrap();
    introduce(&wei, "Wei");
    wei.find("dialog", "^join this room").unwrap();
    wei.press_button("^join").unwrap();
    wei.find("button", "^raise hand$").unwrap();
    expect_tree(&wei_desktop, "listener").unwrap();
    expect_tree(&desktop, "host").unwrap();

    sari.press_button("^wei, listener").unwrap();
    sari.find("dialog", "^actions for wei$").unwrap();
    expect_tree(&desktop, "person").unwrap();
    sari.press_button("^invite to speak$").unwrap();
    wei.find("dialog", "^sari invited you to speak").unwrap();
    expect_tree(&wei_desktop, "invitation").unwrap();
    wei.photograph("invitation").unwrap();
    wei.press_button("^maybe later$").unwrap();
    wei.find("button", "^raise hand$").unwrap();

    sari.press_button("^sari\\b.*settings$").unwrap();
    sari.find("dialog", "^settings$").unwrap();
    expect_tree(&desktop, "settings").unwrap();
    sari.press_keys(ESCAPE).unwrap();
    sari.press_button("^small window$").unwrap();
    sari.find("button", "^back to the full window$").unwrap();
    expect_tree(&desktop, "small-window").unwrap();
    wei.end().unwrap();
    sari.end().unwrap();
}
