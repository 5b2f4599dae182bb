//! Frames of one speaker to sound, from the best there is: the packet, a copy, the coarse copy in the next packet, Deep
//! Redundancy, concealment.
//!
//! One decoder hears all of it, in the order of time, exactly one step per frame: what stands in for a frame also mends
//! the state that the next one goes on from. A packet that comes after its frame was replaced is not played any more,
//! but the decoder is taken back to before that frame and goes through the steps since then again, so that the sound to
//! come is whole.
//!
//! A speaker is decoded in mono, which is all that nearly everybody sends and costs half of the synthesis, until a
//! stereo packet comes, and again after some seconds without one. The decoder of the other kind hears the last packets
//! first, so that it goes on where the old one was, and the sound slides from one to the other.

mod effort;
mod pause_rest;

use std::{collections::VecDeque, ops::Range};

use bytes::Bytes;

pub use self::effort::Effort;

use self::pause_rest::PauseRest;
use crate::{
    dsp::{
        fade::FADE_SAMPLES,
        mid_side::{Channels, MidSide},
    },
    format::{MAX_PACKET_SAMPLES, SAMPLE_RATE_HZ, SHORT_FRAME_SAMPLES},
    opus_codec::{DecoderSnapshot, DeepRedundancy, OpusDecoder, OpusError, packet_has_inband_copy},
    opus_padding::packet::is_stereo,
};

/// libopus invents and recovers sound in units of 2.5 ms.
const UNIT_SAMPLES: usize = 120;

/// Farthest sound that Deep Redundancy is asked for, samples (1 s).
const DEEP_REACH_SAMPLES: usize = 48_000;

/// Steps the decoder can be taken back.
const STEPS_KEPT: usize = 6;

/// Mono sound after which a speaker is decoded in mono again, samples (3 s): libopus sends the odd mono packet in a
/// stereo stream.
const MONO_BEFORE_MONO_DECODER_SAMPLES: usize = 3 * SAMPLE_RATE_HZ as usize;

/// Packets that a decoder of another kind hears first: what CELT predicts from frame to frame is right within 1 dB
/// after five.
const PACKETS_TO_TUNE_IN: usize = 5;

/// What stands in for a frame that is not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitutes {
    /// A copy of the whole frame.
    pub copy: Option<Bytes>,
    /// The packet right after the frame, which may carry a coarse copy of it (RFC 6716 section 2.1.7).
    pub next: Option<Bytes>,
    /// The nearest later packet, which may tell of the sound before it, and how many samples before it the frame
    /// begins.
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
    /// The decoder as it would have gone on, where it was taken back or changed and no frame has been played since.
    abandoned: Option<DecoderSnapshot>,
    /// The last packets decoded.
    last_packets: VecDeque<Bytes>,
    /// Sound since the last stereo packet, samples.
    mono_samples: usize,
    pause: PauseRest,
    sound: Planes,
    discarded: Planes,
}

/// Room for the longest packet.
#[derive(Debug, Default)]
struct Planes {
    middle: Vec<f32>,
    side: Vec<f32>,
}

impl Planes {
    fn with_room() -> Self {
        Self { middle: vec![0.0; MAX_PACKET_SAMPLES], side: vec![0.0; MAX_PACKET_SAMPLES] }
    }

    fn view(&mut self, channels: Channels, samples: usize) -> MidSide<&mut [f32]> {
        self.part(channels, 0..samples)
    }

    fn part(&mut self, channels: Channels, samples: Range<usize>) -> MidSide<&mut [f32]> {
        let side = (channels == Channels::Stereo).then(|| &mut self.side[samples.clone()]);
        MidSide { middle: &mut self.middle[samples], side }
    }

    fn joint(&self, channels: Channels) -> Joint {
        Joint {
            middle: *self.middle.first_chunk().unwrap_or(&[0.0; FADE_SAMPLES]),
            side: self.side.first_chunk().copied().filter(|_| channels == Channels::Stereo),
        }
    }
}

/// The first samples of what the sound must slide away from.
type Joint = MidSide<[f32; FADE_SAMPLES]>;

impl DecodeLadder {
    /// A decoder with no history.
    ///
    /// # Errors
    /// [`OpusError`] if libopus was built without its neural parts.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self {
            decoder: OpusDecoder::new(Channels::Mono, Effort::Full.complexity())?,
            deep: DeepRedundancy::new()?,
            deep_read: None,
            steps: VecDeque::new(),
            spare: Vec::new(),
            abandoned: None,
            last_packets: VecDeque::with_capacity(PACKETS_TO_TUNE_IN),
            mono_samples: 0,
            pause: PauseRest::default(),
            sound: Planes::with_room(),
            discarded: Planes::with_room(),
        })
    }

    /// How much to make of the packets to come.
    pub fn set_effort(&mut self, effort: Effort) {
        self.pause.set_awake(effort);
    }

    /// Decodes the packet of the frame at media time `at`; `None` if it is not valid Opus.
    pub fn decode(&mut self, at: i64, packet: &Bytes) -> Option<MidSide<&mut [f32]>> {
        self.take_channels_of(packet);
        let before_joint = self.play_abandoned(MAX_PACKET_SAMPLES, &Source::Packet(packet.clone()));
        self.pause.prepare(&mut self.decoder, packet, &mut self.discarded);
        let room = self.sound.view(self.decoder.channels(), MAX_PACKET_SAMPLES);
        let samples = self.decoder.decode(packet, room).ok()?;
        self.note_decoded(packet, samples);
        if self.steps.is_empty() {
            self.pause.judge(&mut self.decoder, packet, &self.sound.middle[..samples]);
        } else {
            self.remember(Step { at: Some(at), samples, source: Source::Packet(packet.clone()), before: None });
        }
        Some(self.joined(before_joint, samples))
    }

    /// Decodes the packet of the frame at media time `at` whose first `passed` samples were invented while it was not
    /// here, as if they had not been, and gives the rest of it, which begins as what was invented would have gone on.
    /// `None` as above.
    pub fn decode_rest(&mut self, at: i64, packet: &Bytes, passed: usize) -> Option<MidSide<&mut [f32]>> {
        self.end_pause();
        let invented = self.keep_state();
        while self.steps.back().is_some_and(|step| step.at.is_none()) {
            if let Some(before) = self.steps.pop_back().and_then(|step| step.before) {
                self.decoder.restore(&before);
                self.spare.push(before);
            }
        }
        let whole = self.decode(at, packet)?;
        let (channels, samples) = (whole.channels(), whole.middle.len());
        let decoded = self.keep_state();
        self.decoder.restore(&invented);
        let mut gone_on = std::mem::take(&mut self.discarded);
        let mut beginning = gone_on.view(self.decoder.channels(), SHORT_FRAME_SAMPLES);
        if self.decoder.conceal(beginning.reborrow()).is_err() {
            // As good a beginning as any.
            beginning.silence();
        }
        let joint = gone_on.joint(self.decoder.channels());
        self.discarded = gone_on;
        self.decoder.restore(&decoded);
        self.spare.extend([invented, decoded]);
        Some(self.slid_from(&joint, channels, passed.min(samples)..samples))
    }

    /// Fills the frame at media time `at`, `samples` long, from the best of `substitutes`. Without `at` the sound
    /// stands for no frame.
    pub fn substitute(
        &mut self,
        at: Option<i64>,
        samples: usize,
        substitutes: &Substitutes,
    ) -> (Rung, MidSide<&mut [f32]>) {
        self.end_pause();
        let samples = samples.min(MAX_PACKET_SAMPLES);
        let source = Source::Substitutes(substitutes.clone());
        let before_joint = self.play_abandoned(samples, &source);
        let before = self.keep_state();
        self.remember(Step { at, samples, source, before: Some(before) });
        let mut sound = std::mem::take(&mut self.sound);
        let rung = self.fill(substitutes, sound.view(self.decoder.channels(), samples));
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
                self.fill(substitutes, sound.view(self.decoder.channels(), step.samples));
                self.discarded = sound;
            }
        }
        self.steps.push_back(step);
    }

    fn decode_discarding(&mut self, packet: &[u8]) -> Option<usize> {
        let room = self.discarded.view(self.decoder.channels(), MAX_PACKET_SAMPLES);
        self.decoder.decode(packet, room).ok()
    }

    /// Goes over to a decoder of the other kind where `packet` calls for it. What the old one would play now is slid
    /// away from.
    fn take_channels_of(&mut self, packet: &[u8]) {
        let Some(toc) = packet.first() else { return };
        let wanted = match self.decoder.channels() {
            Channels::Mono if is_stereo(*toc) => Channels::Stereo,
            Channels::Stereo if !is_stereo(*toc) && self.mono_samples >= MONO_BEFORE_MONO_DECODER_SAMPLES => {
                Channels::Mono
            }
            _ => return,
        };
        self.end_pause();
        let Ok(mut decoder) = OpusDecoder::new(wanted, self.pause.awake().complexity()) else { return };
        for packet in &self.last_packets {
            // The other decoder took them.
            let _ = decoder.decode(packet, self.discarded.view(wanted, MAX_PACKET_SAMPLES));
        }
        let old = std::mem::replace(&mut self.decoder, decoder).into_snapshot();
        // What was abandoned first is what was heard last.
        self.abandoned.get_or_insert(old);
    }

    /// What follows is no packet after another, so the decoder must be what it would be without a rest.
    fn end_pause(&mut self) {
        self.pause.end(&mut self.decoder, &mut self.discarded);
    }

    fn note_decoded(&mut self, packet: &Bytes, samples: usize) {
        let is_stereo = packet.first().is_some_and(|toc| is_stereo(*toc));
        self.mono_samples = if is_stereo { 0 } else { self.mono_samples.saturating_add(samples) };
        if self.last_packets.len() == PACKETS_TO_TUNE_IN {
            self.last_packets.pop_front();
        }
        self.last_packets.push_back(packet.clone());
    }

    /// Lets the decoder that was abandoned play what comes now; its first samples are what the sound must slide away
    /// from.
    fn play_abandoned(&mut self, samples: usize, source: &Source) -> Option<Joint> {
        let abandoned = self.abandoned.take()?;
        let mended = self.keep_state();
        self.decoder.restore(&abandoned);
        let channels = self.decoder.channels();
        let mut sound = std::mem::take(&mut self.discarded);
        match source {
            Source::Packet(packet) => {
                // If it cannot be decoded, it cannot by the mended decoder either.
                let _ = self.decoder.decode(packet, sound.view(channels, samples));
            }
            Source::Substitutes(substitutes) => {
                self.fill(substitutes, sound.view(channels, samples));
            }
        }
        let start = sound.joint(channels);
        self.discarded = sound;
        self.decoder.restore(&mended);
        self.spare.extend([abandoned, mended]);
        Some(start)
    }

    fn joined(&mut self, before_joint: Option<Joint>, samples: usize) -> MidSide<&mut [f32]> {
        let channels = self.decoder.channels();
        match before_joint {
            Some(old) => self.slid_from(&old, channels, 0..samples),
            None => self.sound.view(channels, samples),
        }
    }

    /// A part of the sound, of which `channels` were decoded, beginning as `old`.
    fn slid_from(&mut self, old: &Joint, channels: Channels, samples: Range<usize>) -> MidSide<&mut [f32]> {
        if channels == Channels::Mono {
            self.sound.side.fill(0.0);
        }
        let mut sound = self.sound.part(channels.max(old.channels()), samples);
        sound.slide_from(old.as_slices());
        sound
    }

    fn fill(&mut self, substitutes: &Substitutes, mut sound: MidSide<&mut [f32]>) -> Rung {
        let samples = sound.middle.len();
        if let Some(copy) = &substitutes.copy
            && self.decoder.decode(copy, sound.reborrow()) == Ok(samples)
        {
            return Rung::Copy;
        }
        if let Some(next) = &substitutes.next
            && packet_has_inband_copy(next)
            && self.decoder.decode_inband_copy(next, sound.reborrow()) == Ok(samples)
        {
            return Rung::InbandCopy;
        }
        if let Some((later, offset)) = &substitutes.later
            && self.deep_reach(later).is_some_and(|reach| *offset <= reach + samples)
            && self.decoder.decode_deep(&self.deep, *offset, sound.reborrow()) == Ok(samples)
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

    fn conceal(&mut self, sound: MidSide<&mut [f32]>) {
        let whole = sound.middle.len() / UNIT_SAMPLES * UNIT_SAMPLES;
        let (mut units, mut rest) = sound.split_at(whole);
        if whole == 0 || self.decoder.conceal(units.reborrow()).is_err() {
            units.silence();
        }
        let left = rest.middle.len();
        if left > 0 {
            let mut unit = MidSide { middle: [0.0; UNIT_SAMPLES], side: Some([0.0; UNIT_SAMPLES]) };
            if self.decoder.conceal(unit.as_mut_slices()).is_err() {
                unit.as_mut_slices().silence();
            }
            rest.copy_from(unit.as_slices());
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
