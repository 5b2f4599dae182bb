//! Microphone to Opus packet, Opus packet to loudspeaker. No network, no window.
//!
//! ```text
//! device ► ring ► [rate ► echo, noise, gain ► meter ► mute ► Opus] ► EncodedFrame ► the caller's network
//! the caller's network ► SpeakerInbox ► [jitter buffer ► Opus ► stretch ► leveller ► volume] ► mix ► limiter ► ring ► device
//! ```
//!
//! Between the two device edges everything is 32-bit float, 48 kHz, on one engine thread, in blocks of 10 ms from the microphone and
//! of 5 ms to the loudspeaker: a middle, and a side where somebody sends stereo. Opus itself is `serambi-codec`. Device callbacks only move samples through rings. Devices are opened, closed and rebuilt on
//! threads of their own. Start at [`Engine`].

mod capture;
mod crowd;
mod cue;
mod delay_histogram;
mod device;
mod device_keeper;
mod device_sink;
mod device_statistics;
mod echo_setting;
mod engine;
mod envelope_coupling;
mod error;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub mod hostile_input;
mod jitter_buffer;
mod limiter;
mod loudness;
mod loudness_leveller;
mod microphone_chain;
mod missed_time;
mod mixer;
mod muted_talk;
mod noise_floor;
mod notice;
#[cfg(test)]
mod odd_devices;
mod output;
mod packet_timeline;
mod playback_pulse;
mod playout_pace;
mod priority;
#[cfg(target_os = "linux")]
mod pulse_callback;
#[cfg(target_os = "linux")]
mod pulse_connection;
#[cfg(target_os = "linux")]
mod pulse_cookie;
#[cfg(target_os = "linux")]
mod pulse_device;
#[cfg(target_os = "linux")]
mod pulse_latency;
#[cfg(target_os = "linux")]
mod pulse_shape;
#[cfg(target_os = "linux")]
mod pulse_stream;
mod render_lead;
mod resampler;
mod ring;
mod service_thread;
mod simulated_call;
mod sound_check;
mod sound_loop;
mod sound_service;
mod speaker;
mod speaker_statistics;
mod statistics;
#[cfg(test)]
mod stereo_path;
mod stream;
mod voice;
mod voice_clock;
mod voice_processing;
mod voice_statistics;
mod wav_loudspeaker;
mod wav_microphone;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;

pub use bytes::Bytes;
pub use serambi_codec::format::{FRAME_SAMPLES, SAMPLE_RATE_HZ};
pub use serambi_codec::redundancy_profile::{Audience, LossReport};

pub use crate::cue::Cue;
pub use crate::device::{Device, DeviceChoice, Devices, list_devices};
pub use crate::device_statistics::DeviceStatistics;
pub use crate::echo_setting::{EchoCancelling, EchoDecision, ListeningPath, listening_path};
pub use crate::engine::{Engine, EngineSettings, Levels};
pub use crate::error::AudioError;
pub use crate::format::{BLOCK_SAMPLES, Block};
pub use crate::jitter_buffer::JitterCounters;
pub use crate::loudness::{LoudnessMeter, SILENCE_LUFS, gated, integrated};
pub use crate::loudness_leveller::LoudnessLeveller;
pub use crate::muted_talk::MutedTalk;
pub use crate::notice::AudioNotice;
pub use crate::simulated_call::{HeardVoice, hear};
pub use crate::sound_check::{
    SOUND_CHECK_SAMPLES, SoundCheck, SoundCheckRecorder, SoundCheckReport, SoundCheckVerdict,
    judge as judge_sound_check,
};
pub use crate::speaker::{ReceivedPacket, SpeakerId, SpeakerInbox};
pub use crate::speaker_statistics::{HeardMark, SpeakerStatistics};
pub use crate::statistics::EngineStatistics;
pub use crate::voice::EncodedFrame;
pub use crate::voice_processing::{MicrophoneMode, Needs, ProcessingStatistics, VoiceProcessing};
pub use crate::voice_statistics::VoiceStatistics;
