//! Makes a piece of sound a little longer or shorter without changing its pitch: one period is repeated or left out
//! where two neighbouring periods look alike (waveform similarity overlap-add). The middle says where; both channels
//! are cut there.

use crate::dsp::{fade::cross_fade, mid_side::MidSide};

/// Shortest period, samples (2.5 ms, a voice of 400 Hz).
const MIN_PERIOD: usize = 120;

/// Longest period, samples (12.5 ms, a voice of 80 Hz).
const MAX_PERIOD: usize = 600;

/// Samples that a sound may become longer than wanted (4 ms), so that a voice's period fits in.
const OVERSHOOT: usize = 192;

/// Normalised correlation from which two periods are alike enough that the joint is not heard.
const ALIKE: f32 = 0.85;

/// The search looks at every fourth shift and sample first: voice periods carry their energy far below 6 kHz.
const COARSE_STEP: usize = 4;

/// Leaves one period out of `sound`, at most `most` samples, or just so many if it is a pause. Returns how many samples
/// are gone; 0 if no joint would pass unheard.
pub fn shorten(sound: &mut MidSide<Vec<f32>>, most: usize, is_pause: bool) -> usize {
    let Some(period) = find_shift(&sound.middle, most, most, is_pause) else {
        return 0;
    };
    sound.planes_mut().for_each(|plane| leave_out(plane, period));
    period
}

fn leave_out(plane: &mut Vec<f32>, period: usize) {
    let (head, tail) = plane.split_at_mut(period);
    cross_fade(head, &mut tail[..period]);
    plane.drain(..period);
}

/// Repeats a part of `sound`: `wanted` samples of a pause, else one period of up to [`OVERSHOOT`] more, or of any
/// length if there is none so short. Returns how many samples were added; 0 if no joint would pass unheard.
pub fn lengthen(sound: &mut MidSide<Vec<f32>>, wanted: usize, is_pause: bool) -> usize {
    let shortest = find_shift(&sound.middle, wanted, wanted + OVERSHOOT, is_pause);
    let Some(period) = shortest.or_else(|| find_shift(&sound.middle, wanted, MAX_PERIOD, is_pause)) else {
        return 0;
    };
    sound.planes_mut().for_each(|plane| repeat(plane, period));
    period
}

/// Plays the first period, then slides from its continuation back onto its beginning, and goes on from there.
fn repeat(plane: &mut Vec<f32>, period: usize) {
    let mut again = plane[..period].to_vec();
    cross_fade(&plane[period..2 * period], &mut again);
    plane.splice(period..period, again);
}

/// The shift, no longer than `most`, at which `sound` looks most like itself; `wanted` in a pause, where no joint is
/// heard.
fn find_shift(sound: &[f32], wanted: usize, most: usize, is_pause: bool) -> Option<usize> {
    let half = sound.len() / 2;
    if is_pause {
        return Some(wanted.min(half)).filter(|shift| *shift > 0);
    }
    let longest = most.min(MAX_PERIOD).min(half);
    if longest < MIN_PERIOD {
        return None;
    }
    let coarse = best_shift(sound, (MIN_PERIOD..=longest).step_by(COARSE_STEP), COARSE_STEP)?;
    let around = coarse.0.saturating_sub(COARSE_STEP).max(MIN_PERIOD)..=(coarse.0 + COARSE_STEP).min(longest);
    let (shift, likeness) = best_shift(sound, around, 1)?;
    (likeness >= ALIKE).then_some(shift)
}

fn best_shift(sound: &[f32], shifts: impl Iterator<Item = usize>, step: usize) -> Option<(usize, f32)> {
    shifts.map(|shift| (shift, likeness(sound, shift, step))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Normalised correlation of the first `shift` samples with the `shift` samples after them, looking at every `step`th.
fn likeness(sound: &[f32], shift: usize, step: usize) -> f32 {
    let length = shift.min(sound.len() - shift);
    let (mut product, mut first, mut second) = (0.0, 0.0, 0.0);
    for index in (0..length).step_by(step) {
        let (a, b) = (sound[index], sound[index + shift]);
        product += a * b;
        first += a * a;
        second += b * b;
    }
    if first <= 0.0 || second <= 0.0 {
        return 0.0;
    }
    product / (first * second).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn voice(samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|n| {
                let phase = n as f32 * std::f32::consts::TAU * 150.0 / 48_000.0;
                0.3 * phase.sin() + 0.2 * (2.0 * phase).sin() + 0.1 * (5.0 * phase).sin()
            })
            .collect()
    }

    fn largest_step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_voiced_sound_is_shortened_by_its_period_without_a_step() {
        let original = voice(960);
        let mut sound = MidSide::mono(original.clone());
        let gone = shorten(&mut sound, 480, false);
        let sound = sound.middle;
        assert!((318..=322).contains(&gone), "{gone}");
        assert_eq!(sound.len(), 960 - gone);
        assert!(largest_step(&sound) <= largest_step(&original) * 1.1);
        assert_eq!(sound.last(), original.last());
        assert!((sound[0] - original[0]).abs() < 0.05);
    }

    #[test]
    fn a_voiced_sound_is_lengthened_by_its_period_without_a_step() {
        let original = voice(960);
        let mut sound = MidSide::mono(original.clone());
        let added = lengthen(&mut sound, 200, false);
        let sound = sound.middle;
        assert!((318..=322).contains(&added), "{added}");
        assert_eq!(sound.len(), 960 + added);
        assert!(largest_step(&sound) <= largest_step(&original) * 1.1);
        assert_eq!(sound[0], original[0]);
        assert_eq!(sound.last(), original.last());
    }

    #[test]
    fn both_channels_are_cut_at_the_same_place() {
        let stereo = || MidSide { middle: voice(960), side: Some(voice(960).iter().map(|x| -0.5 * x).collect()) };
        let (mut shorter, mut longer) = (stereo(), stereo());
        assert!(shorten(&mut shorter, 480, false) > 0 && lengthen(&mut longer, 200, false) > 0);
        for sound in [shorter, longer] {
            let together = |(middle, side): (&f32, &f32)| (side + 0.5 * middle).abs() < 1e-6;
            assert!(sound.middle.iter().zip(sound.side.iter().flatten()).all(together));
        }
    }

    #[test]
    fn a_pause_gives_way_at_once() {
        assert_eq!(shorten(&mut MidSide::mono(vec![0.0; 960]), 300, true), 300);
        assert_eq!(lengthen(&mut MidSide::mono(vec![0.0; 960]), 300, true), 300);
    }

    #[test]
    fn noise_is_left_alone() {
        let mut state = 1_u32;
        let noise: Vec<f32> = (0..960)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state as f32 / u32::MAX as f32 - 0.5
            })
            .collect();
        let mut noise = MidSide::mono(noise);
        assert_eq!(shorten(&mut noise, 480, false), 0);
        assert_eq!(lengthen(&mut noise, 480, false), 0);
    }

    proptest! {
        #[test]
        fn no_sound_and_no_wish_breaks_it(
            sound in prop::collection::vec(-1.0_f32..1.0, 0..3_000), most in 0_usize..3_000, is_pause in any::<bool>()
        ) {
            let side = sound.iter().rev().copied().collect();
            let sound = MidSide { middle: sound, side: Some(side) };
            let mut shorter = sound.clone();
            let gone = shorten(&mut shorter, most, is_pause);
            prop_assert!(gone <= most);
            prop_assert_eq!(shorter.len() + gone, sound.len());
            let mut longer = sound.clone();
            let added = lengthen(&mut longer, most, is_pause);
            prop_assert!(added <= most.saturating_add(OVERSHOOT).max(MAX_PERIOD));
            prop_assert_eq!(longer.len(), sound.len() + added);
            for sound in [shorter, longer] {
                prop_assert_eq!(sound.side.map(|side| side.len()), Some(sound.middle.len()));
            }
        }
    }
}
