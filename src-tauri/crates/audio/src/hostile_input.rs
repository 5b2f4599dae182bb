//! What must hold of a listener whatever the network brings. Driven by property tests, with bytes at random and with real packets
//! spoiled, and by the fuzz targets in `fuzz/`.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::clock::Moment;
use crate::coding::Coding;
use crate::error::AudioError;
use crate::format::{FRAME_SAMPLES, LONG_FRAME_SAMPLES, LONGEST_PACKET_SAMPLES, SHORT_FRAME_SAMPLES};
use crate::mid_side::{Channels, MidSide};
use crate::opus_padding::extensions::{FIRST_LONG_ID, LAST_ID, read_extensions};
use crate::opus_padding::packet::OpusPacket;
use crate::opus_padding::{attach, find};
use crate::redundancy_profile::{LossReport, RedundancyControl};
use crate::redundant_copies::{EXTENSION_ID, LARGEST_OFFSET_UNITS, MOST_COPIES, find_copies};
use crate::redundant_encoder::RedundantEncoder;
use crate::speaker::{ReceivedPacket, Speaker, SpeakerId, SpeakerInbox, speaker};

/// Longest pause that a script can ask for, blocks of 10 ms.
const LONGEST_PAUSE_BLOCKS: u8 = 64;

/// Packets of a buzz with copies of earlier frames and with Deep Redundancy: everything the parsers have a rule for.
static REAL_PACKETS: LazyLock<Vec<Bytes>> = LazyLock::new(|| packets_of(Coding::Speech, FRAME_SAMPLES));

/// The same with frames of other lengths, as a speaker sends them who changes over.
static SHORT_PACKETS: LazyLock<Vec<Bytes>> = LazyLock::new(|| packets_of(Coding::Speech, SHORT_FRAME_SAMPLES));
static LONG_PACKETS: LazyLock<Vec<Bytes>> = LazyLock::new(|| packets_of(Coding::Speech, LONG_FRAME_SAMPLES));

/// The same as music in stereo.
static STEREO_PACKETS: LazyLock<Vec<Bytes>> =
    LazyLock::new(|| packets_of(Coding::Music(Channels::Stereo), FRAME_SAMPLES));

fn packets_of(coding: Coding, frame_samples: usize) -> Vec<Bytes> {
    real_packets(60, coding, frame_samples).unwrap_or_default()
}

fn real_packets(frames: usize, coding: Coding, frame_samples: usize) -> Result<Vec<Bytes>, AudioError> {
    let mut control = RedundancyControl::default();
    control.report(LossReport { loss: 0.4, mean_burst: 2.0, available_bitrate: None }, Moment::default());
    let mut encoder = RedundantEncoder::new()?;
    encoder.set_scheme(control.scheme())?;
    encoder.set_coding(coding)?;
    let sample = |n: usize| {
        let seconds = n as f32 / 48_000.0;
        let buzz: f32 = (1..20).map(|k| (seconds * 900.0 * k as f32).sin() / k as f32).sum();
        0.1 * (seconds * 13.0).sin() * buzz
    };
    let frame = |first: usize| (first..first + frame_samples).map(sample).collect::<Vec<f32>>();
    let firsts = (0..frames).map(|index| index * frame_samples);
    let mut encode = |first: usize| {
        let (middle, side) = (frame(first), frame(first + frame_samples / 2));
        encoder.encode(MidSide { middle: &middle[..], side: Some(&side) }, first as u32)
    };
    firsts.map(|first| Ok(encode(first)?.into())).collect()
}

/// Real packet `index`, counted around.
pub fn real_packet(index: usize) -> Bytes {
    counted_around(&REAL_PACKETS, index)
}

fn counted_around(packets: &[Bytes], index: usize) -> Bytes {
    packets.get(index % packets.len().max(1)).cloned().unwrap_or_default()
}

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

/// Plays to one listener what `script` says: real packets, spoiled ones and garbage, in and out of order, and pauses between.
///
/// # Panics
/// When something does not hold.
pub fn play_script(script: &[u8]) {
    let Ok(mut listener) = Listener::new() else { return };
    let mut script = Script(script);
    while let Some(step) = script.next() {
        match step % 8 {
            0 => listener.hear_the_next(),
            1 => listener.hear_another_kind(script.byte()),
            2 => listener.hear(script.raw()),
            3 => listener.hear_truncated(script.byte()),
            4 => listener.hear_flipped(script.byte(), script.byte()),
            5 => listener.jump(script.byte(), script.byte()),
            6 => listener.render(script.byte() % LONGEST_PAUSE_BLOCKS),
            _ => listener.render(2),
        }
    }
    listener.leave();
}

/// The bytes of a script; zeros once they have run out.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn raw(&mut self) -> Bytes {
        let length = usize::from(self.byte()).min(self.0.len());
        let (raw, rest) = self.0.split_at(length);
        self.0 = rest;
        Bytes::copy_from_slice(raw)
    }
}

struct Listener {
    speaker: Speaker,
    inbox: SpeakerInbox,
    start: Instant,
    millis: i64,
    index: usize,
    /// How far the numbers of the packets are off.
    sequence_shift: u16,
    timestamp_shift: u32,
}

impl Listener {
    fn new() -> Result<Self, AudioError> {
        let start = Instant::now();
        let (speaker, inbox) = speaker(SpeakerId(1), start)?;
        Ok(Self {
            speaker,
            inbox,
            start,
            millis: 0,
            index: 0,
            sequence_shift: 65_500,
            timestamp_shift: u32::MAX - 9_600,
        })
    }

    fn hear(&mut self, payload: Bytes) {
        self.inbox.push(ReceivedPacket {
            sequence: self.sequence_shift.wrapping_add(self.index as u16),
            timestamp: self.timestamp_shift.wrapping_add((self.index * FRAME_SAMPLES) as u32),
            payload,
            arrival: self.start + Duration::from_millis(self.millis.unsigned_abs()),
        });
        self.index += 1;
    }

    fn hear_the_next(&mut self) {
        self.hear(real_packet(self.index));
    }

    /// One whose length or number of channels is not that of the others, at a time that may or may not fit.
    fn hear_another_kind(&mut self, which: u8) {
        let packets = match which & 3 {
            0 => &SHORT_PACKETS,
            1 | 3 => &LONG_PACKETS,
            _ => &STEREO_PACKETS,
        };
        self.hear(counted_around(packets, self.index));
        self.index += usize::from(which & 3 == 3);
    }

    fn hear_truncated(&mut self, length: u8) {
        let packet = real_packet(self.index);
        self.hear(packet.slice(..usize::from(length).min(packet.len())));
    }

    fn hear_flipped(&mut self, at: u8, mask: u8) {
        let mut packet = real_packet(self.index).to_vec();
        if let Some(byte) = packet.get_mut(usize::from(at)) {
            *byte ^= mask;
        }
        self.hear(packet.into());
    }

    /// Small jumps repeat or leave out packets, large ones change the numbers of all to come.
    fn jump(&mut self, kind: u8, far: u8) {
        let far = usize::from(far);
        match kind % 5 {
            0 => self.index += far,
            1 => self.index = self.index.saturating_sub(far),
            2 => self.sequence_shift = self.sequence_shift.wrapping_add((far as u16) << 8),
            3 => self.timestamp_shift = self.timestamp_shift.wrapping_add((far as u32) << 24),
            _ => self.timestamp_shift = self.timestamp_shift.wrapping_add(far as u32),
        }
    }

    fn render(&mut self, blocks: u8) {
        for _ in 0..2 * u16::from(blocks) {
            self.millis += 5;
            let block = self.speaker.render(Moment::default().plus_micros(self.millis * 1_000));
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
        for _ in 0..12_000 {
            self.millis += 5;
            let block = self.speaker.render(Moment::default().plus_micros(self.millis * 1_000));
            silent = if block.left_right().flatten().all(|sample| sample == 0.0) { silent + 1 } else { 0 };
            if silent > 400 {
                break;
            }
        }
        assert!(silent > 400, "it does not fall silent: {:?}", self.speaker.statistics(0));
        drop(self.inbox);
        self.speaker.render(Moment::default().plus_micros((self.millis + 10) * 1_000));
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
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn no_script_breaks_a_listener(script in prop::collection::vec(any::<u8>(), 0..400)) {
            play_script(&script);
        }
    }
}
