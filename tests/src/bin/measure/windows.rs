//! From mouth to ear between two real windows, and the delay that the listening one shows at that moment.

use std::path::Path;

use serambi_tests::{
    Trouble,
    conversation::microphones_open,
    sound_server::{Card, SoundServer},
    speech::{self, LONG, PORCH},
    window::Window,
};
use serde::Deserialize;

use crate::{
    both_ends::{BothEnds, say},
    join::open_at_home,
    table::Table,
};

const WATCH: &str = include_str!("watch_delay.js");

/// A figure as it stood on the page.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    total_ms: f32,
    /// In the page's words.
    parts: Vec<(String, f32)>,
}

/// One window hosts and talks, the other listens; each has a sound server of its own, as on another computer.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let speech = speech::say("en-us+f3", LONG)?;
    let warm_up = speech::say("en-us+f3", PORCH)?;
    let servers = [SoundServer::start(output)?, SoundServer::start(output)?];
    let (sari, wei) = (servers[0].add_card("sari")?, servers[1].add_card("wei")?);
    let (host, listener) = meet(&sari, &wei, output)?;
    say(&sari, &warm_up.path)?;
    listener.press_button("^delay of sari")?;
    listener.run(WATCH, &[])?;
    let talk = BothEnds::record(&sari, &wei, &speech.path)?;
    let shown = middle(shown_by(&listener)?)?;
    listener.photograph("delay-in-parts")?;
    listener.end()?;
    host.end()?;

    table.row("Mouth to ear between two windows, median", talk.delay(), "the same with the app at both ends");
    let apart_ms = shown.total_ms - talk.median_ms()?;
    table.row(
        "The same as the listening window shows it",
        format!("{shown}; {apart_ms:+.1} ms from what the cards say"),
        "read from its page while it was measured, the middle one of once a second",
    );
    table.row("Speech quality between two windows", talk.quality(output)?, "PESQ-WB, STOI, of the same recording");
    Ok(())
}

/// A room in which Sari is unmuted and Wei listens.
fn meet(sari: &Card, wei: &Card, output: &Path) -> Result<(Window, Window), Trouble> {
    // Rooms of other programs on this machine are found on the same network.
    let title = format!("Measuring {}", std::process::id());
    let host = open_at_home("Sari", sari, output)?;
    host.press_button("^start a room$")?;
    host.fill("^title", &title)?;
    host.press_button("^let's go$")?;
    microphones_open(sari, 1)?;
    host.press_button("^unmute")?;
    let listener = open_at_home("Wei", wei, output)?;
    listener.press_button(&title)?;
    listener.find("button", "^raise hand")?;
    Ok((host, listener))
}

fn shown_by(listener: &Window) -> Result<Vec<Shown>, Trouble> {
    let shown = listener.run("return window.shownDelays", &[])?;
    serde_json::from_value(shown).map_err(|error| Trouble::Unexpected(format!("the delays on the page: {error}")))
}

fn middle(mut shown: Vec<Shown>) -> Result<Shown, Trouble> {
    shown.sort_by(|a, b| a.total_ms.total_cmp(&b.total_ms));
    let middle = shown.get(shown.len() / 2).cloned();
    middle.ok_or_else(|| Trouble::Unexpected("the window shows no delay".to_owned()))
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.parts.iter().map(|(part, ms)| format!("{} {ms}", part.to_lowercase())).collect();
        write!(f, "{} ms ({})", self.total_ms, parts.join(", "))
    }
}
