//! Low-rate copies of earlier frames, carried by a later packet in its padding.
//!
//! The block is extension [`EXTENSION_ID`] of the packet's first frame:
//!
//! ```text
//! 0xA1                                 magic and version; with any other value the block means nothing
//! per copy, nearest or farthest first:
//!   1 byte   more(1) offset(7)         how far the copied frame starts before the packet's first one, units of 10 ms
//!   1 byte   length                    only where `more` is set; the last copy runs to the end of the block
//!   bytes    a whole Opus packet of one frame (code 0), without padding
//! ```
//!
//! The offset counts audio time, which is RTP time, and never sequence numbers: pauses and changes of the frame length
//! then need no rule of their own.

use bytes::Bytes;

use crate::opus_padding::{attach, find, packet::frame_samples};

/// The extension's id, of the range for experiments; 124 and 126 are libopus's own, 127 is reserved.
pub const EXTENSION_ID: u8 = 121;

/// Samples at 48 kHz in one unit of the offset (10 ms).
pub const OFFSET_UNIT_SAMPLES: usize = 480;

/// Largest offset, units of 10 ms.
pub const MAX_OFFSET_UNITS: u8 = 50;

/// Copies in one packet.
pub const MAX_COPIES: usize = 4;

/// Longest copy, bytes: its length is one byte.
pub const MAX_COPY_BYTES: usize = 255;

/// A shorter packet stands for silence (RFC 6716 section 3.4): nothing to copy and nothing to carry copies in.
pub const MIN_PACKET_BYTES: usize = 3;

const MIN_COPY_BYTES: usize = 2;
const MAGIC: u8 = 0xA1;
const MORE: u8 = 0x80;
const CODE: u8 = 0b11;

/// A copy of one earlier frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedundantCopy {
    /// How far the frame starts before the first frame of the packet that carries the copy, units of 10 ms.
    pub offset_units: u8,
    /// A whole Opus packet of one frame.
    pub packet: Bytes,
}

impl RedundantCopy {
    /// The offset in samples at 48 kHz.
    pub fn offset_samples(&self) -> usize {
        usize::from(self.offset_units) * OFFSET_UNIT_SAMPLES
    }

    /// Whether it may stand in a packet whose frames are `samples` long.
    fn is_sound(&self, samples: usize) -> bool {
        let fits = (MIN_COPY_BYTES..=MAX_COPY_BYTES).contains(&self.packet.len());
        let near = (1..=MAX_OFFSET_UNITS).contains(&self.offset_units);
        fits && near && self.packet[0] & CODE == 0 && frame_samples(self.packet[0]) == samples
    }
}

/// The packet with `copies` in it, nearest first, as long as it gets no longer than `most_bytes`; later copies stay
/// out, and so does what no reader would take.
///
/// A packet that stands for silence stays as it is: servers and browsers tell it by its size.
pub fn attach_copies(packet: Vec<u8>, copies: &[RedundantCopy], most_bytes: usize) -> Vec<u8> {
    if packet.len() < MIN_PACKET_BYTES {
        return packet;
    }
    let samples = frame_samples(packet[0]);
    let sound = copies.iter().filter(|copy| copy.is_sound(samples)).take(MAX_COPIES);
    let mut carried: Vec<&RedundantCopy> = sound.collect();
    while !carried.is_empty() {
        let attached = attach(&packet, EXTENSION_ID, &write_block(&carried));
        if let Some(attached) = attached.filter(|attached| attached.len() <= most_bytes) {
            return attached;
        }
        carried.pop();
    }
    packet
}

/// The copies that `packet` carries. Anything that breaks a rule is left out; what comes before it counts.
pub fn find_copies(packet: &Bytes) -> Vec<RedundantCopy> {
    let Some((&MAGIC, mut rest)) = find(packet, EXTENSION_ID).and_then(<[u8]>::split_first) else {
        return Vec::new();
    };
    let samples = frame_samples(packet[0]);
    let mut copies = Vec::new();
    for _ in 0..MAX_COPIES {
        let Some((copy, after)) = read_copy(packet, rest) else { break };
        if copy.is_sound(samples) {
            copies.push(copy);
        }
        let Some(after) = after else { break };
        rest = after;
    }
    copies
}

fn write_block(copies: &[&RedundantCopy]) -> Vec<u8> {
    let mut block = vec![MAGIC];
    for (index, copy) in copies.iter().enumerate() {
        if index + 1 < copies.len() {
            block.extend([copy.offset_units | MORE, copy.packet.len() as u8]);
        } else {
            block.push(copy.offset_units);
        }
        block.extend_from_slice(&copy.packet);
    }
    block
}

/// The first copy in `block`, a part of `packet`, and what follows it.
fn read_copy<'a>(packet: &Bytes, block: &'a [u8]) -> Option<(RedundantCopy, Option<&'a [u8]>)> {
    let (&head, rest) = block.split_first()?;
    let (bytes, after) = if head & MORE == 0 {
        (rest, None)
    } else {
        let (&length, rest) = rest.split_first()?;
        let (bytes, after) = rest.split_at_checked(usize::from(length))?;
        (bytes, Some(after))
    };
    Some((RedundantCopy { offset_units: head & !MORE, packet: packet.slice_ref(bytes) }, after))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// First bytes of packets with one frame of 20 ms: hybrid super-wideband, SILK wideband.
    const PRIMARY: u8 = 0x68;
    const COPY: u8 = 0x48;

    fn primary(bytes: usize) -> Vec<u8> {
        let mut packet = vec![7; bytes];
        packet[0] = PRIMARY;
        packet
    }

    fn copy(offset_units: u8, bytes: usize) -> RedundantCopy {
        let mut packet = vec![offset_units; bytes];
        packet[0] = COPY;
        RedundantCopy { offset_units, packet: packet.into() }
    }

    #[test]
    fn two_copies_cost_seven_bytes() {
        let copies = [copy(2, 30), copy(6, 30)];
        let packet = Bytes::from(attach_copies(primary(60), &copies, 700));
        assert_eq!(packet.len(), 60 + 30 + 30 + 7);
        assert_eq!(find_copies(&packet), copies);
    }

    #[test]
    fn the_later_copies_stay_out_of_a_packet_that_would_get_too_long() {
        let copies = [copy(2, 200), copy(4, 200), copy(6, 200)];
        let packet = Bytes::from(attach_copies(primary(100), &copies, 520));
        assert!(packet.len() <= 520);
        assert_eq!(find_copies(&packet), copies[..2]);
        assert_eq!(attach_copies(primary(500), &copies, 520), primary(500));
    }

    #[test]
    fn a_packet_that_stands_for_silence_stays_as_it_is() {
        assert_eq!(attach_copies(primary(2), &[copy(2, 30)], 700), primary(2));
        assert_eq!(attach_copies(Vec::new(), &[copy(2, 30)], 700), Vec::<u8>::new());
    }

    #[test]
    fn copies_that_break_a_rule_are_neither_sent_nor_read() {
        let other_length = RedundantCopy { offset_units: 2, packet: Bytes::from_static(&[0x40, 1, 2]) };
        let two_frames = RedundantCopy { offset_units: 2, packet: Bytes::from_static(&[COPY | 1, 1, 2]) };
        let wrong = [copy(0, 30), copy(51, 30), copy(2, 1), copy(2, 256), other_length, two_frames];
        assert_eq!(attach_copies(primary(60), &wrong, 1_200), primary(60));
        for wrong in wrong.iter().filter(|wrong| wrong.packet.len() < 256) {
            let good = copy(6, 20);
            let packet = Bytes::from(attach(&primary(60), EXTENSION_ID, &write_block(&[wrong, &good])).unwrap());
            assert_eq!(find_copies(&packet), [good]);
        }
    }

    #[test]
    fn a_block_of_another_version_means_nothing() {
        let mut block = write_block(&[&copy(2, 30)]);
        block[0] = 0xA2;
        assert!(find_copies(&Bytes::from(attach(&primary(60), EXTENSION_ID, &block).unwrap())).is_empty());
    }

    #[test]
    fn at_most_four_copies_are_read() {
        let copies: Vec<RedundantCopy> = (1..=6).map(|offset| copy(offset, 10)).collect();
        let block = write_block(&copies.iter().collect::<Vec<_>>());
        let packet = Bytes::from(attach(&primary(60), EXTENSION_ID, &block).unwrap());
        assert_eq!(find_copies(&packet), copies[..4]);
    }

    proptest! {
        #[test]
        fn hostile_blocks_do_no_harm(block in prop::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
            let mut block = block;
            if magic {
                block.insert(0, MAGIC);
            }
            let packet = Bytes::from(attach(&primary(60), EXTENSION_ID, &block).unwrap());
            for copy in find_copies(&packet) {
                prop_assert!(copy.is_sound(960));
            }
        }

        #[test]
        fn what_was_attached_is_found(
            copies in prop::collection::vec((1_u8..=50, 2_usize..=255), 1..=4), bytes in 3_usize..1_000,
        ) {
            let copies: Vec<RedundantCopy> = copies.into_iter().map(|(offset, bytes)| copy(offset, bytes)).collect();
            let packet = Bytes::from(attach_copies(primary(bytes), &copies, 5_000));
            prop_assert_eq!(find_copies(&packet), copies);
        }
    }
}
