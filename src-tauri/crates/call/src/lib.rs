//! One person in one room: house channel, LiveKit signalling, WebRTC and sound.
//!
//! A [`Profile`] is who somebody is on this computer. A [`HouseClient`] is that person signed in at a house. A [`Call`]
//! is that person in a room there: it follows what the house says with microphone and published track, and repairs
//! every connection by itself until it is told to leave.

mod call;
mod call_task;
mod call_view;
mod device_loss;
mod house_channel;
mod house_client;
mod house_clock;
pub mod identity;
mod listener_report;
mod measuring;
mod media;
mod onlooker;
mod own_microphone;
mod own_reception;
mod pinned_tls;
pub mod profile;
mod rehearsal;
mod retry;
mod sound;
mod sound_notice;
pub mod sound_settings;
mod voice_delay;
mod websocket;

pub use call::Call;
pub use call_view::{CallEvent, CallStatistics, CallView, Connection, Levels, Measurements, MicrophoneView};
pub use house_channel::{ChannelNews, HouseChannel};
pub use house_client::HouseClient;
pub use identity::Identity;
pub use onlooker::Onlooker;
pub use own_reception::VoiceReceived;
pub use profile::{Profile, SavedHouse, Settings, Theme};
pub use rehearsal::{Rehearsal, SoundCheckVerdict};
pub use serambi_audio::{Cue, DeviceChoice, EngineSettings, RemoteVoiceStatistics as SpeakerStatistics};
pub use sound_notice::SoundNotice;
pub use sound_settings::{ChosenDevice, EchoCancelling, MicrophoneMode, SoundChoice, SoundSettings, VoiceSetting};
pub use voice_delay::{DelayParts, NetworkParts, VoiceDelay};
