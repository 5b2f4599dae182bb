//! The app updates itself only when it is asked to, from the address that was set, and only with what is signed with
//! its key, newer, and no larger than it should be.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use serambi_tests::{
    places,
    release_server::{Release, ReleaseKey, ReleaseServer},
    sound_server::SoundServer,
    window::{Opening, Window},
};

/// What the updater takes for an AppImage: the head of an ELF file.
const PACKAGE: &[u8] = b"\x7fELF\x02\x01\x01 a newer Serambi, which nobody starts in this test......";
const OLD: &str = "the Serambi that runs";
/// More than any package of ours.
const TOO_LARGE_BYTES: u64 = 10_000_000_000;

fn set_source(window: &Window, source: &str) {
    window.run("document.querySelector('dialog section:last-of-type input.field').select()", &[]).unwrap();
    window.press_keys(source).unwrap();
    window.press_button("^use this address$").unwrap();
}

fn show_section(window: &Window) {
    window.run("[...document.querySelectorAll('dialog section')].at(-1).scrollIntoView()", &[]).unwrap();
}

fn check(window: &Window, source: &str) {
    set_source(window, source);
    window.press_button("^check now$").unwrap();
}

/// What this server offers is found, fetched and not installed, for this reason.
fn is_refused(window: &Window, app_image: &Path, source: &str, reason: &str) {
    check(window, source);
    window.read("Version 99.0.0 is there").unwrap();
    window.press_button("^install it$").unwrap();
    window.read(reason).unwrap();
    assert_eq!(fs::read_to_string(app_image).unwrap(), OLD, "{reason}");
}

#[test]
fn only_what_is_newer_signed_for_its_version_with_the_right_key_and_not_too_large_takes_the_old_ones_place() {
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
    let newest = Release::of("99.0.0", PACKAGE);
    let forged = ReleaseServer::start(newest, &others).unwrap();
    let replayed = ReleaseServer::start(Release { signed_for: "0.0.9", ..newest }, &ours).unwrap();
    let oversized = ReleaseServer::start(Release { announced: Some(TOO_LARGE_BYTES), ..newest }, &ours).unwrap();
    let older = ReleaseServer::start(Release::of("0.0.9", PACKAGE), &ours).unwrap();
    let same = ReleaseServer::start(Release::of(env!("CARGO_PKG_VERSION"), PACKAGE), &ours).unwrap();
    let release = ReleaseServer::start(Release::of("98.0.0", PACKAGE), &ours).unwrap();

    // Off until an address is set, and nobody is asked before the button is pressed.
    sari.press_button("settings$").unwrap();
    sari.read("No address is set").unwrap();
    set_source(&sari, &older.source(&ours));
    sari.read("asks only when you press the button").unwrap();
    assert_eq!(older.asked(), 0);

    // An older release and this one, rightly signed, are no updates.
    for server in [&older, &same] {
        check(&sari, &server.source(&ours));
        sari.read("This is the newest version").unwrap();
        assert!(!sari.has("button", "^install it$").unwrap());
    }

    // Somebody else's signature, an old package under a new number, and one that would fill the memory.
    is_refused(&sari, &app_image, &forged.source(&ours), "not signed with the right key");
    show_section(&sari);
    sari.photograph("refused").unwrap();
    is_refused(&sari, &app_image, &replayed.source(&ours), "not signed for the version that the address names");
    is_refused(&sari, &app_image, &oversized.source(&ours), "larger than Serambi ever is");

    // Ours.
    check(&sari, &release.source(&ours));
    sari.read("Version 98.0.0 is there").unwrap();
    show_section(&sari);
    sari.photograph("found").unwrap();
    sari.press_button("^install it$").unwrap();
    sari.read("Version 98.0.0 is installed").unwrap();
    assert_eq!(fs::read(&app_image).unwrap(), PACKAGE);

    // Nobody there.
    check(&sari, &format!("http://127.0.0.1:9/latest.json#{}", ours.public()));
    sari.read("did not answer as it should").unwrap();
    sari.end().unwrap();
}
