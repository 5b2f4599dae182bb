//! Everybody who can be heard, in one sound.

use crate::clock::Moment;
use crate::format::{BLOCK_SAMPLES, Block, SILENT_BLOCK};
use crate::limiter::Limiter;
use crate::speaker::{Speaker, SpeakerId};
use crate::statistics::SpeakerStatistics;

/// Cues that may sound at once; more are dropped.
const MOST_CUES: usize = 8;

#[derive(Default)]
pub(crate) struct Mixer {
    speakers: Vec<Speaker>,
    cues: Vec<CuePlayback>,
    limiter: Limiter,
    mixed_blocks: u64,
}

struct CuePlayback {
    sound: Vec<f32>,
    played: usize,
}

impl Mixer {
    pub(crate) fn add_speaker(&mut self, speaker: Speaker) {
        self.speakers.push(speaker);
    }

    pub(crate) fn play_cue(&mut self, sound: Vec<f32>) {
        if self.cues.len() < MOST_CUES {
            self.cues.push(CuePlayback { sound, played: 0 });
        }
    }

    /// The next block of the mix, played from `now` on. `gone` is told about speakers whose last fade this was.
    pub(crate) fn render(&mut self, now: Moment, mut gone: impl FnMut(SpeakerId)) -> Block {
        let mut mix = SILENT_BLOCK;
        for speaker in &mut self.speakers {
            add(&mut mix, &speaker.render(now));
        }
        self.speakers.retain(|speaker| {
            if speaker.has_left() {
                gone(speaker.shared().id);
            }
            !speaker.has_left()
        });
        for cue in &mut self.cues {
            let end = (cue.played + BLOCK_SAMPLES).min(cue.sound.len());
            add(&mut mix, &cue.sound[cue.played..end]);
            cue.played = end;
        }
        self.cues.retain(|cue| cue.played < cue.sound.len());
        self.limiter.apply(&mut mix);
        self.mixed_blocks += 1;
        mix
    }

    pub(crate) fn mixed_blocks(&self) -> u64 {
        self.mixed_blocks
    }

    /// What each speaker counted; a block rendered lately leaves the loudspeaker `micros_to_ear` after its rendering.
    pub(crate) fn statistics(&self, micros_to_ear: i64) -> Vec<SpeakerStatistics> {
        self.speakers.iter().map(|speaker| speaker.statistics(micros_to_ear)).collect()
    }
}

fn add(mix: &mut [f32], sound: &[f32]) {
    for (sum, sample) in mix.iter_mut().zip(sound) {
        *sum += sample;
    }
}
