//! Two `serambi-peer` through the house that one of them hosts.

use std::{process::Command, time::Duration};

use serambi_tests::{Trouble, datagram::Wrapping, network::Place, peer::Peer, places};

use super::{Call, Stage};

const LIMIT: Duration = Duration::from_secs(30);
/// A cell is done long before.
const SECONDS: &str = "600";
/// Of every AEAD profile (RFC 7714 section 12); house and person both offer these before others.
pub const WRAPPING: Wrapping = Wrapping::Srtp { tag_bytes: 16 };

struct Pair {
    host: Peer,
    listener: Peer,
}

pub fn start(stage: &Stage<'_>) -> Result<Box<dyn Call>, Trouble> {
    let (host, link) = host(stage)?;
    let listener = join(stage, "Wei", &link)?;
    Ok(Box::new(Pair { host, listener }))
}

/// Who talks, and the link to the room.
pub fn host(stage: &Stage<'_>) -> Result<(Peer, String), Trouble> {
    host_with(stage, &[])
}

/// The same with more words for `serambi-peer host`.
pub fn host_with(stage: &Stage<'_>, more: &[&str]) -> Result<(Peer, String), Trouble> {
    let address = stage.network.here.address.to_string();
    let arguments = ["host", "--listen", &address, "--title", "Measuring", "--do", "1s unmute", "--for", SECONDS];
    let command = peer_at(&stage.network.here)?;
    let arguments = [&arguments[..], more].concat();
    let mut host = Peer::start_as(command, "Sari", stage.speaker, &arguments, stage.output)?;
    let link = host.event("link", LIMIT)?["link"].as_str().unwrap_or_default().to_owned();
    Ok((host, link))
}

/// Somebody who comes to listen.
pub fn join(stage: &Stage<'_>, name: &str, link: &str) -> Result<Peer, Trouble> {
    let command = peer_at(&stage.network.there)?;
    Peer::start_as(command, name, stage.listener, &["join", link, "--for", SECONDS], stage.output)
}

fn peer_at(place: &Place) -> Result<Command, Trouble> {
    Ok(place.command(places::program("serambi-peer")?))
}

impl Call for Pair {
    fn still_runs(&mut self) -> Result<(), Trouble> {
        self.host.still_runs().and_then(|()| self.listener.still_runs())
    }

    fn wrapping(&self) -> Wrapping {
        WRAPPING
    }
}
