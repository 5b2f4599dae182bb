//! Music in stereo from the microphone to the mix, in simulated time with real Opus.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use serambi_codec::{
    clock::Moment,
    decode_ladder::{DecodeLadder, Substitutes},
    dsp::{
        level_meter::{dbfs, mean_square},
        mid_side::{Channels, MidSide, mid_side},
    },
    format::FRAME_SAMPLES,
    opus_codec::{EncoderSettings, OpusEncoder},
    opus_padding::packet::{is_celt, is_stereo},
    redundancy_profile::{LossReport, SoundKind},
    redundant_copies::find_copies,
    testing::simulated_path::SimulatedPath,
};

use crate::{
    format::{BLOCK_SAMPLES, Block},
    receive::{
        mixer::Mixer,
        remote_voice::{ReceivedPacket, RemoteVoiceId, remote_voice},
        statistics::RemoteVoiceStatistics,
    },
    send::voice::{EncodedFrame, Voice},
};

const LEFT_HZ: f32 = 441.0;
const RIGHT_HZ: f32 = 1_323.0;
const LEFT_PEAK: f32 = 0.3;
const RIGHT_PEAK: f32 = 0.15;

fn sine(hertz: f32, peak: f32, sample: usize) -> f32 {
    peak * (sample as f32 / 48_000.0 * std::f32::consts::TAU * hertz).sin()
}

/// A block of one sine on the left and another on the right, or of their mean.
fn block(index: usize, channels: Channels) -> MidSide<Block> {
    let moment = |n: usize| {
        let sample = index * BLOCK_SAMPLES + n;
        mid_side([sine(LEFT_HZ, LEFT_PEAK, sample), sine(RIGHT_HZ, RIGHT_PEAK, sample)])
    };
    let side = std::array::from_fn(|n| moment(n).1);
    MidSide { middle: std::array::from_fn(|n| moment(n).0), side: Some(side).filter(|_| channels == Channels::Stereo) }
}

/// What a person sends whose microphone and mode are, block after block, as `course` says.
fn sent(course: &[(SoundKind, Channels)], report: Option<LossReport>) -> Vec<EncodedFrame> {
    let mut voice = Voice::new(Instant::now()).unwrap();
    voice.unmute(0);
    report.into_iter().for_each(|report| voice.take_loss_report(report, Moment::default()));
    let frame = |(index, (sound, channels)): (usize, &(SoundKind, Channels))| {
        voice.take_sound(*sound);
        // As the engine does: the side comes for as long as packets have one.
        let channels = if voice.is_stereo() { Channels::Stereo } else { *channels };
        voice.push_block(block(index, channels), Moment::from_millis(index as i64 * 10))
    };
    course.iter().enumerate().filter_map(frame).collect()
}

fn toc(frame: &EncodedFrame) -> u8 {
    frame.payload[0]
}

struct Heard {
    left: Vec<f32>,
    right: Vec<f32>,
    statistics: RemoteVoiceStatistics,
}

/// What somebody hears of it at a loudspeaker.
fn heard(frames: &[EncodedFrame], path: &SimulatedPath) -> Heard {
    let start = Instant::now();
    let (voice, inbox) = remote_voice(RemoteVoiceId(1), start).unwrap();
    let mut mixer = Mixer::default();
    mixer.add_remote_voice(voice);
    let at = |frame: &EncodedFrame| Moment::from_millis(i64::from(frame.timestamp) / 48);
    let mut arrivals = path.carry(frames.iter().map(at)).into_iter().peekable();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for block in 0..frames.last().map_or(0, |last| at(last).micros() / 5_000) + 4 {
        let now = Moment::from_millis(block * 5);
        while let Some((arrival, index)) = arrivals.next_if(|(arrival, _)| *arrival <= now) {
            let (frame, arrival) = (&frames[index], start + Duration::from_micros(arrival.micros() as u64));
            let payload = Bytes::from(frame.payload.clone());
            inbox.push(ReceivedPacket { sequence: index as u16, timestamp: frame.timestamp, payload, arrival });
        }
        for [one, other] in mixer.render(now, |_| {}).left_right() {
            left.push(one);
            right.push(other);
        }
    }
    Heard { left, right, statistics: mixer.statistics(0).remove(0) }
}

/// Peak of one frequency in a sound.
fn peak_at(sound: &[f32], hertz: f32) -> f32 {
    let step = std::f32::consts::TAU * hertz / 48_000.0;
    let sum = |wave: fn(f32) -> f32| sound.iter().enumerate().map(|(n, x)| x * wave(n as f32 * step)).sum::<f32>();
    2.0 * sum(f32::cos).hypot(sum(f32::sin)) / sound.len() as f32
}

fn decibels(ratio: f32) -> f32 {
    20.0 * ratio.max(1e-9).log10()
}

fn largest_step(sound: &[f32]) -> f32 {
    sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

/// The steepest step of the sines themselves, with room for the rounding of a codec.
fn steepest() -> f32 {
    1.3 * std::f32::consts::TAU / 48_000.0 * (LEFT_HZ * LEFT_PEAK + RIGHT_HZ * RIGHT_PEAK)
}

const SPEECH: (SoundKind, Channels) = (SoundKind::Speech, Channels::Mono);
const MONO: (SoundKind, Channels) = (SoundKind::Music, Channels::Mono);
const STEREO: (SoundKind, Channels) = (SoundKind::Music, Channels::Stereo);

#[test]
fn left_arrives_on_the_left_and_right_on_the_right_as_loud_as_they_were() {
    let Heard { left, right, statistics } = heard(&sent(&[STEREO; 500], None), &SimulatedPath::default());
    let steady = 96_000..192_000;
    let (left, right) = (&left[steady.clone()], &right[steady]);
    assert!(decibels(peak_at(left, LEFT_HZ) / LEFT_PEAK).abs() < 0.5, "{}", peak_at(left, LEFT_HZ));
    assert!(decibels(peak_at(right, RIGHT_HZ) / RIGHT_PEAK).abs() < 0.5, "{}", peak_at(right, RIGHT_HZ));
    assert!(decibels(peak_at(left, RIGHT_HZ) / RIGHT_PEAK) < -40.0, "{}", peak_at(left, RIGHT_HZ));
    assert!(decibels(peak_at(right, LEFT_HZ) / LEFT_PEAK) < -40.0, "{}", peak_at(right, LEFT_HZ));
    let level = dbfs((LEFT_PEAK * LEFT_PEAK + RIGHT_PEAK * RIGHT_PEAK) / 4.0);
    assert!((statistics.level_dbfs - level).abs() < 0.5, "{}", statistics.level_dbfs);
}

#[test]
fn stereo_music_takes_about_128_kilobits_and_mono_music_80_both_full_band_without_speech_coding() {
    for (course, kilobits) in [([STEREO; 500], 128.0), ([MONO; 500], 80.0)] {
        let frames = sent(&course, None);
        let bits = frames.iter().map(|frame| frame.payload.len() * 8).sum::<usize>() as f32;
        assert!((0.7..1.1).contains(&(bits / 5_000.0 / kilobits)), "{}", bits / 5_000.0);
        // RFC 6716 table 2: configurations 28 to 31 are CELT, full band.
        assert!(frames.iter().all(|frame| toc(frame) >> 3 >= 28));
        assert!(frames.iter().all(|frame| is_stereo(toc(frame)) == (course[0].1 == Channels::Stereo)));
    }
}

#[test]
fn who_sends_mono_is_in_the_middle() {
    for course in [[SPEECH; 200], [MONO; 200]] {
        let heard = heard(&sent(&course, None), &SimulatedPath::default());
        assert!(mean_square(&heard.left[48_000..]) > 1e-3);
        assert!(heard.left == heard.right);
    }
}

#[test]
fn going_from_mono_to_stereo_and_back_does_not_click() {
    for music in [MONO, STEREO] {
        let course = [[SPEECH; 201], [music; 201], [SPEECH; 201], [music; 201]].concat();
        let frames = sent(&course, None);
        assert_eq!(frames.iter().any(|frame| is_stereo(toc(frame))), music == STEREO);
        assert!(frames.windows(2).all(|pair| pair[1].timestamp - pair[0].timestamp == 960));
        let heard = heard(&frames, &SimulatedPath::default());
        for channel in [&heard.left, &heard.right] {
            assert!(largest_step(channel) < steepest(), "{music:?}: {}", largest_step(channel));
            // The joints are short.
            let silent = channel[48_000..].chunks(240).filter(|part| mean_square(part) < 1e-5).count();
            assert!(silent < 3 * 6, "{music:?}: {silent}");
        }
        let of_the_left_on_the_right = peak_at(&heard.right[148_800..172_800], LEFT_HZ);
        assert_eq!(of_the_left_on_the_right < 0.01, music == STEREO, "{of_the_left_on_the_right}");
    }
}

/// Packets of two encoders that both hear everything: stereo ones where `in_stereo` says so, mono ones elsewhere.
fn foreign(frames: usize, in_stereo: impl Fn(usize) -> bool) -> Vec<Bytes> {
    let settings = |channels| EncoderSettings {
        coding: serambi_codec::coding::Coding::Music(channels),
        bitrate: 96_000,
        complexity: 10,
        only_wideband: false,
        only_speech: false,
        inband_copies: false,
        expected_loss_percent: 0,
        deep_redundancy_units: 0,
    };
    let mut encoders = [Channels::Mono, Channels::Stereo].map(|of| OpusEncoder::new(settings(of)).unwrap());
    let mut both = |index: usize| {
        let mut frame = MidSide::<Vec<f32>>::default();
        frame.extend(block(2 * index, Channels::Stereo).as_slices());
        frame.extend(block(2 * index + 1, Channels::Stereo).as_slices());
        encoders.each_mut().map(|encoder| Bytes::from(encoder.encode(frame.as_slices(), 1_275).unwrap()))
    };
    (0..frames).map(|index| both(index)[usize::from(in_stereo(index))].clone()).collect()
}

#[test]
fn a_sender_who_changes_over_in_the_middle_of_a_sound_is_heard_without_a_click() {
    let mut ladder = DecodeLadder::new().unwrap();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for (index, packet) in foreign(500, |index| (100..200).contains(&index)).iter().enumerate() {
        let sound = ladder.decode((index * FRAME_SAMPLES) as i64, packet).unwrap();
        // Mono again after the 3 s that may yet bring stereo.
        assert_eq!(sound.side.is_some(), (100..=350).contains(&index), "{index}");
        left.extend(sound.left_right().map(|moment| moment[0]));
        right.extend(sound.left_right().map(|moment| moment[1]));
    }
    for channel in [left, right] {
        assert!(largest_step(&channel[4_800..]) < steepest(), "{}", largest_step(&channel[4_800..]));
        let loudness: Vec<f32> = channel[4_800..].chunks(2_400).map(|part| dbfs(mean_square(part))).collect();
        let around = |at: usize| &loudness[at * 960 / 2_400 - 2..at * 960 / 2_400 + 4];
        // The middle is the mean of both: 12 dB below the left, 1 dB above the right.
        for at in [100, 200, 350] {
            assert!(around(at).iter().all(|level| *level > -24.0), "{at}: {:?}", around(at));
        }
    }
}

#[test]
fn lost_frames_of_music_come_back_as_copies_in_stereo() {
    let report = LossReport { loss: 0.2, mean_burst: 1.2, available_bitrate: None };
    let frames = sent(&[STEREO; 1_000], Some(report));
    let copies: Vec<_> = frames.iter().flat_map(|frame| find_copies(&frame.payload.clone().into())).collect();
    assert!(copies.len() > 900, "{}", copies.len());
    assert!(copies.iter().all(|copy| is_celt(copy.packet[0])));
    let path = SimulatedPath { loss: 0.2, seed: 3, ..SimulatedPath::default() };
    let Heard { left, right, statistics } = heard(&frames, &path);
    assert!(statistics.recovered as f32 > 0.8 * statistics.packets.missing as f32, "{statistics:?}");
    assert!(largest_step(&left[48_000..]) < 2.0 * steepest(), "{}", largest_step(&left[48_000..]));
    assert!(decibels(peak_at(&right[240_000..336_000], LEFT_HZ) / LEFT_PEAK) < -25.0);
}

#[test]
fn a_late_packet_from_before_a_change_of_channels_mends_what_comes_after() {
    let packets = foreign(60, |index| index >= 42);
    let mut ladder = DecodeLadder::new().unwrap();
    let at = |index: usize| (index * FRAME_SAMPLES) as i64;
    for (index, packet) in packets.iter().enumerate() {
        if index == 40 {
            ladder.substitute(Some(at(40)), FRAME_SAMPLES, &Substitutes::default());
            continue;
        }
        if index == 43 {
            assert!(ladder.take_late(at(40), &packets[40]));
        }
        let sound = ladder.decode(at(index), packet).unwrap();
        assert_eq!(sound.side.is_some(), index >= 42);
        if index > 45 {
            let right: Vec<f32> = sound.left_right().map(|moment| moment[1]).collect();
            assert!(largest_step(&right) < steepest());
            assert!((decibels(peak_at(&right, RIGHT_HZ) / RIGHT_PEAK)).abs() < 3.0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_course_of_modes_loses_a_frame_or_clicks(
        course in prop::collection::vec((any::<bool>(), 1_usize..40), 1..20),
        music in prop::sample::select(vec![MONO, STEREO]),
    ) {
        let course: Vec<_> =
            course.iter().flat_map(|(chosen, blocks)| vec![if *chosen { music } else { SPEECH }; *blocks]).collect();
        let frames = sent(&course, None);
        prop_assert_eq!(frames.len(), course.len() / 2);
        let heard = heard(&frames, &SimulatedPath::default());
        prop_assert!(largest_step(&heard.left).max(largest_step(&heard.right)) < steepest());
    }
}
