//! How loud a sound is, as the meter and the speaking ring show it.

use crate::format::SAMPLE_RATE_HZ;

/// What a meter shows for digital silence, dBFS: the quietest value RFC 6464 can carry.
pub const SILENCE_DBFS: f32 = -127.0;

/// Time constants of the meter, seconds: quick enough to light the ring with the first syllable, slow enough not to
/// flicker.
const ATTACK_SECONDS: f32 = 0.02;
const RELEASE_SECONDS: f32 = 0.12;

/// Sums that are kept side by side, so that a processor can add them at once.
const LANES: usize = 8;

/// Mean square of `samples`; 0 for none. Samples that are not numbers count as silence.
pub fn mean_square(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let (chunks, rest) = samples.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, sample)| *sum += square(*sample));
    }
    let sum = sums.iter().sum::<f32>() + rest.iter().map(|sample| square(*sample)).sum::<f32>();
    sum / samples.len() as f32
}

fn square(sample: f32) -> f32 {
    if sample.is_finite() { sample * sample } else { 0.0 }
}

/// Level of a mean square in dBFS, where 0 is a full-scale square wave (a full-scale sine is -3.01); never below
/// [`SILENCE_DBFS`].
pub fn dbfs(mean_square: f32) -> f32 {
    if mean_square <= 0.0 || !mean_square.is_finite() {
        return SILENCE_DBFS;
    }
    (10.0 * mean_square.log10()).max(SILENCE_DBFS)
}

/// The level of a mean square as RFC 6464 sends it: 0 is the loudest, 127 is silence, in steps of 1 dB.
pub fn rfc6464_level(mean_square: f32) -> u8 {
    // The clamp keeps the cast in range.
    (-dbfs(mean_square)).round().clamp(0.0, 127.0) as u8
}

/// A running level: mean square with a short attack and a longer release.
#[derive(Clone, Debug, Default)]
pub struct LevelMeter {
    mean_square: f32,
}

impl LevelMeter {
    /// Takes the mean square of the next `samples`.
    pub fn feed(&mut self, mean_square: f32, samples: usize) {
        let seconds = samples as f32 / SAMPLE_RATE_HZ as f32;
        let constant = if mean_square > self.mean_square { ATTACK_SECONDS } else { RELEASE_SECONDS };
        let share = 1.0 - (-seconds / constant).exp();
        self.mean_square += (mean_square - self.mean_square) * share;
    }

    /// The level now, dBFS.
    pub fn dbfs(&self) -> f32 {
        dbfs(self.mean_square)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tone(peak: f32, samples: usize) -> Vec<f32> {
        let step = std::f32::consts::TAU * 997.0 / SAMPLE_RATE_HZ as f32;
        (0..samples).map(|n| peak * (n as f32 * step).sin()).collect()
    }

    proptest! {
        #[test]
        fn a_tone_reads_right_within_one_decibel(level in -60.0_f32..-3.0) {
            let peak = 10f32.powf(level / 20.0) * std::f32::consts::SQRT_2;
            let mut meter = LevelMeter::default();
            for block in tone(peak, 48_000).chunks(480) {
                meter.feed(mean_square(block), block.len());
            }
            prop_assert!((meter.dbfs() - level).abs() < 1.0, "{} read as {}", level, meter.dbfs());
        }

        #[test]
        fn no_input_breaks_the_meter(samples in prop::collection::vec(any::<f32>(), 0..500)) {
            let mut meter = LevelMeter::default();
            meter.feed(mean_square(&samples), samples.len());
            prop_assert!(meter.dbfs() >= SILENCE_DBFS);
            prop_assert!(rfc6464_level(mean_square(&samples)) <= 127);
        }
    }

    #[test]
    fn the_level_of_a_frame_follows_rfc_6464() {
        assert_eq!(rfc6464_level(0.0), 127);
        assert_eq!(rfc6464_level(1.0), 0);
        assert_eq!(rfc6464_level(mean_square(&tone(0.1, 960))), 23);
    }

    #[test]
    fn the_meter_falls_after_the_sound_ends() {
        let mut meter = LevelMeter::default();
        meter.feed(0.25, 4_800);
        for _ in 0..100 {
            meter.feed(0.0, 480);
        }
        assert!(meter.dbfs() < -35.0);
    }
}
