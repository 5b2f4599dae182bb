//! What a gate reads of a frame of the relay protocol (iroh-relay `protos/relay.rs`): its type, its destination and how
//! many datagrams it holds. Their contents are encrypted between house and guest.

/// From a client: destination (32 bytes), ECN (1 byte), one datagram.
const CLIENT_DATAGRAM: u8 = 4;
/// From a client: destination (32 bytes), ECN (1 byte), size of a segment (2 bytes, big-endian), datagrams.
const CLIENT_BATCH: u8 = 5;
/// To a client: the same with the sender in the destination's place.
const RELAYED_DATAGRAM: u8 = 6;
const RELAYED_BATCH: u8 = 7;
/// The first type that needs a second byte (RFC 9000 section 16). Every known type is smaller, and a small type in a
/// longer form would be read by the relay and not by us.
const FIRST_LONG_TYPE: u8 = 64;
const KEY_BYTES: usize = 32;
const ECN_BYTES: usize = 1;
const SEGMENT_BYTES: usize = 2;

/// Largest frame of the protocol, in bytes: type, the relay's own limit of what follows.
pub const MAX_FRAME_BYTES: usize = 1 + iroh_relay::MAX_PACKET_SIZE;

/// The public key (Ed25519) of a client.
pub type ClientKey = [u8; KEY_BYTES];

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Datagrams from or to `peer`.
    Datagrams { peer: ClientKey, count: u64 },
    /// Anything else between client and relay: pings, the handshake.
    Control,
    /// Not in the one form that this gate reads.
    Malformed,
}

impl Frame {
    /// Reads a frame as it came in a binary WebSocket message.
    pub fn read(bytes: &[u8]) -> Self {
        match bytes {
            [CLIENT_DATAGRAM | RELAYED_DATAGRAM, rest @ ..] => read_datagrams(rest, |_| Some(1)),
            [CLIENT_BATCH | RELAYED_BATCH, rest @ ..] => read_datagrams(rest, count_segments),
            [kind, ..] if *kind < FIRST_LONG_TYPE => Self::Control,
            _ => Self::Malformed,
        }
    }
}

fn read_datagrams(rest: &[u8], count: impl FnOnce(&[u8]) -> Option<u64>) -> Frame {
    let read = rest.split_first_chunk::<KEY_BYTES>().and_then(|(peer, rest)| {
        let count = count(rest.get(ECN_BYTES..)?)?;
        Some(Frame::Datagrams { peer: *peer, count })
    });
    read.unwrap_or(Frame::Malformed)
}

fn count_segments(rest: &[u8]) -> Option<u64> {
    let (size, contents) = rest.split_first_chunk::<SEGMENT_BYTES>()?;
    match usize::from(u16::from_be_bytes(*size)) {
        0 => Some(1),
        size => u64::try_from(contents.len().div_ceil(size)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: ClientKey = [9; 32];

    fn frame(kind: u8, rest: &[u8]) -> Frame {
        Frame::read(&[&[kind], &KEY[..], rest].concat())
    }

    #[test]
    fn a_frame_of_datagrams_says_where_it_goes_and_how_many_it_holds() {
        let datagrams = |count| Frame::Datagrams { peer: KEY, count };
        for kind in [CLIENT_DATAGRAM, RELAYED_DATAGRAM] {
            assert_eq!(frame(kind, &[0, 1, 2, 3]), datagrams(1));
        }
        for kind in [CLIENT_BATCH, RELAYED_BATCH] {
            assert_eq!(frame(kind, &[0, 0, 2, 1, 2, 3]), datagrams(2));
            assert_eq!(frame(kind, &[0, 0, 0, 1, 2, 3]), datagrams(1), "a size of zero is none");
        }
    }

    #[test]
    fn what_is_cut_off_or_in_a_longer_form_is_malformed() {
        assert_eq!(Frame::read(&[]), Frame::Malformed);
        assert_eq!(Frame::read(&[CLIENT_DATAGRAM, 1, 2]), Frame::Malformed);
        assert_eq!(frame(CLIENT_DATAGRAM, &[]), Frame::Malformed);
        assert_eq!(frame(CLIENT_BATCH, &[0, 1]), Frame::Malformed);
        // The same type 4 in two bytes: the relay reads it, so it must not pass unread.
        let long = [&[0x40, CLIENT_DATAGRAM], &KEY[..], &[0, 1]].concat();
        assert_eq!(Frame::read(&long), Frame::Malformed);
    }

    proptest! {
        #[test]
        fn reading_any_bytes_never_panics(bytes: Vec<u8>) {
            Frame::read(&bytes);
        }
    }
}
