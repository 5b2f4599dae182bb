//! A probe comes back to whoever sends it while it is expected, and nothing else does.

use std::net::SocketAddr;
use std::time::Instant;

use serambi_sfu::core::{Datagram, Output, SfuCore};

use crate::simulation::Simulation;

const PROBE: &[u8] = b"serambi/probe/1:0123456789abcdef";

/// What the server sends when this datagram comes.
fn answers(core: &mut SfuCore, now: Instant, bytes: &[u8]) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
    let (source, local) = (SocketAddr::from(([203, 0, 113, 9], 4000)), SocketAddr::from(([10, 0, 0, 1], 7411)));
    core.handle_datagram(now, Datagram { received: now, source, local, bytes });
    let mut sent = Vec::new();
    loop {
        match core.poll_output() {
            Output::Transmit(transmit) => sent.push((transmit.source, transmit.destination, transmit.contents)),
            Output::Deadline(_) => return sent,
            _ => {}
        }
    }
}

#[test]
fn the_probe_that_is_expected_comes_back_from_where_it_went_and_nothing_else_does() {
    let Simulation { mut core, now, .. } = Simulation::without_room();
    assert!(answers(&mut core, now, PROBE).is_empty(), "nobody was asked to send it");
    core.expect_probe(Some(PROBE.to_vec()));
    let back = (SocketAddr::from(([10, 0, 0, 1], 7411)), SocketAddr::from(([203, 0, 113, 9], 4000)), PROBE.to_vec());
    assert_eq!(answers(&mut core, now, PROBE), [back]);
    let (shorter, longer) = (&PROBE[..31], [PROBE, b"!"].concat());
    for other in [&b""[..], shorter, &longer, b"serambi/probe/1:0123456789abcdeF"] {
        assert!(answers(&mut core, now, other).is_empty(), "{other:?}");
    }
    core.expect_probe(None);
    assert!(answers(&mut core, now, PROBE).is_empty(), "it is over");
}
