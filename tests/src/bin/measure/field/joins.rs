//! How long a listener waits for the first voice packet where many packets are lost from the beginning.

use std::{path::Path, time::Duration};

use serambi_tests::{Trouble, network::Network, places, sound_server::SoundServer};

use super::{
    Stage,
    conditions::{Named, SEED},
    serambi,
};
use crate::{machine, table::milliseconds};

/// Under this name on the command line, beside the networks.
pub const NAME: &str = "joins";

const JOINS: usize = 12;
const LIMIT: Duration = Duration::from_secs(30);

/// A table with a row for each of these networks.
pub fn measure(networks: &[&Named]) -> String {
    let mut table = format!(
        "Join to the first voice packet, in `serambi-peer`, on the networks of the other table; these lose from the \
         beginning, by seed {SEED}.\n\n| Network | Join to sound |\n| --- | --- |\n"
    );
    for named in networks {
        let output = places::fresh_output(&format!("measure-field-{NAME}-{}", named.name));
        let times = match output.and_then(|output| times(named, &output)) {
            Ok(times) => milliseconds(times),
            Err(trouble) => format!("not measured: {}", trouble.to_string().lines().next().unwrap_or_default()),
        };
        let line = format!("| {} | {times} |", named.title);
        eprintln!("  {line}   (load {})", machine::load());
        table.push_str(&line);
        table.push('\n');
    }
    table
}

/// One after the other, ms; a listener who hears nothing within the limit ends it.
fn times(named: &Named, output: &Path) -> Result<Vec<f64>, Trouble> {
    let network = Network::build(output)?;
    let servers = [SoundServer::start(output)?, SoundServer::start(output)?];
    let (speaker, listener) = (servers[0].add_card("speaker")?, servers[1].add_card("listener")?);
    let stage = Stage { network: &network, speaker: &speaker, listener: &listener, output };
    let (mut host, link) = serambi::host(&stage)?;
    host.event("unmuted", LIMIT)?;
    network.impair(named.condition, SEED);
    let time = |join: usize| {
        let mut listener = serambi::join(&stage, &format!("Wei-{join}"), &link)?;
        let heard = listener.event("first_sound", LIMIT)?;
        host.still_runs()?;
        heard["ms"].as_f64().ok_or_else(|| Trouble::Unexpected(format!("{heard}: no time")))
    };
    (1..=JOINS).map(time).collect()
}
