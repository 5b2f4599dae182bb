#![allow(clippy::unwrap_used)]

use assert_no_alloc::assert_no_alloc;
use serambi_codec::{
    dsp::level_meter::{dbfs, mean_square},
    testing::synthetic_sound::{Noise, gain, mixed, speech, white_noise},
};

use super::*;

const MODES: [MicrophoneMode; 3] = [MicrophoneMode::Speech, MicrophoneMode::StrongNoiseRemoval, MicrophoneMode::Music];

const NOTHING: Needs = Needs { echo: false, noise: false };
const NOISE: Needs = Needs { echo: false, noise: true };
const ECHO: Needs = Needs { echo: true, noise: false };
const BOTH: Needs = Needs { echo: true, noise: true };

fn processed(processing: &mut VoiceProcessing, sound: &[f32]) -> Vec<f32> {
    let (blocks, _) = sound.as_chunks::<BLOCK_SAMPLES>();
    blocks
        .iter()
        .flat_map(|block| {
            let mut block = *block;
            processing.process(&mut block);
            block
        })
        .collect()
}

fn level(sound: &[f32]) -> f32 {
    dbfs(mean_square(sound))
}

/// What a microphone hears of a loudspeaker 60 ms later, through a room of 20 ms.
fn echo_of(played: &[f32]) -> Vec<f32> {
    let mut random = Noise::new(3);
    let room: Vec<f32> = (0..960).map(|n| random.draw() * 0.1 * (-(n as f32) / 200.0).exp()).collect();
    let mut heard = vec![0.0; played.len()];
    for (n, sample) in heard.iter_mut().enumerate().skip(2_880) {
        let reach = (n - 2_880).min(room.len() - 1);
        *sample = (0..=reach).map(|k| room[k] * played[n - 2_880 - k]).sum();
    }
    heard
}

#[test]
fn music_is_left_as_it_is() {
    let mut processing = VoiceProcessing::new(MicrophoneMode::Music, BOTH);
    let sound = speech(1, -20.0, 1.0);
    assert_eq!(processed(&mut processing, &sound), sound);
    assert!(!processing.statistics().cancels_echo);
}

#[test]
fn steady_noise_is_turned_down() {
    let noise = white_noise(5, -45.0, 6.0);
    let left = |mode| {
        let out = processed(&mut VoiceProcessing::new(mode, NOISE), &noise);
        level(&out[out.len() - 48_000..])
    };
    assert!(left(MicrophoneMode::Speech) < -54.0, "{}", left(MicrophoneMode::Speech));
    assert!(left(MicrophoneMode::StrongNoiseRemoval) < -54.0, "{}", left(MicrophoneMode::StrongNoiseRemoval));
}

#[test]
fn the_echo_of_the_loudspeaker_is_cancelled_and_the_delay_found() {
    let played = speech(7, -20.0, 6.0);
    let heard = mixed(&[&echo_of(&played), &white_noise(9, -65.0, 6.0)]);
    let mut processing = VoiceProcessing::new(MicrophoneMode::Speech, BOTH);
    let mut left = Vec::new();
    let (played, _) = played.as_chunks::<BLOCK_SAMPLES>();
    for (far, near) in played.iter().zip(heard.as_chunks::<BLOCK_SAMPLES>().0) {
        processing.hear_loudspeaker(far);
        let mut block = *near;
        processing.process(&mut block);
        left.extend_from_slice(&block);
    }
    let (before, after) = (level(&heard[4 * 48_000..]), level(&left[4 * 48_000..]));
    assert!(before - after > 25.0, "{before} dBFS became {after} dBFS");
    let known = processing.statistics();
    assert!((40..=80).contains(&known.echo_delay_ms.unwrap()), "{known:?}");
    assert_eq!(known.unprocessed_blocks, 0);
}

#[test]
fn a_quiet_voice_comes_out_louder_and_never_beyond_full_scale() {
    let sound = speech(11, -42.0, 10.0);
    for mode in [MicrophoneMode::Speech, MicrophoneMode::StrongNoiseRemoval] {
        let out = processed(&mut VoiceProcessing::new(mode, NOISE), &sound);
        let (before, after) = (level(&sound[7 * 48_000..]), level(&out[7 * 48_000..]));
        assert!(after > before + 6.0, "{mode:?}: {before} dBFS became {after} dBFS");
        assert!(out.iter().all(|sample| sample.abs() <= 1.0));
    }
}

#[test]
fn samples_that_are_not_numbers_do_not_stay() {
    for mode in [MicrophoneMode::Speech, MicrophoneMode::StrongNoiseRemoval] {
        let mut processing = VoiceProcessing::new(mode, BOTH);
        processing.hear_loudspeaker(&[f32::INFINITY; BLOCK_SAMPLES]);
        processing.process(&mut [f32::NAN; BLOCK_SAMPLES]);
        let out = processed(&mut processing, &speech(13, -20.0, 1.0));
        assert!(out.iter().all(|sample| sample.is_finite()));
        assert!(level(&out[24_000..]) > -60.0);
    }
}

/// `sonora` allocates for every block (its echo remover and its gain control keep scratch space in vectors), which is
/// why the processing is on the engine thread and never in a device callback.
#[test]
fn the_denoiser_and_the_music_mode_do_not_allocate() {
    let sound = speech(17, -20.0, 2.0);
    let mut denoiser = warm_denoiser();
    let mut music = VoiceProcessing::new(MicrophoneMode::Music, BOTH);
    for block in sound.as_chunks::<BLOCK_SAMPLES>().0 {
        let mut block = *block;
        assert_no_alloc(|| {
            denoise(&mut denoiser, &mut block);
            music.hear_loudspeaker(&block);
            music.process(&mut block);
        });
    }
}

/// Where `out` fits `sound` best, samples later. Compares the steps between samples: the pitch alone fits in many
/// places.
fn lateness(sound: &[f32], out: &[f32]) -> usize {
    let steps = |sound: &[f32]| -> Vec<f32> { sound.windows(3).map(|s| s[2] - 2.0 * s[1] + s[0]).collect() };
    let (sound, out) = (steps(sound), steps(out));
    let fit = |late: usize| -> f32 { sound.iter().zip(&out[late..]).map(|(a, b)| a * b).sum() };
    (0..2_000).max_by(|a, b| fit(*a).total_cmp(&fit(*b))).unwrap()
}

#[test]
fn every_chain_is_as_late_as_it_says() {
    let sound = mixed(&[&speech(23, -20.0, 4.0), &white_noise(29, -70.0, 4.0)]);
    let mut wrong = Vec::new();
    for mode in MODES {
        for needs in [NOTHING, NOISE, ECHO, BOTH] {
            let mut processing = VoiceProcessing::new(mode, needs);
            let mut out = Vec::new();
            for block in sound.as_chunks::<BLOCK_SAMPLES>().0 {
                let mut block = *block;
                processing.hear_loudspeaker(&SILENT_BLOCK);
                processing.process(&mut block);
                out.extend_from_slice(&block);
            }
            let late = lateness(&sound[96_000..144_000], &out[96_000..]) as i64;
            let said = processing.delay_micros() * 48 / 1_000;
            if (late - said).abs() > 24 {
                wrong.push((mode, needs, late, said));
            }
        }
    }
    assert!(wrong.is_empty(), "measured and said, samples: {wrong:?}");
}

#[test]
fn speech_that_needs_nothing_only_gets_its_level_changed() {
    let sound = speech(37, -18.0, 3.0);
    let out = processed(&mut VoiceProcessing::new(MicrophoneMode::Speech, NOTHING), &sound);
    let (mut product, mut in_power, mut out_power) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (before, after) in sound.iter().zip(&out).map(|(before, after)| (f64::from(*before), f64::from(*after))) {
        product += before * after;
        in_power += before * before;
        out_power += after * after;
    }
    assert!(product / (in_power * out_power).sqrt() > 0.99);
}

#[test]
fn the_gain_of_tests_is_what_it_says() {
    assert!((level(&white_noise(31, -30.0, 2.0)) + 30.0).abs() < 0.2);
    assert!((gain(-6.02) - 0.5).abs() < 1e-3);
}
