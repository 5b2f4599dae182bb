//! The process of the window's page is killed while the microphone is open: the window comes back with the call, nobody
//! is heard without a window, and the window can be closed (room rules, check 40).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};
use serambi_tests::{
    conversation::{hears, overhears},
    peer::Peer,
    places,
    process_load::Family,
    sound_server::SoundServer,
    speech::{self, PORCH},
    wait,
    window::{Opening, PATIENCE, Window},
};

/// The first 15 characters of WebKitWebProcess (proc(5), `comm`).
const PAGE_PROCESS: &str = "WebKitWebProces";
/// How often the app loads a page that keeps dying.
const RELOADS: usize = 5;

fn page_process(window: &Window) -> Option<u32> {
    Family::of_descendant(window.driver(), PAGE_PROCESS).ok().map(|family| family.head())
}

fn kill_page(window: &Window) {
    let look = || Ok(page_process(window));
    let process = wait::until("a page", PATIENCE, look, String::new).unwrap();
    kill_process(Pid::from_raw(i32::try_from(process).unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// Waits until the app has said this so many times.
fn log_says(log: &Path, words: &str, times: usize) {
    let said = || fs::read_to_string(log).unwrap_or_default().matches(words).count();
    let look = || Ok((said() >= times).then_some(()));
    wait::until(words, PATIENCE, look, || fs::read_to_string(log).unwrap_or_default()).unwrap();
}

fn page_is_back(log: &Path, times: usize) {
    log_says(log, "the page is back", times);
}

fn host(window: &Window, title: &str) -> String {
    window.fill("your name", "Sari").unwrap();
    window.press_button("^continue$").unwrap();
    window.press_button("^start a room$").unwrap();
    window.fill("^title", title).unwrap();
    window.press_button("^let's go$").unwrap();
    window.find("heading", title).unwrap();
    window.press_button("^unmute").unwrap();
    window.find("button", "^mute").unwrap();
    window.press_button("^invite$").unwrap();
    window.find("dialog", "link").unwrap();
    let link = window.run("return document.querySelector('dialog input').value", &[]).unwrap();
    window.press_button("^close$").unwrap();
    link.as_str().unwrap().to_owned()
}

fn open(sound: &str, output: &Path) -> Window {
    let arguments = ["--listen", "127.0.0.1"].map(str::to_owned);
    Window::open(&Opening { owner: "sari", sound, arguments: &arguments, output }).unwrap()
}

#[test]
fn a_window_whose_page_dies_comes_back_with_the_call_and_can_be_closed() {
    let output = places::fresh_output("dead-page").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let title = format!("Porch talk {}", std::process::id());
    let sari = open(sari_card.server(), &output);
    let log = output.join("window-sari.log");
    let link = host(&sari, &title);
    let mut wei = Peer::start("Wei", &wei_card, &["join", &link], &output).unwrap();
    wei.event("joined", PATIENCE).unwrap();
    hears(&sari_card, &wei_card, &porch, &output.join("wei-hears-sari.wav")).unwrap();

    // The driver's session ends with the page: from here on the app's log, ears and the screen tell.
    kill_page(&sari);
    page_is_back(&log, 1);
    hears(&sari_card, &wei_card, &porch, &output.join("wei-hears-sari-again.wav")).unwrap();
    sari.display.photograph(&output.join("back.png")).unwrap();

    // The close button asks the page that is being loaded, and does not close on those who listen.
    kill_page(&sari);
    sari.ask_to_close().unwrap();
    page_is_back(&log, 2);
    sari.display.photograph(&output.join("asks-before-closing.png")).unwrap();
    assert_eq!(sari.display.windows("Serambi").unwrap(), 1);

    // A page that dies for good: nobody is heard without a window, and closing closes.
    for times in 3..=RELOADS {
        kill_page(&sari);
        page_is_back(&log, times);
    }
    kill_page(&sari);
    log_says(&log, "it is not loaded any more", 1);
    let found = overhears(&sari_card, &wei_card, &porch, &output.join("wei-hears-nobody.wav")).unwrap();
    assert!(found.is_none_or(|found| !found.is_found()), "Sari has no window, but was heard: {found:?}");
    sari.ask_to_close().unwrap();
    let closed = || Ok((sari.display.windows("Serambi")? == 0).then_some(()));
    wait::until("the end of Sari's window", PATIENCE, closed, String::new).unwrap();
}
