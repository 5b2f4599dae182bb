//! What libopus must do for the rest to work.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::{
    coding::Coding,
    dsp::{
        level_meter::{dbfs, mean_square},
        mid_side::{Channels, MidSide},
    },
    format::FRAME_SAMPLES,
    opus_padding::extensions::{Extension, read_extensions},
    testing::simulated_path::synthetic_speech,
};

const PRIMARY: EncoderSettings = EncoderSettings {
    coding: Coding::Speech,
    bitrate: 24_000,
    complexity: 10,
    only_wideband: false,
    only_speech: true,
    inband_copies: false,
    expected_loss_percent: 0,
    deep_redundancy_units: 0,
};

fn packets(settings: EncoderSettings, frames: usize) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(settings).unwrap();
    let speech = synthetic_speech(frames * FRAME_SAMPLES);
    speech.chunks_exact(FRAME_SAMPLES).map(|frame| encoder.encode(frame, 1_275).unwrap()).collect()
}

/// Power in bands of 400 Hz up to 4 kHz, dB.
fn bands(sound: &[f32]) -> Vec<f32> {
    let power = |hertz: usize| {
        let step = hertz as f32 * std::f32::consts::TAU / 48_000.0;
        let sum = |wave: fn(f32) -> f32| sound.iter().enumerate().map(|(n, x)| x * wave(n as f32 * step)).sum::<f32>();
        sum(f32::cos).powi(2) + sum(f32::sin).powi(2)
    };
    (0..10).map(|band| 10.0 * (1e-3 + (0..8).map(|n| power(band * 400 + n * 50 + 50)).sum::<f32>()).log10()).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (bands(a), bands(b));
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32
}

/// Mean distance in dB between what was said in lost stretches of 60 ms and what `fill` put there.
fn distance_in_gaps(fill: impl Fn(&mut OpusDecoder, &[u8], usize, &mut [f32])) -> f32 {
    let settings =
        EncoderSettings { bitrate: 32_000, expected_loss_percent: 20, deep_redundancy_units: 100, ..PRIMARY };
    let packets = packets(settings, 400);
    let mut whole = OpusDecoder::new(Channels::Mono, 10).unwrap();
    let mut holed = OpusDecoder::new(Channels::Mono, 10).unwrap();
    let (mut sum, mut frames) = (0.0, 0.0);
    for (index, packet) in packets.iter().enumerate() {
        let (mut said, mut heard) = ([0.0; FRAME_SAMPLES], [0.0; FRAME_SAMPLES]);
        whole.decode(packet, &mut said).unwrap();
        let place = index % 17;
        if index < 100 || place >= 3 {
            holed.decode(packet, &mut heard).unwrap();
            continue;
        }
        let back = 3 - place;
        let next = packets.get(index + back).map_or(&[][..], Vec::as_slice);
        fill(&mut holed, next, back * FRAME_SAMPLES, &mut heard);
        sum += distance(&said, &heard);
        frames += 1.0;
    }
    sum / frames
}

#[test]
fn deep_redundancy_tells_more_about_a_gap_of_60_ms_than_concealment_guesses() {
    let concealed = distance_in_gaps(|decoder, _, _, sound| {
        decoder.conceal(sound).unwrap();
    });
    let deep = distance_in_gaps(|decoder, next, offset, sound| {
        let mut redundancy = DeepRedundancy::new().unwrap();
        assert!(redundancy.read(next, 48_000).unwrap() >= 3 * FRAME_SAMPLES);
        decoder.decode_deep(&redundancy, offset, sound).unwrap();
    });
    assert!(deep < 0.8 * concealed, "{deep} dB, concealment {concealed} dB");
}

#[test]
fn without_deep_redundancy_there_is_nothing_to_read() {
    let mut redundancy = DeepRedundancy::new().unwrap();
    for packet in packets(PRIMARY, 50) {
        assert_eq!(redundancy.read(&packet, 48_000), Ok(0));
    }
}

#[test]
fn an_encoder_held_to_wideband_never_changes_its_configuration() {
    for bitrate in [9_000, 12_000, 16_000] {
        let settings = EncoderSettings { bitrate, only_wideband: true, ..PRIMARY };
        for packet in packets(settings, 100) {
            // Configuration 9: SILK, wideband, 20 ms (RFC 6716 table 2).
            assert_eq!(packet[0] >> 3, 9);
        }
    }
}

#[test]
fn in_band_copies_are_sent_where_loss_is_expected() {
    let count = |settings| packets(settings, 100).iter().filter(|packet| packet_has_inband_copy(packet)).count();
    assert_eq!(count(PRIMARY), 0);
    assert!(count(EncoderSettings { inband_copies: true, expected_loss_percent: 10, ..PRIMARY }) > 50);
    assert!(!packet_has_inband_copy(&[]));
}

#[test]
fn a_decoder_taken_back_decodes_the_same_again() {
    let packets = packets(PRIMARY, 60);
    let mut decoder = OpusDecoder::new(Channels::Mono, 10).unwrap();
    let mut sound = [0.0; FRAME_SAMPLES];
    for packet in &packets[..20] {
        decoder.decode(packet, &mut sound).unwrap();
    }
    let mut snapshot = decoder.snapshot();
    for from in [20, 40] {
        decoder.snapshot_into(&mut snapshot);
        let mut play = |decoder: &mut OpusDecoder| {
            let mut all = Vec::new();
            for packet in &packets[from..from + 20] {
                decoder.decode(packet, &mut sound).unwrap();
                all.extend_from_slice(&sound);
                if packet.len() % 3 == 0 {
                    decoder.conceal(&mut sound).unwrap();
                    all.extend_from_slice(&sound);
                }
            }
            all
        };
        let first = play(&mut decoder);
        decoder.restore(&snapshot);
        let again = play(&mut decoder);
        assert!(first == again);
    }
}

#[test]
fn wrong_lengths_and_settings_are_errors() {
    let mut encoder = OpusEncoder::new(PRIMARY).unwrap();
    assert!(encoder.encode(&[0.0; 7], 1_275).is_err());
    assert!(encoder.change(EncoderSettings { complexity: 99, ..PRIMARY }).is_err());
    let mut decoder = OpusDecoder::new(Channels::Mono, 10).unwrap();
    assert!(decoder.conceal(&mut [0.0; 7]).is_err());
    assert!(decoder.decode(&[], &mut [0.0; 960]).is_err());
    assert!(OpusDecoder::new(Channels::Mono, 99).is_err());
}

#[test]
fn a_stereo_packet_has_left_and_right_for_a_stereo_decoder_and_their_mean_for_a_mono_one() {
    let settings = EncoderSettings { bitrate: 128_000, coding: Coding::Music(Channels::Stereo), ..PRIMARY };
    let mut encoder = OpusEncoder::new(settings).unwrap();
    let mut decoders = [Channels::Stereo, Channels::Mono].map(|channels| OpusDecoder::new(channels, 7).unwrap());
    let (mut both, mut mean) = (vec![], vec![]);
    let tone = |n: usize| 0.25 * (n as f32 * std::f32::consts::TAU * 500.0 / 48_000.0).sin();
    for index in 0..50 {
        let middle: [f32; FRAME_SAMPLES] = std::array::from_fn(|n| tone(index * FRAME_SAMPLES + n));
        // All of it on the left.
        let packet = encoder.encode(MidSide { middle: &middle[..], side: Some(&middle[..]) }, 1_275).unwrap();
        let mut sound = MidSide { middle: [0.0; FRAME_SAMPLES], side: Some([0.0; FRAME_SAMPLES]) };
        assert_eq!(decoders[0].decode(&packet, sound.as_mut_slices()), Ok(FRAME_SAMPLES));
        both.extend(sound.left_right());
        assert_eq!(decoders[1].decode(&packet, sound.as_mut_slices()), Ok(FRAME_SAMPLES));
        assert_eq!(sound.side, Some([0.0; FRAME_SAMPLES]));
        mean.extend(sound.middle);
    }
    let level = |sound: &[f32]| dbfs(mean_square(&sound[9_600..]));
    let (left, right): (Vec<f32>, Vec<f32>) = both.iter().map(|[left, right]| (*left, *right)).unzip();
    assert!((level(&left) + 9.03).abs() < 0.2, "{}", level(&left));
    assert!(level(&right) < level(&left) - 40.0, "{}", level(&right));
    assert!((level(&mean) + 15.05).abs() < 0.2, "{}", level(&mean));
}

proptest! {
    #[test]
    fn hostile_packets_are_errors_or_sound(
        packet in prop::collection::vec(any::<u8>(), 0..400), offset in 0_usize..100_000, stereo in any::<bool>()
    ) {
        let channels = if stereo { Channels::Stereo } else { Channels::Mono };
        let mut decoder = OpusDecoder::new(channels, 10).unwrap();
        let mut redundancy = DeepRedundancy::new().unwrap();
        let mut sound = vec![0.0; 5_760];
        if let Ok(samples) = decoder.decode(&packet, &mut sound[..]) {
            prop_assert!(samples <= sound.len());
        }
        let _ = packet_has_inband_copy(&packet);
        let _ = decoder.decode_inband_copy(&packet, &mut sound[..960]);
        let deep = crate::opus_padding::attach(&packet, 126, &[&b"D\x0C"[..], &packet].concat());
        if let Some(deep) = deep && redundancy.read(&deep, 48_000).is_ok() {
            let _ = decoder.decode_deep(&redundancy, offset, &mut sound[..960]);
        }
    }
}

/// libopus's own reader of extensions, which its static library has and its headers do not.
#[derive(Clone, Copy)]
#[repr(C)]
struct LibraryExtension {
    id: c_int,
    frame: c_int,
    data: *const u8,
    bytes: i32,
}

unsafe extern "C" {
    fn opus_packet_extensions_parse(
        data: *const u8,
        bytes: i32,
        extensions: *mut LibraryExtension,
        number: *mut i32,
        frames: c_int,
    ) -> i32;
}

fn read_by_library(padding: &[u8], frames: usize) -> (Vec<Extension<'_>>, bool) {
    let mut found = vec![LibraryExtension { id: 0, frame: 0, data: std::ptr::null(), bytes: 0 }; 20_000];
    let mut number = length_of(&found);
    // SAFETY: both buffers are as long as stated; the structure is that of libopus 1.6.1, `opus_private.h`.
    let result = unsafe {
        opus_packet_extensions_parse(
            padding.as_ptr(),
            length_of(padding),
            found.as_mut_ptr(),
            &raw mut number,
            frames as c_int,
        )
    };
    let extension = |found: &LibraryExtension| {
        // SAFETY: libopus says that these bytes lie in `padding`.
        let start = unsafe { found.data.offset_from(padding.as_ptr()) } as usize;
        let payload = &padding[start..start + found.bytes as usize];
        Extension { id: found.id as u8, frame: found.frame as usize, payload }
    };
    (found[..number as usize].iter().map(extension).collect(), result >= 0)
}

/// Padding in which ids with a meaning are as frequent as all others together.
fn padding() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![0_u8..8, 6_u8..12, 62_u8..70, any::<u8>()];
    prop::collection::vec(byte, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn padding_is_read_exactly_as_libopus_reads_it(padding in padding(), frames in 1_usize..=6) {
        let ours = read_extensions(&padding, frames);
        let (theirs, intact) = read_by_library(&padding, frames);
        prop_assert_eq!(ours.intact, intact);
        prop_assert_eq!(ours.extensions, theirs);
    }
}
