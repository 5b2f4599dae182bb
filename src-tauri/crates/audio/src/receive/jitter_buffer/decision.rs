//! What goes into a jitter buffer, what comes out, and what it counts.

use bytes::Bytes;
use serambi_codec::{decode_ladder::Substitutes, redundancy_profile::LossReport};
use serde::Serialize;

/// Frames that came late count as lost up to this share: enough for the first level of redundancy, not for the second.
const MAX_LATE_AS_LOST: f32 = 0.03;

/// One packet of one remote voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// Length of its sound in samples at 48 kHz, as its Opus header says.
    pub samples: usize,
    /// The Opus packet.
    pub payload: Bytes,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Kept for play-out.
    Kept,
    /// It was there before.
    Duplicate,
    /// Its time has passed.
    Late {
        /// Media time of its first sample.
        at: i64,
    },
    /// It cannot belong to this stream.
    Refused,
}

/// What to play next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Decode this packet and play it. `starts` says that silence went before.
    Decode {
        /// The packet.
        packet: Packet,
        /// Media time of its first sample.
        at: i64,
        /// Whether the sound begins here.
        starts: bool,
        /// Samples at its beginning whose time has passed: what was invented while it was not here stands for them.
        passed: usize,
    },
    /// Decode this packet to keep the decoder in step, play nothing of it, and pull again.
    Skip {
        /// The packet.
        packet: Packet,
        /// Media time of its first sample.
        at: i64,
    },
    /// The frame is missing: make `samples` of sound from what stands in for it.
    Conceal {
        /// Media time of the frame; `None` if the sound stands for no frame.
        at: Option<i64>,
        /// Length of the gap to fill.
        samples: usize,
        /// What there is instead.
        substitutes: Substitutes,
        /// Whether silence went before.
        starts: bool,
        /// Whether silence follows, so that the sound must fade out here.
        ends: bool,
    },
    /// Nobody speaks.
    Idle,
}

/// What happened to a remote voice's packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JitterCounters {
    /// Packets that came in.
    pub received: u64,
    /// Packets that had been there before.
    pub duplicate: u64,
    /// Packets whose time had passed.
    pub late: u64,
    /// Packets that could not belong to the stream.
    pub refused: u64,
    /// Frames handed out for decoding.
    pub decoded: u64,
    /// Frames that had not come when a later one had: lost or very late.
    pub missing: u64,
    /// Rows of such frames.
    pub gaps: u64,
    /// Samples for which neither a packet nor a copy was there while the remote voice was talking.
    pub concealed_samples: u64,
    /// Frames skipped because the sound was far behind.
    pub skipped: u64,
    /// Times the stream began anew.
    pub restarts: u64,
}

impl JitterCounters {
    /// What this listener lost since it had counted `earlier`; `None` if nothing was sent meanwhile. Frames that came
    /// late count up to [`MAX_LATE_AS_LOST`]: a copy of the frame before in each packet costs less than the wait that
    /// would make all of them come in time, and more copies would not help.
    pub fn loss_since(&self, earlier: &Self) -> Option<LossReport> {
        let since = |counter: fn(&Self) -> u64| counter(self).saturating_sub(counter(earlier));
        let missing = since(|counters| counters.missing);
        let sent = missing + since(|counters| counters.decoded) + since(|counters| counters.skipped);
        let lost = missing.saturating_sub(since(|counters| counters.late));
        let gaps = since(|counters| counters.gaps);
        let late_share = (missing - lost) as f32 / sent as f32;
        let loss = lost as f32 / sent as f32;
        let loss = (loss + late_share).min(MAX_LATE_AS_LOST).max(loss);
        let mean_burst = if loss == 0.0 { 0.0 } else { (lost as f32 / gaps.max(1) as f32).max(1.0) };
        (sent > 0).then_some(LossReport { loss, mean_burst, available_bitrate: None })
    }
}
