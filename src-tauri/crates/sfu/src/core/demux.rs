//! Which peer connection a datagram belongs to, when all share one port.
//!
//! STUN requests say it by their user name, each time; everything else is told by its source
//! address. Clients change ports in the middle of a call (Firefox when it renegotiates, everybody
//! when ICE restarts), so each valid request moves the address.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::transport::TransportKey;

/// STUN header (RFC 8489 section 5): type, length, magic cookie, transaction id.
const STUN_HEADER_BYTES: usize = 20;
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const STUN_BINDING_REQUEST: u16 = 0x0001;
const STUN_USERNAME: u16 = 0x0006;

/// An address that spoke within this time cannot be taken over by another connection: somebody
/// inside the room who forges a neighbour's source address would cut that neighbour off.
/// Longer protects longer; shorter lets a router re-use a port sooner.
const ADDRESS_HELD: Duration = Duration::from_secs(5);

/// The newest fragment, and the one before: it is in use until a restart has come through.
const FRAGMENTS_KEPT: usize = 2;

/// Addresses one connection may speak from. A client tries each of its interfaces.
const ADDRESSES_KEPT: usize = 32;

/// What a datagram is, by its first byte (RFC 7983).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatagramKind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Unknown,
}

impl DatagramKind {
    pub(crate) fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] if datagram.len() >= STUN_HEADER_BYTES => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            // RFC 5761 section 4: types 64–95 behind the marker bit are RTCP.
            [128..=191, second, ..] if (64..96).contains(&(second & 0x7f)) => Self::Rtcp,
            [128..=191, _, ..] if datagram.len() >= 12 => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Owner {
    key: TransportKey,
    heard: Instant,
}

/// The two maps.
#[derive(Default)]
pub(crate) struct Demux {
    by_fragment: HashMap<String, TransportKey>,
    fragments: HashMap<TransportKey, VecDeque<String>>,
    by_address: HashMap<SocketAddr, Owner>,
    addresses: HashMap<TransportKey, VecDeque<SocketAddr>>,
}

impl Demux {
    /// Connection `key` answers to this ICE user name fragment from now on, and still to the one
    /// before.
    pub(crate) fn expect(&mut self, fragment: &str, key: TransportKey) {
        self.by_fragment.insert(fragment.to_owned(), key);
        let fragments = self.fragments.entry(key).or_default();
        fragments.push_back(fragment.to_owned());
        while fragments.len() > FRAGMENTS_KEPT {
            if let Some(oldest) = fragments.pop_front() {
                self.by_fragment.remove(&oldest);
            }
        }
    }

    /// Forgets everything about a connection.
    pub(crate) fn forget(&mut self, key: TransportKey) {
        for fragment in self.fragments.remove(&key).unwrap_or_default() {
            self.by_fragment.remove(&fragment);
        }
        for address in self.addresses.remove(&key).unwrap_or_default() {
            self.release(address, key);
        }
    }

    /// The connection a datagram belongs to.
    pub(crate) fn route(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) -> Option<TransportKey> {
        if DatagramKind::of(datagram) == DatagramKind::Stun
            && let Some(fragment) = binding_request_fragment(datagram)
        {
            let key = *self.by_fragment.get(fragment)?;
            return self.claim(now, source, key).then_some(key);
        }
        let owner = self.by_address.get_mut(&source)?;
        owner.heard = now;
        Some(owner.key)
    }

    fn claim(&mut self, now: Instant, source: SocketAddr, key: TransportKey) -> bool {
        let owner = self.by_address.entry(source).or_insert(Owner { key, heard: now });
        let held = now.saturating_duration_since(owner.heard) < ADDRESS_HELD;
        if owner.key != key && held && owner.key.participant != key.participant {
            return false;
        }
        *owner = Owner { key, heard: now };
        self.remember(source, key);
        true
    }

    fn remember(&mut self, source: SocketAddr, key: TransportKey) {
        let addresses = self.addresses.entry(key).or_default();
        if addresses.contains(&source) {
            return;
        }
        addresses.push_back(source);
        if addresses.len() > ADDRESSES_KEPT
            && let Some(oldest) = addresses.pop_front()
        {
            self.release(oldest, key);
        }
    }

    fn release(&mut self, address: SocketAddr, key: TransportKey) {
        if self.by_address.get(&address).is_some_and(|owner| owner.key == key) {
            self.by_address.remove(&address);
        }
    }
}

/// The server's half of a binding request's user name: the part before the colon (RFC 8445 section 7.2.2). None: it is
/// something else.
pub fn binding_request_fragment(datagram: &[u8]) -> Option<&str> {
    let (header, mut attributes) = datagram.split_at_checked(STUN_HEADER_BYTES)?;
    let is_request = header.starts_with(&STUN_BINDING_REQUEST.to_be_bytes());
    if !is_request || header.get(4..8)? != STUN_COOKIE {
        return None;
    }
    while let [t0, t1, l0, l1, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = rest.get(..length)?;
        if u16::from_be_bytes([*t0, *t1]) == STUN_USERNAME {
            let name = std::str::from_utf8(value).ok()?;
            return name.split_once(':').map(|(ours, _)| ours);
        }
        // Attributes are padded to 4 bytes (RFC 8489 section 14).
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::transport::{Leg, ParticipantId};
    use super::*;
    use proptest::prelude::*;

    fn key(participant: u64) -> TransportKey {
        TransportKey { participant: ParticipantId(participant), leg: Leg::Publisher }
    }

    fn request(name: &str) -> Vec<u8> {
        let mut datagram = vec![0, 1, 0, 0];
        datagram.extend(STUN_COOKIE);
        datagram.extend([9; 12]);
        datagram.extend(STUN_USERNAME.to_be_bytes());
        datagram.extend((name.len() as u16).to_be_bytes());
        datagram.extend(name.as_bytes());
        datagram.resize(datagram.len().next_multiple_of(4), 0);
        datagram
    }

    #[test]
    fn a_request_moves_its_address_and_media_follows() {
        let now = Instant::now();
        let mut demux = Demux::default();
        demux.expect("ours", key(1));
        let source = "10.0.0.1:5000".parse().unwrap();
        let media = [0x80; 40];
        assert_eq!(demux.route(now, source, &media), None);
        assert_eq!(demux.route(now, source, &request("ours:theirs")), Some(key(1)));
        assert_eq!(demux.route(now, source, &media), Some(key(1)));
    }

    #[test]
    fn a_neighbour_cannot_take_over_an_address_in_use() {
        let now = Instant::now();
        let mut demux = Demux::default();
        demux.expect("one", key(1));
        demux.expect("two", key(2));
        let source = "10.0.0.1:5000".parse().unwrap();
        demux.route(now, source, &request("one:x"));
        assert_eq!(demux.route(now, source, &request("two:x")), None);
        let later = now + ADDRESS_HELD;
        assert_eq!(demux.route(later, source, &request("two:x")), Some(key(2)));
    }

    #[test]
    fn a_connection_cannot_claim_any_number_of_addresses() {
        let now = Instant::now();
        let mut demux = Demux::default();
        demux.expect("one", key(1));
        for port in 1..=1000 {
            demux.route(now, SocketAddr::from(([10, 0, 0, 1], port)), &request("one:x"));
        }
        assert_eq!(demux.by_address.len(), ADDRESSES_KEPT);
        demux.forget(key(1));
        assert!(demux.by_address.is_empty() && demux.by_fragment.is_empty());
    }

    proptest! {
        #[test]
        fn any_datagram_is_routed_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut demux = Demux::default();
            let source = "10.0.0.1:5000".parse().unwrap();
            prop_assert_eq!(demux.route(Instant::now(), source, &bytes), None);
        }
    }
}
