//! Lets the enhancement of decoded speech (NoLACE) rest in pauses: it takes half of a decoder's time, and what it makes
//! of sound that nobody hears, nobody hears.
//!
//! Once it is switched on again, libopus leaves one frame as it is and slides over to enhanced sound in the next. That
//! must not be the beginning of a word: so the decoder is taken back to before the last frames of the pause and hears
//! them once more.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Planes, effort::Effort};
use crate::{
    dsp::level_meter::mean_square,
    format::{FRAME_SAMPLES, MAX_PACKET_SAMPLES},
    opus_codec::{DecoderSnapshot, OpusDecoder},
    opus_padding::packet::{OpusPacket, frame_samples, is_celt, is_stereo},
};

/// Quiet frames after which it rests (100 ms): the gaps inside words are shorter.
const FRAMES_BEFORE_REST: u32 = 5;

/// Quieter than -60 dBFS, enhanced or not makes no difference to an ear.
const QUIET_MEAN_SQUARE: f32 = 1e-6;

/// Frames of a pause that are heard again at its end: as many as libopus needs until all sound is enhanced.
const FRAMES_HEARD_AGAIN: usize = 2;

/// The first bit of a SILK frame of 20 ms says that there is a voice (RFC 6716 section 4.2.3).
const HAS_VOICE: u8 = 0x80;

/// What is known of the pause that a speaker makes.
#[derive(Debug, Default)]
pub(super) struct PauseRest {
    /// What a voice gets.
    awake: Effort,
    quiet_frames: u32,
    rests: bool,
    /// The last packets of a pause, oldest first, and what the decoder was before each.
    last: VecDeque<(DecoderSnapshot, Bytes)>,
    spare: Vec<DecoderSnapshot>,
}

impl PauseRest {
    /// What a voice gets from now on.
    pub(super) fn set_awake(&mut self, effort: Effort) {
        self.awake = effort;
    }

    pub(super) fn awake(&self) -> Effort {
        self.awake
    }

    /// `packet` is decoded next, after the packet before it.
    pub(super) fn prepare(&mut self, decoder: &mut OpusDecoder, packet: &Bytes, room: &mut Planes) {
        if !is_without_voice(packet) {
            self.end(decoder, room);
        } else if self.rests {
            if self.last.len() == FRAMES_HEARD_AGAIN {
                self.spare.extend(self.last.pop_front().map(|(before, _)| before));
            }
            let before = match self.spare.pop() {
                Some(mut before) => {
                    decoder.snapshot_into(&mut before);
                    before
                }
                None => decoder.snapshot(),
            };
            self.last.push_back((before, packet.clone()));
        } else {
            set_effort(decoder, self.awake);
        }
    }

    /// The packet became `sound`. What was not taken for a voice may be loud all the same.
    pub(super) fn judge(&mut self, decoder: &mut OpusDecoder, packet: &Bytes, sound: &[f32]) {
        let is_quiet = is_without_voice(packet) && mean_square(sound) < QUIET_MEAN_SQUARE;
        self.quiet_frames = if is_quiet { self.quiet_frames.saturating_add(1) } else { 0 };
        let may_rest = self.quiet_frames >= FRAMES_BEFORE_REST;
        // Of a sound that gets loud without a voice, libopus enhances the frame after the next.
        if may_rest != self.rests && set_effort(decoder, if may_rest { Effort::Pause } else { self.awake }) {
            self.rests = may_rest;
            self.forget();
        }
    }

    /// The pause is over, or something else than the next packet comes.
    pub(super) fn end(&mut self, decoder: &mut OpusDecoder, room: &mut Planes) {
        self.quiet_frames = 0;
        if std::mem::take(&mut self.rests)
            && let Some((before, _)) = self.last.front()
        {
            decoder.restore(before);
        }
        set_effort(decoder, self.awake);
        for (_, packet) in &self.last {
            // What could not be decoded then cannot be now.
            let _ = decoder.decode(packet, room.view(decoder.channels(), MAX_PACKET_SAMPLES));
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.spare.extend(self.last.drain(..).map(|(before, _)| before));
    }

    #[cfg(test)]
    pub(super) fn rests(&self) -> bool {
        self.rests
    }
}

/// Tells whether it did.
fn set_effort(decoder: &mut OpusDecoder, effort: Effort) -> bool {
    let set = decoder.set_complexity(effort.complexity());
    set.inspect_err(|error| tracing::debug!(%error, ?effort, "no other effort")).is_ok()
}

/// Whether `packet` is one frame that NoLACE would enhance and whose sender found no voice in it.
fn is_without_voice(packet: &[u8]) -> bool {
    let Some(OpusPacket { toc, frames, .. }) = OpusPacket::parse(packet) else { return false };
    let can_be_enhanced = !is_celt(toc) && !is_stereo(toc) && frame_samples(toc) == FRAME_SAMPLES;
    matches!(frames[..], [[first, _, ..]] if can_be_enhanced && first & HAS_VOICE == 0)
}
