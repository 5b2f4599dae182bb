//! From pressing Join in the window to the first sound from the loudspeaker, in a room where somebody talks.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serambi_tests::{
    Trouble,
    peer::Peer,
    sound_server::{Card, SoundServer, Speaking},
    speech::{self, LONG},
    wait,
    window::{Opening, Window},
};

use crate::table::{Table, milliseconds};

const LIMIT: Duration = Duration::from_secs(30);
const JOINS: usize = 7;
/// Speech is far above it, the noise of an empty virtual card is nothing at all.
const SOUND_DBFS: f32 = -50.0;

/// One window joins the same room again and again.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let (host_sound, guest_sound) = (SoundServer::start(output)?, SoundServer::start(output)?);
    let (sari, wei) = (host_sound.add_card("sari")?, guest_sound.add_card("wei")?);
    let arguments = ["host", "--listen", "127.0.0.1", "--title", "Measuring", "--do", "1s unmute", "--for", "300"];
    let mut host = Peer::start("Sari", &sari, &arguments, output)?;
    let link = host.event("link", LIMIT)?["link"].as_str().unwrap_or_default().to_owned();
    let window = open_at_home("Wei", &wei, output)?;
    let times: Result<Vec<f64>, Trouble> = (0..JOINS).map(|_| time_one_join(&window, &link, &sari, &wei)).collect();
    table.row("Pressing Join to first sound", milliseconds(times?), "in the window; the press itself by script");
    host.interrupt();
    window.end()
}

/// Somebody's window after its first start, at home.
pub fn open_at_home(name: &str, card: &Card, output: &Path) -> Result<Window, Trouble> {
    let arguments = ["--listen", "127.0.0.1"].map(str::to_owned);
    let owner = &name.to_lowercase();
    let window = Window::open(&Opening { owner, sound: card.server(), arguments: &arguments, output })?;
    window.fill("your name", name)?;
    window.press_button("^continue$")?;
    window.find("button", "^start a room$")?;
    Ok(window)
}

/// Pastes a link and stops before the press that joins.
pub fn show_link(window: &Window, link: &str) -> Result<(), Trouble> {
    window.fill("paste a link", link)
}

/// Talks all the time; without pauses the wait would be for the next word.
pub fn talk(card: &Card) -> Result<Speaking, Trouble> {
    card.speak(&speech::say("en-us+f3", LONG)?.path)
}

fn time_one_join(window: &Window, link: &str, sari: &Card, wei: &Card) -> Result<f64, Trouble> {
    show_link(window, link)?;
    let _talking = talk(sari)?;
    let ear = wei.listen()?;
    let mouth = sari.overhear()?;
    let talks = || Ok(mouth.so_far().first_sound_ms(SOUND_DBFS));
    wait::until("the host's voice", LIMIT, talks, String::new)?;
    let pressed = Instant::now();
    window.press_button("^join$")?;
    let sound = || {
        let heard = ear.so_far();
        Ok(heard.first_sound_ms(SOUND_DBFS).map(|ms| heard.moment(ms)))
    };
    let heard_at = wait::until("the first sound", LIMIT, sound, String::new)?;
    window.press_button("^leave quietly$")?;
    window.find("button", "^start a room$")?;
    Ok(heard_at.saturating_duration_since(pressed).as_secs_f64() * 1_000.0)
}
