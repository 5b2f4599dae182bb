//! What the app costs on somebody's desktop: processor and memory by process, at home, listening, and as host of many;
//! and how large it is before it runs.

use std::{fs, path::Path, process::Command, time::Duration};

use serambi_tests::{
    Trouble,
    error::io,
    peer::Peer,
    places,
    process_load::{Cost, Family},
    sound_server::{Card, SoundServer, Speaking},
    speech::{self, LONG},
    tray::Tray,
    wait,
    window::{PATIENCE, Window},
};
use tempfile::TempDir;

use crate::{
    join::{open_at_home, show_link},
    start,
    table::Table,
};

const LIMIT: Duration = Duration::from_secs(60);
const WATCHED: Duration = Duration::from_secs(12);
/// What a page does after it was opened or left (searching, warming up) is over when a whole second costs less.
const SETTLED_SHARE: f64 = 0.02;
const LISTENERS: usize = 40;
const PROGRAMS: [&str; 3] = ["serambi", "serambi-house", "serambi-peer"];

/// Everything about the app on a desktop.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    sizes(table)?;
    start::measure(output, table)?;
    listener(output, table)?;
    host(output, table)
}

/// One window listens to somebody who talks all the time: seen, off the screen, in the tray.
fn listener(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let servers = [SoundServer::start(output)?, SoundServer::start(output)?];
    let (sari, wei) = (servers[0].add_card("sari")?, servers[1].add_card("wei")?);
    let arguments = ["host", "--listen", "127.0.0.1", "--title", "Measuring", "--do", "1s unmute", "--for", "600"];
    let mut host = Peer::start("Sari", &sari, &arguments, output)?;
    let link = host.event("link", LIMIT)?["link"].as_str().unwrap_or_default().to_owned();
    let window = open_at_home("Wei", &wei, output)?;
    let tray = Tray::open(&window.desktop()?, output)?;
    settle(&window)?;
    row(table, "At home, no room", &window)?;

    show_link(&window, &link)?;
    window.press_button("^join$")?;
    window.find("button", "^leave quietly$")?;
    let plays = || Ok((wei.open_playbacks()? > 0).then_some(()));
    wait::until("the listener's loudspeaker", LIMIT, plays, String::new)?;
    let talking = talk(&sari)?;
    window.read("\\d ms")?;
    row(table, "Listener, somebody talks, window shown", &window)?;
    window.photograph("listener-shown")?;
    drop(talking);
    window.display.minimize("Serambi")?;
    let talking = talk(&sari)?;
    row(table, "The same, window minimised", &window)?;
    drop(talking);
    tray.choose("Show Serambi")?;
    hide(&window)?;
    let _talking = talk(&sari)?;
    row(table, "The same, hidden in the tray", &window)?;
    host.interrupt();
    window.end()
}

/// A window hosts, talks and is heard by forty people who have no loudspeaker.
fn host(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let server = SoundServer::start(output)?;
    let sari = server.add_card("sari")?;
    let window = open_at_home("Sari", &sari, output)?;
    window.press_button("^start a room$")?;
    window.fill("^title", &format!("Measuring {}", std::process::id()))?;
    window.press_button("^let's go$")?;
    window.press_button("^invite$")?;
    window.find("dialog", "link")?;
    let link = window.run("return document.querySelector('dialog input').value", &[])?;
    let link = link.as_str().unwrap_or_default().to_owned();
    window.press_button("^close$")?;
    let listeners: Result<Vec<Listener>, Trouble> = (1..=LISTENERS).map(|n| Listener::join(n, &link, output)).collect();
    let mut listeners = listeners?;
    for listener in &mut listeners {
        listener.peer.event("joined", LIMIT)?;
    }
    window.read(&format!("{} here", LISTENERS + 1))?;
    window.press_button("^unmute")?;
    let _talking = talk(&sari)?;
    row(table, &format!("Host who talks, {LISTENERS} listeners"), &window)?;
    window.photograph("host")?;
    listeners.iter().for_each(|listener| listener.peer.interrupt());
    window.end()
}

/// Somebody who is there and hears nothing, so that forty of them leave the processor to the host.
struct Listener {
    peer: Peer,
    /// Removed after the peer has ended.
    _folder: TempDir,
}

impl Listener {
    fn join(number: usize, link: &str, output: &Path) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("making a folder for a listener"))?;
        let arguments = ["join", link, "--for", "600", "--microphone", "none", "--loudspeaker", "none"];
        let command = Command::new(places::program("serambi-peer")?);
        let peer = Peer::start_in(command, &format!("Listener {number}"), folder.path(), &arguments, output)?;
        Ok(Self { peer, _folder: folder })
    }
}

/// Talks for longer than is measured.
fn talk(card: &Card) -> Result<Speaking, Trouble> {
    card.speak(&speech::say("en-us+f3", LONG)?.path)
}

fn hide(window: &Window) -> Result<(), Trouble> {
    window.ask_to_close()?;
    let hidden = || Ok((window.display.windows("Serambi")? == 0).then_some(()));
    wait::until("a window in the tray", PATIENCE, hidden, String::new)
}

fn settle(window: &Window) -> Result<(), Trouble> {
    let family = Family::of(window.app()?)?;
    let settled = || Ok((family.processor_share(Duration::from_secs(1))? < SETTLED_SHARE).then_some(()));
    wait::until("a window at rest", LIMIT, settled, String::new)
}

fn row(table: &mut Table, what: &str, window: &Window) -> Result<(), Trouble> {
    let costs = Family::of(window.app()?)?.costs(WATCHED)?;
    let share: f64 = costs.iter().map(|cost| cost.processor_share).sum();
    let megabytes: f64 = costs.iter().map(|cost| cost.megabytes).sum();
    let apart: Vec<String> = costs.iter().map(apart).collect();
    table.row(what, format!("{:.1} % of one core, {megabytes:.0} MB PSS", share * 100.0), apart.join("; "));
    Ok(())
}

fn apart(cost: &Cost) -> String {
    format!("{} {:.1} %, {:.0} MB", cost.name, cost.processor_share * 100.0, cost.megabytes)
}

/// Of the programs that were built and the packages that `cargo xtask bundle` has made, if it has.
fn sizes(table: &mut Table) -> Result<(), Trouble> {
    for program in PROGRAMS {
        let bytes = fs::metadata(places::program(program)?).map_or(0, |about| about.len());
        table.row(format!("Size of {program}"), megabytes(bytes), "the program alone");
    }
    for entry in fs::read_dir(places::folder("package")?.join("release/bundle/deb")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = entry.metadata().map_or(0, |about| about.len());
        if name.ends_with(".deb") {
            table.row(format!("Download of {name}"), megabytes(bytes), "as it was last bundled");
        }
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1_000_000.0)
}
