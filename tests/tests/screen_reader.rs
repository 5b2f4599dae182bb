//! What Orca says to somebody who listens, is called on stage, speaks, and is there when the room ends (room rules,
//! check 26): the sentences are heard, in order, and once.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use serambi_tests::{
    peer::Peer,
    places,
    screen_reader::ScreenReader,
    sound_server::SoundServer,
    wait,
    window::{Opening, PATIENCE, Window},
};

const TITLE: &str = "Porch talk";

fn has_focus(window: &Window, name: &str) {
    let focused = "return document.activeElement?.getAttribute('aria-label') ?? ''";
    let look = || Ok((window.run(focused, &[])? == name).then_some(()));
    wait::until(&format!("focus on {name:?}"), PATIENCE, look, String::new).unwrap();
}

#[test]
fn orca_says_what_happens_in_the_room_once_and_in_order() {
    let output = places::fresh_output("screen-reader").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let dewi_card = server.add_card("dewi").unwrap();
    let host = "on hands invite Wei; on stage moderator Wei; on said_later end";
    let arguments = ["host", "--listen", "127.0.0.1", "--title", TITLE, "--do", host];
    let mut sari = Peer::start("Sari", &sari_card, &arguments, &output).unwrap();
    let link = sari.event("link", PATIENCE).unwrap()["link"].as_str().unwrap().to_owned();

    let arguments = [link.clone(), "--listen".to_owned(), "127.0.0.1".to_owned()];
    let opening = Opening { owner: "wei", sound: wei_card.server(), arguments: &arguments, output: &output };
    let wei = Window::open(&opening).unwrap();
    wei.find("textbox", "your name").unwrap();
    wei.display.focus("Serambi").unwrap();
    let mut orca = ScreenReader::start(&wei.desktop().unwrap(), &output).unwrap();

    wei.fill("your name", "Wei").unwrap();
    wei.press_button("^continue$").unwrap();
    orca.hears(&["Join this room?"]).unwrap();
    wei.press_button("^join").unwrap();
    orca.hears(&[TITLE, "2 here"]).unwrap();

    wei.press_button("^raise hand$").unwrap();
    orca.hears(&["Your hand is up.", "It's your turn.", "You arrive muted.", "Join the stage"]).unwrap();
    wei.press_button("^join the stage$").unwrap();
    orca.hears(&["You're on stage, muted.", "You are a moderator now."]).unwrap();
    // Orca reads the button as well, but loses the event of one focus in some.
    has_focus(&wei, "Unmute microphone");

    // A key that the system keeps for the app, pressed as a person presses it.
    wei.display.press("ctrl+shift+m").unwrap();
    orca.hears(&["Microphone open."]).unwrap();
    wei.display.press("ctrl+shift+m").unwrap();
    orca.hears(&["Microphone muted."]).unwrap();

    // Later than the 3 s for which one cue of a hand stands for all (6.5): Wei's own hand was the last.
    let act = "5s hand; on invited decline";
    let mut dewi = Peer::start("Dewi", &dewi_card, &["join", &link, "--do", act], &output).unwrap();
    dewi.event("joined", PATIENCE).unwrap();
    orca.hears(&["Dewi raised a hand. 1 in line."]).unwrap();
    wei.press_button("^invite to speak, dewi$").unwrap();
    orca.hears(&["Dewi: maybe later.", "The room has ended."]).unwrap();

    for once in ["It's your turn.", "You're on stage, muted.", "Dewi raised a hand.", "The room has ended."] {
        assert_eq!(orca.times(once), 1, "{once:?} in\n{}", orca.said());
    }
    println!("{}", orca.said());
}
