//! Frames that are missing: what stands in for them, and from where on sound begins again after a long gap.

use serambi_codec::{
    clock::{Moment, micros_to_samples, samples_to_micros},
    decode_ladder::Substitutes,
    format::{FRAME_SAMPLES, MAX_PACKET_SAMPLES, SAMPLE_RATE_HZ},
    opus_padding::find,
};

use super::{Decision, JitterBuffer, MAX_CONCEALMENT_SAMPLES, MeanOffset, Packet, State};
use crate::{format::MIX_MICROS, receive::playout_pace::tolerance_micros};

/// Longest gap that Deep Redundancy is asked to bridge, samples (500 ms).
const MAX_DEEP_GAP_SAMPLES: i64 = SAMPLE_RATE_HZ as i64 / 2;

/// A wait that is short of the target by this much, and the tolerance, is short enough to grow.
const SHORT_MICROS: i64 = 500;

/// The extension in which libopus 1.6 sends Deep Redundancy (`DRED_EXTENSION_ID`).
const DEEP_REDUNDANCY_ID: u8 = 126;

/// Sound that goes on from what was played last and stands for no frame.
pub(super) fn prolong(samples: i64, ends: bool) -> Decision {
    let samples = playable(samples);
    Decision::Conceal { at: None, samples, substitutes: Substitutes::default(), starts: false, ends }
}

impl JitterBuffer {
    /// The next packet follows after `gap` samples of missing sound, none in the best case; `dry_samples` were invented
    /// meanwhile.
    pub(super) fn bridge(&mut self, cursor: i64, dry_samples: i64, gap: i64, next: &Packet, now: Moment) -> Decision {
        self.count_concealed(dry_samples);
        // What was invented while nothing was here covers the first part of the gap; the rest of it is added delay. So
        // is all of it where a copy is here and the wait is to grow anyway.
        let is_early = self.offset_of(cursor, now) <= self.target_ms() * 1_000;
        if gap == 0 && self.may_pass_over(cursor, dry_samples, next, now) {
            return self.take_first(dry_samples, now, false);
        }
        let covered = if is_early && self.copies.at(cursor).is_some() { 0 } else { dry_samples.min(gap) };
        if dry_samples > covered {
            self.offset = MeanOffset::default();
        }
        let starts = dry_samples >= MAX_CONCEALMENT_SAMPLES;
        let (from, gap) = (cursor + covered, gap - covered);
        if gap == 0 {
            return self.take_first(0, now, starts);
        }
        if !self.can_bridge(from, gap, next) {
            self.state = State::Idle { floor: Some(from), dry_samples: 0 };
            return prolong(self.frame_samples as i64, true);
        }
        self.fill(from, covered, gap, next, now, starts)
    }

    /// Whether a frame that came a little late loses its beginning, so that the wait stays what it is: not where the
    /// wait is to grow anyway, and not where little of the frame would be left.
    fn may_pass_over(&self, cursor: i64, dry_samples: i64, next: &Packet, now: Moment) -> bool {
        let would_be = self.offset_of(cursor + dry_samples, now);
        let target_ms = self.target_ms();
        let is_short = would_be < target_ms * 1_000 - tolerance_micros(target_ms) - SHORT_MICROS;
        dry_samples > 0 && !is_short && 2 * dry_samples <= next.samples as i64
    }

    /// Fills the first piece of the `gap` samples from `from` to the next packet, `covered` samples after where it
    /// began.
    pub(super) fn fill(
        &mut self,
        from: i64,
        covered: i64,
        gap: i64,
        next: &Packet,
        now: Moment,
        starts: bool,
    ) -> Decision {
        let (samples, substitutes) = self.substitutes(from, covered, gap, next);
        if substitutes.copy.is_none() {
            self.count_concealed(samples);
        }
        self.note_offset(from, playable(samples), now);
        self.state = State::Playing { cursor: from + samples, dry_samples: 0 };
        let stands_for_a_frame = covered % self.frame_samples as i64 == 0;
        let at = stands_for_a_frame.then_some(from);
        Decision::Conceal { at, samples: playable(samples), substitutes, starts, ends: false }
    }

    /// Where sound begins again after a gap that ended in silence at `floor`: at the first frame from which on there is
    /// something to play, and whose time has not passed. `first` is the media time of the next packet.
    pub(super) fn resume_at(&self, floor: i64, first: i64, next: &Packet, now: Moment) -> i64 {
        let behind_floor = self.offset_of(floor, now) - self.target_ms() * 1_000;
        let due = floor + micros_to_samples(behind_floor.max(0));
        // The last frame boundary that is due, counted back from the packet.
        let frame = self.frame_samples as i64;
        let frames_back = (first - due).max(0).unsigned_abs().div_ceil(frame.unsigned_abs()) as i64;
        let boundary = (first - frames_back * frame).max(floor);
        let is_just_due = samples_to_micros(due - boundary) < MIX_MICROS;
        if first - floor <= MAX_DEEP_GAP_SAMPLES && is_just_due && tells_of_before(next) {
            return boundary;
        }
        self.copies.first_from(boundary).filter(|copy| *copy < first).unwrap_or(first)
    }

    /// How long the next piece of a gap is, and what there is for it.
    fn substitutes(&self, from: i64, covered: i64, gap: i64, next: &Packet) -> (i64, Substitutes) {
        let copy = self.copies.at(from).filter(|copy| copy.samples as i64 <= gap);
        let frame = copy.map_or(self.frame_samples, |copy| copy.samples) as i64;
        let samples = gap.min(frame - covered % frame);
        let is_last_frame = gap == samples && gap == next.samples as i64;
        let substitutes = Substitutes {
            copy: copy.filter(|copy| copy.samples as i64 == samples).map(|copy| copy.packet.clone()),
            next: is_last_frame.then(|| next.payload.clone()),
            later: usize::try_from(gap).ok().map(|gap| (next.payload.clone(), gap)),
        };
        (samples, substitutes)
    }

    /// Whether there is enough around a gap to play on over it: concealment alone does not carry far.
    fn can_bridge(&self, from: i64, gap: i64, next: &Packet) -> bool {
        let first_copy = self.copies.first_from(from).filter(|copy| *copy < from + gap);
        let to_next_known = first_copy.map_or(gap, |copy| copy - from);
        to_next_known <= MAX_CONCEALMENT_SAMPLES || gap <= MAX_DEEP_GAP_SAMPLES && tells_of_before(next)
    }
}

fn tells_of_before(packet: &Packet) -> bool {
    find(&packet.payload, DEEP_REDUNDANCY_ID).is_some()
}

fn playable(samples: i64) -> usize {
    usize::try_from(samples).unwrap_or(FRAME_SAMPLES).min(MAX_PACKET_SAMPLES)
}
