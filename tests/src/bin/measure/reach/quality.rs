//! How late and how well a voice is heard that goes through a gate because UDP is blocked, on a whole path and on one
//! that loses packets.

use std::path::Path;

use serambi_tests::{Trouble, datagram::Wrapping, network::Place, peer::Peer, places, program::Program, public_gate};
use tempfile::TempDir;

use super::{ONE_WAY_MS, path};
use crate::{
    field::{
        Call, Stage,
        cell::{self, Figures},
        conditions::Named,
        score, serambi,
    },
    table::Table,
};

/// Nothing of UDP leaves a place.
const NO_UDP: &str = "table inet no_udp {
    chain leaving {
        type filter hook output priority 0; policy accept;
        oifname != \"lo\" meta l4proto udp drop
    }
}
";

struct ThroughGate {
    gate: Program,
    host: Peer,
    listener: Peer,
    _folder: TempDir,
}

impl Call for ThroughGate {
    fn still_runs(&mut self) -> Result<(), Trouble> {
        self.gate.still_runs()?;
        self.host.still_runs().and_then(|()| self.listener.still_runs())
    }

    fn wrapping(&self) -> Wrapping {
        serambi::WRAPPING
    }
}

/// Two cells of the field's table.
pub fn measure(_: &Path, table: &mut Table) -> Result<(), Trouble> {
    score::prepare()?;
    for (name, title, share) in [("whole", "nothing lost", 0.0), ("lossy", "2 % lost", 0.02)] {
        let output = places::fresh_output(&format!("measure-reach-quality-{name}"))?;
        let named = Named { name, title, condition: path(ONE_WAY_MS, share) };
        let Figures { delays, pesq, stoi, .. } = cell::measure(&named, start, &output)?;
        let delay = match (delays.median_ms(), delays.quantile_ms(0.05), delays.quantile_ms(0.95)) {
            (Some(median), Some(low), Some(high)) => format!("{median:.0} ms (5–95 %: {low:.0}–{high:.0})"),
            _ => "not recognised".to_owned(),
        };
        let value = format!("{delay}; PESQ-WB {:.2} (lowest {:.2}), STOI {:.3}", pesq.mean, pesq.least, stoi.mean);
        table.row(
            format!("Mouth to ear through a gate, UDP blocked, {title}"),
            value,
            format!("{ONE_WAY_MS} ms each way"),
        );
    }
    Ok(())
}

/// Gate and house where the host is; the listener knows no other way than the gate, and has no UDP.
fn start(stage: &Stage<'_>) -> Result<Box<dyn Call>, Trouble> {
    stage.network.impair_tcp_as_well();
    stage.network.there.nft(NO_UDP)?;
    let folder = tempfile::tempdir().map_err(serambi_tests::error::io("making a folder"))?;
    let (gate, link) = public_gate::start(program(&stage.network.here)?, folder.path(), stage.output)?;
    let (host, room) = serambi::host_with(stage, &["--through", &link])?;
    let listener = serambi::join(stage, "Wei", &through_gate_alone(&room))?;
    Ok(Box::new(ThroughGate { gate, host, listener, _folder: folder }))
}

fn program(place: &Place) -> Result<std::process::Command, Trouble> {
    Ok(place.command(places::program("serambi-house")?))
}

/// The same link with an address at which nobody is: `serambi://HOST:PORT/r/ROOM?pin=…&via=…&key=…&gate=…`.
fn through_gate_alone(link: &str) -> String {
    let (head, words) = link.split_once('?').unwrap_or((link, ""));
    let room = head.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, room)| room);
    let words: Vec<&str> = words.split('&').filter(|word| !word.starts_with("via=")).collect();
    format!("serambi://192.0.2.1:9/{room}?{}", words.join("&"))
}
