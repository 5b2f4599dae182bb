//! A remote voice with real Opus on simulated paths in simulated time.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use serambi_codec::{
    dsp::level_meter::{dbfs, mean_square},
    format::FRAME_SAMPLES,
    opus_padding::attach,
    redundancy_profile::{LossReport, RedundancyControl},
    redundant_copies::EXTENSION_ID,
    redundant_encoder::RedundantEncoder,
    testing::simulated_path::{SimulatedPath, synthetic_speech},
};

use super::*;

/// A hum like a voice's: 150 Hz with overtones, swelling four times a second.
fn voice(sample: usize) -> f32 {
    let seconds = sample as f32 / 48_000.0;
    let phase = seconds * std::f32::consts::TAU * 150.0;
    let swell = 0.6 + 0.4 * (seconds * std::f32::consts::TAU * 4.0).sin();
    swell * (0.2 * phase.sin() + 0.1 * (2.0 * phase).sin() + 0.05 * (3.0 * phase).sin())
}

fn encoded(frames: usize) -> Vec<Bytes> {
    let mut encoder = RedundantEncoder::new().unwrap();
    let frame = |index: usize| std::array::from_fn::<f32, FRAME_SAMPLES, _>(|n| voice(index * FRAME_SAMPLES + n));
    (0..frames)
        .map(|index| Bytes::from(encoder.encode(&frame(index), (index * FRAME_SAMPLES) as u32).unwrap()))
        .collect()
}

struct Heard {
    sound: Vec<f32>,
    /// Statistics every 100 ms.
    course: Vec<RemoteVoiceStatistics>,
}

fn listen(path: &SimulatedPath, frames: usize) -> Heard {
    listen_to(&encoded(frames), path)
}

fn listen_to(payloads: &[Bytes], path: &SimulatedPath) -> Heard {
    let start = Instant::now();
    let (mut voice, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
    let sent = (0..payloads.len() as i64).map(|index| Moment::from_millis(index * 20));
    let mut arrivals = path.carry(sent).into_iter().peekable();
    let mut heard = Heard { sound: Vec::new(), course: Vec::new() };
    for block in 0..payloads.len() as i64 * 4 + 60 {
        let now = Moment::from_millis(block * 5);
        while let Some((at, index)) = arrivals.next_if(|(at, _)| *at <= now) {
            inbox.push(ReceivedPacket {
                sequence: 65_400_u16.wrapping_add(index as u16),
                timestamp: (u32::MAX - 96_000).wrapping_add((index * FRAME_SAMPLES) as u32),
                payload: payloads[index].clone(),
                arrival: start + Duration::from_micros(at.micros() as u64),
            });
        }
        heard.sound.extend_from_slice(&voice.render(now).middle);
        if block % 20 == 19 {
            heard.course.push(voice.statistics(0));
        }
    }
    heard
}

/// The wait before the decoder plus the sound after it, ms, at second `second`.
fn delay_at(heard: &Heard, second: usize) -> f32 {
    heard.course[second * 10].playout_offset_ms.unwrap()
}

fn largest_step(sound: &[f32]) -> f32 {
    sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn a_voice_arrives_at_its_own_level_and_without_clicks() {
    let heard = listen(&SimulatedPath::default(), 500);
    let steady = &heard.sound[48_000..9 * 48_000];
    let original: Vec<f32> = (0..8 * 48_000).map(voice).collect();
    let difference = dbfs(mean_square(steady)) - dbfs(mean_square(&original));
    assert!(difference.abs() < 1.0, "{difference} dB");
    assert!(largest_step(&heard.sound) < 2.0 * largest_step(&original));
}

#[test]
fn the_level_of_decoded_sound_is_right_within_one_decibel() {
    let mut encoder = RedundantEncoder::new().unwrap();
    let tone = |n: usize| 0.1 * (n as f32 * std::f32::consts::TAU * 300.0 / 48_000.0).sin();
    let frame = |index: usize| std::array::from_fn::<f32, FRAME_SAMPLES, _>(|n| tone(index * FRAME_SAMPLES + n));
    let payloads: Vec<Bytes> = (0..200)
        .map(|index| Bytes::from(encoder.encode(&frame(index), (index * FRAME_SAMPLES) as u32).unwrap()))
        .collect();
    let heard = listen_to(&payloads, &SimulatedPath::default());
    for at in &heard.course[10..35] {
        assert!((at.level_dbfs + 23.01).abs() < 1.0, "{}", at.level_dbfs);
    }
}

#[test]
fn the_delay_returns_after_a_stall() {
    let heard = listen(&SimulatedPath { stall_ms: Some((5_000, 5_150)), ..SimulatedPath::default() }, 1_000);
    let (before, after) = (delay_at(&heard, 4), delay_at(&heard, 18));
    let worst = heard.course.iter().filter_map(|at| at.playout_offset_ms).fold(0.0, f32::max);
    assert!(worst > before + 80.0, "the stall must show: {worst}");
    assert!(after <= before + 10.0, "{before} ms before, {after} ms after");
    assert!(heard.course.last().unwrap().packets.late == 0);
}

#[test]
fn after_a_stall_of_seconds_it_is_soon_close_behind_again() {
    let heard = listen(&SimulatedPath { stall_ms: Some((5_000, 8_000)), ..SimulatedPath::default() }, 1_000);
    assert!(delay_at(&heard, 9) < 700.0, "{}", delay_at(&heard, 9));
    assert!(delay_at(&heard, 18) < 100.0, "{}", delay_at(&heard, 18));
    assert!(heard.course.last().unwrap().packets.skipped > 0);
}

#[test]
fn lost_packets_leave_no_hole_and_no_click() {
    let heard = listen(&SimulatedPath { loss: 0.1, jitter_ms: 5.0, seed: 3, ..SimulatedPath::default() }, 1_000);
    let talking = &heard.sound[48_000..19 * 48_000];
    let silent = talking.chunks(480).filter(|block| mean_square(block) < 1e-6).count();
    assert_eq!(silent, 0);
    assert!(largest_step(talking) < 0.12, "{}", largest_step(talking));
}

/// Speech as a remote voice sends it whose listeners miss this much.
fn repeated(loss: f32, mean_burst: f32, frames: usize) -> Vec<Bytes> {
    let mut control = RedundancyControl::default();
    control.report(LossReport { loss, mean_burst, available_bitrate: None }, Moment::default());
    let mut encoder = RedundantEncoder::new().unwrap();
    encoder.set_scheme(control.scheme()).unwrap();
    let speech = synthetic_speech(frames * FRAME_SAMPLES);
    let frames = speech.as_chunks::<FRAME_SAMPLES>().0.iter().enumerate();
    frames.map(|(index, frame)| encoder.encode(frame, (index * FRAME_SAMPLES) as u32).unwrap().into()).collect()
}

#[test]
fn most_lost_frames_come_back_as_copies() {
    let path = SimulatedPath { loss: 0.2, seed: 3, ..SimulatedPath::default() };
    let end = listen_to(&repeated(0.2, 1.2, 1_000), &path).course.pop().unwrap();
    // Both copies of a frame are lost with it once in 25 times.
    assert!(end.recovered as f32 > 0.8 * end.packets.missing as f32, "{end:?}");
    assert!((80..=110).contains(&end.jitter_target_ms), "{end:?}");
}

#[test]
fn a_listener_who_misses_nothing_does_not_wait_for_copies() {
    let end = listen_to(&repeated(0.2, 1.2, 500), &SimulatedPath::default()).course.pop().unwrap();
    assert!(end.jitter_target_ms <= 12, "{end:?}");
    assert_eq!((end.recovered, end.packets.concealed_samples), (0, 0));
}

#[test]
fn frames_that_come_late_mend_the_sound_after_them() {
    let path = SimulatedPath { jitter_ms: 15.0, seed: 5, ..SimulatedPath::default() };
    let end = listen_to(&repeated(0.02, 1.0, 1_000), &path).course.pop().unwrap();
    assert!(end.mended >= 3 && end.mended * 2 > end.packets.late, "{end:?}");
}

#[test]
fn deep_redundancy_bridges_gaps_longer_than_concealment_and_copies() {
    // Of both the first frames are due before anything is here that tells of them; in the longer one the sound has even
    // ended.
    assert!(brought_back_of_a_gap(8) >= 5);
    assert!(brought_back_of_a_gap(16) >= 5);
}

/// How many of so many frames missing in a row came back.
fn brought_back_of_a_gap(frames: usize) -> u64 {
    let payloads = repeated(0.4, 2.0, 300);
    let start = Instant::now();
    let (mut voice, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
    let mut recovered_before = 0;
    for block in 0..1_200_usize {
        let now = Moment::from_millis(block as i64 * 5);
        let index = block / 4;
        // Some single losses teach the listener to wait.
        let lost = index % 10 == 9 && index < 200 || (220..220 + frames).contains(&index);
        if block % 4 == 0 && !lost {
            inbox.push(ReceivedPacket {
                sequence: index as u16,
                timestamp: (index * FRAME_SAMPLES) as u32,
                payload: payloads[index].clone(),
                arrival: start + Duration::from_millis(block as u64 * 5),
            });
        }
        voice.render(now);
        if index == 215 {
            recovered_before = voice.statistics(0).recovered;
        }
    }
    voice.statistics(0).recovered - recovered_before
}

#[test]
fn a_sender_whose_clock_is_off_by_500_ppm_is_followed() {
    // Sent every 20 ms by a fast clock: 19.99 ms.
    let payloads = encoded(6_000);
    let start = Instant::now();
    let (mut voice, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
    let mut sent = 0;
    for block in 0..23_980_i64 {
        let now = Moment::from_millis(block * 5);
        while sent < payloads.len() && sent as i64 * 19_990 <= now.micros() {
            inbox.push(ReceivedPacket {
                sequence: sent as u16,
                timestamp: (sent * FRAME_SAMPLES) as u32,
                payload: payloads[sent].clone(),
                arrival: start + Duration::from_micros(sent as u64 * 19_990),
            });
            sent += 1;
        }
        voice.render(now);
    }
    let end = voice.statistics(0);
    assert!(end.playout_offset_ms.unwrap() < 40.0, "{end:?}");
    assert!(end.packets.concealed_samples < 48_000 / 5, "{end:?}");
    assert_eq!(end.packets.skipped, 0);
}

#[test]
fn packets_that_are_not_opus_are_counted_and_the_voice_goes_on() {
    let mut payloads = encoded(300);
    for index in (0..300).step_by(10) {
        payloads[index] = Bytes::from_static(&[0xFF; 3]);
    }
    payloads[55] = Bytes::new();
    let heard = listen_to(&payloads, &SimulatedPath::default());
    let end = heard.course.last().unwrap();
    assert!(end.undecodable >= 30, "{end:?}");
    assert!(end.packets.decoded > 250);
    assert!(heard.sound.iter().all(|sample| sample.is_finite()));
}

#[test]
fn packets_twice_out_of_order_and_from_the_far_past_are_not_heard() {
    let payloads = encoded(1_000);
    let start = Instant::now();
    let heard = |disturbed: bool| {
        let (mut voice, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
        let push = |index: usize, millis: usize| {
            inbox.push(ReceivedPacket {
                sequence: index as u16,
                timestamp: (index * FRAME_SAMPLES) as u32,
                payload: payloads[index].clone(),
                arrival: start + Duration::from_millis(millis as u64),
            });
        };
        let mut sound = Vec::new();
        for block in 0..4_000 {
            // Pairs of packets come at once.
            if block % 8 == 0 {
                let pair = [block / 4, block / 4 + 1];
                let swapped = [pair[1], pair[0]];
                for index in if disturbed { swapped } else { pair } {
                    push(index, block * 5);
                }
                if disturbed {
                    push(pair[0], block * 5 + 3);
                    (0..30).filter(|_| pair[0] > 500).for_each(|n| push(pair[0] - 500 + n, block * 5 + 4));
                }
            }
            sound.extend_from_slice(&voice.render(Moment::from_millis(block as i64 * 5 + 4)).middle);
        }
        (sound, voice.statistics(0))
    };
    let ((alone, _), (disturbed, statistics)) = (heard(false), heard(true));
    assert_eq!(statistics.packets.restarts, 0, "{statistics:?}");
    assert!(statistics.packets.duplicate >= 490, "{statistics:?}");
    assert_eq!((statistics.packets.concealed_samples, statistics.packets.missing), (0, 0), "{statistics:?}");
    assert!(alone == disturbed);
}

#[test]
fn a_remote_voice_whose_inbox_is_dropped_fades_out() {
    let start = Instant::now();
    let (mut voice, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
    for (index, payload) in encoded(50).into_iter().enumerate() {
        let at = index as u64 * 20;
        inbox.push(ReceivedPacket {
            sequence: index as u16,
            timestamp: (index * FRAME_SAMPLES) as u32,
            payload,
            arrival: start + Duration::from_millis(at),
        });
        for block in 0..4 {
            voice.render(Moment::from_millis(at as i64 + block * 5));
        }
    }
    drop(inbox);
    let last = voice.render(Moment::from_millis(1_000));
    assert!(voice.has_left());
    assert!(mean_square(&last.middle[..100]) > 1e-4);
    assert_eq!(last.middle[MIX_SAMPLES - 1], 0.0);
}

#[test]
fn an_inbox_nobody_empties_never_blocks() {
    let (voice, inbox) = remote_voice(RemoteVoiceId(1), Instant::now()).unwrap();
    let payload = encoded(1).remove(0);
    for sequence in 0..1_000 {
        inbox.push(ReceivedPacket { sequence, timestamp: 0, payload: payload.clone(), arrival: Instant::now() });
    }
    assert_eq!(voice.statistics(0).inbox_overflow, 1_000 - INBOX_PACKETS as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn hostile_packets_yield_finite_sound(
        packets in prop::collection::vec(
            (any::<bool>(), 0_usize..40, -3_i32..4, prop::collection::vec(any::<u8>(), 0..80), 0_u64..60), 1..120
        )
    ) {
        let good = repeated(0.4, 2.0, 40);
        let start = Instant::now();
        let (mut voice, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
        let mut millis = 0;
        for (n, (attach_block, index, shift, bytes, wait_ms)) in packets.into_iter().enumerate() {
            // Garbage as a packet, or as a block in a good packet, at about the right place.
            let block = [&[0xA1], &bytes[..]].concat();
            let payload = match attach(&good[index], EXTENSION_ID, &block) {
                Some(attached) if attach_block => attached,
                _ => bytes,
            };
            inbox.push(ReceivedPacket {
                sequence: (n as i32 + shift) as u16,
                timestamp: ((n as i32 + shift) * 960) as u32,
                payload: payload.into(),
                arrival: start + Duration::from_millis(millis),
            });
            for _ in 0..wait_ms / 5 {
                millis += 5;
                let block = voice.render(Moment::from_millis(millis as i64));
                prop_assert!(block.left_right().flatten().all(|sample| sample.is_finite()));
            }
        }
    }
}

/// Once each packet of padding was counted as undecodable and as a missing frame.
#[test]
fn padding_without_sound_leaves_no_mark_in_the_statistics() {
    let start = Instant::now();
    let (mut voice, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
    let mut sequence = 65_500_u16;
    for (n, payload) in (0_u32..).zip(encoded(200)) {
        let arrival = start + Duration::from_millis(u64::from(n) * 20);
        let mut push = |payload: Bytes| {
            inbox.push(ReceivedPacket { sequence, timestamp: n * FRAME_SAMPLES as u32, payload, arrival });
            sequence = sequence.wrapping_add(1);
        };
        push(payload);
        if n % 10 == 0 {
            (0..5).for_each(|_| push(Bytes::new()));
        }
        for block in 0..4 {
            voice.render(Moment::from_millis(i64::from(n) * 20 + block * 5));
        }
    }
    let statistics = voice.statistics(0);
    assert_eq!((statistics.undecodable, statistics.recovered), (0, 0), "{statistics:?}");
    assert_eq!((statistics.packets.missing, statistics.packets.received), (0, 200), "{statistics:?}");
}
