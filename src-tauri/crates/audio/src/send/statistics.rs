//! What the own voice counted between the microphone's ring and the network.

use serde::Serialize;

use crate::send::voice_processing::ProcessingStatistics;

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
