//! Whether what the loudspeaker plays can be heard in the microphone: how alike the two levels rise and fall.
//!
//! The correlation of the levels in dB, for every delay up to 600 ms, with forgetting. A person who answers what they hear talks
//! in the pauses of the others, which counts against a coupling; an echo repeats every rise and fall. The residual echo detector
//! of WebRTC looks at the same thing, but only behind the canceller.

/// Longest delay looked at, blocks of 10 ms: Bluetooth loudspeakers take up to 300 ms.
const DELAYS: usize = 60;

/// Weight of one block, so that 20 s are remembered: fewer syllables than that look alike by chance.
const BLOCK_WEIGHT: f32 = 0.000_5;

/// Levels below this are all the same silence, dBFS.
const FLOOR_DBFS: f32 = -70.0;

/// The loudspeaker is playing something from here on, dBFS.
const PLAYING_DBFS: f32 = -50.0;

/// Blocks of playing before the figure means anything (6 s): two voices can agree by chance for a sentence.
const FIRST_FIGURE_BLOCKS: u64 = 600;

/// Running sums of one delay.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    played: f32,
    played_square: f32,
    product: f32,
}

/// The coupling of a loudspeaker into a microphone, from the levels of their blocks.
#[derive(Clone, Debug)]
pub struct EnvelopeCoupling {
    played: [f32; DELAYS],
    newest: usize,
    moments: [Moments; DELAYS],
    captured: f32,
    captured_square: f32,
    weight: f32,
    playing_blocks: u64,
    blocks_since_playing: usize,
}

impl Default for EnvelopeCoupling {
    fn default() -> Self {
        Self {
            played: [0.0; DELAYS],
            newest: 0,
            moments: [Moments::default(); DELAYS],
            captured: 0.0,
            captured_square: 0.0,
            weight: 0.0,
            playing_blocks: 0,
            blocks_since_playing: DELAYS,
        }
    }
}

impl EnvelopeCoupling {
    /// Takes the levels of a block played and a block captured at the same time, dBFS.
    pub fn observe(&mut self, played_dbfs: f32, captured_dbfs: f32) {
        self.newest = (self.newest + 1) % DELAYS;
        self.played[self.newest] = above_floor(played_dbfs);
        if played_dbfs > PLAYING_DBFS {
            self.playing_blocks += 1;
            self.blocks_since_playing = 0;
        } else {
            self.blocks_since_playing = self.blocks_since_playing.saturating_add(1);
        }
        // In long silence there is nothing to learn.
        if self.blocks_since_playing < DELAYS {
            self.learn(above_floor(captured_dbfs));
        }
    }

    fn learn(&mut self, captured: f32) {
        let keep = 1.0 - BLOCK_WEIGHT;
        self.weight = self.weight * keep + BLOCK_WEIGHT;
        self.captured = self.captured * keep + captured * BLOCK_WEIGHT;
        self.captured_square = self.captured_square * keep + captured * captured * BLOCK_WEIGHT;
        for (delay, moments) in self.moments.iter_mut().enumerate() {
            let played = self.played[(self.newest + DELAYS - delay) % DELAYS];
            moments.played = moments.played * keep + played * BLOCK_WEIGHT;
            moments.played_square = moments.played_square * keep + played * played * BLOCK_WEIGHT;
            moments.product = moments.product * keep + played * captured * BLOCK_WEIGHT;
        }
    }

    /// The best correlation over all delays, 0.0 (nothing of the loudspeaker is heard) to 1.0; `None` before 6 s were played.
    pub fn coupling(&self) -> Option<f32> {
        if self.playing_blocks < FIRST_FIGURE_BLOCKS {
            return None;
        }
        Some(self.moments.iter().map(|moments| self.correlation(moments)).fold(0.0, f32::max).min(1.0))
    }

    /// Blocks of 10 ms in which the loudspeaker played something.
    pub fn playing_blocks(&self) -> u64 {
        self.playing_blocks
    }

    fn correlation(&self, moments: &Moments) -> f32 {
        let (played, captured) = (moments.played / self.weight, self.captured / self.weight);
        let played_variance = moments.played_square / self.weight - played * played;
        let captured_variance = self.captured_square / self.weight - captured * captured;
        // A level that rests says nothing: a steady noise varies by less than 1 dB.
        if played_variance < 1.0 || captured_variance < 1.0 {
            return 0.0;
        }
        (moments.product / self.weight - played * captured) / (played_variance * captured_variance).sqrt()
    }
}

/// Heights above the floor, so that the sums stay small.
fn above_floor(dbfs: f32) -> f32 {
    if dbfs.is_finite() { (dbfs - FLOOR_DBFS).max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::format::BLOCK_SAMPLES;
    use crate::level_meter::{dbfs, mean_square};
    use crate::synthetic_sound::{gain, mixed, speech, white_noise};

    fn coupling(played: &[f32], captured: &[f32]) -> f32 {
        let mut coupling = EnvelopeCoupling::default();
        for (far, near) in played.chunks(BLOCK_SAMPLES).zip(captured.chunks(BLOCK_SAMPLES)) {
            coupling.observe(dbfs(mean_square(far)), dbfs(mean_square(near)));
        }
        coupling.coupling().unwrap()
    }

    /// 120 ms late and 25 dB quieter, with the noise of a microphone.
    fn echo(played: &[f32]) -> Vec<f32> {
        let mut late = vec![0.0; 5_760];
        late.extend(played.iter().map(|sample| sample * gain(-25.0)));
        mixed(&[&late, &white_noise(9, -65.0, 20.0)])
    }

    #[test]
    fn an_echo_is_told_from_noise_and_from_another_voice() {
        let played = speech(1, -22.0, 20.0);
        let (alone, other) = (white_noise(2, -60.0, 20.0), speech(40, -25.0, 20.0));
        let (heard, noise, voice) =
            (coupling(&played, &echo(&played)), coupling(&played, &alone), coupling(&played, &other));
        assert!(heard > 0.8, "echo {heard}");
        assert!(noise < 0.3, "noise {noise}");
        assert!(voice < 0.4, "another voice {voice}");
    }

    #[test]
    fn nothing_is_said_before_something_was_played() {
        let mut coupling = EnvelopeCoupling::default();
        for _ in 0..10_000 {
            coupling.observe(-90.0, -30.0);
        }
        assert_eq!(coupling.coupling(), None);
    }

    #[test]
    fn levels_that_are_no_numbers_break_nothing() {
        let mut coupling = EnvelopeCoupling::default();
        for n in 0..2_000 {
            coupling.observe(if n % 2 == 0 { f32::NAN } else { -20.0 }, f32::INFINITY);
        }
        assert!(coupling.coupling().unwrap().is_finite());
    }
}
