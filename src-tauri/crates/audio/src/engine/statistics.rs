//! What every part of the sound path counted: enters, leaves, and what went wrong between.

use serde::Serialize;

use crate::{
    device::statistics::DeviceStatistics, receive::statistics::RemoteVoiceStatistics, send::statistics::VoiceStatistics,
};

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
    pub remote_voices: Vec<RemoteVoiceStatistics>,
    /// Blocks of 5 ms mixed.
    pub mixed_blocks: u64,
}
