//! The command line of `serambi-peer`.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use serambi_audio::DeviceChoice;
use serambi_call::{Authorities, EngineSettings, MicrophoneMode, SoundChoice, profile::DEFAULT_PROFILE};
use serambi_protocol::{Link, link::GateLink};

use crate::{exit, report, script::Script};

/// A person in a Serambi room without a window: joins by link, plays a sound file as its microphone, writes what it
/// hears to another, and prints what happens.
#[derive(Debug, Parser)]
#[command(version, after_long_help = after_help())]
pub struct Arguments {
    #[command(subcommand)]
    pub what: What,
}

impl Arguments {
    /// Who does it.
    pub fn person(&self) -> &Person {
        match &self.what {
            What::Host { person, .. } | What::Join { person, .. } => person,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Start a room and be its host
    #[command(after_long_help = after_help())]
    Host {
        /// The room's title
        #[arg(long, default_value = "")]
        title: String,
        /// A link to the house to start it in; without one this program is the house
        #[arg(long, value_name = "LINK", value_parser = Link::read)]
        house: Option<Link>,
        /// Where the own house listens
        #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
        listen: IpAddr,
        /// Let the own house wait at this gate as well, by the link that the gate gave
        #[arg(long = "through", value_name = "GATE-LINK", value_parser = GateLink::read)]
        gates: Vec<GateLink>,
        /// Announce the own house on the local network
        #[arg(long)]
        announce: bool,
        #[command(flatten)]
        person: Person,
    },
    /// Join a room
    #[command(after_long_help = after_help())]
    Join {
        /// The link to the room
        #[arg(value_parser = Link::read)]
        link: Link,
        /// Ask to come in if the room is locked, and wait for the answer
        #[arg(long)]
        knock: bool,
        #[command(flatten)]
        person: Person,
    },
}

#[derive(Debug, Args)]
pub struct Person {
    /// Display name; kept in the profile [default: the one in the profile, or "Peer"]
    #[arg(long)]
    pub name: Option<String>,
    /// Which profile
    #[arg(long, default_value = DEFAULT_PROFILE)]
    pub profile: String,
    /// The profile's folder, instead of one by name
    #[arg(long, value_name = "PATH")]
    pub folder: Option<PathBuf>,
    /// Keep a log file per day in this folder [default: standard error only]
    #[arg(long, value_name = "PATH")]
    pub log_folder: Option<PathBuf>,
    /// Root certificates (PEM) that may also sign for a house known by name, besides those of the public web
    #[arg(long, value_name = "FILE", value_parser = authorities)]
    pub house_root: Option<Authorities>,
    /// default, none, FILE.wav (played in real time), or a device's name
    #[arg(long, value_name = "DEVICE", default_value = "default")]
    pub microphone: DeviceChoice,
    /// default, none, FILE.wav (written), or a device's name
    #[arg(long, value_name = "DEVICE", default_value = "default")]
    pub loudspeaker: DeviceChoice,
    /// What is done to the microphone: speech, strongNoiseRemoval or music [default: what the microphone calls for]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub mode: Option<MicrophoneMode>,
    /// What to do and when: "3s unmute; on invited accept; 20s mute"
    #[arg(long, value_name = "SCRIPT", default_value = "")]
    pub r#do: Script,
    /// Leave after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub r#for: Option<std::time::Duration>,
}

impl Person {
    /// The chosen devices and what is done to the microphone.
    pub fn sound(&self) -> SoundChoice {
        let devices = EngineSettings { microphone: self.microphone.clone(), loudspeaker: self.loudspeaker.clone() };
        SoundChoice { microphone_mode: self.mode, ..devices.into() }
    }
}

fn mode(text: &str) -> Result<MicrophoneMode, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn authorities(file: &str) -> Result<Authorities, String> {
    let pem = std::fs::read(file).map_err(|error| error.to_string())?;
    Authorities::and(&pem).map_err(|refusal| refusal.to_string())
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    std::time::Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn after_help() -> String {
    let script = "\
Steps of --do stand between semicolons. Each begins with a time since the start (500ms, 3s, 1.5s, 2m) or with
\"on EVENT\" (each time that event is printed) and says one of:
  unmute, mute, hand, lower, accept, decline, audience, leave, end, invite-first (the hand that is up longest),
  save-upload (host: voices in long frames), lock, unlock,
  invite NAME, cancel NAME, mute NAME, audience NAME, moderator NAME, remove NAME, dismiss NAME,
  ping NAME (somebody around in the house), let-in NAME, not-now NAME (somebody at the door), say TEXT (in the chat),
  react WHAT (clap, heart, laugh, thanks, idea or agree)
NAME is a display name or the beginning of a person's id.";
    format!("{script}\n\n{}\n\n{}", report::HELP, exit::HELP)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_host_needs_nothing_and_a_guest_a_link() {
        assert!(Arguments::try_parse_from(["serambi-peer", "host"]).is_ok());
        assert!(Arguments::try_parse_from(["serambi-peer", "join"]).is_err());
        assert!(Arguments::try_parse_from(["serambi-peer", "join", "hello"]).is_err());
        assert!(Arguments::try_parse_from(["serambi-peer", "host", "--do", "soon mute"]).is_err());
        assert!(Arguments::try_parse_from(["serambi-peer", "host", "--for", "-1"]).is_err());
        assert!(Arguments::try_parse_from(["serambi-peer", "host", "--mode", "loud"]).is_err());
    }

    #[test]
    fn the_help_explains_script_events_and_exit_codes() {
        for arguments in
            [&["serambi-peer", "--help"][..], &["serambi-peer", "host", "--help"], &["serambi-peer", "join", "--help"]]
        {
            let help = Arguments::try_parse_from(arguments).unwrap_err().to_string();
            for part in ["invite-first", "first_sound", "Exit codes:"] {
                assert!(help.contains(part), "{arguments:?}: {part}");
            }
        }
    }
}
