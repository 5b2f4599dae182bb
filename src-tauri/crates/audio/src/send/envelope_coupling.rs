//! Whether what the loudspeaker plays can be heard in the microphone: how alike the two levels rise and fall.
//!
//! The correlation of the rises and falls within 30 ms, in dB, for every delay up to 600 ms, with forgetting. The
//! levels themselves would not do: two voices can have their sentences and pauses alike for seconds by chance
//! (correlations up to 0.68 in 5 s of synthetic speech, of the rises 0.28; echoes reach 0.8 in both). The residual echo
//! detector of WebRTC looks at levels, and only behind the canceller.

/// Longest delay looked at, blocks of 10 ms: Bluetooth loudspeakers take up to 300 ms.
const DELAYS: usize = 60;

/// Weight of one block, so that 10 s are remembered.
const BLOCK_WEIGHT: f32 = 0.001;

/// Levels below this are all the same silence, dBFS.
const FLOOR_DBFS: f32 = -70.0;

/// The loudspeaker is playing something from here on, dBFS.
const PLAYING_DBFS: f32 = -50.0;

/// Blocks of playing before the figure means anything (3 s).
const FIRST_FIGURE_BLOCKS: u64 = 300;

/// Blocks over which a rise is taken.
const RISE_BLOCKS: usize = 3;

/// Levels to rises.
#[derive(Clone, Debug)]
struct Rise {
    levels: [f32; RISE_BLOCKS],
    oldest: usize,
}

impl Default for Rise {
    fn default() -> Self {
        Self { levels: [FLOOR_DBFS; RISE_BLOCKS], oldest: 0 }
    }
}

impl Rise {
    /// By how much the level rose (fell, if negative) to `dbfs`, dB.
    fn to(&mut self, dbfs: f32) -> f32 {
        let level = if dbfs.is_finite() { dbfs.max(FLOOR_DBFS) } else { FLOOR_DBFS };
        let before = std::mem::replace(&mut self.levels[self.oldest], level);
        self.oldest = (self.oldest + 1) % RISE_BLOCKS;
        level - before
    }
}

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
    played_rise: Rise,
    captured_rise: Rise,
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
            played_rise: Rise::default(),
            captured_rise: Rise::default(),
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
        self.played[self.newest] = self.played_rise.to(played_dbfs);
        let captured = self.captured_rise.to(captured_dbfs);
        if played_dbfs > PLAYING_DBFS {
            self.playing_blocks += 1;
            self.blocks_since_playing = 0;
        } else {
            self.blocks_since_playing = self.blocks_since_playing.saturating_add(1);
        }
        // In long silence there is nothing to learn.
        if self.blocks_since_playing < DELAYS {
            self.learn(captured);
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

    /// The best correlation over all delays, 0.0 (nothing of the loudspeaker is heard) to 1.0; `None` before 3 s were
    /// played.
    pub fn coupling(&self) -> Option<f32> {
        (self.playing_blocks >= FIRST_FIGURE_BLOCKS).then(|| self.best_correlation())
    }

    fn best_correlation(&self) -> f32 {
        self.moments.iter().map(|moments| self.correlation(moments)).fold(0.0, f32::max).min(1.0)
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

/// The same for a short recording as a whole: levels of blocks played and captured at the same times, dBFS.
pub fn correlation_of_levels(played: &[f32], captured: &[f32]) -> f32 {
    let mut coupling = EnvelopeCoupling::default();
    played.iter().zip(captured).for_each(|(played, captured)| coupling.observe(*played, *captured));
    if coupling.weight > 0.0 { coupling.best_correlation() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serambi_codec::{
        dsp::level_meter::{dbfs, mean_square},
        testing::synthetic_sound::{Noise, gain, speech, white_noise},
    };

    use super::*;
    use crate::format::BLOCK_SAMPLES;

    fn coupling(played: &[f32], captured: &[f32]) -> f32 {
        let mut coupling = EnvelopeCoupling::default();
        for (far, near) in played.chunks(BLOCK_SAMPLES).zip(captured.chunks(BLOCK_SAMPLES)) {
            coupling.observe(dbfs(mean_square(far)), dbfs(mean_square(near)));
        }
        coupling.coupling().unwrap()
    }

    /// 120 ms late and 25 dB quieter, with the noise of a microphone and the reverberation of a living room (60 dB in
    /// 400 ms), made of a reflection every 2 ms.
    fn echo(played: &[f32]) -> Vec<f32> {
        let mut random = Noise::new(11);
        let mut heard = white_noise(9, -65.0, 20.0);
        for reflection in 0..200 {
            let strength = gain(-25.0 - 0.3 * reflection as f32) * if reflection == 0 { 1.0 } else { random.draw() };
            let late = 5_760 + reflection * 96;
            heard.iter_mut().skip(late).zip(played).for_each(|(sum, sample)| *sum += sample * strength);
        }
        heard
    }

    #[test]
    fn an_echo_is_told_from_noise_and_from_another_voice() {
        let played = speech(1, -22.0, 20.0);
        let (alone, other) = (white_noise(2, -60.0, 20.0), speech(40, -25.0, 20.0));
        let (heard, noise, voice) =
            (coupling(&played, &echo(&played)), coupling(&played, &alone), coupling(&played, &other));
        assert!(heard > 0.5, "echo {heard}");
        assert!(noise < 0.3, "noise {noise}");
        assert!(voice < 0.3, "another voice {voice}");
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
