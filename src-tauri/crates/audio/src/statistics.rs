//! What every part of the sound path counted: enters, leaves, and what went wrong between.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::jitter_buffer::JitterCounters;
use crate::speaker::SpeakerId;
use crate::voice_processing::ProcessingStatistics;

/// The whole sound path of one engine.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineStatistics {
    /// The microphone's stream.
    pub microphone: DeviceStatistics,
    /// The own voice after the microphone.
    pub voice: VoiceStatistics,
    /// The loudspeaker's stream.
    pub loudspeaker: DeviceStatistics,
    /// Everybody who can be heard.
    pub speakers: Vec<SpeakerStatistics>,
    /// Blocks of 5 ms mixed.
    pub mixed_blocks: u64,
}

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
    /// Frames in the smallest and the largest callback, and in the last one.
    pub smallest_callback: u64,
    /// See `smallest_callback`.
    pub largest_callback: u64,
    /// See `smallest_callback`.
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

/// The own voice.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VoiceStatistics {
    /// Whether frames are held back.
    pub muted: bool,
    /// Blocks of 10 ms captured.
    pub captured_blocks: u64,
    /// Blocks that were captured while muted and went nowhere.
    pub muted_blocks: u64,
    /// Frames encoded and handed out.
    pub sent_frames: u64,
    /// Bytes of those.
    pub sent_bytes: u64,
    /// Frames the encoder failed on.
    pub failed_frames: u64,
    /// How much is repeated for listeners who miss frames: 0 nothing, 4 all there is.
    pub redundancy_level: u8,
    /// Length of the frames now, ms.
    pub frame_ms: u32,
    /// Channels in the frames now: 2 while chosen music comes from a microphone of two.
    pub channels: u32,
    /// Level of the microphone after the processing, dBFS.
    pub level_dbfs: Option<f32>,
    /// What is done to the microphone's sound.
    pub processing: ProcessingStatistics,
}

/// When a speaker's sound came in and goes out: what a measurement of the delay needs from the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardMark {
    /// RTP timestamp, as received, of the sound in question.
    pub timestamp: u32,
    /// When its packet came in.
    pub arrived_at: Instant,
    /// From there until it was decoded and its turn, microseconds.
    pub buffer_micros: i64,
    /// From there until it leaves the loudspeaker, microseconds.
    pub loudspeaker_micros: i64,
    /// When it leaves the loudspeaker.
    pub heard_at: Instant,
}

/// One person who can be heard.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeakerStatistics {
    /// Who.
    pub id: SpeakerId,
    /// What became of the packets.
    pub packets: JitterCounters,
    /// Packets dropped because the engine did not empty the inbox.
    pub inbox_overflow: u64,
    /// Packets that were not Opus.
    pub undecodable: u64,
    /// Missing frames that later packets brought back: as a copy, as a coarse copy, or by Deep Redundancy.
    pub recovered: u64,
    /// Frames that came after they had been replaced, but in time to mend the sound after them.
    pub mended: u64,
    /// Times the sound began after silence.
    pub talkspurts: u64,
    /// Samples left out to catch up.
    pub shortened_samples: u64,
    /// Samples added to wait longer.
    pub lengthened_samples: u64,
    /// Wait that the recent jitter calls for, ms.
    pub jitter_target_ms: i64,
    /// Wait of the quickest recent packets, ms.
    pub playout_offset_ms: Option<f32>,
    /// Sound waiting, encoded and decoded, ms.
    pub buffered_ms: f32,
    /// Level before the volume, dBFS.
    pub level_dbfs: f32,
    /// Loudness of the last 3 s as received, LUFS.
    pub loudness_lufs: f32,
    /// What the leveller adds here, dB; -12 to 12.
    pub levelled_db: f32,
    /// One of the packets of the last second; `None` before the first.
    #[serde(skip)]
    pub heard: Option<HeardMark>,
}

impl SpeakerStatistics {
    pub(crate) fn of(id: SpeakerId) -> Self {
        Self {
            id,
            packets: JitterCounters::default(),
            inbox_overflow: 0,
            undecodable: 0,
            recovered: 0,
            mended: 0,
            talkspurts: 0,
            shortened_samples: 0,
            lengthened_samples: 0,
            jitter_target_ms: 0,
            playout_offset_ms: None,
            buffered_ms: 0.0,
            level_dbfs: crate::level_meter::SILENCE_DBFS,
            loudness_lufs: crate::loudness::SILENCE_LUFS,
            levelled_db: 0.0,
            heard: None,
        }
    }
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
