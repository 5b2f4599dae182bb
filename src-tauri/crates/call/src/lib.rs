//! One person in one room: house channel, LiveKit signalling, WebRTC and sound.
//!
//! A [`Profile`] is who somebody is on this computer. A [`HouseClient`] is that person signed in at a house. A [`Call`]
//! is that person in a room there: it follows what the house says with microphone and published track, and repairs
//! every connection by itself until it is told to leave.

mod call;
mod call_actor;
mod call_events;
mod call_me;
mod call_view;
mod computer_settings;
mod connection;
mod cue_rules;
mod deafness;
mod device_loss;
mod do_not_disturb;
mod doorbell;
mod doors;
mod error;
mod house_channel;
mod house_client;
mod house_clock;
mod house_tls;
pub mod identity;
mod listener_report;
mod lobby_client;
mod measuring;
mod media;
mod microphone;
mod own_path;
mod own_reception;
mod private_file;
pub mod profile;
mod reach_settings;
mod retry;
mod room_command;
mod settings_file;
mod sound;
mod sound_check;
mod sound_notice;
pub mod sound_settings;
mod tasks;
#[cfg(test)]
mod test_views;
mod voice_delay;
mod websocket;

pub use call::Call;
pub use call_events::CallEvent;
pub use call_me::CallMe;
pub use call_view::{CallStatistics, CallView, Levels, Measurements, MicrophoneView};
pub use computer_settings::{ComputerSettings, WhenClosed};
pub use connection::Connection;
pub use do_not_disturb::{DoNotDisturb, QuietFor, WallClock};
pub use doorbell::Doorbell;
pub use doors::{Doors, PassageWay};
pub use error::CallError;
pub use house_channel::{ChannelNews, HouseChannel, Outage};
pub use house_client::HouseClient;
pub use house_tls::Authorities;
pub use identity::Identity;
pub use lobby_client::LobbyClient;
pub use own_reception::VoiceReceived;
pub use profile::{HostedRoom, Profile, SavedHouse, Settings, Theme};
pub use reach_settings::ReachSettings;
pub use room_command::RoomCommand;
pub use serambi_audio::{DeviceChoice, EngineSettings, RemoteVoiceStatistics as SpeakerStatistics};
pub use sound_check::{SoundCheck, SoundCheckVerdict};
pub use sound_notice::SoundNotice;
pub use sound_settings::{
    ChosenDevice, CueSetting, EchoCancelling, MicrophoneMode, SoundChoice, SoundSettings, VoiceSetting,
};
pub use voice_delay::{DelayParts, NetworkParts, VoiceDelay};
