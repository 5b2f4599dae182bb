//! Notices that the person talks while muted. Looks at levels only, on this machine; nothing is kept.
//!
//! Talk is what stands out from the room for most of a second, goes up and down as syllables do, and is long enough not
//! to be a cough or a keyboard.

use crate::format::BLOCK_SAMPLES;

/// The look back, blocks of 10 ms (1.5 s).
const LOOK_BLOCKS: usize = 150;

/// Blocks of those that must stand out (0.6 s).
const TALKING_BLOCKS: usize = 60;

/// Loud blocks in a row at least once (60 ms): a vowel, not a key.
const VOWEL_BLOCKS: usize = 6;

/// Talk stands out from the room by this much, dB, and is never quieter than this, dBFS.
const ABOVE_ROOM_DB: f32 = 12.0;
const QUIETEST_TALK_DBFS: f32 = -45.0;

/// Standard deviation of the level of talk from block to block at least, dB: a vacuum cleaner stays below 2.
const LIVELINESS_DB: f32 = 3.0;

/// How fast the idea of the room's own level rises, dB per block (3 dB/s); it falls at once.
const ROOM_RISE_DB: f32 = 0.03;

/// Blocks after the mute that do not count (0.5 s): the end of what was said before.
const GRACE_BLOCKS: usize = 50;

/// Watches the levels of one microphone.
#[derive(Clone, Debug)]
pub struct MutedTalk {
    levels: [f32; LOOK_BLOCKS],
    newest: usize,
    room_dbfs: f32,
    muted_blocks: usize,
    /// Told once per mute.
    told: bool,
}

impl Default for MutedTalk {
    fn default() -> Self {
        Self {
            levels: [f32::NEG_INFINITY; LOOK_BLOCKS],
            newest: 0,
            room_dbfs: QUIETEST_TALK_DBFS,
            muted_blocks: 0,
            told: false,
        }
    }
}

impl MutedTalk {
    /// Takes the level of the next block of 10 ms, dBFS, and whether the person is muted; true once per mute, when they
    /// talk.
    pub fn observe(&mut self, block_dbfs: f32, muted: bool) -> bool {
        let level = if block_dbfs.is_finite() { block_dbfs } else { f32::MIN };
        self.room_dbfs = level.max(-127.0).min(self.room_dbfs + ROOM_RISE_DB);
        if !muted {
            (self.told, self.muted_blocks) = (false, 0);
            return false;
        }
        self.muted_blocks = self.muted_blocks.saturating_add(1);
        if self.muted_blocks <= GRACE_BLOCKS {
            self.levels.fill(f32::NEG_INFINITY);
            return false;
        }
        self.newest = (self.newest + 1) % LOOK_BLOCKS;
        self.levels[self.newest] = level;
        if !self.told && self.is_talk() {
            self.told = true;
            return true;
        }
        false
    }

    fn is_talk(&self) -> bool {
        let gate = QUIETEST_TALK_DBFS.max(self.room_dbfs + ABOVE_ROOM_DB);
        let (mut count, mut sum, mut squares, mut run, mut longest) = (0_usize, 0.0_f32, 0.0_f32, 0_usize, 0_usize);
        for back in 0..LOOK_BLOCKS {
            let level = self.levels[(self.newest + LOOK_BLOCKS - back) % LOOK_BLOCKS];
            if level > gate {
                count += 1;
                sum += level;
                squares += level * level;
                run += 1;
                longest = longest.max(run);
            } else {
                run = 0;
            }
        }
        if count < TALKING_BLOCKS || longest < VOWEL_BLOCKS {
            return false;
        }
        let mean = sum / count as f32;
        squares / count as f32 - mean * mean > LIVELINESS_DB * LIVELINESS_DB
    }
}

/// The look back and the grace are counted in blocks of 10 ms.
const _: () = assert!(BLOCK_SAMPLES == 480);

#[cfg(test)]
mod tests {
    use serambi_codec::{
        dsp::level_meter::{dbfs, mean_square},
        testing::synthetic_sound::{mixed, speech, white_noise},
    };

    use super::*;

    /// Blocks after which the talk was noticed, while muted.
    fn noticed(talk: &mut MutedTalk, sound: &[f32]) -> Vec<usize> {
        let blocks = sound.chunks(BLOCK_SAMPLES).enumerate();
        blocks.filter(|(_, block)| talk.observe(dbfs(mean_square(block)), true)).map(|(index, _)| index).collect()
    }

    #[test]
    fn talk_is_noticed_once_within_two_seconds_of_it() {
        let mut talk = MutedTalk::default();
        let sound = mixed(&[&[vec![0.0; 96_000], speech(1, -28.0, 10.0)].concat(), &white_noise(2, -62.0, 12.0)]);
        let told = noticed(&mut talk, &sound);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!((240..400).contains(&told[0]), "{told:?}");
    }

    #[test]
    fn the_next_mute_is_told_again_and_the_end_of_the_last_word_is_not() {
        let mut talk = MutedTalk::default();
        assert_eq!(noticed(&mut talk, &speech(3, -25.0, 6.0)).len(), 1);
        assert!(!talk.observe(-25.0, false));
        assert_eq!(noticed(&mut talk, &speech(3, -25.0, 0.5)).len(), 0);
        assert_eq!(noticed(&mut talk, &white_noise(4, -60.0, 20.0)).len(), 0);
        assert_eq!(noticed(&mut talk, &speech(5, -25.0, 6.0)).len(), 1);
    }

    #[test]
    fn noise_that_starts_keys_and_silence_are_not_talk() {
        let quiet = white_noise(6, -65.0, 4.0);
        let vacuum = [quiet.clone(), white_noise(7, -25.0, 20.0)].concat();
        let mut keys = white_noise(8, -65.0, 20.0);
        let stroke = white_noise(9, -18.0, 0.02);
        for start in (0..keys.len() - stroke.len()).step_by(7_200) {
            keys[start..start + stroke.len()].copy_from_slice(&stroke);
        }
        for sound in [vacuum, keys, vec![0.0; 480_000]] {
            assert_eq!(noticed(&mut MutedTalk::default(), &sound), Vec::<usize>::new());
        }
    }

    #[test]
    fn nobody_is_told_while_not_muted() {
        let mut talk = MutedTalk::default();
        let sound = speech(10, -20.0, 6.0);
        assert!(!sound.chunks(BLOCK_SAMPLES).any(|block| talk.observe(dbfs(mean_square(block)), false)));
    }
}
