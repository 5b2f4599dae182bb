//! Decides which frame of one remote voice is played when: the shortest wait that the network's jitter allows.
//!
//! A pure state machine: packets go in with [`JitterBuffer::insert`], frames come out with [`JitterBuffer::pull`], and
//! time is an argument of both. It decodes nothing and sees no sound.
//!
//! The wait is measured per frame as its *offset*: the time between the earliest moment the frame could have been here
//! (as the quickest packet of the last seconds was) and the moment it is pulled. A frame whose own delay exceeds the
//! offset is late. Pulls are not even either: a device that asks for two blocks at once pulls the second one early. The
//! *target* is the offset at which delay and late frames together cost least, and on a path that loses packets the
//! offset at which copies of lost frames are here; [`JitterBuffer::error_micros`] says how far the play-out is from it,
//! and the caller stretches or shrinks the sound to get there.

mod decision;
mod gap;
mod loss_watch;

pub use decision::{Arrival, Decision, JitterCounters, Packet};

use std::collections::{BTreeMap, BTreeSet};

use gap::prolong;
use loss_watch::LossWatch;
use serambi_codec::{
    clock::{Moment, samples_to_micros},
    copy_slots::CopySlots,
    format::{FRAME_SAMPLES, MAX_PACKET_SAMPLES, SAMPLE_RATE_HZ},
};

use crate::receive::{
    delay_histogram::{DelayHistogram, LATE_COST_MS, LATE_COST_WITH_COPIES_MS, LatenessHistogram},
    packet_timeline::{PacketTimeline, Place, Placement},
};

/// Spare time on top of the jitter, ms. With 1 ms, clocks 500 ppm apart would use it up before a step of the mix is
/// worth adding.
const MARGIN_MS: i64 = 2;

/// Least target while fewer than [`LEARNING_PACKETS`] have been seen, ms.
const LEARNING_TARGET_MS: i64 = 20;
const LEARNING_PACKETS: u64 = 25;

/// Longest target, ms: beyond this a conversation is over anyway.
const MAX_TARGET_MS: i64 = 1_000;

/// An offset this far above the target is not played off but skipped, microseconds.
const MAX_EXCESS_MICROS: i64 = 500_000;

/// Longest stretch of invented sound, samples (100 ms). libopus fades its concealment out over about this time.
const MAX_CONCEALMENT_SAMPLES: i64 = SAMPLE_RATE_HZ as i64 / 10;

/// Sound invented at a time while nothing is here, samples (10 ms, the least that SILK conceals): a frame that is a
/// little late then adds no more delay than that.
const DRY_STEP_SAMPLES: i64 = SAMPLE_RATE_HZ as i64 / 100;

/// Packets held at most (4 s of 20 ms frames): a bound on memory, not on delay.
const MAX_PACKETS: usize = 200;

/// Weight of one pull in the running mean of the offset, and pulls before that mean says anything.
const OFFSET_WEIGHT: f32 = 0.1;
const SETTLING_PULLS: u32 = 8;

/// Loss at which the target makes room for the in-band copy in the following packet, and at which it gives that up
/// again.
const LOSS_TO_WAIT_FOR_INBAND_COPIES: Hysteresis = Hysteresis { begin: 0.03, end: 0.01 };

/// The same for the copies in later packets' padding: they sound better, and nobody sends them without somebody's loss.
const LOSS_TO_WAIT_FOR_COPIES: Hysteresis = Hysteresis { begin: 0.015, end: 0.003 };

/// Farthest copy that is waited for, samples (100 ms): beyond this the wait costs more than it mends.
const MAX_WAIT_FOR_COPIES_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 10;

/// So many missing frames at most are believed from one jump of the sequence numbers.
const MAX_MISSING_AT_ONCE: i64 = 50;

/// Numbers of packets without sound that are remembered: a bound on memory.
const MAX_PADDING_NUMBERS: usize = 256;

#[derive(Clone, Copy, Debug)]
enum State {
    /// Silence. Nothing before `floor` may be played any more; `dry_samples` were invented before the silence.
    Idle { floor: Option<i64>, dry_samples: i64 },
    /// Sound. `cursor` is the media time of the next frame.
    Playing { cursor: i64, dry_samples: i64 },
}

/// The running mean of the offset.
#[derive(Clone, Copy, Debug, Default)]
struct MeanOffset {
    micros: f32,
    pulls: u32,
}

impl MeanOffset {
    fn take(&mut self, offset: i64) {
        self.pulls = self.pulls.saturating_add(1);
        let weight = OFFSET_WEIGHT.max(1.0 / self.pulls as f32);
        self.micros += (offset as f32 - self.micros) * weight;
    }
}

/// A state that begins above one loss and ends below another.
#[derive(Clone, Copy, Debug)]
struct Hysteresis {
    begin: f32,
    end: f32,
}

impl Hysteresis {
    fn judge(self, was: bool, loss: f32) -> bool {
        if was { loss >= self.end } else { loss > self.begin }
    }
}

const SILENT_FROM_THE_START: State = State::Idle { floor: None, dry_samples: 0 };

/// The jitter buffer of one remote voice.
#[derive(Debug)]
pub struct JitterBuffer {
    timeline: PacketTimeline,
    delays: DelayHistogram,
    packets: BTreeMap<i64, (i64, Packet)>,
    copies: CopySlots,
    state: State,
    last_played_sequence: Option<i64>,
    /// Numbers after that one which packets without sound have: they are not missing.
    padding: BTreeSet<i64>,
    frame_samples: usize,
    early_pulls: LatenessHistogram,
    offset: MeanOffset,
    in_this_stream: u64,
    losses: LossWatch,
    waits_for_copies: bool,
    waits_for_inband_copies: bool,
    counters: JitterCounters,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            timeline: PacketTimeline::default(),
            delays: DelayHistogram::default(),
            packets: BTreeMap::new(),
            copies: CopySlots::default(),
            state: SILENT_FROM_THE_START,
            last_played_sequence: None,
            padding: BTreeSet::new(),
            frame_samples: FRAME_SAMPLES,
            early_pulls: LatenessHistogram::default(),
            offset: MeanOffset::default(),
            in_this_stream: 0,
            losses: LossWatch::default(),
            waits_for_copies: false,
            waits_for_inband_copies: false,
            counters: JitterCounters::default(),
        }
    }
}

impl JitterBuffer {
    /// Takes a packet that arrived at `arrival`.
    pub fn insert(&mut self, packet: Packet, arrival: Moment) -> Arrival {
        self.counters.received += 1;
        let outcome = self.place(packet, arrival);
        match outcome {
            Arrival::Kept => {}
            Arrival::Duplicate => self.counters.duplicate += 1,
            Arrival::Late { .. } => self.counters.late += 1,
            Arrival::Refused => self.counters.refused += 1,
        }
        outcome
    }

    /// Takes the number of a packet without sound (RTP padding): no frame is missing there. One that comes after a
    /// later frame was played has been counted as missing, and counts as late.
    pub fn note_padding(&mut self, sequence: u16) {
        let Some(sequence) = self.timeline.place_padding(sequence) else { return };
        if self.last_played_sequence.is_some_and(|last| sequence < last) {
            self.counters.received += 1;
            self.counters.late += 1;
            self.losses.note_late(sequence);
            return;
        }
        self.padding.insert(sequence);
        if self.padding.len() > MAX_PADDING_NUMBERS {
            self.padding.pop_first();
        }
    }

    /// Decides what is played from `now` on.
    pub fn pull(&mut self, now: Moment) -> Decision {
        match self.state {
            State::Idle { floor, dry_samples } => self.try_to_start(floor, dry_samples, now),
            State::Playing { cursor, dry_samples } => self.play_on(cursor, dry_samples, now),
        }
    }

    /// The offset to head for, ms.
    pub fn target_ms(&self) -> i64 {
        let jitter = (self.delays.best_wait_ms() + self.early_pulls.best_wait_ms()) as i64 + MARGIN_MS;
        let learning = if self.in_this_stream < LEARNING_PACKETS { LEARNING_TARGET_MS } else { 0 };
        (jitter + self.wait_for_copies_ms()).max(learning).min(MAX_TARGET_MS)
    }

    /// How much later than its own packet a frame's copy comes, as far as this listener has use for copies.
    fn wait_for_copies_ms(&self) -> i64 {
        let reach = self.copies.reach_samples().min(MAX_WAIT_FOR_COPIES_SAMPLES);
        let samples = if reach > 0 && self.waits_for_copies {
            reach
        } else if reach == 0 && self.waits_for_inband_copies {
            self.frame_samples
        } else {
            0
        };
        samples_to_micros(samples as i64) / 1_000
    }

    /// How long the quickest packets wait here on average, ms; `None` before the first.
    pub fn offset_ms(&self) -> Option<f32> {
        (self.offset.pulls > 0).then_some(self.offset.micros / 1_000.0)
    }

    /// How much later (positive) or earlier (negative) than the target frames are pulled on average, microseconds.
    /// `None` until enough have been pulled to tell.
    pub fn error_micros(&self) -> Option<i64> {
        (self.offset.pulls >= SETTLING_PULLS).then(|| self.offset.micros as i64 - self.target_ms() * 1_000)
    }

    /// Tells the buffer that the pulls to come are `micros` later (earlier if negative), because the sound was made
    /// longer or shorter.
    pub fn note_pulls_moved(&mut self, micros: i64) {
        self.offset.micros += micros as f32;
    }

    /// Sound waiting here, samples.
    pub fn waiting_samples(&self) -> usize {
        self.packets.values().map(|(_, packet)| packet.samples).sum()
    }

    /// What happened so far.
    pub fn counters(&self) -> JitterCounters {
        self.counters
    }

    fn place(&mut self, packet: Packet, arrival: Moment) -> Arrival {
        if packet.samples == 0 || packet.samples > MAX_PACKET_SAMPLES {
            return Arrival::Refused;
        }
        let place = match self.timeline.place(packet.sequence, packet.timestamp, arrival) {
            Placement::Known(place) => place,
            Placement::NewStream(place) => {
                self.begin_stream();
                place
            }
            Placement::Duplicate => return Arrival::Duplicate,
            Placement::Stray => return Arrival::Refused,
        };
        self.in_this_stream += 1;
        self.delays.set_late_cost_ms(self.late_cost_ms());
        self.delays.record(arrival, arrival.micros() - samples_to_micros(place.sample), packet.samples);
        self.keep_copies(place, &packet, arrival);
        if self.passed().is_some_and(|passed| place.sample < passed) {
            self.losses.note_late(place.sequence);
            return Arrival::Late { at: place.sample };
        }
        self.keep(place, packet)
    }

    /// A packet that is late itself may carry copies that are not.
    fn keep_copies(&mut self, place: Place, packet: &Packet, arrival: Moment) {
        let passed = self.passed().unwrap_or(i64::MIN);
        let packets = &self.packets;
        let wanted = |at: i64| at >= passed && !packets.contains_key(&at);
        self.copies.take_from(&packet.payload, place.sample, arrival, wanted);
    }

    /// Where copies come that nobody here waits for, one of them mostly stands in for a late frame.
    fn late_cost_ms(&self) -> f32 {
        let has_copies = self.copies.reach_samples() > 0 && !self.waits_for_copies;
        if has_copies { LATE_COST_WITH_COPIES_MS } else { LATE_COST_MS }
    }

    fn begin_stream(&mut self) {
        if self.in_this_stream > 0 {
            self.counters.restarts += 1;
        }
        self.delays = DelayHistogram::default();
        self.packets.clear();
        self.copies = CopySlots::default();
        self.offset = MeanOffset::default();
        self.state = SILENT_FROM_THE_START;
        self.last_played_sequence = None;
        self.padding.clear();
        self.in_this_stream = 0;
    }

    fn keep(&mut self, place: Place, packet: Packet) -> Arrival {
        if self.packets.contains_key(&place.sample) {
            return Arrival::Duplicate;
        }
        self.frame_samples = packet.samples;
        self.packets.insert(place.sample, (place.sequence, packet));
        if self.packets.len() > MAX_PACKETS {
            self.packets.pop_first();
            self.counters.skipped += 1;
        }
        Arrival::Kept
    }

    /// The media time before which nothing can be played any more.
    fn passed(&self) -> Option<i64> {
        match self.state {
            State::Idle { floor, .. } => floor,
            State::Playing { cursor, .. } => Some(cursor),
        }
    }

    fn try_to_start(&mut self, floor: Option<i64>, dry_samples: i64, now: Moment) -> Decision {
        let Some((&first, (sequence, next))) = self.packets.first_key_value() else {
            return Decision::Idle;
        };
        let (next, missing) = (next.clone(), self.last_played_sequence.is_some() && !self.comes_next(*sequence));
        let from = floor.filter(|_| missing).map_or(first, |floor| self.resume_at(floor, first, &next, now));
        if self.offset_of(from, now) < self.target_ms() * 1_000 {
            return Decision::Idle;
        }
        if floor == Some(from) {
            self.count_concealed(dry_samples);
        }
        self.offset = MeanOffset::default();
        if from == first { self.take_first(0, now, true) } else { self.fill(from, 0, first - from, &next, now, true) }
    }

    fn play_on(&mut self, cursor: i64, dry_samples: i64, now: Moment) -> Decision {
        self.drop_passed(cursor);
        let Some((&first, (sequence, next))) = self.packets.first_key_value() else {
            return self.run_dry(cursor, dry_samples);
        };
        let gap = first - cursor;
        let paused = gap > 0 && self.comes_next(*sequence);
        if paused {
            return self.pause(cursor, dry_samples, gap, now);
        }
        let next = next.clone();
        self.bridge(cursor, dry_samples, gap, &next, now)
    }

    /// Nothing is here. It may be a mute or a stall: the cursor stays, so that a frame that comes after a stall is
    /// still played; the delay this costs is played off afterwards.
    fn run_dry(&mut self, cursor: i64, dry_samples: i64) -> Decision {
        if dry_samples >= MAX_CONCEALMENT_SAMPLES {
            self.state = State::Idle { floor: Some(cursor), dry_samples };
            return Decision::Idle;
        }
        let dry_samples = dry_samples + DRY_STEP_SAMPLES;
        self.state = State::Playing { cursor, dry_samples };
        prolong(DRY_STEP_SAMPLES, dry_samples >= MAX_CONCEALMENT_SAMPLES)
    }

    /// The sender paused: nothing is missing before the next packet, and its time may not have come.
    fn pause(&mut self, cursor: i64, dry_samples: i64, gap: i64, now: Moment) -> Decision {
        if self.offset_of(cursor + gap, now) < self.target_ms() * 1_000 {
            return self.run_dry(cursor, dry_samples);
        }
        self.offset = MeanOffset::default();
        self.take_first(0, now, dry_samples >= MAX_CONCEALMENT_SAMPLES)
    }

    /// Plays the next packet but for the `passed` samples at its beginning.
    fn take_first(&mut self, passed: i64, now: Moment, starts: bool) -> Decision {
        let Some((first, (sequence, packet))) = self.packets.pop_first() else {
            return Decision::Idle;
        };
        self.note_missing_before(sequence, now);
        self.state = State::Playing { cursor: first + packet.samples as i64, dry_samples: 0 };
        let behind = self.offset_of(first, now) - self.target_ms() * 1_000;
        if behind > MAX_EXCESS_MICROS && !self.packets.is_empty() {
            self.counters.skipped += 1;
            return Decision::Skip { packet, at: first };
        }
        self.note_offset(first + passed, packet.samples, now);
        self.counters.decoded += 1;
        Decision::Decode { packet, at: first, starts, passed: usize::try_from(passed).unwrap_or(0) }
    }

    fn count_concealed(&mut self, samples: i64) {
        self.counters.concealed_samples += u64::try_from(samples).unwrap_or(0);
    }

    /// Whether nothing with sound lies between the frame that was played last and this one.
    fn comes_next(&self, sequence: i64) -> bool {
        self.last_played_sequence.is_some_and(|last| {
            let between = last + 1..sequence;
            last < sequence && self.padding.range(between.clone()).count() as i64 == between.end - between.start
        })
    }

    fn note_missing_before(&mut self, sequence: i64, now: Moment) {
        let jump = self.last_played_sequence.map_or(0, |last| (sequence - last - 1).clamp(0, MAX_MISSING_AT_ONCE));
        let mut missing = 0;
        for absent in (sequence - jump..sequence).filter(|absent| !self.padding.contains(absent)) {
            self.losses.note_missing(absent, now);
            missing += 1;
        }
        self.padding = self.padding.split_off(&sequence);
        self.counters.missing += missing;
        self.counters.gaps += u64::from(missing > 0);
        self.losses.note_played(now);
        self.judge_loss();
        self.last_played_sequence = Some(sequence);
    }

    fn drop_passed(&mut self, cursor: i64) {
        self.copies.forget_before(cursor);
        while self.packets.first_key_value().is_some_and(|(&first, _)| first < cursor) {
            self.packets.pop_first();
            self.counters.late += 1;
        }
    }

    fn offset_of(&self, sample: i64, now: Moment) -> i64 {
        let delay = now.micros() - samples_to_micros(sample);
        delay - self.delays.quickest_micros().unwrap_or(delay)
    }

    fn note_offset(&mut self, sample: i64, samples: usize, now: Moment) {
        let offset = self.offset_of(sample, now);
        self.offset.take(offset);
        self.early_pulls.record(self.offset.micros as i64 - offset, samples);
    }

    fn judge_loss(&mut self) {
        let loss = self.losses.share();
        self.waits_for_copies = LOSS_TO_WAIT_FOR_COPIES.judge(self.waits_for_copies, loss);
        self.waits_for_inband_copies = LOSS_TO_WAIT_FOR_INBAND_COPIES.judge(self.waits_for_inband_copies, loss);
    }
}

#[cfg(test)]
mod tests;
