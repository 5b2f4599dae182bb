//! Short quiet sounds for what happens in the room, one at a time; mixed into the loudspeaker, never sent.

use std::collections::VecDeque;

use serambi_codec::{dsp::fade::GainRamp, format::SAMPLE_RATE_HZ};

use crate::format::{MIX_MICROS, MIX_SAMPLES, MixBlock, SILENT_MIX};

/// What a cue says. `testing::cue_synthesis` has the notes of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// A hand went up.
    HandRaised,
    /// An invitation to speak arrived.
    Invited,
    /// A moderator muted this person.
    Muted,
    /// This person came on stage, or went to the audience.
    Stage,
    /// A recording started or stopped.
    Recording,
    /// The connection was lost, or is back.
    Connection,
    /// Somebody asks to come in.
    Door,
}

/// A file of `assets/cues`, built into the program.
macro_rules! cue_file {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../assets/cues/", $name, ".wav"))
    };
}

/// Bytes before the samples in a WAV file of plain 16-bit samples.
const WAV_HEADER_BYTES: usize = 44;

/// Bytes of one sample in it.
const SAMPLE_BYTES: usize = 2;

/// Full scale of 16 bits.
const FULL_SCALE: f32 = 32_768.0;

impl Cue {
    /// Every cue.
    pub const ALL: [Self; 7] =
        [Self::HandRaised, Self::Invited, Self::Muted, Self::Stage, Self::Recording, Self::Connection, Self::Door];

    /// The name of its file in `assets/cues`, without the extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HandRaised => "hand",
            Self::Invited => "invitation",
            Self::Muted => "muted",
            Self::Stage => "stage",
            Self::Recording => "recording",
            Self::Connection => "connection",
            Self::Door => "door",
        }
    }

    const fn file(self) -> &'static [u8] {
        match self {
            Self::HandRaised => cue_file!("hand"),
            Self::Invited => cue_file!("invitation"),
            Self::Muted => cue_file!("muted"),
            Self::Stage => cue_file!("stage"),
            Self::Recording => cue_file!("recording"),
            Self::Connection => cue_file!("connection"),
            Self::Door => cue_file!("door"),
        }
    }

    /// Its samples, 16 bits each, lowest byte first.
    fn samples(self) -> &'static [u8] {
        self.file().split_at(WAV_HEADER_BYTES).1
    }
}

/// Cues that may wait for the one that sounds; what comes on top would be late when it is heard.
const MAX_WAITING: usize = 3;

/// Silence between two cues (100 ms): without it two would be heard as one longer tune.
const PAUSE_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 10;

/// Gain of a cue under speech: -9 dB.
const GAIN_UNDER_SPEECH: f32 = 0.355;

/// How long speech counts as going on after the last sound of it: a breath between words must not make a cue jump.
const SPEECH_HOLD_BLOCKS: u32 = (500_000 / MIX_MICROS) as u32;

/// Length of a change between the two gains (20 ms).
const GAIN_RAMP_SAMPLES: usize = 4 * MIX_SAMPLES;

/// Plays cues one after the other.
pub(crate) struct CuePlayer {
    /// What is left of the one that sounds.
    left: &'static [u8],
    pause_left_samples: usize,
    waiting: VecDeque<Cue>,
    gain: GainRamp,
    speech_left_blocks: u32,
}

impl Default for CuePlayer {
    fn default() -> Self {
        Self {
            left: &[],
            pause_left_samples: 0,
            waiting: VecDeque::with_capacity(MAX_WAITING),
            gain: GainRamp::resting_at(1.0),
            speech_left_blocks: 0,
        }
    }
}

impl CuePlayer {
    /// Plays a cue as soon as no other sounds. One that waits already is not played twice.
    pub(crate) fn play(&mut self, cue: Cue) {
        if self.waiting.len() < MAX_WAITING && !self.waiting.contains(&cue) {
            self.waiting.push_back(cue);
        }
    }

    /// Adds the next block to `mix`, more quietly while somebody is heard.
    pub(crate) fn add_to(&mut self, mix: &mut MixBlock, somebody_is_heard: bool) {
        let gain = self.follow_speech(somebody_is_heard);
        if self.left.is_empty() && !self.begin_next(gain) {
            return;
        }
        self.gain.head_for(gain, GAIN_RAMP_SAMPLES);
        let mut block = SILENT_MIX;
        let (now, later) = self.left.split_at(self.left.len().min(MIX_SAMPLES * SAMPLE_BYTES));
        for (sample, bytes) in block.iter_mut().zip(now.as_chunks().0) {
            *sample = f32::from(i16::from_le_bytes(*bytes)) / FULL_SCALE;
        }
        self.gain.apply(&mut block);
        mix.iter_mut().zip(block).for_each(|(sum, sample)| *sum += sample);
        self.left = later;
        if later.is_empty() {
            self.pause_left_samples = PAUSE_SAMPLES;
        }
    }

    /// The gain that fits what is heard.
    fn follow_speech(&mut self, somebody_is_heard: bool) -> f32 {
        self.speech_left_blocks =
            if somebody_is_heard { SPEECH_HOLD_BLOCKS } else { self.speech_left_blocks.saturating_sub(1) };
        if self.speech_left_blocks > 0 { GAIN_UNDER_SPEECH } else { 1.0 }
    }

    /// Begins the cue that waits, once the pause is over.
    fn begin_next(&mut self, gain: f32) -> bool {
        self.pause_left_samples = self.pause_left_samples.saturating_sub(MIX_SAMPLES);
        if self.pause_left_samples > 0 {
            return false;
        }
        let Some(cue) = self.waiting.pop_front() else { return false };
        self.left = cue.samples();
        self.gain = GainRamp::resting_at(gain);
        true
    }
}

#[cfg(test)]
mod tests {
    use assert_no_alloc::assert_no_alloc;

    use super::*;

    fn played(player: &mut CuePlayer, blocks: usize, somebody_is_heard: bool) -> Vec<f32> {
        let mut heard = Vec::new();
        for _ in 0..blocks {
            let mut mix = SILENT_MIX;
            assert_no_alloc(|| player.add_to(&mut mix, somebody_is_heard));
            heard.extend(mix);
        }
        heard
    }

    fn samples(cue: Cue) -> Vec<f32> {
        cue.samples().as_chunks().0.iter().map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / FULL_SCALE).collect()
    }

    /// Where sound begins after silence of at least half a pause.
    fn beginnings(heard: &[f32]) -> usize {
        let mut silent_for = PAUSE_SAMPLES;
        let mut begun = 0;
        for sample in heard {
            if *sample == 0.0 {
                silent_for += 1;
            } else {
                begun += usize::from(silent_for > PAUSE_SAMPLES / 2);
                silent_for = 0;
            }
        }
        begun
    }

    #[test]
    fn a_cue_is_played_as_it_stands_in_its_file() {
        for cue in Cue::ALL {
            let mut player = CuePlayer::default();
            player.play(cue);
            let heard = played(&mut player, 100, false);
            let (sound, rest) = heard.split_at(samples(cue).len());
            assert!(sound == samples(cue), "{cue:?}");
            assert!(rest.iter().all(|sample| *sample == 0.0), "{cue:?}");
        }
    }

    #[test]
    fn cues_follow_each_other_and_never_sound_at_once() {
        let mut player = CuePlayer::default();
        player.play(Cue::Stage);
        let mut heard = played(&mut player, 10, false);
        player.play(Cue::Connection);
        heard.extend(played(&mut player, 190, false));
        let second = samples(Cue::Stage).len().next_multiple_of(MIX_SAMPLES) + PAUSE_SAMPLES - MIX_SAMPLES;
        assert!(heard[..samples(Cue::Stage).len()] == samples(Cue::Stage));
        assert!(heard[second..second + samples(Cue::Connection).len()] == samples(Cue::Connection));
    }

    #[test]
    fn a_hundred_cues_at_once_are_a_few_and_no_noise_for_a_minute() {
        let mut player = CuePlayer::default();
        for n in 0..100 {
            player.play(Cue::ALL[n % Cue::ALL.len()]);
        }
        let heard = played(&mut player, 2_000, false);
        assert!(heard[heard.len() / 2..].iter().all(|sample| *sample == 0.0));
        let mut repeated = CuePlayer::default();
        (0..100).for_each(|_| repeated.play(Cue::Muted));
        // A note cut short is followed by next to no silence, a cue by 100 ms.
        assert_eq!(beginnings(&played(&mut repeated, 2_000, false)), 1);
    }

    #[test]
    fn a_cue_gives_way_to_speech_by_nine_decibels_also_in_a_breath() {
        let loudest = |heard: &[f32]| heard.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        let alone = loudest(&samples(Cue::Invited));
        let mut player = CuePlayer::default();
        played(&mut player, 1, true);
        player.play(Cue::Invited);
        let under_speech = loudest(&played(&mut player, 80, false));
        assert!((20.0 * (under_speech / alone).log10() + 9.0).abs() < 0.1, "{under_speech} of {alone}");
        played(&mut player, 200, false);
        player.play(Cue::Invited);
        assert_eq!(loudest(&played(&mut player, 80, false)), alone);
    }

    #[test]
    fn speech_that_begins_within_a_cue_turns_it_down_without_a_click() {
        let mut player = CuePlayer::default();
        player.play(Cue::Stage);
        let mut heard = played(&mut player, 30, false);
        heard.extend(played(&mut player, 60, true));
        let step = |sound: &[f32]| sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step(&heard) <= step(&samples(Cue::Stage)) * 1.01);
    }
}
