//! Frames of one speaker to sound, from the best there is: the packet, a copy, the coarse copy in the next packet, Deep
//! Redundancy, concealment.
//!
//! One decoder hears all of it, in the order of time, exactly one step per frame: what stands in for a frame also mends the state
//! that the next one goes on from. A packet that comes after its frame was replaced is not played any more, but the decoder is
//! taken back to before that frame and goes through the steps since then again, so that the sound to come is whole.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::error::AudioError;
use crate::fade::{FADE_SAMPLES, cross_fade};
use crate::format::{LONGEST_PACKET_SAMPLES, SHORT_FRAME_SAMPLES};
use crate::opus_codec::{DecoderSnapshot, DeepRedundancy, OpusDecoder, OpusError, packet_has_inband_copy};

/// Effort of the decoder: from 5 on neural concealment, from 7 on NoLACE. 121 us of processor time per frame of 20 ms.
const COMPLEXITY: i32 = 7;

/// libopus invents and recovers sound in units of 2.5 ms.
const UNIT_SAMPLES: usize = 120;

/// Farthest sound that Deep Redundancy is asked for, samples (1 s).
const DEEP_REACH_SAMPLES: usize = 48_000;

/// Steps the decoder can be taken back.
const STEPS_KEPT: usize = 6;

/// What stands in for a frame that is not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitutes {
    /// A copy of the whole frame.
    pub copy: Option<Bytes>,
    /// The packet right after the frame, which may carry a coarse copy of it (RFC 6716 section 2.1.7).
    pub next: Option<Bytes>,
    /// The nearest later packet, which may tell of the sound before it, and how many samples before it the frame begins.
    pub later: Option<(Bytes, usize)>,
}

/// What a missing frame was made from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// A copy of it in a later packet.
    Copy,
    /// The coarse copy inside the packet after it.
    InbandCopy,
    /// Deep Redundancy.
    Deep,
    /// What went before, prolonged.
    Concealment,
}

/// What the decoder was given for one frame.
#[derive(Clone, Debug)]
enum Source {
    Packet(Bytes),
    Substitutes(Substitutes),
}

/// One step of the decoder.
#[derive(Debug)]
struct Step {
    /// Media time of the frame; `None` for sound that stands for no frame.
    at: Option<i64>,
    samples: usize,
    source: Source,
    /// The decoder before the step, where the frame was replaced.
    before: Option<DecoderSnapshot>,
}

/// The decoder of one speaker.
#[derive(Debug)]
pub struct DecodeLadder {
    decoder: OpusDecoder,
    deep: DeepRedundancy,
    /// The packet that `deep` has read, and how far back it reaches, samples.
    deep_read: Option<(Bytes, usize)>,
    /// The last steps from the first replaced frame on.
    steps: VecDeque<Step>,
    spare: Vec<DecoderSnapshot>,
    /// The decoder as it would have gone on, where it was taken back and no frame has been played since.
    abandoned: Option<DecoderSnapshot>,
    sound: Vec<f32>,
    discarded: Vec<f32>,
}

impl DecodeLadder {
    /// A decoder with no history.
    ///
    /// # Errors
    /// [`AudioError::Codec`] if libopus was built without its neural parts.
    pub fn new() -> Result<Self, AudioError> {
        let refused = |error: OpusError| AudioError::Codec(error.to_string());
        Ok(Self {
            decoder: OpusDecoder::new(COMPLEXITY).map_err(refused)?,
            deep: DeepRedundancy::new().map_err(refused)?,
            deep_read: None,
            steps: VecDeque::new(),
            spare: Vec::new(),
            abandoned: None,
            sound: vec![0.0; LONGEST_PACKET_SAMPLES],
            discarded: vec![0.0; LONGEST_PACKET_SAMPLES],
        })
    }

    /// Decodes the packet of the frame at media time `at`; `None` if it is not valid Opus.
    pub fn decode(&mut self, at: i64, packet: &Bytes) -> Option<&mut [f32]> {
        let before_joint = self.play_abandoned(LONGEST_PACKET_SAMPLES, &Source::Packet(packet.clone()));
        let samples = self.decoder.decode(packet, &mut self.sound).ok()?;
        if !self.steps.is_empty() {
            self.remember(Step { at: Some(at), samples, source: Source::Packet(packet.clone()), before: None });
        }
        Some(self.joined(before_joint, samples))
    }

    /// Decodes the packet of the frame at media time `at` whose first `passed` samples were invented while it was not here, as if they
    /// had not been, and gives the rest of it, which begins as what was invented would have gone on. `None` as above.
    pub fn decode_rest(&mut self, at: i64, packet: &Bytes, passed: usize) -> Option<&mut [f32]> {
        let invented = self.keep_state();
        while self.steps.back().is_some_and(|step| step.at.is_none()) {
            if let Some(before) = self.steps.pop_back().and_then(|step| step.before) {
                self.decoder.restore(&before);
                self.spare.push(before);
            }
        }
        let samples = self.decode(at, packet)?.len();
        let decoded = self.keep_state();
        self.decoder.restore(&invented);
        let mut gone_on = [0.0; SHORT_FRAME_SAMPLES];
        // Silence is as good a beginning as any if it cannot.
        let _ = self.decoder.conceal(&mut gone_on);
        self.decoder.restore(&decoded);
        self.spare.extend([invented, decoded]);
        let rest = &mut self.sound[passed.min(samples)..samples];
        cross_fade(&gone_on[..FADE_SAMPLES], rest);
        Some(rest)
    }

    /// Fills the frame at media time `at`, `samples` long, from the best of `substitutes`. Without `at` the sound stands for no
    /// frame.
    pub fn substitute(&mut self, at: Option<i64>, samples: usize, substitutes: &Substitutes) -> (Rung, &mut [f32]) {
        let samples = samples.min(LONGEST_PACKET_SAMPLES);
        let source = Source::Substitutes(substitutes.clone());
        let before_joint = self.play_abandoned(samples, &source);
        let before = self.keep_state();
        self.remember(Step { at, samples, source, before: Some(before) });
        let mut sound = std::mem::take(&mut self.sound);
        let rung = self.fill(substitutes, &mut sound[..samples]);
        self.sound = sound;
        (rung, self.joined(before_joint, samples))
    }

    /// Takes the packet of a frame that was replaced a moment ago; false if there is nothing to be mended any more.
    pub fn take_late(&mut self, at: i64, packet: &Bytes) -> bool {
        let replaced = |step: &Step| step.at == Some(at) && step.before.is_some();
        let Some(index) = self.steps.iter().position(replaced) else {
            return false;
        };
        let now = self.keep_state();
        let mut again: Vec<Step> = self.steps.drain(index..).collect();
        if let Some(before) = again[0].before.take() {
            self.decoder.restore(&before);
            self.spare.push(before);
        }
        if self.decode_discarding(packet) != Some(again[0].samples) {
            // Not what was missing: the first step can no longer be mended, and the decoder stays where it was.
            self.decoder.restore(&now);
            self.spare.push(now);
            self.steps.extend(again.into_iter().skip(1));
            self.forget_what_cannot_be_mended();
            return false;
        }
        again[0].source = Source::Packet(packet.clone());
        let mended = again.remove(0);
        self.steps.push_back(mended);
        for step in again {
            self.go_through(step);
        }
        self.forget_what_cannot_be_mended();
        match self.abandoned {
            // What was abandoned first is what was heard last.
            Some(_) => self.spare.push(now),
            None => self.abandoned = Some(now),
        }
        true
    }

    /// Goes through a step again after an earlier one was mended.
    fn go_through(&mut self, mut step: Step) {
        match &step.source {
            Source::Packet(packet) => {
                self.decode_discarding(packet);
            }
            Source::Substitutes(substitutes) => {
                if let Some(before) = &mut step.before {
                    self.decoder.snapshot_into(before);
                }
                let mut sound = std::mem::take(&mut self.discarded);
                self.fill(substitutes, &mut sound[..step.samples]);
                self.discarded = sound;
            }
        }
        self.steps.push_back(step);
    }

    fn decode_discarding(&mut self, packet: &[u8]) -> Option<usize> {
        self.decoder.decode(packet, &mut self.discarded).ok()
    }

    /// Lets the decoder that was abandoned play what comes now; its first samples are what the sound must slide away from.
    fn play_abandoned(&mut self, samples: usize, source: &Source) -> Option<[f32; FADE_SAMPLES]> {
        let abandoned = self.abandoned.take()?;
        let mended = self.keep_state();
        self.decoder.restore(&abandoned);
        let mut sound = std::mem::take(&mut self.discarded);
        match source {
            Source::Packet(packet) => {
                // If it cannot be decoded, it cannot by the mended decoder either.
                let _ = self.decoder.decode(packet, &mut sound);
            }
            Source::Substitutes(substitutes) => {
                self.fill(substitutes, &mut sound[..samples]);
            }
        }
        let mut start = [0.0; FADE_SAMPLES];
        start.copy_from_slice(&sound[..FADE_SAMPLES]);
        self.discarded = sound;
        self.decoder.restore(&mended);
        self.spare.extend([abandoned, mended]);
        Some(start)
    }

    fn joined(&mut self, before_joint: Option<[f32; FADE_SAMPLES]>, samples: usize) -> &mut [f32] {
        let sound = &mut self.sound[..samples];
        if let Some(old) = before_joint {
            let length = samples.min(FADE_SAMPLES);
            cross_fade(&old[..length], &mut sound[..length]);
        }
        sound
    }

    fn fill(&mut self, substitutes: &Substitutes, sound: &mut [f32]) -> Rung {
        if let Some(copy) = &substitutes.copy
            && self.decoder.decode(copy, sound) == Ok(sound.len())
        {
            return Rung::Copy;
        }
        if let Some(next) = &substitutes.next
            && packet_has_inband_copy(next)
            && self.decoder.decode_inband_copy(next, sound) == Ok(sound.len())
        {
            return Rung::InbandCopy;
        }
        if let Some((later, offset)) = &substitutes.later
            && self.deep_reach(later).is_some_and(|reach| *offset <= reach + sound.len())
            && self.decoder.decode_deep(&self.deep, *offset, sound) == Ok(sound.len())
        {
            return Rung::Deep;
        }
        self.conceal(sound);
        Rung::Concealment
    }

    /// How far back `packet` tells of the sound before it, samples; `None` if it tells nothing. Read once per packet.
    fn deep_reach(&mut self, packet: &Bytes) -> Option<usize> {
        let reach = match &self.deep_read {
            Some((read, reach)) if read == packet => *reach,
            _ => self.deep.read(packet, DEEP_REACH_SAMPLES).unwrap_or(0),
        };
        self.deep_read = Some((packet.clone(), reach));
        (reach > 0).then_some(reach)
    }

    fn conceal(&mut self, sound: &mut [f32]) {
        let whole = sound.len() / UNIT_SAMPLES * UNIT_SAMPLES;
        let (units, rest) = sound.split_at_mut(whole);
        if units.is_empty() || self.decoder.conceal(units).is_err() {
            units.fill(0.0);
        }
        if !rest.is_empty() {
            let mut unit = [0.0; UNIT_SAMPLES];
            if self.decoder.conceal(&mut unit).is_err() {
                unit.fill(0.0);
            }
            rest.copy_from_slice(&unit[..rest.len()]);
        }
    }

    fn remember(&mut self, step: Step) {
        self.steps.push_back(step);
        self.forget_what_cannot_be_mended();
    }

    /// Drops steps too long ago, and those at the front that were no replacements.
    fn forget_what_cannot_be_mended(&mut self) {
        while self.steps.len() > STEPS_KEPT || self.steps.front().is_some_and(|step| step.before.is_none()) {
            self.spare.extend(self.steps.pop_front().and_then(|step| step.before));
        }
    }

    fn keep_state(&mut self) -> DecoderSnapshot {
        match self.spare.pop() {
            Some(mut snapshot) => {
                self.decoder.snapshot_into(&mut snapshot);
                snapshot
            }
            None => self.decoder.snapshot(),
        }
    }
}

#[cfg(test)]
mod tests;
