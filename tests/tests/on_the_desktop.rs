//! The app beside its window: closed into the tray with the call going on, muted by keys and commands from elsewhere,
//! found again, and ended politely, by its person and by the system.
#![allow(clippy::unwrap_used)]

use std::{path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serambi_tests::{
    conversation::hears,
    key_portal::KeyPortal,
    peer::Peer,
    places,
    process_load::Family,
    program::Program,
    sound_server::SoundServer,
    speech::{self, PORCH},
    tray::Tray,
    wait,
    window::{Desktop, Opening, PATIENCE, Window},
};

/// The app ends within 2 s of being asked; a busy machine may take longer to notice.
const END_LIMIT: Duration = Duration::from_secs(15);
/// A page that hears a key has acted on it after this, also on a busy machine.
const PRESSED_WITHIN: Duration = Duration::from_secs(5);
/// What `--toggle-mute` ends with where no app runs.
const NOT_RUNNING: i32 = 3;

fn open(sound: &str, arguments: &[&str], output: &Path) -> Window {
    let arguments: Vec<String> = ["--listen", "127.0.0.1"].iter().chain(arguments).map(|&one| one.to_owned()).collect();
    Window::open(&Opening { owner: "sari", sound, arguments: &arguments, output }).unwrap()
}

fn start_room(window: &Window, title: &str) {
    window.press_button("^start a room$").unwrap();
    window.fill("^title", title).unwrap();
    window.press_button("^let's go$").unwrap();
    window.find("heading", title).unwrap();
}

fn link_to_room(window: &Window) -> String {
    window.press_button("^invite$").unwrap();
    window.find("dialog", "link").unwrap();
    let link = window.run("return document.querySelector('dialog input').value", &[]).unwrap();
    window.press_button("^close$").unwrap();
    link.as_str().unwrap().to_owned()
}

fn windows_are(window: &Window, count: usize) {
    let look = || Ok((window.display.windows("Serambi")? == count).then_some(()));
    wait::until(&format!("{count} windows"), PATIENCE, look, String::new).unwrap();
}

fn is_on_top(window: &Window, on_top: bool) {
    let look = || Ok((window.display.is_on_top("Serambi")? == on_top).then_some(()));
    wait::until(&format!("a window on top: {on_top}"), PATIENCE, look, String::new).unwrap();
}

fn press_key(window: &Window, key: &str) {
    window.display.focus("Serambi").unwrap();
    window.display.press(key).unwrap();
}

/// Presses a key of the page, which may not hear it yet, until it has done its work.
fn press_until(window: &Window, key: &str, what: &str, is_done: impl Fn() -> bool) {
    let look = || {
        if is_done() {
            return Ok(Some(()));
        }
        window.display.press(key)?;
        // A key that was heard has done its work by then; one more press would undo it.
        let _ = wait::until(what, PRESSED_WITHIN, || Ok(is_done().then_some(())), String::new);
        Ok(None)
    };
    wait::until(what, PATIENCE, look, String::new).unwrap();
}

/// Counts from now on how often the speaking rings change, seen and unseen.
const COUNT_RINGS: &str = "window.rings = { seen: 0, unseen: 0 };
    const count = (changes) => (window.rings[document.hidden ? 'unseen' : 'seen'] += changes.length);
    const styles = { subtree: true, attributes: true, attributeFilter: ['style'] };
    new MutationObserver(count).observe(document.body, styles);";
/// What still reaches the page of a window that is hidden: levels come at most ten times a second, to a ring and to the
/// button, until half a second later nobody is found to look.
const RINGS_ON_THE_WAY: u64 = 20;

fn rings(window: &Window) -> (u64, u64) {
    let counted = window.run("return window.rings", &[]).unwrap();
    (counted["seen"].as_u64().unwrap(), counted["unseen"].as_u64().unwrap())
}

/// Starts the app once more on the same desktop and gives its exit code.
fn start_again(desktop: &Desktop, arguments: &[&str], output: &Path) -> Option<i32> {
    let mut command = desktop.command(places::program("serambi").unwrap());
    command.args(arguments);
    let log = output.join("started-again.log");
    Program::start(&command, std::process::Stdio::null(), &log).unwrap().wait(END_LIMIT).unwrap().code()
}

/// Waits until the app does nothing any more; its parent may not have looked yet (proc(5): a zombie).
fn ends(app: u32) {
    let is_gone = || {
        std::fs::read_to_string(format!("/proc/{app}/stat"))
            .map_or(true, |stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
    };
    let look = || Ok(is_gone().then_some(()));
    wait::until("the end of the app", END_LIMIT, look, String::new).unwrap();
}

#[test]
fn a_closed_window_leaves_the_room_open_and_every_way_to_the_microphone() {
    let output = places::fresh_output("on-the-desktop").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let title = format!("Tea & talk {}", std::process::id());
    let sari = open(sari_card.server(), &[], &output);
    let (app, desktop) = (sari.app().unwrap(), sari.desktop().unwrap());
    let tray = Tray::open(&desktop, &output).unwrap();
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    tray.says("Show Serambi").unwrap();
    let house = tray.photograph(&output.join("tray-house.png")).unwrap();
    start_room(&sari, &title);
    tray.says(&format!("({title} · Host)")).unwrap();
    tray.says("(On stage, muted)").unwrap();
    let muted = tray.photograph(&output.join("tray-muted.png")).unwrap();
    let mut wei = Peer::start("Wei", &wei_card, &["join", &link_to_room(&sari)], &output).unwrap();
    wei.event("joined", PATIENCE).unwrap();

    // The menu does what its entries say.
    tray.choose("Unmute").unwrap();
    tray.says("(On stage, microphone open)").unwrap();
    let is_open = tray.photograph(&output.join("tray-open.png")).unwrap();
    assert!(house != muted && muted != is_open && house != is_open, "each state has a shape of its own");
    sari.find("button", "^mute microphone").unwrap();
    sari.run(COUNT_RINGS, &[]).unwrap();
    hears(&sari_card, &wei_card, &porch, &output.join("wei-hears-sari.wav")).unwrap();

    // Closed: the window is gone, the voice is not.
    sari.ask_to_close().unwrap();
    windows_are(&sari, 0);
    hears(&sari_card, &wei_card, &porch, &output.join("wei-hears-sari-without-a-window.wav")).unwrap();

    // Keys and commands from elsewhere.
    sari.display.press("ctrl+shift+m").unwrap();
    tray.says("(On stage, muted)").unwrap();
    assert_eq!(start_again(&desktop, &["--toggle-mute"], &output), Some(0));
    tray.says("(On stage, microphone open)").unwrap();
    assert_eq!(start_again(&desktop, &["--toggle-mute"], &output), Some(0));
    tray.says("(On stage, muted)").unwrap();
    windows_are(&sari, 0);

    // Started once more: it is the same app, and it says once that it had stayed.
    assert_eq!(start_again(&desktop, &[], &output), Some(0));
    windows_are(&sari, 1);
    sari.read("stayed open in the tray").unwrap();
    // The same sentence was said seen and unseen; unseen it cost the page nothing.
    let (seen, unseen) = rings(&sari);
    println!("the speaking rings changed {seen} times seen, {unseen} times unseen");
    assert!(seen > RINGS_ON_THE_WAY && unseen <= RINGS_ON_THE_WAY, "{seen} seen, {unseen} unseen");
    sari.photograph("stayed-in-the-tray").unwrap();

    // Push to talk, switched on in the settings, held with no window to be seen.
    sari.press_button("^more$").unwrap();
    sari.choose_in_menu("^settings$").unwrap();
    let push_to_talk = "document.querySelectorAll('section input[type=checkbox]')";
    sari.find("checkbox", "^push to talk$").unwrap();
    sari.run(&format!("[...{push_to_talk}].at(-1).click()"), &[]).unwrap();
    sari.find("group", "^key to hold$").unwrap();
    sari.photograph("this-computer").unwrap();
    sari.press_button("^close$").unwrap();
    sari.ask_to_close().unwrap();
    windows_are(&sari, 0);
    sari.display.hold("F8").unwrap();
    tray.says("(On stage, microphone open)").unwrap();
    sari.display.release("F8").unwrap();
    tray.says("(On stage, muted)").unwrap();

    // Not to be disturbed, marked in the menu and in the settings, and no longer.
    tray.says("[off] Don't disturb for an hour").unwrap();
    tray.choose("Don't disturb for an hour").unwrap();
    tray.says("[on] Don't disturb").unwrap();
    tray.choose("Don't disturb").unwrap();
    tray.says("[off] Don't disturb for an hour").unwrap();

    // The small bar, above other windows, and back.
    tray.choose("Show the small bar").unwrap();
    windows_are(&sari, 1);
    sari.display.photograph(&output.join("small-bar.png")).unwrap();
    is_on_top(&sari, true);
    tray.choose("Show Serambi").unwrap();
    sari.find("button", "^more$").unwrap();
    is_on_top(&sari, false);

    // The end asks first, in the window, and offers to stay.
    tray.choose("Close Serambi").unwrap();
    sari.read("1 person in 1 room will be cut off").unwrap();
    sari.find("button", "^stay open in the tray$").unwrap();
    sari.photograph("asks-before-the-end").unwrap();
    // Keys of the display: the driver waits in vain for the answer of a page that hides or ends.
    press_key(&sari, "Return");
    windows_are(&sari, 0);
    tray.choose("Close Serambi").unwrap();
    windows_are(&sari, 1);
    sari.read("will be cut off").unwrap();
    press_key(&sari, "Tab");
    press_key(&sari, "Return");
    ends(app);
    assert_eq!(start_again(&desktop, &["--toggle-mute"], &output), Some(NOT_RUNNING));
}

/// The first 15 characters of WebKitWebProcess (proc(5), `comm`).
const PAGE_PROCESS: &str = "WebKitWebProces";

fn page_is_gone(app: u32) {
    let look = || Ok(Family::of_descendant(app, PAGE_PROCESS).is_err().then_some(()));
    wait::until("the end of the page's process", PATIENCE, look, String::new).unwrap();
}

/// How often the app has said so far that a page is on the screen again.
fn pages_back(log: &Path) -> usize {
    std::fs::read_to_string(log).unwrap_or_default().matches("the page is back").count()
}

/// Waits for one more page than there were.
fn one_more_page(log: &Path, before: usize) {
    let look = || Ok((pages_back(log) > before).then_some(()));
    wait::until("a new page", PATIENCE, look, || std::fs::read_to_string(log).unwrap_or_default()).unwrap();
}

#[test]
fn the_page_of_a_window_hidden_for_long_is_let_go_and_made_anew_with_the_call_in_it() {
    let output = places::fresh_output("page-let-go").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let title = format!("Long talk {}", std::process::id());
    let sari = open(sari_card.server(), &["--keep-hidden-page", "1"], &output);
    let (app, desktop) = (sari.app().unwrap(), sari.desktop().unwrap());
    let log = output.join("window-sari.log");
    let tray = Tray::open(&desktop, &output).unwrap();
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    start_room(&sari, &title);
    let mut wei = Peer::start("Wei", &wei_card, &["join", &link_to_room(&sari)], &output).unwrap();
    wei.event("joined", PATIENCE).unwrap();
    tray.choose("Unmute").unwrap();
    tray.says("(On stage, microphone open)").unwrap();
    let with_page = Family::of(app).unwrap().pss_megabytes().unwrap();

    // Gone with its page: the microphone is as it was, and every other way to it works.
    sari.ask_to_close().unwrap();
    windows_are(&sari, 0);
    page_is_gone(app);
    println!("{with_page:.0} MB with a page, {:.0} MB without", Family::of(app).unwrap().pss_megabytes().unwrap());
    hears(&sari_card, &wei_card, &porch, &output.join("wei-hears-sari-without-a-page.wav")).unwrap();
    sari.display.press("ctrl+shift+m").unwrap();
    tray.says("(On stage, muted)").unwrap();
    assert_eq!(start_again(&desktop, &["--toggle-mute"], &output), Some(0));
    tray.says("(On stage, microphone open)").unwrap();

    // Shown again: the new page has the call, so its own key mutes.
    let before = pages_back(&log);
    tray.choose("Show Serambi").unwrap();
    windows_are(&sari, 1);
    one_more_page(&log, before);
    sari.display.photograph(&output.join("page-made-anew.png")).unwrap();
    press_until(&sari, "m", "the page's own key to mute", || {
        tray.lines().is_ok_and(|lines| lines.iter().any(|line| line == "(On stage, muted)"))
    });

    // A question of the tray's is asked by the page that is made for it.
    sari.ask_to_close().unwrap();
    windows_are(&sari, 0);
    page_is_gone(app);
    let before = pages_back(&log);
    tray.choose("Close Serambi").unwrap();
    windows_are(&sari, 1);
    one_more_page(&log, before);
    // The question's first answer is to stay.
    press_until(&sari, "Return", "the question before the end", || {
        sari.display.windows("Serambi").is_ok_and(|n| n == 0)
    });
    kill_process(Pid::from_raw(i32::try_from(app).unwrap()).unwrap(), Signal::TERM).unwrap();
    ends(app);
}

/// Two questions of GTK's and WebKitGTK's loaded a compiler of 26 MB into a program that paints without OpenGL.
#[test]
fn without_a_graphics_card_the_app_itself_loads_no_opengl() {
    if Path::new("/dev/dri").exists() {
        println!("not looked at: there may be a graphics card");
        return;
    }
    let output = places::fresh_output("no-opengl").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let sari = open(&server.address(), &[], &output);
    sari.find("textbox", "your name").unwrap();
    sari.photograph("no-opengl").unwrap();
    let loaded = std::fs::read_to_string(format!("/proc/{}/maps", sari.app().unwrap())).unwrap();
    for library in ["swrast_dri", "libgallium", "libLLVM"] {
        assert!(!loaded.contains(library), "{library}");
    }
    sari.end().unwrap();
}

/// The settings, opened from the room.
fn open_settings(window: &Window) {
    window.press_button("^more$").unwrap();
    window.choose_in_menu("^settings$").unwrap();
    window.find("checkbox", "^push to talk$").unwrap();
}

#[test]
fn under_wayland_the_desktop_gives_the_keys_and_they_mute_and_talk_from_anywhere() {
    let output = places::fresh_output("keys-of-the-desktop").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let card = server.add_card("sari").unwrap();
    let arguments = ["--listen", "127.0.0.1"].map(str::to_owned);
    let opening = Opening { owner: "sari", sound: card.server(), arguments: &arguments, output: &output };
    let portal = KeyPortal::new(&output);
    let sari = Window::open_under_wayland(&opening, Some(&portal)).unwrap();
    let desktop = sari.desktop().unwrap();
    let tray = Tray::open(&desktop, &output).unwrap();
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    start_room(&sari, &format!("Wayland talk {}", std::process::id()));
    let keys = portal.gives("the key to mute", PATIENCE, |keys| keys["mute"].is_object()).unwrap();
    assert_eq!(keys["mute"]["preferred_trigger"], "CTRL+SHIFT+m");
    assert!(keys["push-to-talk"].is_null(), "push to talk is off: {keys}");

    // With no window to be seen.
    sari.ask_to_close().unwrap();
    windows_are(&sari, 0);
    portal.press(&desktop, "mute").unwrap();
    tray.says("(On stage, microphone open)").unwrap();
    portal.press(&desktop, "mute").unwrap();
    tray.says("(On stage, muted)").unwrap();
    tray.choose("Show Serambi").unwrap();

    // Push to talk is one more key; the settings say what the desktop calls it.
    open_settings(&sari);
    sari.read("Press CTRL\\+SHIFT\\+m").unwrap();
    sari.run("[...document.querySelectorAll('section input[type=checkbox]')].at(-1).click()", &[]).unwrap();
    portal.gives("the key to talk", PATIENCE, |keys| keys["push-to-talk"].is_object()).unwrap();
    sari.read("Press F8").unwrap();
    sari.run("[...document.querySelectorAll('dialog section')].at(-1).scrollIntoView()", &[]).unwrap();
    sari.photograph("keys-of-the-desktop").unwrap();
    sari.press_button("^close$").unwrap();
    portal.press(&desktop, "push-to-talk").unwrap();
    tray.says("(On stage, microphone open)").unwrap();
    sari.read("Your voice is going out").unwrap();
    sari.photograph("talking").unwrap();
    portal.release(&desktop, "push-to-talk").unwrap();
    tray.says("(On stage, muted)").unwrap();
    sari.read("Push to talk: Press F8").unwrap();
    sari.photograph("not-talking").unwrap();
    sari.end().unwrap();
}

#[test]
fn under_wayland_without_a_portal_the_settings_offer_a_command() {
    let output = places::fresh_output("keys-of-nobody").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let card = server.add_card("sari").unwrap();
    let arguments = ["--listen", "127.0.0.1"].map(str::to_owned);
    let opening = Opening { owner: "sari", sound: card.server(), arguments: &arguments, output: &output };
    let sari = Window::open_under_wayland(&opening, None).unwrap();
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    start_room(&sari, &format!("Lonely talk {}", std::process::id()));
    open_settings(&sari);
    sari.read("does not let programs see keys of other windows").unwrap();
    sari.run("[...document.querySelectorAll('dialog section')].at(-1).scrollIntoView()", &[]).unwrap();
    sari.photograph("keys-of-nobody").unwrap();
    sari.end().unwrap();
}

#[test]
fn the_system_ends_the_app_within_seconds_and_its_rooms_are_kept() {
    let output = places::fresh_output("end-of-the-session").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let card = server.add_card("sari").unwrap();
    let folder = output.join("profile");
    let in_folder = ["--folder", folder.to_str().unwrap()];
    let title = format!("Kept talk {}", std::process::id());
    let sari = open(card.server(), &in_folder, &output);
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    start_room(&sari, &title);
    let app = sari.app().unwrap();
    kill_process(Pid::from_raw(i32::try_from(app).unwrap()).unwrap(), Signal::TERM).unwrap();
    ends(app);
    drop(sari);

    // Another room is started, and the house is there again with both.
    let sari = open(card.server(), &in_folder, &output);
    start_room(&sari, "Another one");
    sari.read(&format!("in your house.*{title}")).unwrap();
    sari.end().unwrap();
}
