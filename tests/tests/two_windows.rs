//! The journey of the first room, in two real windows: start, find, join, hand, invitation, stage, talk, leave, close.
//!
//! Each window has its own computer as far as that goes on one: display, session bus, folders, sound server. Both
//! houses listen on 127.0.0.1 only, and find each other there.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serambi_tests::{
    conversation::{hears, microphones_open, overhears},
    likeness::Likeness,
    places,
    sound_server::{Card, SoundServer},
    speech::{self, FERRY, PORCH},
    wait,
    window::{Opening, PATIENCE, Window},
};

/// From the title of a dialog past its closing button to a choice, and there to the next (WebDriver, section 17.4.2:
/// Tab, Tab, right arrow).
const TO_THE_OTHER_CHOICE: &str = "\u{E004}\u{E004}\u{E014}";
const ESCAPE: &str = "\u{E00C}";

fn open(owner: &str, card: &Card, output: &Path) -> Window {
    let arguments = ["--listen", "127.0.0.1"].map(str::to_owned);
    let window = Window::open(&Opening { owner, sound: card.server(), arguments: &arguments, output }).unwrap();
    window.find("textbox", "your name").unwrap();
    window.photograph("first-start").unwrap();
    window
}

/// First start asks for a name, nothing else.
fn introduce(window: &Window, name: &str) {
    window.fill("your name", name).unwrap();
    window.press_button("^continue$").unwrap();
    at_home(window, name);
    window.photograph("home").unwrap();
}

fn at_home(window: &Window, name: &str) {
    window.find("heading", &format!("^good (morning|afternoon|evening), {name}$")).unwrap();
}

fn assert_not_found(found: Option<Likeness>, whose: &str) {
    assert!(found.is_none_or(|found| !found.is_found()), "{whose} microphone is muted, but was heard: {found:?}");
}

#[test]
fn two_desktops_have_one_conversation() {
    let output = places::fresh_output("two-windows").unwrap();
    let keep = |name: &str| output.join(name);
    let (sound_of_sari, sound_of_wei) = (SoundServer::start(&output).unwrap(), SoundServer::start(&output).unwrap());
    let (sari_card, wei_card) = (sound_of_sari.add_card("sari").unwrap(), sound_of_wei.add_card("wei").unwrap());
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let ferry = speech::say("en-us+m3", FERRY).unwrap();
    // Another run of this test on this machine is on the same network: rooms are found by a title of their own.
    let title = format!("Porch talk {}", std::process::id());

    let sari = open("sari", &sari_card, &output);
    introduce(&sari, "Sari");
    sari.press_button("^start a room$").unwrap();
    sari.fill("^title", &title).unwrap();
    sari.photograph("start-a-room").unwrap();
    sari.press_button("^let's go$").unwrap();
    sari.find("heading", &title).unwrap();
    sari.read("only you are here").unwrap();
    sari.find("button", "^unmute").unwrap();
    microphones_open(&sari_card, 1).unwrap();
    sari.photograph("on-stage-alone").unwrap();

    // Found on the network: nothing was typed but a name.
    let wei = open("wei", &wei_card, &output);
    introduce(&wei, "Wei");
    wei.read(&format!("on this network.*{title}")).unwrap();
    wei.photograph("room-on-the-network").unwrap();
    wei.press_button(&title).unwrap();
    wei.find("button", "^raise hand").unwrap();
    sari.read("wei").unwrap();
    wei.photograph("listener").unwrap();
    microphones_open(&wei_card, 0).unwrap();

    // The host's meter moves while muted, but no voice leaves the machine.
    let found = overhears(&sari_card, &wei_card, &porch, &keep("wei-hears-muted-sari.wav")).unwrap();
    assert_not_found(found, "Sari's");
    sari.press_button("^unmute").unwrap();
    sari.find("button", "^mute").unwrap();
    let found = hears(&sari_card, &wei_card, &porch, &keep("wei-hears-sari.wav")).unwrap();
    println!("the listener hears the host: {found:?}");

    // A host who saves upload has everybody speak in frames of 40 ms, and is heard as before.
    sari.press_button("^more$").unwrap();
    sari.choose_in_menu("^large audience$").unwrap();
    sari.find("dialog", "^large audience$").unwrap();
    sari.press_keys(TO_THE_OTHER_CHOICE).unwrap();
    sari.read("20 ms later").unwrap();
    sari.photograph("large-audience").unwrap();
    sari.press_button("^close$").unwrap();
    hears(&sari_card, &wei_card, &porch, &keep("wei-hears-sari-in-long-frames.wav")).unwrap();
    wei.press_button("^delay of sari").unwrap();
    wei.read("their microphone ([4-9][0-9]|[1-9][0-9]{2}) ms").unwrap();
    wei.photograph("long-frames").unwrap();
    wei.press_keys(ESCAPE).unwrap();

    wei.press_button("^raise hand").unwrap();
    wei.find("button", "^lower hand").unwrap();
    wei.photograph("hand-raised").unwrap();
    sari.find("button", "^invite to speak, wei").unwrap();
    sari.photograph("a-hand-in-the-queue").unwrap();
    microphones_open(&wei_card, 0).unwrap();
    sari.press_button("^invite to speak, wei").unwrap();
    wei.read("it's your turn").unwrap();
    wei.photograph("invited").unwrap();
    wei.press_button("^join the stage").unwrap();
    wei.find("button", "^unmute").unwrap();
    microphones_open(&wei_card, 1).unwrap();
    wei.photograph("on-stage-muted").unwrap();
    let found = overhears(&wei_card, &sari_card, &ferry, &keep("sari-hears-muted-wei.wav")).unwrap();
    assert_not_found(found, "Wei's");

    // The key does what the button does.
    wei.press_keys("m").unwrap();
    wei.find("button", "^mute").unwrap();
    let found = hears(&wei_card, &sari_card, &ferry, &keep("sari-hears-wei.wav")).unwrap();
    println!("the host hears the guest: {found:?}");
    let found = hears(&sari_card, &wei_card, &porch, &keep("wei-hears-sari-from-the-stage.wav")).unwrap();
    println!("the guest on stage hears the host: {found:?}");
    sari.photograph("two-on-stage").unwrap();
    wei.photograph("two-on-stage").unwrap();
    wei.press_keys("m").unwrap();
    wei.find("button", "^unmute").unwrap();
    let found = overhears(&wei_card, &sari_card, &ferry, &keep("sari-hears-wei-muted-again.wav")).unwrap();
    assert_not_found(found, "Wei's");

    // Closing the hosting window says how many people will be cut off, and can be thought better of.
    sari.ask_to_close().unwrap();
    sari.read("1 person in 1 room will be cut off").unwrap();
    sari.photograph("closing-asks").unwrap();
    sari.press_button("^stay$").unwrap();
    sari.find("heading", &title).unwrap();

    wei.press_button("^leave quietly").unwrap();
    at_home(&wei, "Wei");
    wei.photograph("left").unwrap();
    microphones_open(&wei_card, 0).unwrap();
    sari.read("only you are here").unwrap();
    // Nobody would be cut off any more: it closes at once.
    sari.ask_to_close().unwrap();
    let gone = || Ok((sari.display.windows("Serambi")? == 0).then_some(()));
    wait::until("the end of Sari's window", PATIENCE, gone, String::new).unwrap();
    wei.end().unwrap();
}
