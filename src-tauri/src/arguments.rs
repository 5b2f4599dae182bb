//! The command line of the app.

use std::{net::IpAddr, path::PathBuf};

use clap::Parser;
use serambi_audio::DeviceChoice;
use serambi_call::profile::DEFAULT_PROFILE;
use serambi_house::OutsideAddress;
use serambi_protocol::{
    limits::{HOUSE_PORT, MEDIA_PORT},
    link::GateLink,
};

/// Drop-in voice rooms on your own computer.
#[derive(Clone, Debug, Parser)]
#[command(name = "serambi", version)]
pub struct Arguments {
    /// A serambi:// link to look at; nothing is joined without a click.
    pub link: Option<String>,
    /// Start without showing the window, where there is a tray to find it in.
    #[arg(long)]
    pub hidden: bool,
    /// Seconds after which the page of a window hidden in the tray is let go, until the window is shown again.
    #[arg(long, env = "SERAMBI_KEEP_HIDDEN_PAGE", default_value_t = 60, value_name = "SECONDS")]
    pub keep_hidden_page: u64,
    /// Mute or unmute the app that is running, and end: for a key of the desktop's own.
    #[arg(long, conflicts_with_all = ["link", "hidden"])]
    pub toggle_mute: bool,
    /// A second person on this computer: own name, own key, own house.
    #[arg(long, default_value = DEFAULT_PROFILE)]
    pub profile: String,
    /// Keep the profile in this folder instead of the usual place.
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// Let the house listen on this address only (127.0.0.1: nobody else can find or reach it).
    #[arg(long, env = "SERAMBI_LISTEN", default_value = "0.0.0.0")]
    pub listen: IpAddr,
    /// How the house is seen from outside, where a router passes its ports on: HOST[:TCP[:UDP]]. Ports that are not
    /// named are the same outside.
    #[arg(long, env = "SERAMBI_OUTSIDE", value_name = "HOST[:TCP[:UDP]]")]
    pub outside: Option<OutsideAddress>,
    /// Let the house wait for guests at this gate as well, by the link that the gate gave: where no address leads to
    /// it.
    #[arg(long = "through", env = "SERAMBI_THROUGH", value_name = "GATE-LINK", value_delimiter = ',',
        value_parser = GateLink::read, hide_env_values = true)]
    pub gates: Vec<GateLink>,
    /// The TCP port of the house; the next free one is used if it is taken.
    #[arg(long, env = "SERAMBI_PORT", default_value_t = HOUSE_PORT)]
    pub port: u16,
    /// The UDP port of the house, for all sound; the next free one is used if it is taken.
    #[arg(long, env = "SERAMBI_MEDIA_PORT", default_value_t = MEDIA_PORT)]
    pub media_port: u16,
    /// default, none, a name, or a .wav file.
    #[arg(long, env = "SERAMBI_MICROPHONE", default_value = "default")]
    pub microphone: DeviceChoice,
    /// default, none, a name, or a .wav file.
    #[arg(long, env = "SERAMBI_LOUDSPEAKER", default_value = "default")]
    pub loudspeaker: DeviceChoice,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn without_arguments_the_usual_profile_and_devices_are_used() {
        let arguments = Arguments::try_parse_from(["serambi"]).unwrap();
        assert_eq!(arguments.profile, "default");
        assert_eq!(arguments.microphone, DeviceChoice::System);
        assert!(arguments.link.is_none());
    }

    #[test]
    fn a_link_is_the_one_plain_argument() {
        let arguments = Arguments::try_parse_from(["serambi", "serambi://a:1/?pin=x", "--profile", "second"]).unwrap();
        assert_eq!(arguments.link.as_deref(), Some("serambi://a:1/?pin=x"));
        assert!(Arguments::try_parse_from(["serambi", "one", "two"]).is_err());
    }

    #[test]
    fn toggling_mute_is_all_that_such_a_start_does() {
        assert!(Arguments::try_parse_from(["serambi", "--toggle-mute", "--profile", "second"]).unwrap().toggle_mute);
        assert!(Arguments::try_parse_from(["serambi", "--toggle-mute", "--hidden"]).is_err());
        assert!(Arguments::try_parse_from(["serambi", "--toggle-mute", "serambi://a:1/?pin=x"]).is_err());
    }
}
