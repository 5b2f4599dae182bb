//! Where a peer connection's sound goes: to the address that ICE nominated, and after a client whose router gave it
//! another one without a word.
//!
//! A NAT forgets a mapping (a conntrack flush, a carrier's pool) and the client, who cannot know, goes on with the same
//! socket. Its consent checks arrive from the new address, but they do not nominate (RFC 8445 section 8.1.1: only
//! a controlling agent that wants to), and an ICE-lite agent sends no checks of its own, so the engine would send to
//! the dead address for ever.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Silence of the address in use before another is followed. Ours check four times a second, Chromium every 2.5 s at
/// most beside its RTCP. A pair that is only kept in reserve is not followed while the one in use is alive.
const FOLLOW_AFTER: Duration = Duration::from_secs(2);

/// Success response to a binding request (RFC 8489 section 5).
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

/// The nominated address and the one in use.
#[derive(Debug)]
pub(crate) struct RemoteAddress {
    nominated: Option<SocketAddr>,
    current: Option<SocketAddr>,
    /// When anything last came from the one in use.
    heard: Instant,
}

impl RemoteAddress {
    pub(crate) fn new(now: Instant) -> Self {
        Self { nominated: None, current: None, heard: now }
    }

    /// Anything came from there.
    pub(crate) fn note_arrival(&mut self, now: Instant, source: SocketAddr) {
        if self.current == Some(source) {
            self.heard = now;
        }
    }

    /// A binding request came from there whose integrity was right. True: the peer is followed there.
    ///
    /// Whoever can repeat a request that it saw on the way gains ciphertext, and only after the peer itself has been
    /// silent for as long.
    pub(crate) fn note_check(&mut self, now: Instant, source: SocketAddr) -> bool {
        let is_elsewhere = self.current.is_some_and(|current| current != source);
        let follow = is_elsewhere && now.saturating_duration_since(self.heard) >= FOLLOW_AFTER;
        if follow {
            self.current = Some(source);
            self.heard = now;
        }
        follow
    }

    /// Where something goes that the engine addresses to its nominated pair. A new nomination always wins.
    pub(crate) fn destination(&mut self, nominated: SocketAddr) -> SocketAddr {
        if self.nominated != Some(nominated) {
            self.nominated = Some(nominated);
            self.current = Some(nominated);
        }
        self.current.unwrap_or(nominated)
    }
}

/// Whether the engine's datagram says that a binding request was right.
pub(crate) fn accepts_check(contents: &[u8]) -> bool {
    contents.starts_with(&BINDING_SUCCESS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, 9], port))
    }

    #[test]
    fn a_silent_address_is_left_for_one_that_checks_and_a_living_one_is_not() {
        let start = Instant::now();
        let mut remote = RemoteAddress::new(start);
        assert!(!remote.note_check(start, address(1)), "nothing is nominated yet");
        assert_eq!(remote.destination(address(1)), address(1));
        for step in 0..100 {
            let now = start + step * FOLLOW_AFTER / 10;
            remote.note_arrival(now, address(1));
            assert!(!remote.note_check(now, address(2)), "a pair in reserve");
        }
        let silent = start + 10 * FOLLOW_AFTER + FOLLOW_AFTER;
        assert!(remote.note_check(silent, address(2)));
        assert_eq!(remote.destination(address(1)), address(2));
        assert!(!remote.note_check(silent + FOLLOW_AFTER / 2, address(1)), "it does not flap");
    }

    #[test]
    fn a_nomination_wins_over_what_was_followed() {
        let start = Instant::now();
        let mut remote = RemoteAddress::new(start);
        remote.destination(address(1));
        remote.note_check(start + FOLLOW_AFTER, address(2));
        assert_eq!(remote.destination(address(3)), address(3));
    }
}
