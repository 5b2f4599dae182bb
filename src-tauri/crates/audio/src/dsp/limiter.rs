//! Keeps the mix of any number of speakers below full scale, without adding delay.

use serambi_codec::{dsp::mid_side::MidSide, format::SAMPLE_RATE_HZ};

/// The loudest sample that leaves the limiter: -1 dBFS, room for the peaks that a resampler or a codec adds between
/// samples.
pub const CEILING: f32 = 0.891_25;

/// Samples the gain stays down after a peak: longer than half a period of a deep voice (10 ms), so that one period is
/// turned down as a whole instead of being bent.
const HOLD_SAMPLES: u32 = SAMPLE_RATE_HZ / 100;

/// Time constant of the return to full gain, seconds.
const RELEASE_SECONDS: f32 = 0.12;

/// A peak limiter with instant attack.
///
/// The gain falls in the very sample that would pass the ceiling, so the output is continuous (it rests at the ceiling
/// until the peak is over) and no look-ahead has to be paid for with delay. Both channels get the gain that the louder
/// one needs, so that nothing moves sideways.
#[derive(Clone, Debug)]
pub struct Limiter {
    gain: f32,
    hold: u32,
    release: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        let release = 1.0 - (-1.0 / (RELEASE_SECONDS * SAMPLE_RATE_HZ as f32)).exp();
        Self { gain: 1.0, hold: 0, release }
    }
}

impl Limiter {
    /// Limits `sound` in place. A sample that is not a number becomes silence.
    pub fn apply<'a>(&mut self, sound: impl Into<MidSide<&'a mut [f32]>>) {
        let mut sound = sound.into();
        if self.is_settled() && is_below_ceiling(&sound) {
            return sound.planes_mut().for_each(|plane| scale(plane, self.gain));
        }
        let MidSide { middle, side } = sound;
        let Some(side) = side else {
            middle.iter_mut().for_each(|sample| (*sample, _) = self.limit(*sample, 0.0));
            return;
        };
        for (middle, side) in middle.iter_mut().zip(side) {
            (*middle, *side) = self.limit(*middle, *side);
        }
    }

    /// Whether the gain stays as it is until the next peak.
    fn is_settled(&self) -> bool {
        self.hold == 0 && self.released() == self.gain
    }

    fn released(&self) -> f32 {
        self.gain + (1.0 - self.gain) * self.release
    }

    /// One moment. The louder channel has the peak |middle| + |side|.
    fn limit(&mut self, middle: f32, side: f32) -> (f32, f32) {
        let peak = middle.abs() + side.abs();
        if !peak.is_finite() {
            return (0.0, 0.0);
        }
        let gain = self.gain_for(peak);
        let middle = (middle * gain).clamp(-CEILING, CEILING);
        let room = CEILING - middle.abs();
        (middle, (side * gain).clamp(-room, room))
    }

    fn gain_for(&mut self, peak: f32) -> f32 {
        if peak * self.gain > CEILING {
            self.gain = CEILING / peak;
            self.hold = HOLD_SAMPLES;
        } else if self.hold > 0 {
            self.hold -= 1;
        } else {
            let headroom = if peak > CEILING { CEILING / peak } else { 1.0 };
            self.gain = self.released().min(headroom);
        }
        self.gain
    }
}

/// Whether no channel comes near full scale; false where something is not a number. Looks at everything, because that
/// is quicker than to stop early.
fn is_below_ceiling(sound: &MidSide<&mut [f32]>) -> bool {
    let middle = sound.middle.iter().map(|middle| middle.abs());
    match &sound.side {
        None => all_below_ceiling(middle),
        Some(side) => all_below_ceiling(middle.zip(side.iter()).map(|(middle, side)| middle + side.abs())),
    }
}

fn all_below_ceiling(peaks: impl Iterator<Item = f32>) -> bool {
    peaks.fold(true, |below, peak| below & (peak <= CEILING))
}

fn scale(plane: &mut [f32], gain: f32) {
    if gain != 1.0 {
        plane.iter_mut().for_each(|sample| *sample *= gain);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quiet_sound_in_blocks_comes_out_as_sample_by_sample(
            loud in prop::collection::vec(-4.0_f32..4.0, 0..300), quiet in prop::collection::vec(-0.8_f32..0.8, 240)
        ) {
            let (mut blocks, mut samples) = (Limiter::default(), Limiter::default());
            let mut sound = [loud, vec![0.5; 60_000], quiet].concat();
            let expected: Vec<f32> = sound.iter().map(|sample| samples.limit(*sample, 0.0).0).collect();
            sound.chunks_mut(240).for_each(|block| blocks.apply(block));
            prop_assert_eq!(sound, expected);
        }

        #[test]
        fn never_lets_a_sample_past_the_ceiling(samples in prop::collection::vec(any::<f32>(), 0..2_000)) {
            let mut samples = samples;
            Limiter::default().apply(&mut samples[..]);
            for sample in samples {
                prop_assert!(sample.abs() <= CEILING);
            }
        }

        #[test]
        fn never_lets_a_channel_past_the_ceiling(moments in prop::collection::vec(any::<(f32, f32)>(), 0..2_000)) {
            let (middle, side) = moments.into_iter().unzip();
            let mut sound = MidSide { middle, side: Some(side) };
            Limiter::default().apply(MidSide::<Vec<f32>>::as_mut_slices(&mut sound));
            for [left, right] in sound.left_right() {
                prop_assert!(left.abs().max(right.abs()) <= CEILING + 1e-6);
            }
        }
    }

    #[test]
    fn a_peak_on_the_left_turns_the_right_down_as_much() {
        let mut sound = MidSide { middle: vec![1.25; 100], side: Some(vec![0.75; 100]) };
        Limiter::default().apply(sound.as_mut_slices());
        for [left, right] in sound.left_right() {
            assert!((left - CEILING).abs() < 1e-5 && (right - CEILING / 4.0).abs() < 1e-5, "{left} {right}");
        }
    }

    #[test]
    fn leaves_quiet_sound_alone() {
        let sound: Vec<f32> = (0..4_800).map(|n| 0.5 * (n as f32 * 0.05).sin()).collect();
        let mut limited = sound.clone();
        Limiter::default().apply(&mut limited[..]);
        assert_eq!(sound, limited);
    }

    #[test]
    fn a_loud_onset_stays_continuous() {
        let mut samples: Vec<f32> = (0..9_600).map(|n| 3.0 * (n as f32 * 0.03).sin()).collect();
        Limiter::default().apply(&mut samples[..]);
        let step = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        // The steepest step of the unlimited onset: 3.0 * 0.03.
        assert!(step <= 0.091, "step {step}");
    }

    #[test]
    fn returns_to_full_gain_after_a_peak() {
        let mut limiter = Limiter::default();
        limiter.apply(&mut [4.0; 100]);
        let mut quiet = [0.1; 48_000];
        limiter.apply(&mut quiet);
        assert!((quiet[47_999] - 0.1).abs() < 1e-3);
    }
}
