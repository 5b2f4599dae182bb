//! Where the mix goes and who sets its pace: a loudspeaker's ring, or a clock where there is no loudspeaker.

use std::sync::atomic::Ordering;

use crate::clock::Moment;
use crate::format::{BLOCK_MICROS, Block, SAMPLE_RATE_HZ};
use crate::resampler::{RateConverter, ten_milliseconds};
use crate::ring::PlaybackTap;
use crate::wav_loudspeaker::WavTap;

/// First look at whether less sound in the ring would do, microseconds; doubled each time it would not.
const FIRST_PATIENCE_MICROS: i64 = 10_000_000;
const LONGEST_PATIENCE_MICROS: i64 = 640_000_000;

/// A stream that has just started asks for odd amounts: what it misses then teaches nothing.
const SETTLING_MICROS: i64 = 300_000;

/// A clock this far behind (a machine that slept) goes on from now, microseconds.
const LARGEST_BACKLOG_MICROS: i64 = 500_000;

/// Longest wait of the engine thread, microseconds: a device that never calls must not stop the rest.
const LONGEST_WAIT_MICROS: i64 = 20_000;

pub(crate) enum Output {
    Device(Box<DeviceOutput>),
    Clock(ClockOutput),
}

impl Output {
    /// An output that only keeps time.
    pub(crate) fn silent(now: Moment) -> Self {
        Self::Clock(ClockOutput { due: now, recorder: None })
    }

    /// Whether a block must be rendered at `now`.
    pub(crate) fn wants_block(&mut self, now: Moment) -> bool {
        match self {
            Self::Device(device) => device.wants_block(now),
            Self::Clock(clock) => clock.wants_block(now),
        }
    }

    pub(crate) fn accept(&mut self, block: &Block) {
        match self {
            Self::Device(device) => device.accept(block),
            Self::Clock(clock) => clock.accept(block),
        }
    }

    /// How long the engine may wait for something else to do, microseconds.
    pub(crate) fn micros_to_next(&self, now: Moment) -> i64 {
        match self {
            Self::Device(_) => LONGEST_WAIT_MICROS,
            Self::Clock(clock) => clock.due.micros_since(now).clamp(0, LONGEST_WAIT_MICROS),
        }
    }

    /// Sound the ring is kept filled with, ms.
    pub(crate) fn ring_target_ms(&self) -> f32 {
        match self {
            Self::Device(device) => device.target as f32 * 1_000.0 / device.tap.rate_hz as f32,
            Self::Clock(_) => 0.0,
        }
    }
}

/// A loudspeaker. Its ring is kept as empty as its callbacks allow: the fill grows when a callback finds too little, and
/// shrinks again when for long enough no callback needed it.
pub(crate) struct DeviceOutput {
    tap: PlaybackTap,
    converter: RateConverter,
    converted: Vec<f32>,
    chunk: usize,
    target: usize,
    seen_starved: u64,
    settled_at: Option<Moment>,
    look_at: Option<Moment>,
    patience_micros: i64,
    shrunk: bool,
}

impl DeviceOutput {
    /// Feeds `tap`; `None` if its rate makes no sense.
    pub(crate) fn new(tap: PlaybackTap) -> Option<Self> {
        let converter = RateConverter::new(SAMPLE_RATE_HZ, tap.rate_hz)?;
        let chunk = ten_milliseconds(tap.rate_hz);
        Some(Self {
            tap,
            converter,
            converted: Vec::new(),
            chunk,
            target: chunk,
            seen_starved: 0,
            settled_at: None,
            look_at: None,
            patience_micros: FIRST_PATIENCE_MICROS,
            shrunk: false,
        })
    }

    fn wants_block(&mut self, now: Moment) -> bool {
        self.adapt(now);
        self.filled() < self.target
    }

    fn filled(&self) -> usize {
        self.tap.ring.buffer().capacity() - self.tap.ring.slots()
    }

    fn accept(&mut self, block: &Block) {
        self.converted.clear();
        self.converter.convert(block, &mut self.converted);
        // The target is at most half of the ring, so all of it fits.
        let (_, rest) = self.tap.ring.push_partial_slice(&self.converted);
        debug_assert!(rest.is_empty());
    }

    fn adapt(&mut self, now: Moment) {
        let settled_at = *self.settled_at.get_or_insert(now.plus_micros(SETTLING_MICROS));
        let look_at = *self.look_at.get_or_insert(now.plus_micros(self.patience_micros));
        let starved = self.tap.counters.starved.load(Ordering::Relaxed);
        if starved != self.seen_starved {
            self.seen_starved = starved;
            let wanted = self.tap.counters.largest_starved.swap(0, Ordering::Relaxed);
            if now > settled_at {
                self.grow(usize::try_from(wanted).unwrap_or(0), now);
            }
        } else if now > look_at {
            self.look_at = Some(now.plus_micros(self.patience_micros));
            let least = self.tap.counters.least_left.swap(u64::MAX, Ordering::Relaxed);
            if least != u64::MAX && least >= self.chunk as u64 && self.target > self.chunk {
                self.target -= self.chunk;
                self.shrunk = true;
            }
        }
    }

    fn grow(&mut self, wanted: usize, now: Moment) {
        let most = self.tap.ring.buffer().capacity() / 2;
        let grown = if wanted > self.target { wanted } else { self.target + self.chunk };
        self.target = grown.min(most);
        if std::mem::take(&mut self.shrunk) {
            self.patience_micros = (self.patience_micros * 2).min(LONGEST_PATIENCE_MICROS);
        }
        self.look_at = Some(now.plus_micros(self.patience_micros));
        self.tap.counters.least_left.store(u64::MAX, Ordering::Relaxed);
    }
}

/// No loudspeaker: the mix goes into a file or nowhere, a block every 10 ms of wall time.
pub(crate) struct ClockOutput {
    due: Moment,
    recorder: Option<WavTap>,
}

impl ClockOutput {
    pub(crate) fn recording(now: Moment, recorder: WavTap) -> Self {
        Self { due: now, recorder: Some(recorder) }
    }

    fn wants_block(&mut self, now: Moment) -> bool {
        if now.micros_since(self.due) > LARGEST_BACKLOG_MICROS {
            self.due = now;
        }
        now >= self.due
    }

    fn accept(&mut self, block: &Block) {
        self.due = self.due.plus_micros(BLOCK_MICROS);
        if let Some(recorder) = &self.recorder
            && !recorder.write(block)
        {
            tracing::debug!("the disk is too slow for the sound file; 10 ms are missing in it");
        }
    }
}
