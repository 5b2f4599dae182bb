//! Microphone to Opus packet, Opus packet to loudspeaker. No network, no window.
//!
//! ```text
//! device ► ring ► [rate ► meter ► mute ► Opus] ► EncodedFrame ► the caller's network
//! the caller's network ► SpeakerInbox ► [jitter buffer ► Opus ► stretch ► volume] ► mix ► limiter ► ring ► device
//! ```
//!
//! Between the two device edges everything is mono, 32-bit float, 48 kHz, in blocks of 10 ms, on one engine thread. Device
//! callbacks only move samples through rings. Devices are opened, closed and rebuilt on threads of their own.
//! Start at [`Engine`].

mod clock;
mod copy_slots;
mod cue;
mod decode_ladder;
mod delay_histogram;
mod device;
mod device_keeper;
mod engine;
mod error;
mod fade;
mod format;
mod jitter_buffer;
mod level_meter;
mod limiter;
mod mixer;
mod notice;
mod opus_codec;
mod opus_padding;
mod output;
mod packet_timeline;
mod priority;
mod redundancy_profile;
mod redundant_copies;
mod redundant_encoder;
mod resampler;
mod ring;
mod simulated_call;
#[cfg(test)]
mod simulated_path;
mod sound_loop;
mod speaker;
mod statistics;
mod stream;
mod time_stretch;
mod voice;
mod wav_loudspeaker;
mod wav_microphone;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;

pub use bytes::Bytes;

pub use crate::cue::Cue;
pub use crate::device::{Device, DeviceChoice, Devices, list_devices};
pub use crate::engine::{Engine, EngineSettings, Levels};
pub use crate::error::AudioError;
pub use crate::format::{FRAME_SAMPLES, SAMPLE_RATE_HZ};
pub use crate::jitter_buffer::JitterCounters;
pub use crate::notice::AudioNotice;
pub use crate::redundancy_profile::LossReport;
pub use crate::simulated_call::{HeardVoice, hear};
pub use crate::speaker::{ReceivedPacket, SpeakerId, SpeakerInbox};
pub use crate::statistics::{DeviceStatistics, EngineStatistics, SpeakerStatistics, VoiceStatistics};
pub use crate::voice::EncodedFrame;
