//! What one remote voice counted between the network and the mix.

use std::time::Instant;

use serambi_codec::dsp::level_meter::SILENCE_DBFS;
use serde::Serialize;

use crate::{
    dsp::loudness::SILENCE_LUFS,
    receive::{jitter_buffer::JitterCounters, remote_voice::RemoteVoiceId},
};

/// When a remote voice's sound came in and goes out: what a measurement of the delay needs from the listener.
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
pub struct RemoteVoiceStatistics {
    /// Who.
    pub id: RemoteVoiceId,
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

impl RemoteVoiceStatistics {
    pub(crate) fn of(id: RemoteVoiceId) -> Self {
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
            level_dbfs: SILENCE_DBFS,
            loudness_lufs: SILENCE_LUFS,
            levelled_db: 0.0,
            heard: None,
        }
    }
}
