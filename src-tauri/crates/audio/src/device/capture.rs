//! The microphone's sound out of its ring, at the engine's rate and in its blocks: the mean of all channels, or middle
//! and side of two.

use std::sync::atomic::Ordering;

use serambi_codec::{
    clock::samples_to_micros,
    dsp::mid_side::{Channels, MidSide, mid_side},
    format::SAMPLE_RATE_HZ,
};

use crate::{
    device::ring::{CaptureTap, LeftRight},
    dsp::resampler::RateConverter,
    format::Block,
};

/// The microphone's blocks on their way out of the ring.
pub(crate) struct Capture {
    tap: CaptureTap,
    middle: RateConverter,
    /// Runs along with the middle on every microphone of two channels, so that they are never apart.
    side: Option<RateConverter>,
    keeps_stereo: bool,
    raw: Vec<LeftRight>,
    plane: Vec<f32>,
    waiting: MidSide<Vec<f32>>,
}

impl Capture {
    /// Reads `tap`; `None` if its rate makes no sense.
    pub(crate) fn new(tap: CaptureTap) -> Option<Self> {
        let converter = || RateConverter::new(tap.rate_hz, SAMPLE_RATE_HZ);
        let middle = converter()?;
        let side = if tap.channels == Channels::Stereo { Some(converter()?) } else { None };
        let waiting = MidSide { middle: Vec::new(), side: side.as_ref().map(|_| Vec::new()) };
        Some(Self { tap, middle, side, keeps_stereo: false, raw: Vec::new(), plane: Vec::new(), waiting })
    }

    /// Hands both channels on from now on, where there are two, or their mean.
    pub(crate) fn keep_stereo(&mut self, wanted: bool) {
        self.keeps_stereo = wanted;
        self.tap.keeps_stereo.store(wanted, Ordering::Relaxed);
    }

    /// Takes what the callback has left.
    pub(crate) fn drain_ring(&mut self) {
        self.raw.resize(self.tap.ring.slots(), [0.0; 2]);
        if self.tap.ring.pop_entire_slice(&mut self.raw).is_err() {
            return;
        }
        self.plane.clear();
        self.plane.extend(self.raw.iter().map(|moment| mid_side(*moment).0));
        self.middle.convert(&self.plane, &mut self.waiting.middle);
        if let (Some(converter), Some(side)) = (&mut self.side, &mut self.waiting.side) {
            self.plane.clear();
            self.plane.extend(self.raw.iter().map(|moment| mid_side(*moment).1));
            converter.convert(&self.plane, side);
        }
    }

    /// The next full block and how long ago its first sample was captured, microseconds.
    pub(crate) fn next_block(&mut self) -> Option<(MidSide<Block>, i64)> {
        let age = samples_to_micros(self.waiting.len() as i64);
        let block = self.waiting.drain_front()?;
        Some((MidSide { side: block.side.filter(|_| self.keeps_stereo), ..block }, age))
    }

    /// From the microphone to the ring, microseconds, as the system says.
    pub(crate) fn latency_micros(&self) -> i64 {
        self.tap.latency_micros.load(Ordering::Relaxed)
    }

    /// The same, ms.
    pub(crate) fn latency_ms(&self) -> f32 {
        self.latency_micros() as f32 / 1_000.0
    }

    /// Forgets sound that has not filled a block.
    pub(crate) fn discard_waiting(&mut self) {
        self.waiting.truncate(0);
    }
}
