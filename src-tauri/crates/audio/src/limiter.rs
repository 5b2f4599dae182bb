//! Keeps the mix of any number of speakers below full scale, without adding delay.

use crate::format::SAMPLE_RATE_HZ;

/// The loudest sample that leaves the limiter: -1 dBFS, room for the peaks that a resampler or a codec adds between samples.
pub const CEILING: f32 = 0.891_25;

/// Samples the gain stays down after a peak: longer than half a period of a deep voice (10 ms), so that one period is
/// turned down as a whole instead of being bent.
const HOLD_SAMPLES: u32 = SAMPLE_RATE_HZ / 100;

/// Time constant of the return to full gain, seconds.
const RELEASE_SECONDS: f32 = 0.12;

/// A peak limiter with instant attack.
///
/// The gain falls in the very sample that would pass the ceiling, so the output is continuous (it rests at the ceiling
/// until the peak is over) and no look-ahead has to be paid for with delay.
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
    /// Limits `samples` in place. A sample that is not a number becomes silence.
    pub fn apply(&mut self, samples: &mut [f32]) {
        for sample in samples {
            *sample = self.limit(*sample);
        }
    }

    fn limit(&mut self, sample: f32) -> f32 {
        if !sample.is_finite() {
            return 0.0;
        }
        let peak = sample.abs();
        if peak * self.gain > CEILING {
            self.gain = CEILING / peak;
            self.hold = HOLD_SAMPLES;
        } else if self.hold > 0 {
            self.hold -= 1;
        } else {
            let headroom = if peak > CEILING { CEILING / peak } else { 1.0 };
            self.gain = (self.gain + (1.0 - self.gain) * self.release).min(headroom);
        }
        (sample * self.gain).clamp(-CEILING, CEILING)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_lets_a_sample_past_the_ceiling(samples in prop::collection::vec(any::<f32>(), 0..2_000)) {
            let mut samples = samples;
            Limiter::default().apply(&mut samples);
            for sample in samples {
                prop_assert!(sample.abs() <= CEILING);
            }
        }
    }

    #[test]
    fn leaves_quiet_sound_alone() {
        let sound: Vec<f32> = (0..4_800).map(|n| 0.5 * (n as f32 * 0.05).sin()).collect();
        let mut limited = sound.clone();
        Limiter::default().apply(&mut limited);
        assert_eq!(sound, limited);
    }

    #[test]
    fn a_loud_onset_stays_continuous() {
        let mut samples: Vec<f32> = (0..9_600).map(|n| 3.0 * (n as f32 * 0.03).sin()).collect();
        Limiter::default().apply(&mut samples);
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
