//! The app updates itself only when it is asked to, from the address that was set, and only with what is signed with
//! its key.
#![allow(clippy::unwrap_used)]

use std::fs;

use serambi_tests::{
    places,
    release_server::{ReleaseKey, ReleaseServer},
    sound_server::SoundServer,
    window::{Opening, Window},
};

/// What the updater takes for an AppImage: the head of an ELF file.
const PACKAGE: &[u8] = b"\x7fELF\x02\x01\x01 a newer Serambi, which nobody starts in this test......";
const OLD: &str = "the Serambi that runs";

fn set_source(window: &Window, source: &str) {
    window.run("document.querySelector('dialog section:last-of-type input.field').select()", &[]).unwrap();
    window.press_keys(source).unwrap();
    window.press_button("^use this address$").unwrap();
}

fn show_section(window: &Window) {
    window.run("[...document.querySelectorAll('dialog section')].at(-1).scrollIntoView()", &[]).unwrap();
}

#[test]
fn what_is_signed_with_another_key_is_refused_and_what_is_signed_rightly_takes_the_old_ones_place() {
    let output = places::fresh_output("updated").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let card = server.add_card("sari").unwrap();
    let app_image = output.join("Serambi.AppImage");
    fs::write(&app_image, OLD).unwrap();
    let arguments = ["--listen", "127.0.0.1"].map(str::to_owned);
    let opening = Opening { owner: "sari", sound: card.server(), arguments: &arguments, output: &output };
    let sari = Window::open_app_image(&opening, &app_image).unwrap();
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    let (ours, others) = (ReleaseKey::new(1), ReleaseKey::new(2));
    let forged = ReleaseServer::start("99.0.0", PACKAGE, &others).unwrap();
    let release = ReleaseServer::start("98.0.0", PACKAGE, &ours).unwrap();
    let newest = ReleaseServer::start("0.0.1", PACKAGE, &ours).unwrap();

    // Off until an address is set, and nobody is asked before the button is pressed.
    sari.press_button("settings$").unwrap();
    sari.read("No address is set").unwrap();
    set_source(&sari, &newest.source(&ours));
    sari.read("asks only when you press the button").unwrap();
    assert_eq!(newest.asked(), 0);
    sari.press_button("^check now$").unwrap();
    sari.read("This is the newest version").unwrap();

    // Somebody else's signature.
    set_source(&sari, &forged.source(&ours));
    sari.press_button("^check now$").unwrap();
    sari.read("Version 99.0.0 is there").unwrap();
    sari.press_button("^install it$").unwrap();
    sari.read("not signed with the right key").unwrap();
    assert_eq!(fs::read_to_string(&app_image).unwrap(), OLD);
    show_section(&sari);
    sari.photograph("refused").unwrap();

    // Ours.
    set_source(&sari, &release.source(&ours));
    sari.press_button("^check now$").unwrap();
    sari.read("Version 98.0.0 is there").unwrap();
    show_section(&sari);
    sari.photograph("found").unwrap();
    sari.press_button("^install it$").unwrap();
    sari.read("Version 98.0.0 is installed").unwrap();
    assert_eq!(fs::read(&app_image).unwrap(), PACKAGE);

    // Nobody there.
    set_source(&sari, &format!("http://127.0.0.1:9/latest.json#{}", ours.public()));
    sari.press_button("^check now$").unwrap();
    sari.read("did not answer as it should").unwrap();
    sari.end().unwrap();
}
