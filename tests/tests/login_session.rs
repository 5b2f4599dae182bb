//! What the app asks of the login service: a computer that stays awake while somebody depends on it, and whether
//! the screen is locked, where notices name nobody.
#![allow(clippy::unwrap_used)]

use serambi_tests::{
    login_service::LoginService,
    notification_service::NotificationService,
    peer::Peer,
    places,
    sound_server::SoundServer,
    wait,
    window::{Opening, PATIENCE, Window},
};

fn link_to_room(window: &Window) -> String {
    window.press_button("^invite$").unwrap();
    window.find("dialog", "link").unwrap();
    let link = window.run("return document.querySelector('dialog input').value", &[]).unwrap();
    window.press_button("^close$").unwrap();
    link.as_str().unwrap().to_owned()
}

#[test]
fn the_computer_stays_awake_while_somebody_is_in_the_room_and_a_locked_screen_names_nobody() {
    let output = places::fresh_output("login-session").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let mut login = LoginService::start(&output).unwrap();
    let arguments = ["--listen", "127.0.0.1"].map(str::to_owned);
    let opening = Opening { owner: "sari", sound: sari_card.server(), arguments: &arguments, output: &output };
    let sari = Window::open_in_login_session(&opening, &login).unwrap();
    let mut desktop = NotificationService::start(&sari, &output).unwrap();
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    sari.find("button", "^start a room$").unwrap();
    assert!(login.said("kept awake").is_empty(), "nobody depends on it at home");

    // In a room: neither idle nor asleep, and whoever asks is told why.
    sari.press_button("^start a room$").unwrap();
    sari.fill("^title", "Porch talk").unwrap();
    sari.press_button("^let's go$").unwrap();
    login.wait_for("kept awake", 2).unwrap();
    let held = login.said("kept awake");
    assert_eq!([&held[0]["what"], &held[1]["what"]], ["idle", "sleep"]);
    for one in &held {
        assert_eq!([&one["who"], &one["why"], &one["mode"]], ["Serambi", "A voice room is open", "block"]);
    }

    // Somebody comes and raises a hand while the screen is locked.
    let link = link_to_room(&sari);
    sari.display.minimize("Serambi").unwrap();
    login.lock(true).unwrap();
    let arguments = ["join", &link, "--do", "on joined hand"];
    let mut wei = Peer::start("Wei", &wei_card, &arguments, &output).unwrap();
    wei.event("joined", PATIENCE).unwrap();
    let shown = desktop.wait_for("a hand", PATIENCE, |line| line["event"] == "shown").unwrap();
    assert_eq!([&shown["title"], &shown["text"]], ["Somebody raised a hand", "1 in line in this room"]);
    desktop.press(&shown, "default").unwrap();
    let look = || Ok((sari.display.windows("Serambi")? == 1).then_some(()));
    wait::until("the window in front", PATIENCE, look, String::new).unwrap();

    // The host leaves: Wei is still there, and the computer stays awake until Wei has left, too.
    sari.press_button("^leave quietly$").unwrap();
    sari.find("dialog", "you run this room").unwrap();
    sari.press_button("^leave quietly[^]*the room waits").unwrap();
    sari.find("button", "^start a room$").unwrap();
    assert!(login.said("let go").is_empty(), "somebody is in the room");
    wei.interrupt();
    login.wait_for("let go", 2).unwrap();
    assert_eq!(login.said("kept awake").len(), 2, "held once, all the time");
    sari.end().unwrap();
}
