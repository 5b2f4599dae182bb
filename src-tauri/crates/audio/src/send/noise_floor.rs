//! How loud the room and the microphone are by themselves, and whether that is worth suppressing.
//!
//! Noise suppression is not free: on a clean recording of speech it costs 0.3 of PESQ and 7 ms, and the high-pass
//! filter with it another 0.4 to 0.7 (measured with two synthetic voices). So it runs where there is noise.

use serambi_codec::dsp::level_meter::SILENCE_DBFS;

/// Blocks of 10 ms that are averaged, so that one quiet block does not pass for the floor (50 ms).
const STEP_BLOCKS: u32 = 5;

/// Steps in which somebody who talks breathes at least once (3 s).
const LOOK_STEPS: usize = 60;

/// Steps before the floor is believed if all of them are alike (1 s), and by how much they may differ, dB: before 3 s
/// have passed, the quietest moment of somebody who talks may still be talk.
const FIRST_STEPS: usize = 20;
const STEADY_DB: f32 = 6.0;

/// Noise from here on is suppressed at once, dBFS. After 20 dB of gain it would be as loud as a quiet voice's end of
/// word.
const NOISY_DBFS: f32 = -62.0;

/// Noise is there all the time, so the quietest moments are alike: so many steps of the last 3 s (300 ms) lie within so
/// many dB of the quietest. Where somebody talks for 3 s without a breath, the quietest moment is the end of a word and
/// stands alone; taken for noise, it switched the suppression on in the middle of a sentence.
const ALIKE_STEPS: usize = 6;
const ALIKE_DB: f32 = 3.0;

/// Noise up to here for as long as [`CALM_STEPS`] is left alone again, dBFS.
const CALM_DBFS: f32 = -68.0;
const CALM_STEPS: u32 = 200;

/// Watches the level of one microphone, before any processing.
#[derive(Clone, Debug)]
pub struct NoiseFloor {
    sum_dbfs: f32,
    summed: u32,
    steps: [f32; LOOK_STEPS],
    written: usize,
    calm_steps: u32,
    noisy: bool,
}

impl Default for NoiseFloor {
    fn default() -> Self {
        Self { sum_dbfs: 0.0, summed: 0, steps: [f32::INFINITY; LOOK_STEPS], written: 0, calm_steps: 0, noisy: false }
    }
}

impl NoiseFloor {
    /// Takes the level of the next block, dBFS.
    pub fn observe(&mut self, block_dbfs: f32) {
        self.sum_dbfs += if block_dbfs.is_finite() { block_dbfs.clamp(SILENCE_DBFS, 0.0) } else { SILENCE_DBFS };
        self.summed += 1;
        if self.summed < STEP_BLOCKS {
            return;
        }
        self.steps[self.written % LOOK_STEPS] = self.sum_dbfs / STEP_BLOCKS as f32;
        self.written += 1;
        (self.sum_dbfs, self.summed) = (0.0, 0);
        if let Some(floor) = self.dbfs() {
            self.calm_steps = if floor < CALM_DBFS { self.calm_steps.saturating_add(1) } else { 0 };
            self.noisy = (floor > NOISY_DBFS && self.is_level(floor)) || (self.noisy && self.calm_steps < CALM_STEPS);
        }
    }

    /// The quietest 50 ms of the last 3 s, dBFS; `None` until it is known.
    pub fn dbfs(&self) -> Option<f32> {
        let known = &self.steps[..self.written.min(LOOK_STEPS)];
        let quietest = known.iter().copied().fold(f32::INFINITY, f32::min);
        let loudest = known.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let is_steady = known.len() >= FIRST_STEPS && loudest - quietest < STEADY_DB;
        (is_steady || known.len() == LOOK_STEPS).then_some(quietest)
    }

    /// Whether the quietest moments are alike.
    fn is_level(&self, floor: f32) -> bool {
        self.steps.iter().filter(|step| **step <= floor + ALIKE_DB).count() >= ALIKE_STEPS
    }

    /// Whether there is noise worth suppressing.
    pub fn is_noisy(&self) -> bool {
        self.noisy
    }
}

#[cfg(test)]
mod tests {
    use serambi_codec::{
        dsp::level_meter::{dbfs, mean_square},
        testing::synthetic_sound::{mixed, speech, white_noise},
    };

    use super::*;
    use crate::format::BLOCK_SAMPLES;

    fn hear(floor: &mut NoiseFloor, sound: &[f32]) -> bool {
        sound.chunks(BLOCK_SAMPLES).for_each(|block| floor.observe(dbfs(mean_square(block))));
        floor.is_noisy()
    }

    #[test]
    fn speech_into_a_good_microphone_is_not_noisy() {
        let sound = mixed(&[&speech(1, -22.0, 20.0), &white_noise(2, -72.0, 20.0)]);
        let mut floor = NoiseFloor::default();
        for second in sound.chunks(48_000) {
            assert!(!hear(&mut floor, second));
        }
    }

    #[test]
    fn a_fan_is_noticed_in_a_second_of_pause_and_in_four_seconds_of_speech() {
        assert!(hear(&mut NoiseFloor::default(), &white_noise(11, -50.0, 1.1)));
        let mut floor = NoiseFloor::default();
        hear(&mut floor, &white_noise(3, -75.0, 5.0));
        assert!(hear(&mut floor, &mixed(&[&speech(4, -22.0, 4.0), &white_noise(5, -50.0, 4.0)])));
    }

    /// Once suppression began in the middle of somebody's long sentence.
    #[test]
    fn who_talks_for_seconds_without_a_breath_is_not_noisy() {
        let mut floor = NoiseFloor::default();
        for step in 0..400 {
            // Ends of words, every half second, none like another.
            let dbfs = if step % 10 == 0 { -58.0 + (step / 10 % 7) as f32 * 3.0 } else { -20.0 - (step % 7) as f32 };
            (0..STEP_BLOCKS).for_each(|_| floor.observe(dbfs));
            assert!(!floor.is_noisy(), "step {step}");
        }
    }

    #[test]
    fn suppression_ends_only_after_ten_calm_seconds() {
        let mut floor = NoiseFloor::default();
        assert!(hear(&mut floor, &white_noise(6, -50.0, 2.0)));
        assert!(hear(&mut floor, &white_noise(7, -80.0, 9.0)));
        assert!(!hear(&mut floor, &white_noise(8, -80.0, 2.0)));
    }

    #[test]
    fn noise_between_the_thresholds_changes_nothing() {
        let between = white_noise(9, -65.0, 20.0);
        assert!(!hear(&mut NoiseFloor::default(), &between));
        let mut floor = NoiseFloor::default();
        hear(&mut floor, &white_noise(10, -50.0, 2.0));
        assert!(hear(&mut floor, &between));
    }
}
