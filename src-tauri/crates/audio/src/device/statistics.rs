//! What one device stream counted, written by its callbacks.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// One device stream.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatistics {
    /// The device in use; `None` while there is none.
    pub device: Option<String>,
    /// Its rate, Hz.
    pub rate_hz: u32,
    /// Callbacks so far.
    pub callbacks: u64,
    /// Frames in the smallest callback.
    pub smallest_callback: u64,
    /// Frames in the largest callback.
    pub largest_callback: u64,
    /// Frames in the last callback.
    pub last_callback: u64,
    /// Frames that passed the callbacks.
    pub frames: u64,
    /// Callbacks that found the ring full (microphone) or empty (loudspeaker).
    pub starved: u64,
    /// Frames lost or replaced by silence in those.
    pub starved_frames: u64,
    /// Callbacks that asked for all that the sound service holds (loudspeaker): it had run out.
    pub drained: u64,
    /// Under- and overruns the system reported.
    pub xruns: u64,
    /// Other errors the system reported.
    pub errors: u64,
    /// Streams built so far; the first one counts.
    pub builds: u64,
    /// Streams rebuilt because no callback came for a second.
    pub stalls: u64,
    /// How long before the callback that needs it a block is rendered (loudspeaker), ms.
    pub render_lead_ms: f32,
    /// From a callback to the sound at the loudspeaker, or from the microphone to a callback, ms, as the system says.
    pub latency_ms: f32,
}

/// Counters of one device that its callbacks write: atomics only, nothing that could wait.
#[derive(Debug)]
pub(crate) struct StreamCounters {
    pub(crate) callbacks: AtomicU64,
    smallest: AtomicU64,
    largest: AtomicU64,
    last: AtomicU64,
    frames: AtomicU64,
    pub(crate) starved: AtomicU64,
    starved_frames: AtomicU64,
    pub(crate) drained: AtomicU64,
    pub(crate) xruns: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) builds: AtomicU64,
    pub(crate) stalls: AtomicU64,
}

impl Default for StreamCounters {
    fn default() -> Self {
        Self {
            callbacks: AtomicU64::new(0),
            smallest: AtomicU64::new(u64::MAX),
            largest: AtomicU64::new(0),
            last: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            starved: AtomicU64::new(0),
            starved_frames: AtomicU64::new(0),
            drained: AtomicU64::new(0),
            xruns: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            builds: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
        }
    }
}

impl StreamCounters {
    pub(crate) fn note_callback(&self, frames: usize) {
        let frames = frames as u64;
        self.callbacks.fetch_add(1, Ordering::Relaxed);
        self.smallest.fetch_min(frames, Ordering::Relaxed);
        self.largest.fetch_max(frames, Ordering::Relaxed);
        self.last.store(frames, Ordering::Relaxed);
        self.frames.fetch_add(frames, Ordering::Relaxed);
    }

    pub(crate) fn note_starved(&self, missing_frames: usize) {
        self.starved.fetch_add(1, Ordering::Relaxed);
        self.starved_frames.fetch_add(missing_frames as u64, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> DeviceStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeviceStatistics {
            callbacks: read(&self.callbacks),
            smallest_callback: if read(&self.callbacks) == 0 { 0 } else { read(&self.smallest) },
            largest_callback: read(&self.largest),
            last_callback: read(&self.last),
            frames: read(&self.frames),
            starved: read(&self.starved),
            starved_frames: read(&self.starved_frames),
            drained: read(&self.drained),
            xruns: read(&self.xruns),
            errors: read(&self.errors),
            builds: read(&self.builds),
            stalls: read(&self.stalls),
            ..DeviceStatistics::default()
        }
    }
}
