//! What must hold of one packet whatever the network brings. Driven by property tests, with bytes at random and with
//! real packets spoiled, and by the fuzz target `take_apart`.

use bytes::Bytes;

use crate::{
    format::MAX_PACKET_SAMPLES,
    opus_padding::{
        attach,
        extensions::{FIRST_LONG_ID, LAST_ID, read_extensions},
        find,
        packet::OpusPacket,
    },
    redundant_copies::{EXTENSION_ID, MAX_COPIES, MAX_OFFSET_UNITS, find_copies},
};

/// Takes one packet apart in every way that the sound path does.
///
/// # Panics
/// When something does not hold.
pub fn take_apart(bytes: &[u8]) {
    let copies = find_copies(&Bytes::copy_from_slice(bytes));
    assert!(copies.len() <= MAX_COPIES);
    for copy in &copies {
        assert!((1..=MAX_OFFSET_UNITS).contains(&copy.offset_units));
        assert!(OpusPacket::parse(&copy.packet).is_some_and(|copy| copy.frames.len() == 1));
    }
    let Some(packet) = OpusPacket::parse(bytes) else {
        assert!(copies.is_empty());
        assert_eq!(attach(bytes, EXTENSION_ID, b"block"), None);
        return;
    };
    assert!((1..=MAX_PACKET_SAMPLES).contains(&packet.samples()));
    assert_eq!(OpusPacket::parse(&packet.build()), Some(packet.clone()));
    let read = read_extensions(packet.padding, packet.frames.len());
    for extension in &read.extensions {
        assert!(extension.frame < packet.frames.len());
        assert!((3..=LAST_ID).contains(&extension.id));
        assert!(extension.id >= FIRST_LONG_ID || extension.payload.len() <= 1);
    }
    let attached = attach(bytes, EXTENSION_ID, b"block").unwrap_or_default();
    assert_eq!(find(&attached, EXTENSION_ID), Some(&b"block"[..]));
    assert!(OpusPacket::parse(&attached).is_some_and(|after| after.frames == packet.frames));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::real_packets::real_packet;

    /// Garbage, garbage that looks like a packet with padding, and real packets with some bytes changed and the end cut
    /// off.
    fn hostile_packet() -> impl Strategy<Value = Vec<u8>> {
        let padded = (any::<u8>(), any::<u8>(), 0_u8..80, prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(toc, number, length, rest)| [vec![toc | 3, (number % 8) | 0x40, length], rest].concat());
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        let spoiled =
            (0_usize..60, changes, prop::option::of(any::<prop::sample::Index>())).prop_map(|(index, changes, end)| {
                let mut packet = real_packet(index).to_vec();
                for (at, byte) in changes {
                    let at = at.index(packet.len());
                    packet[at] = byte;
                }
                packet.truncate(end.map_or(packet.len(), |end| end.index(packet.len())));
                packet
            });
        prop_oneof![prop::collection::vec(any::<u8>(), 0..300), padded, spoiled]
    }

    #[test]
    fn real_packets_carry_all_there_is_to_be_spoiled() {
        assert_eq!(find_copies(&real_packet(30)).len(), 2);
        assert!((0..60).any(|index| find(&real_packet(index), 126).is_some()));
        (0..60).for_each(|index| take_apart(&real_packet(index)));
    }

    #[test]
    fn a_real_packet_cut_off_anywhere_does_no_harm() {
        for index in [0, 30, 59] {
            let packet = real_packet(index);
            (0..packet.len()).for_each(|length| take_apart(&packet[..length]));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn no_packet_breaks_a_parser(packet in hostile_packet()) {
            take_apart(&packet);
        }
    }
}
