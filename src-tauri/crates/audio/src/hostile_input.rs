//! What must hold of a listener whatever the network brings. Driven by property tests, with bytes at random and with real packets
//! spoiled, and by the fuzz targets in `fuzz/`, quickest first: the parsers alone, the jitter buffer alone, and a whole listener
//! with decoder and stretch.

mod buffer;
mod real_packets;
mod script;

use std::time::Instant;

use bytes::Bytes;

use crate::clock::Moment;
use crate::error::AudioError;
use crate::format::{LONGEST_PACKET_SAMPLES, MIX_MICROS};
use crate::opus_padding::extensions::{FIRST_LONG_ID, LAST_ID, read_extensions};
use crate::opus_padding::packet::OpusPacket;
use crate::opus_padding::{attach, find};
use crate::redundant_copies::{EXTENSION_ID, LARGEST_OFFSET_UNITS, MOST_COPIES, find_copies};
use crate::speaker::{ReceivedPacket, Speaker, SpeakerId, SpeakerInbox, speaker};

pub use buffer::play_buffer;
pub use real_packets::real_packet;
use script::{Limits, Numbered, Script, Step};

/// What a script may ask of a whole listener (1 s): decoding is what a run costs, and many short runs find more than a few long ones.
const LIMITS: Limits = Limits { packets: 100, blocks: 200 };

/// It has fallen silent after so long without a sound, and must have after so long, blocks of 5 ms.
const SILENT_BLOCKS: u32 = 40;
const LONGEST_REST_BLOCKS: u32 = 12_000;

/// Takes one packet apart in every way that the sound path does.
///
/// # Panics
/// When something does not hold.
pub fn take_apart(bytes: &[u8]) {
    let copies = find_copies(&Bytes::copy_from_slice(bytes));
    assert!(copies.len() <= MOST_COPIES);
    for copy in &copies {
        assert!((1..=LARGEST_OFFSET_UNITS).contains(&copy.offset_units));
        assert!(OpusPacket::parse(&copy.packet).is_some_and(|copy| copy.frames.len() == 1));
    }
    let Some(packet) = OpusPacket::parse(bytes) else {
        assert!(copies.is_empty());
        assert_eq!(attach(bytes, EXTENSION_ID, b"block"), None);
        return;
    };
    assert!((1..=LONGEST_PACKET_SAMPLES).contains(&packet.samples()));
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

/// Plays to one listener what `script` says, with decoder, stretch and levelling.
///
/// # Panics
/// When something does not hold.
pub fn play_script(script: &[u8]) {
    let Ok(mut listener) = Listener::new() else { return };
    for step in Script::new(script, LIMITS) {
        match step {
            Step::Packet(packet) => listener.hear(packet),
            Step::Blocks { blocks, at_once } => listener.render(blocks, at_once),
        }
    }
    listener.leave();
}

struct Listener {
    speaker: Speaker,
    inbox: SpeakerInbox,
    start: Instant,
    /// Since `start`.
    now: Moment,
}

impl Listener {
    fn new() -> Result<Self, AudioError> {
        let start = Instant::now();
        let (speaker, inbox) = speaker(SpeakerId(1), start)?;
        Ok(Self { speaker, inbox, start, now: Moment::default() })
    }

    fn hear(&self, packet: Numbered) {
        let Numbered { sequence, timestamp, payload, inbox_ms } = packet;
        let arrival = self.now.plus_micros(-1_000 * i64::from(inbox_ms)).instant(self.start);
        self.inbox.push(ReceivedPacket { sequence, timestamp, payload, arrival });
    }

    fn render(&mut self, blocks: u32, at_once: u32) {
        for block in 0..blocks {
            if block % at_once == 0 {
                self.now = self.now.plus_micros(MIX_MICROS * i64::from(at_once));
            }
            let block = self.speaker.render(self.now);
            assert!(block.left_right().flatten().all(|sample| sample.is_finite()));
        }
        self.assert_bounded();
    }

    fn assert_bounded(&self) {
        let statistics = self.speaker.statistics(0);
        let packets = statistics.packets;
        assert!(packets.received >= packets.decoded + packets.duplicate + packets.refused, "{statistics:?}");
        assert!((0..=1_000).contains(&statistics.jitter_target_ms), "{statistics:?}");
        assert!(statistics.level_dbfs.is_finite() && statistics.loudness_lufs.is_finite(), "{statistics:?}");
        // 200 packets of 120 ms, and what is decoded.
        assert!((0.0..=25_000.0).contains(&statistics.buffered_ms), "{statistics:?}");
    }

    /// Whatever came in, it falls silent once nothing comes any more, and ends when it is told to.
    fn leave(mut self) {
        let mut silent = 0;
        for _ in 0..LONGEST_REST_BLOCKS {
            self.now = self.now.plus_micros(MIX_MICROS);
            let is_silent = self.speaker.render(self.now).left_right().flatten().all(|sample| sample == 0.0);
            let is_empty = self.speaker.statistics(0).buffered_ms == 0.0;
            silent = if is_silent && is_empty { silent + 1 } else { 0 };
            if silent == SILENT_BLOCKS {
                break;
            }
        }
        assert!(silent == SILENT_BLOCKS, "it does not fall silent: {:?}", self.speaker.statistics(0));
        drop(self.inbox);
        self.speaker.render(self.now.plus_micros(MIX_MICROS));
        assert!(self.speaker.has_left());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Garbage, garbage that looks like a packet with padding, and real packets with some bytes changed and the end cut off.
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn no_script_breaks_a_jitter_buffer(script in prop::collection::vec(any::<u8>(), 0..2_000)) {
            play_buffer(&script);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_script_breaks_a_listener(script in prop::collection::vec(any::<u8>(), 0..400)) {
            play_script(&script);
        }
    }
}
