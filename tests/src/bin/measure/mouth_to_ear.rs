//! From one person's mouth to another's ear: two `serambi-peer` through the house that one of them hosts.

use std::{path::Path, time::Duration};

use serambi_tests::{
    Trouble,
    peer::Peer,
    sound_server::SoundServer,
    speech::{self, LONG},
};

use crate::{
    both_ends::{BothEnds, say},
    table::Table,
};

const LIMIT: Duration = Duration::from_secs(30);
/// The fragments that cards are asked for: what the sound engine asks for too.
const CARD_LATENCY_MS: u32 = 10;

/// Delay and quality, and the part of the delay that the virtual cards add.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let speech = speech::say("en-us+f3", LONG)?;
    let server = SoundServer::start(output)?;
    let (sari, wei) = (server.add_card("sari")?, server.add_card("wei")?);

    let warm_up = speech::say("en-us+f3", speech::PORCH)?;
    let carrier = sari.short_circuit(CARD_LATENCY_MS)?;
    // Short, for a pipe that once fell behind never catches up, which a card would.
    let piped = BothEnds::record(&sari, &sari, &warm_up.path)?;
    drop(carrier);
    table.row("Virtual sound cards alone", piped.delay(), "microphone piped to loudspeaker, no codec, no network");

    let arguments = ["host", "--listen", "127.0.0.1", "--title", "Measuring", "--do", "1s unmute", "--for", "150"];
    let mut host = Peer::start("Sari", &sari, &arguments, output)?;
    let link = host.event("link", LIMIT)?["link"].as_str().unwrap_or_default().to_owned();
    let listener = Peer::start("Wei", &wei, &["join", &link, "--for", "150"], output)?;
    say(&sari, &warm_up.path)?;
    let talk = BothEnds::record(&sari, &wei, &speech.path)?;
    table.row("Mouth to ear, median", talk.delay(), "two serambi-peer through the embedded house, cards included");
    table.row(
        "The same as a listener is shown it",
        shown(&listener),
        "measured by the programs themselves, parts in ms",
    );
    table.row("Speech quality", talk.quality(output)?, "PESQ-WB, STOI, of the same recording");
    host.interrupt();
    listener.interrupt();
    Ok(())
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
