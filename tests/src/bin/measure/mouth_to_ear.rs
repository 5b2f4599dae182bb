//! From one person's mouth to another's ear: two `serambi-peer` through the house that one of them hosts.

use std::{path::Path, process::Command, time::Duration};

use serambi_tests::{
    Trouble,
    delay::{self, Delays},
    peer::Peer,
    program::run,
    recording::{Recording, SAMPLES_PER_SECOND, write_wav},
    sound_card::{Card, SoundServer},
    speech::{self, LONG},
    strangers::{python, script},
};

use crate::table::Table;

const LIMIT: Duration = Duration::from_secs(30);
const SPEECH_LIMIT: Duration = Duration::from_secs(120);
const GREATEST_DELAY: Duration = Duration::from_millis(800);
/// The fragments that cards are asked for: what the sound engine asks for too.
const CARD_LATENCY_MS: u32 = 10;
/// ITU-T P.862 recommends pieces of 8 s; a few sentences.
const PESQ_PIECE_SECONDS: f64 = 8.0;

/// Delay and quality, and the part of the delay that the virtual cards add.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let speech = speech::say("en-us+f3", LONG)?;
    let server = SoundServer::start(output)?;
    let (sari, wei) = (server.add_card("sari")?, server.add_card("wei")?);

    let warm_up = speech::say("en-us+f3", speech::PORCH)?;
    let carrier = sari.short_circuit(CARD_LATENCY_MS)?;
    // Short, for a pipe that once fell behind never catches up, which a card would.
    let (said, heard) = said_and_heard(&sari, &sari, &warm_up.path)?;
    drop(carrier);
    let floor = delay::between(&said, &heard, GREATEST_DELAY);
    table.row("Virtual sound cards alone", spread(&floor), "microphone piped to loudspeaker, no codec, no network");

    let arguments = ["host", "--listen", "127.0.0.1", "--title", "Measuring", "--do", "1s unmute", "--for", "150"];
    let mut host = Peer::start("Sari", &sari, &arguments, output)?;
    let link = host.event("link", LIMIT)?["link"].as_str().unwrap_or_default().to_owned();
    let listener = Peer::start("Wei", &wei, &["join", &link, "--for", "150"], output)?;
    sari.speak(&warm_up.path)?.until_done(SPEECH_LIMIT)?;
    let (said, heard) = said_and_heard(&sari, &wei, &speech.path)?;
    write_wav(&output.join("said.wav"), &said.samples)?;
    write_wav(&output.join("heard.wav"), &heard.samples)?;
    let delays = delay::between(&said, &heard, GREATEST_DELAY);
    table.row("Mouth to ear, median", spread(&delays), "two serambi-peer through the embedded house, cards included");
    let median_ms = delays.median_ms().ok_or_else(|| Trouble::Unexpected("nothing was heard".to_owned()))?;
    table.row(
        "The same as a listener is shown it",
        shown(&listener),
        "measured by the programs themselves, parts in ms",
    );
    table.row("Speech quality", quality(output, &said, &heard, median_ms)?, "PESQ-WB, STOI, of the same recording");
    host.interrupt();
    listener.interrupt();
    Ok(())
}

/// Records mouth and ear while a file is said.
fn said_and_heard(speaker: &Card, listener: &Card, wav: &Path) -> Result<(Recording, Recording), Trouble> {
    let (mouth, ear) = (speaker.overhear()?, listener.listen()?);
    speaker.speak(wav)?.until_done(SPEECH_LIMIT)?;
    // What is on its way when the last word is said must still arrive: recorded silence is the condition to wait for.
    let enough = mouth.so_far().samples.len() + SAMPLES_PER_SECOND as usize;
    let arrived = || Ok((ear.so_far().samples.len() > enough).then_some(()));
    serambi_tests::wait::until("the end of a recording", LIMIT, arrived, String::new)?;
    Ok((mouth.finish(), ear.finish()))
}

/// The delay that a listener measured itself and printed once a second: the middle one, with its parts.
fn shown(listener: &Peer) -> String {
    let of_line = |line: serde_json::Value| line["delays"].as_array().and_then(|delays| delays.first()).cloned();
    let mut delays: Vec<serde_json::Value> = listener.said().into_iter().filter_map(of_line).collect();
    delays.sort_by_key(|delay| delay["total_ms"].as_u64());
    let Some(delay) = delays.get(delays.len() / 2) else { return "nothing".to_owned() };
    let parts = ["microphone", "link_up", "house", "link_down", "buffer", "loudspeaker"];
    let parts = parts.map(|part| format!("{} {}", part.replace('_', " "), delay[format!("{part}_ms")]));
    format!("{} ms ({})", delay["total_ms"], parts.join(", "))
}

fn spread(delays: &Delays) -> String {
    match (delays.median_ms(), delays.quantile_ms(0.05), delays.quantile_ms(0.95)) {
        (Some(median), Some(low), Some(high)) => {
            format!("{median:.1} ms (5–95 %: {low:.1}–{high:.1}, {} windows)", delays.count())
        }
        _ => "nothing was heard".to_owned(),
    }
}

fn quality(output: &Path, said: &Recording, heard: &Recording, delay_ms: f32) -> Result<String, Trouble> {
    let apart_ms = match said.began.checked_duration_since(heard.began) {
        Some(later) => later.as_secs_f64() * 1_000.0,
        None => -heard.began.duration_since(said.began).as_secs_f64() * 1_000.0,
    };
    let late_ms = f64::from(delay_ms) + apart_ms;
    let mut command = Command::new(python("requirements-measure.txt")?);
    command.arg(script("quality.py")).arg(output.join("said.wav")).arg(output.join("heard.wav"));
    let printed = run(command.arg(late_ms.to_string()).arg(PESQ_PIECE_SECONDS.to_string()))?;
    let scores: serde_json::Value =
        serde_json::from_slice(&printed).map_err(|error| Trouble::Unexpected(format!("quality.py: {error}")))?;
    let score = |name: &str| scores[name].as_f64().unwrap_or_default();
    Ok(format!(
        "PESQ-WB {:.2} (lowest {:.2} of {} pieces), STOI {:.3}",
        score("pesq_mean"),
        score("pesq_min"),
        scores["pieces"],
        score("stoi_mean")
    ))
}
