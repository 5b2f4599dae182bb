//! Where the mix goes and who sets its pace: a loudspeaker's ring, or a clock where there is no loudspeaker.

use serambi_codec::{
    clock::Moment,
    dsp::mid_side::{MidSide, left_right},
    format::SAMPLE_RATE_HZ,
};

use crate::{
    device::{
        missed_time::MissedTime,
        render_lead::RenderLead,
        ring::{LeftRight, PlaybackTap},
        wav_loudspeaker::WavTap,
    },
    dsp::resampler::{RateConverter, ten_milliseconds},
    format::{MIX_MICROS, MIX_SAMPLES, MixBlock, SILENT_MIX},
};

/// A clock this far behind (a machine that slept) goes on from now, microseconds.
const MAX_BACKLOG_MICROS: i64 = 500_000;

/// Longest wait of the engine thread, microseconds: a device that never calls must not stop the rest.
const MAX_WAIT_MICROS: i64 = 20_000;

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

    /// Whether the next block comes too late and only passes the time of a hole.
    pub(crate) fn skips_block(&mut self) -> bool {
        match self {
            Self::Device(device) => device.missed.take_block(),
            Self::Clock(_) => false,
        }
    }

    /// Takes a block rendered at `now`.
    pub(crate) fn accept(&mut self, block: &MidSide<MixBlock>, now: Moment) {
        match self {
            Self::Device(device) => device.accept(block, now),
            Self::Clock(clock) => clock.accept(&block.middle),
        }
    }

    /// How long the engine may wait for something else to do, microseconds.
    pub(crate) fn micros_to_next(&self, now: Moment) -> i64 {
        match self {
            Self::Device(device) => device.micros_to_render(now).min(MAX_WAIT_MICROS),
            Self::Clock(clock) => clock.due.micros_since(now).clamp(0, MAX_WAIT_MICROS),
        }
    }

    /// How long before the callback that needs it a block is rendered, ms.
    pub(crate) fn render_lead_ms(&self) -> f32 {
        match self {
            Self::Device(device) => device.lead.micros() as f32 / 1_000.0,
            Self::Clock(_) => 0.0,
        }
    }

    /// From the rendering of the last block to the moment it leaves the loudspeaker, microseconds.
    pub(crate) fn micros_to_ear(&self) -> i64 {
        match self {
            Self::Device(device) => device.micros_to_ear,
            Self::Clock(_) => 0,
        }
    }

    /// From a callback to the sound at the loudspeaker, ms.
    pub(crate) fn latency_ms(&self) -> f32 {
        match self {
            Self::Device(device) => device.tap.timing.latency_micros() as f32 / 1_000.0,
            Self::Clock(_) => 0.0,
        }
    }
}

/// A loudspeaker. A block is rendered shortly before the callback that needs it.
pub(crate) struct DeviceOutput {
    tap: PlaybackTap,
    converters: Converters,
    /// What must be there before the first callback has told its pace, frames.
    first_fill: usize,
    lead: RenderLead,
    missed: MissedTime,
    micros_to_ear: i64,
}

/// Middle and side at the loudspeaker's rate. Both always run, so that they are never apart.
struct Converters {
    middle: RateConverter,
    side: RateConverter,
    middle_plane: Vec<f32>,
    side_plane: Vec<f32>,
    joined: Vec<LeftRight>,
}

impl Converters {
    fn new(rate_hz: u32) -> Option<Self> {
        Some(Self {
            middle: RateConverter::new(SAMPLE_RATE_HZ, rate_hz)?,
            side: RateConverter::new(SAMPLE_RATE_HZ, rate_hz)?,
            middle_plane: Vec::with_capacity(MIX_SAMPLES),
            side_plane: Vec::with_capacity(MIX_SAMPLES),
            joined: Vec::with_capacity(MIX_SAMPLES),
        })
    }

    fn convert(&mut self, block: &MidSide<MixBlock>) -> &[LeftRight] {
        self.middle_plane.clear();
        self.side_plane.clear();
        self.middle.convert(&block.middle, &mut self.middle_plane);
        self.side.convert(block.side.as_ref().unwrap_or(&SILENT_MIX), &mut self.side_plane);
        self.joined.clear();
        let moments = self.middle_plane.iter().zip(&self.side_plane);
        self.joined.extend(moments.map(|(middle, side)| left_right(*middle, *side)));
        &self.joined
    }
}

impl DeviceOutput {
    /// Feeds `tap` from `now` on; `None` if its rate makes no sense.
    pub(crate) fn new(tap: PlaybackTap, now: Moment) -> Option<Self> {
        let converters = Converters::new(tap.rate_hz)?;
        let first_fill = ten_milliseconds(tap.rate_hz);
        let (lead, missed) = (RenderLead::begin(now), MissedTime::default());
        Some(Self { tap, converters, first_fill, lead, missed, micros_to_ear: 0 })
    }

    fn wants_block(&mut self, now: Moment) -> bool {
        let luck = self.tap.timing.take_luck();
        self.lead.learn(now, luck);
        if !self.lead.is_settling(now) {
            self.missed.note(luck.missing_micros);
        }
        self.micros_to_render(now) == 0
    }

    /// Microseconds until the next block must be rendered.
    fn micros_to_render(&self, now: Moment) -> i64 {
        let filled = self.filled();
        match self.tap.timing.last_callback() {
            Some(last) => self.lead.micros_to_render(now, last, self.tap.timing.micros(filled as i64)),
            None if filled < self.first_fill => 0,
            None => MAX_WAIT_MICROS,
        }
    }

    fn filled(&self) -> usize {
        self.tap.ring.buffer().capacity() - self.tap.ring.slots()
    }

    fn accept(&mut self, block: &MidSide<MixBlock>, now: Moment) {
        let filled = self.filled();
        self.tap.timing.note_block(now, filled);
        self.micros_to_ear = self.tap.timing.micros_to_ear(now, filled);
        // The lead is at most half of the ring, so all of it fits.
        let (_, rest) = self.tap.ring.push_partial_slice(self.converters.convert(block));
        debug_assert!(rest.is_empty());
    }
}

/// No loudspeaker: the middle of the mix goes into a file or nowhere, a block every 5 ms of wall time.
pub(crate) struct ClockOutput {
    due: Moment,
    recorder: Option<WavTap>,
}

impl ClockOutput {
    pub(crate) fn recording(now: Moment, recorder: WavTap) -> Self {
        Self { due: now, recorder: Some(recorder) }
    }

    fn wants_block(&mut self, now: Moment) -> bool {
        if now.micros_since(self.due) > MAX_BACKLOG_MICROS {
            self.due = now;
        }
        now >= self.due
    }

    fn accept(&mut self, block: &MixBlock) {
        self.due = self.due.plus_micros(MIX_MICROS);
        if let Some(recorder) = &self.recorder
            && !recorder.write(block)
        {
            tracing::debug!("the disk is too slow for the sound file; 5 ms are missing in it");
        }
    }
}
