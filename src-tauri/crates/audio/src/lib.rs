//! Microphone to Opus packet, Opus packet to loudspeaker. No network, no window.
//!
//! ```text
//! device ► ring ► [rate ► echo, noise, gain ► meter ► mute ► Opus] ► EncodedFrame ► network
//! network ► RemoteVoiceInbox ► [jitter buffer ► Opus ► stretch ► leveller ► volume] ► mix
//!         ► limiter ► ring ► device
//! ```
//!
//! Between the two device edges everything is 32-bit float, 48 kHz, on one engine thread, in blocks of 10 ms from the
//! microphone and of 5 ms to the loudspeaker: a middle, and a side where somebody sends stereo. Opus itself is
//! `serambi-codec`. Device callbacks only move samples through rings. Devices are opened, closed and rebuilt on threads
//! of their own. Start at [`Engine`].

mod device;
mod dsp;
mod engine;
mod error;
mod format;
mod notice;
mod receive;
mod send;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;

pub use bytes::Bytes;
pub use serambi_codec::{
    format::{FRAME_SAMPLES, SAMPLE_RATE_HZ},
    redundancy_profile::{Audience, LossReport},
};

pub use crate::{
    device::{
        lookup::{Device, DeviceChoice, Devices, list_devices},
        statistics::DeviceStatistics,
    },
    engine::{Engine, EngineSettings, Levels, statistics::EngineStatistics},
    error::AudioError,
    format::{BLOCK_SAMPLES, Block},
    notice::AudioNotice,
    receive::{
        cue::Cue,
        jitter_buffer::JitterCounters,
        remote_voice::{ReceivedPacket, RemoteVoiceId, RemoteVoiceInbox},
        statistics::{HeardMark, RemoteVoiceStatistics},
    },
    send::{
        echo_setting::EchoCancelling,
        sound_check::{SOUND_CHECK_SAMPLES, SoundCheck, SoundCheckReport, SoundCheckVerdict},
        statistics::VoiceStatistics,
        voice::EncodedFrame,
        voice_processing::{MicrophoneMode, ProcessingStatistics},
    },
};
