//! What somebody copies into a bug report: versions, devices, kinds of addresses, the end of the log; no keys, no names
//! of others.

use std::{
    fmt::{self, Display, Formatter},
    net::{IpAddr, SocketAddr},
    path::Path,
};

use serambi_call::{CallView, Settings};
use serambi_logging::{
    last_lines,
    redaction::{kind_of, redact},
};
use serambi_protocol::{Link, Refusal, RoomView};

use crate::{
    LOG_NAME, profile_folder,
    sound_view::{SoundDevice, SoundDevices},
};

const MAX_LOG_LINES: usize = 200;

/// The parts of the text.
#[derive(Debug)]
pub struct Diagnostics {
    system: String,
    devices: String,
    sound: String,
    houses: Vec<String>,
    call: String,
    log: Vec<String>,
}

impl Diagnostics {
    /// Puts together what is known about this computer, this profile and this call.
    pub fn collect(
        folder: &Path,
        settings: &Settings,
        devices: Result<SoundDevices, Refusal>,
        call: Option<&(CallView, RoomView)>,
    ) -> Self {
        let sound = &settings.sound;
        let lines = last_lines(&profile_folder::logs_in(folder), LOG_NAME, MAX_LOG_LINES);
        Self {
            system: system(),
            devices: match devices {
                Ok(devices) => format!(
                    "microphones: {}\nloudspeakers: {}",
                    names(&devices.microphones),
                    names(&devices.loudspeakers)
                ),
                Err(refusal) => format!("devices: {} ({})", refusal.code, redact(&refusal.detail)),
            },
            sound: format!(
                "chosen: microphone {}, loudspeaker {}, mode {:?}, echo {:?}",
                sound.microphone.as_ref().map_or("of the system", |device| &device.name),
                sound.loudspeaker.as_ref().map_or("of the system", |device| &device.name),
                sound.microphone_mode.unwrap_or_default(),
                sound.echo_cancelling
            ),
            houses: settings.saved_houses.iter().map(|house| kinds_of(&house.link)).collect(),
            call: call.map_or_else(|| "none".to_owned(), call_in_words),
            log: match lines {
                Ok(lines) => lines.iter().map(|line| redact(line)).collect(),
                Err(error) => vec![format!("no log: {error}")],
            },
        }
    }
}

impl Display for Diagnostics {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Serambi {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "{}\n{}\n{}", self.system, self.devices, self.sound)?;
        writeln!(f, "saved houses: {}", self.houses.len())?;
        for house in &self.houses {
            writeln!(f, "- {house}")?;
        }
        writeln!(f, "call: {}\n\nlog, last {} lines:", self.call, self.log.len())?;
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

fn system() -> String {
    let web_view = tauri::webview_version().unwrap_or_else(|error| error.to_string());
    let session = std::env::var("XDG_SESSION_TYPE").unwrap_or_default();
    let distribution = std::fs::read_to_string("/etc/os-release").ok().and_then(|text| distribution_of(&text));
    let parts = [std::env::consts::OS.to_owned(), std::env::consts::ARCH.to_owned(), distribution.unwrap_or_default()];
    let words: Vec<String> = parts.into_iter().chain([session]).filter(|part| !part.is_empty()).collect();
    format!("system: {}, web view {web_view}", words.join(" "))
}

/// os-release(5): `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"`.
fn distribution_of(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches('"').to_owned())
}

fn names(devices: &[SoundDevice]) -> String {
    let name = |device: &SoundDevice| format!("{}{}", device.name, if device.is_default { " (default)" } else { "" });
    let names: Vec<String> = devices.iter().map(name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join("; ") }
}

/// The kinds of addresses in a link: enough to see why a house cannot be reached, not enough to find it.
fn kinds_of(link: &str) -> String {
    let Ok(link) = Link::read(link) else { return "a link that cannot be read".to_owned() };
    let kinds: Vec<&str> = link.house.addresses.iter().map(|address| address_kind(address)).collect();
    kinds.join(", ")
}

fn address_kind(address: &str) -> &'static str {
    let ip = address.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| address.parse::<IpAddr>());
    ip.map_or("[name]", |ip| kind_of(ip).unwrap_or("[this computer]"))
}

fn call_in_words((call, room): &(CallView, RoomView)) -> String {
    format!(
        "{:?}, {:?}, microphone open {}, muted {}, problem {:?}; loudspeaker problem {:?}; {} on stage, {} listening",
        room.you.role,
        call.connection,
        call.microphone.open,
        call.microphone.muted,
        call.microphone.problem,
        call.loudspeaker_problem,
        room.stage.len(),
        room.counts.listeners
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serambi_protocol::{
        Code,
        link::{HouseAddress, Pin},
    };

    use super::*;

    fn diagnostics(log: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let logs = profile_folder::logs_in(folder.path());
        std::fs::create_dir(&logs).unwrap();
        std::fs::write(logs.join(format!("{LOG_NAME}.2026-11-30.log")), log).unwrap();
        let pin = Pin::from_digest(&[7; 32]);
        let addresses = vec!["203.0.113.9:7410".to_owned(), "porch.example:7410".to_owned()];
        let link = Link { house: HouseAddress::by_pin(addresses, pin), room: None };
        let mut settings = Settings { name: "Ratna".into(), ..Settings::default() };
        settings.save_house("Wei's house", &link);
        let device = |name: &str| SoundDevice { id: name.into(), name: name.into(), is_default: true };
        let devices =
            SoundDevices { microphones: vec![device("USB Headset")], loudspeakers: vec![device("Built-in Audio")] };
        Diagnostics::collect(folder.path(), &settings, Ok(devices), None).to_string()
    }

    #[test]
    fn a_report_says_what_helps() {
        let text = diagnostics("2026-11-30T02:00:00Z  WARN serambi_call: the house is silent\n");
        for word in
            ["Serambi 0.1.0", std::env::consts::OS, "USB Headset (default)", "the house is silent", "call: none"]
        {
            assert!(text.contains(word), "{word} is not in\n{text}");
        }
        assert!(text.contains("- [public IPv4], [name]"), "{text}");
    }

    #[test]
    fn a_report_holds_no_address_no_key_and_no_name() {
        let pin = Pin::from_digest(&[7; 32]);
        let text = diagnostics(&format!("INFO joined house=203.0.113.9:7410 pin={pin} person={pin}\n"));
        for secret in ["203.0.113.9", "porch.example", pin.as_str(), "Wei", "Ratna"] {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
    }

    #[test]
    fn a_report_holds_the_last_two_hundred_lines_and_no_more() {
        let log: String = (0..1_000).map(|line| format!("line {line}\n")).collect();
        let text = diagnostics(&log);
        assert!(text.contains("line 999\n") && text.contains("line 800\n") && !text.contains("line 799\n"));
    }

    #[test]
    fn a_sound_system_that_does_not_answer_is_said_in_the_report() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = Refusal::new(Code::NoMicrophone, "no answer");
        let text = Diagnostics::collect(folder.path(), &Settings::default(), Err(refusal), None).to_string();
        assert!(text.contains("devices: no_microphone (no answer)") && text.contains("no log:"), "{text}");
    }
}
