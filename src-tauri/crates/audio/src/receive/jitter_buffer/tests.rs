//! The jitter buffer on simulated paths.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;
use serambi_codec::{
    redundant_copies::{RedundantCopy, attach_copies},
    testing::simulated_path::SimulatedPath,
};

use super::*;
use crate::format::MIX_SAMPLES;

mod links;

/// A stream of 20 ms frames whose numbers begin anywhere, so that they wrap.
#[derive(Clone, Copy, Debug)]
struct Stream {
    first_sequence: u16,
    first_timestamp: u32,
    frames: usize,
}

impl Stream {
    fn packet(&self, index: usize) -> Packet {
        Packet {
            sequence: self.first_sequence.wrapping_add(index as u16),
            timestamp: self.first_timestamp.wrapping_add(index as u32 * FRAME_SAMPLES as u32),
            samples: FRAME_SAMPLES,
            payload: Bytes::from(index.to_le_bytes().to_vec()),
        }
    }

    fn sent(&self) -> impl Iterator<Item = Moment> {
        (0..self.frames as i64).map(|index| Moment::from_millis(index * 20))
    }
}

#[derive(Debug, Default)]
struct PlayOut {
    played: Vec<usize>,
    concealed_samples: usize,
    idle_blocks: usize,
}

/// Plays a block every 5 ms until everything has arrived and been played.
fn play(buffer: &mut JitterBuffer, stream: Stream, path: &SimulatedPath) -> PlayOut {
    let arrivals = path.carry(stream.sent());
    let end = arrivals.last().map_or(Moment::default(), |(at, _)| *at).plus_micros(1_500_000);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut out = PlayOut::default();
    let (mut now, mut queued) = (Moment::default(), 0);
    while now < end {
        while let Some((at, index)) = arrivals.next_if(|(at, _)| *at <= now) {
            buffer.insert(stream.packet(index), at);
        }
        while queued < MIX_SAMPLES {
            queued += match buffer.pull(now) {
                Decision::Decode { packet, passed, .. } => {
                    out.played.push(index_of(&packet));
                    packet.samples - passed
                }
                Decision::Skip { packet, .. } => {
                    out.played.push(index_of(&packet));
                    0
                }
                Decision::Conceal { samples, .. } => {
                    out.concealed_samples += samples;
                    samples
                }
                Decision::Idle => {
                    out.idle_blocks += 1;
                    MIX_SAMPLES
                }
            };
        }
        queued -= MIX_SAMPLES;
        now = now.plus_micros(5_000);
    }
    out
}

fn index_of(packet: &Packet) -> usize {
    packet.payload.first_chunk().map_or(usize::MAX, |bytes| usize::from_le_bytes(*bytes))
}

fn rises(played: &[usize]) -> bool {
    played.windows(2).all(|pair| pair[0] < pair[1])
}

const STREAM: Stream = Stream { first_sequence: 65_000, first_timestamp: u32::MAX - 400_000, frames: 1_500 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_frame_is_played_twice_or_out_of_order_on_any_path(
        seed in any::<u64>(),
        jitter_ms in 0.0..120.0_f64,
        loss in 0.0..0.6_f64,
        duplicates in 0.0..0.5_f64,
        stall in prop::option::of(0_i64..2_000),
        first_sequence in any::<u16>(),
        first_timestamp in any::<u32>(),
    ) {
        let stream = Stream { first_sequence, first_timestamp, frames: 400 };
        let stall_ms = stall.map(|length| (3_000, 3_000 + length));
        let path = SimulatedPath { seed, jitter_ms, loss, duplicates, stall_ms, ..SimulatedPath::default() };
        let mut buffer = JitterBuffer::default();
        let out = play(&mut buffer, stream, &path);
        prop_assert!(rises(&out.played));
        let counters = buffer.counters();
        let accounted = counters.decoded + counters.late + counters.duplicate + counters.refused + counters.skipped;
        prop_assert_eq!(counters.received, accounted);
        prop_assert_eq!(out.played.len() as u64, counters.decoded + counters.skipped);
    }

    #[test]
    fn hostile_packets_do_no_harm(
        packets in prop::collection::vec(
            (any::<u16>(), any::<u32>(), 0_usize..10_000, 0_i64..3_000, any::<bool>()), 0..500
        )
    ) {
        let mut buffer = JitterBuffer::default();
        let mut now = Moment::default();
        let mut last = None;
        for (sequence, timestamp, samples, wait_ms, pull) in packets {
            now = now.plus_micros(wait_ms * 100);
            let packet = Packet { sequence, timestamp, samples, payload: Bytes::from_static(b"x") };
            if buffer.insert(packet, now) == Arrival::Kept {
                last = Some(now);
            }
            if pull && let Decision::Conceal { samples, .. } = buffer.pull(now) {
                prop_assert!(samples <= MAX_PACKET_SAMPLES);
            }
            prop_assert!(buffer.packets.len() <= MAX_PACKETS);
            prop_assert!((0..=MAX_TARGET_MS).contains(&buffer.target_ms()));
        }
        // Whatever came in, it falls silent once nothing comes any more.
        if let Some(last) = last {
            let mut silent = 0;
            for block in 0..4_000 {
                let now = now.max(last).plus_micros(block * 10_000);
                silent = if buffer.pull(now) == Decision::Idle { silent + 1 } else { 0 };
            }
            prop_assert!(silent > 500);
        }
    }
}

#[test]
fn a_clean_path_plays_every_frame_and_invents_nothing() {
    let mut buffer = JitterBuffer::default();
    let out = play(&mut buffer, STREAM, &SimulatedPath::default());
    assert_eq!(out.played, (0..STREAM.frames).collect::<Vec<_>>());
    assert_eq!(buffer.counters().concealed_samples, 0);
    assert_eq!(buffer.counters().late, 0);
}

#[test]
fn a_steady_path_is_played_with_hardly_any_wait() {
    let mut buffer = JitterBuffer::default();
    play(&mut buffer, STREAM, &SimulatedPath { jitter_ms: 1.0, ..SimulatedPath::default() });
    assert!(buffer.target_ms() <= 12, "{}", buffer.target_ms());
}

#[test]
fn the_target_covers_the_jitter() {
    let mut buffer = JitterBuffer::default();
    play(&mut buffer, STREAM, &SimulatedPath { jitter_ms: 20.0, ..SimulatedPath::default() });
    // The quickest of 200 packets is 2.7 deviations early, a good wait ends 2 to 3 deviations late.
    assert!((80..=140).contains(&buffer.target_ms()), "{}", buffer.target_ms());
}

#[test]
fn lost_frames_are_concealed_for_exactly_their_length() {
    let mut buffer = JitterBuffer::default();
    let path = SimulatedPath { loss: 0.1, ..SimulatedPath::default() };
    let out = play(&mut buffer, STREAM, &path);
    let arrived = path.carry(STREAM.sent()).len();
    assert_eq!(out.played.len(), arrived);
    let lost_inside = (STREAM.frames - arrived) as i64;
    let counted = buffer.counters().concealed_samples as i64 / FRAME_SAMPLES as i64;
    assert!((counted - lost_inside).abs() <= 2, "{counted} frames for {lost_inside}");
    assert!((buffer.counters().missing as i64 - lost_inside).abs() <= 1);
}

#[test]
fn a_listener_reports_what_it_lost_since_the_last_report() {
    let mut buffer = JitterBuffer::default();
    assert_eq!(buffer.counters().loss_since(&JitterCounters::default()), None);
    play(&mut buffer, STREAM, &SimulatedPath { loss: 0.2, ..SimulatedPath::default() });
    let counters = buffer.counters();
    let report = counters.loss_since(&JitterCounters::default()).unwrap();
    assert!((report.loss - 0.2).abs() < 0.03, "{report:?}");
    // Losses that know nothing of each other: 1 / (1 - loss).
    assert!((report.mean_burst - 1.25).abs() < 0.1, "{report:?}");
    assert_eq!(counters.loss_since(&counters), None);
}

#[test]
fn frames_that_come_late_are_reported_as_a_little_loss_whatever_their_number() {
    let mut buffer = JitterBuffer::default();
    let path = SimulatedPath { jitter_ms: 20.0, ..SimulatedPath::default() };
    play(&mut buffer, STREAM, &path);
    let counters = buffer.counters();
    assert!(counters.late > 5, "{counters:?}");
    let report = counters.loss_since(&JitterCounters::default()).unwrap();
    assert!((0.005..=0.03).contains(&report.loss) && report.mean_burst == 1.0, "{report:?}");
    let all_late = JitterCounters { decoded: 100, missing: 80, late: 80, gaps: 9, ..JitterCounters::default() };
    assert_eq!(all_late.loss_since(&JitterCounters::default()).unwrap().loss, 0.03);
}

#[test]
fn loss_makes_it_wait_for_the_copy_in_the_following_packet() {
    let mut buffer = JitterBuffer::default();
    play(&mut buffer, STREAM, &SimulatedPath::default());
    let without_loss = buffer.target_ms();
    let mut buffer = JitterBuffer::default();
    play(&mut buffer, STREAM, &SimulatedPath { loss: 0.1, ..SimulatedPath::default() });
    assert_eq!(buffer.target_ms(), without_loss + 20);
}

#[test]
fn every_frame_of_a_stall_is_still_played() {
    let mut buffer = JitterBuffer::default();
    let path = SimulatedPath { stall_ms: Some((10_000, 10_150)), ..SimulatedPath::default() };
    let out = play(&mut buffer, STREAM, &path);
    assert_eq!(out.played.len(), STREAM.frames);
    assert_eq!(buffer.counters().late, 0);
}

#[test]
fn a_mute_is_silence_and_not_loss() {
    let mut buffer = JitterBuffer::default();
    let mut concealed = 0;
    for block in 0..1_000_i64 {
        let now = Moment::from_millis(block * 10);
        let talking = !(200..700).contains(&block);
        if block % 2 == 0 && talking {
            let sequence = if block < 200 { block / 2 } else { block / 2 - 250 };
            let packet = Packet {
                sequence: sequence as u16,
                timestamp: (block * 480) as u32,
                samples: FRAME_SAMPLES,
                payload: Bytes::from_static(b"x"),
            };
            assert_eq!(buffer.insert(packet, now), Arrival::Kept);
        }
        if block % 2 == 1 && matches!(buffer.pull(now), Decision::Conceal { .. }) {
            concealed += 1;
        }
    }
    assert!(concealed > 0, "the sound before the mute must fade out");
    assert_eq!(buffer.counters().concealed_samples, 0);
    assert_eq!(buffer.counters().missing, 0);
    assert!(buffer.counters().decoded > 240);
}

#[test]
fn a_sender_that_starts_again_is_heard_again() {
    let mut buffer = JitterBuffer::default();
    play(&mut buffer, Stream { frames: 100, ..STREAM }, &SimulatedPath::default());
    let mut heard = 0;
    for n in 0..100_i64 {
        let now = Moment::from_millis(20_000 + n * 20);
        let packet = Packet {
            sequence: 7_000 + n as u16,
            timestamp: 123_456_789 + n as u32 * 960,
            samples: FRAME_SAMPLES,
            payload: Bytes::from_static(b"x"),
        };
        buffer.insert(packet, now);
        heard += u32::from(matches!(buffer.pull(now), Decision::Decode { .. }));
    }
    assert!(heard > 90, "{heard}");
    assert_eq!(buffer.counters().restarts, 1);
}

/// A packet whose payload is Opus by its shape, with copies of the frames 40 and 100 ms before it.
fn with_copies(stream: Stream, index: usize) -> Packet {
    let named = |toc: u8, index: usize| [&[toc][..], &(index as u16).to_le_bytes()].concat();
    let copies: Vec<RedundantCopy> = [(4, 2), (10, 5)]
        .into_iter()
        .filter(|(_, frames)| index >= *frames)
        .map(|(offset_units, frames)| RedundantCopy { offset_units, packet: named(0x48, index - frames).into() })
        .collect();
    Packet { payload: attach_copies(named(0x68, index), &copies, 700).into(), ..stream.packet(index) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_frame_is_played_from_its_packet_or_from_its_own_copy_and_once_only(
        seed in any::<u64>(),
        jitter_ms in 0.0..60.0_f64,
        loss in 0.0..0.7_f64,
        stall in prop::option::of(0_i64..1_000),
        first_sequence in any::<u16>(),
        first_timestamp in any::<u32>(),
    ) {
        let stream = Stream { first_sequence, first_timestamp, frames: 400 };
        let stall_ms = stall.map(|length| (3_000, 3_000 + length));
        let path = SimulatedPath { seed, jitter_ms, loss, stall_ms, ..SimulatedPath::default() };
        let mut arrivals = path.carry(stream.sent()).into_iter().peekable();
        let mut buffer = JitterBuffer::default();
        // Media time of each frame of which the whole was played, and the number it was sent with.
        let mut played = Vec::new();
        let mut queued = 0;
        for block in 0..2_000_i64 {
            let now = Moment::from_millis(block * 5);
            while let Some((at, index)) = arrivals.next_if(|(at, _)| *at <= now) {
                buffer.insert(with_copies(stream, index), at);
            }
            while queued < MIX_SAMPLES {
                queued += match buffer.pull(now) {
                    Decision::Decode { packet, at, passed, .. } => {
                        let index = packet.sequence.wrapping_sub(first_sequence);
                        played.push((at, index));
                        packet.samples - passed
                    }
                    Decision::Skip { packet, at } => {
                        played.push((at, packet.sequence.wrapping_sub(first_sequence)));
                        0
                    }
                    Decision::Conceal { at, samples, substitutes, .. } => {
                        if let (Some(at), Some(copy)) = (at, substitutes.copy) {
                            played.push((at, u16::from_le_bytes([copy[1], copy[2]])));
                            prop_assert_eq!(samples, FRAME_SAMPLES);
                        }
                        samples
                    }
                    Decision::Idle => MIX_SAMPLES,
                };
            }
            queued -= MIX_SAMPLES;
        }
        for pair in played.windows(2) {
            prop_assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{pair:?}");
            prop_assert_eq!(pair[1].0 - pair[0].0, i64::from(pair[1].1 - pair[0].1) * FRAME_SAMPLES as i64);
        }
    }
}

/// The target after a stream with copies that reach 100 ms, on a path with this loss.
fn target_with_copies(loss: f64) -> i64 {
    let mut buffer = JitterBuffer::default();
    let path = SimulatedPath { loss, ..SimulatedPath::default() };
    let mut arrivals = path.carry(STREAM.sent()).into_iter().peekable();
    for block in 0..STREAM.frames as i64 * 2 {
        let now = Moment::from_millis(block * 10);
        while let Some((at, index)) = arrivals.next_if(|(at, _)| *at <= now) {
            buffer.insert(with_copies(STREAM, index), at);
        }
        if block % 2 == 0 {
            buffer.pull(now);
        }
    }
    buffer.target_ms()
}

#[test]
fn only_a_listener_who_misses_frames_waits_for_the_farthest_copy() {
    let without_loss = target_with_copies(0.0);
    assert!(without_loss <= 12, "{without_loss}");
    assert!((without_loss + 98..without_loss + 110).contains(&target_with_copies(0.1)));
}

/// Once it did: then the wait went up and down by 30 ms on a path with nothing but jitter.
#[test]
fn who_misses_frames_only_because_they_come_late_does_not_wait_for_copies() {
    let mut buffer = JitterBuffer::default();
    let path = SimulatedPath { jitter_ms: 20.0, ..SimulatedPath::default() };
    let mut arrivals = path.carry(STREAM.sent()).into_iter().peekable();
    for block in 0..STREAM.frames as i64 * 4 {
        let now = Moment::from_millis(block * 5);
        while let Some((at, index)) = arrivals.next_if(|(at, _)| *at <= now) {
            buffer.insert(with_copies(STREAM, index), at);
        }
        if block % 4 == 0 {
            buffer.pull(now);
        }
        assert!(!buffer.waits_for_copies, "block {block}: {:?}", buffer.counters());
    }
    assert!(buffer.counters().late > 10, "{:?}", buffer.counters());
}

/// Once each frame that came some milliseconds late made the wait 10 ms longer, until that was played off again.
#[test]
fn a_frame_that_comes_a_little_late_loses_its_beginning_and_the_wait_stays() {
    let mut buffer = JitterBuffer::default();
    let (mut passed, mut queued, mut longest_ms) = (0, 0, 0.0_f32);
    let is_late = |index: i64| index > 100 && index % 100 == 0;
    for block in 0..4_000_i64 {
        let now = Moment::from_millis(block * 5);
        // 15 ms late once in two seconds: not worth waiting for.
        if block % 4 == if is_late(block / 4) { 3 } else { 0 } {
            buffer.insert(STREAM.packet((block / 4) as usize), now);
        }
        while queued < MIX_SAMPLES {
            queued += match buffer.pull(now) {
                Decision::Decode { packet, passed: left_out, .. } => {
                    passed += left_out;
                    // The first second's wait is played off.
                    let cut = if block == 200 { 720 } else { 0 };
                    buffer.note_pulls_moved(-(cut as i64) * 1_000 / 48);
                    packet.samples - left_out - cut
                }
                Decision::Conceal { samples, .. } => samples,
                Decision::Skip { .. } => 0,
                Decision::Idle => MIX_SAMPLES,
            };
        }
        queued -= MIX_SAMPLES;
        if block > 400 {
            longest_ms = longest_ms.max(buffer.offset_ms().unwrap_or(0.0));
        }
    }
    assert_eq!(passed, 8 * 480);
    assert!(longest_ms < 9.0, "{longest_ms}");
}

/// Plays frames of 20 ms with a packet of padding after every fourth; it comes `padding_late_ms` after the frame before
/// it.
fn play_with_padding(padding_late_ms: i64) -> JitterBuffer {
    let mut buffer = JitterBuffer::default();
    let sequence = |frame: i64| 65_000_u16.wrapping_add((frame + frame / 4) as u16);
    let path = SimulatedPath { jitter_ms: 2.0, ..SimulatedPath::default() };
    let mut arrivals = path.carry(STREAM.sent()).into_iter().peekable();
    let mut paddings = (0..STREAM.frames as i64 / 4).map(|n| n * 4 + 3).peekable();
    for block in 0..STREAM.frames as i64 * 4 {
        let now = Moment::from_millis(block * 5);
        while let Some((at, index)) = arrivals.next_if(|(at, _)| *at <= now) {
            let packet = STREAM.packet(index);
            buffer.insert(Packet { sequence: sequence(index as i64), ..packet }, at);
        }
        while let Some(frame) = paddings.next_if(|frame| frame * 20 + 41 + padding_late_ms <= block * 5) {
            buffer.note_padding(sequence(frame).wrapping_add(1));
        }
        if block % 4 == 0 {
            buffer.pull(now);
        }
    }
    buffer
}

/// Once a sender that padded its stream was reported as one with 20 % of loss, and got redundancy and delay for it.
#[test]
fn padding_without_sound_is_no_missing_frame() {
    let buffer = play_with_padding(0);
    let counters = buffer.counters();
    assert!(counters.decoded > 1_400, "{counters:?}");
    let accounted = counters.decoded + counters.late + buffer.packets.len() as u64;
    assert_eq!((counters.missing, counters.gaps, counters.received), (0, 0, accounted));
    assert_eq!(buffer.losses.share(), 0.0);
    assert!(buffer.padding.len() <= 2);
}

#[test]
fn padding_that_comes_after_its_turn_is_late_and_not_lost() {
    let buffer = play_with_padding(100);
    let counters = buffer.counters();
    assert!(counters.missing > 300 && counters.late + 10 > counters.missing, "{counters:?}");
    assert_eq!(buffer.losses.share(), 0.0);
}

#[test]
fn a_pause_with_padding_in_it_is_a_pause() {
    let mut buffer = JitterBuffer::default();
    let frame = |sequence: u16, timestamp: u32| Packet { sequence, timestamp, ..STREAM.packet(0) };
    for n in 0..50_u16 {
        let now = Moment::from_millis(i64::from(n) * 20);
        buffer.insert(frame(n, u32::from(n) * 960), now);
        buffer.pull(now.plus_micros(20_000));
    }
    (50..60).for_each(|sequence| buffer.note_padding(sequence));
    for n in 1..100 {
        buffer.pull(Moment::from_millis(1_000 + n * 5));
    }
    let concealed = buffer.counters().concealed_samples;
    buffer.insert(frame(60, 100 * 960), Moment::from_millis(2_000));
    let starts = (0..20).map(|n| buffer.pull(Moment::from_millis(2_000 + n * 5))).find(|next| *next != Decision::Idle);
    assert!(matches!(starts, Some(Decision::Decode { starts: true, .. })), "{starts:?}");
    assert_eq!((buffer.counters().missing, buffer.counters().concealed_samples), (0, concealed));
}
