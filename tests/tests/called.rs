//! Somebody listens with the window out of sight and is called on stage: the desktop says so, a press on it brings the
//! window to the front with the same question, and nothing is said there while the window is in front.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serambi_tests::{
    notification_service::NotificationService,
    peer::Peer,
    places,
    sound_server::SoundServer,
    wait,
    window::{Opening, PATIENCE, Window},
};

const INVITED: &str = "Sari invited you to speak";

/// Looks at the link and joins as a listener.
fn join(window: &Window) {
    window.fill("your name", "Wei").unwrap();
    window.press_button("^continue$").unwrap();
    window.find("dialog", "join this room").unwrap();
    window.press_button("^join").unwrap();
    window.find("button", "^raise hand").unwrap();
}

fn is_in_front(window: &Window) {
    let look = || Ok((window.display.windows("Serambi")? == 1).then_some(()));
    wait::until("the window in front", PATIENCE, look, String::new).unwrap();
}

/// Whoever comes raises a hand, which is Sari's cue to invite Wei.
fn somebody_comes(name: &str, link: &str, server: &SoundServer, output: &Path) -> Peer {
    let card = server.add_card(&name.to_lowercase()).unwrap();
    let mut peer = Peer::start(name, &card, &["join", link, "--do", "on joined hand"], output).unwrap();
    peer.event("joined", PATIENCE).unwrap();
    peer
}

#[test]
fn who_listens_with_the_window_out_of_sight_is_called_on_stage_by_the_desktop() {
    let output = places::fresh_output("called").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let host = "on hands invite Wei";
    let arguments = ["host", "--listen", "127.0.0.1", "--title", "Porch talk", "--do", host];
    let mut sari = Peer::start("Sari", &sari_card, &arguments, &output).unwrap();
    let link = sari.event("link", PATIENCE).unwrap()["link"].as_str().unwrap().to_owned();

    let arguments = [link.clone(), "--listen".to_owned(), "127.0.0.1".to_owned()];
    let opening = Opening { owner: "wei", sound: wei_card.server(), arguments: &arguments, output: &output };
    let wei = Window::open(&opening).unwrap();
    let mut desktop = NotificationService::start(&wei, &output).unwrap();
    join(&wei);

    wei.display.minimize("Serambi").unwrap();
    let dewi = somebody_comes("Dewi", &link, &server, &output);
    let shown = desktop.wait_for("an invitation", PATIENCE, |line| line["title"] == INVITED).unwrap();
    assert_eq!(shown["text"], "You arrive muted.");
    assert_eq!(shown["buttons"]["yes"], "Join the stage");
    assert_eq!(shown["buttons"]["no"], "Maybe later");
    wei.display.photograph(&output.join("out-of-sight.png")).unwrap();
    desktop.press(&shown, "default").unwrap();
    is_in_front(&wei);
    wei.read("sari invited you to speak").unwrap();
    wei.photograph("the-same-question").unwrap();

    wei.press_button("^join the stage").unwrap();
    wei.find("button", "^unmute").unwrap();
    wei.press_button("^wei, you, speaker").unwrap();
    wei.press_button("^move to audience").unwrap();
    wei.find("button", "^raise hand").unwrap();
    assert_eq!(desktop.titles(), [INVITED], "the window is in front and says it itself");

    wei.display.minimize("Serambi").unwrap();
    let budi = somebody_comes("Budi", &link, &server, &output);
    let again = desktop
        .wait_for("another invitation", PATIENCE, |line| line["title"] == INVITED && line["id"] != shown["id"])
        .unwrap();
    desktop.press(&again, "yes").unwrap();
    is_in_front(&wei);
    wei.find("button", "^unmute").unwrap();
    wei.photograph("joined-from-the-desktop").unwrap();
    drop((dewi, budi));
    wei.end().unwrap();
}
