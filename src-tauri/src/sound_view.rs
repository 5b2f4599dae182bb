//! What the window is shown about sound: what was chosen, and what there is to choose from.

use serambi_audio::{Device, DeviceChoice, Devices};
use serambi_call::{ChosenDevice, CueSetting, EchoCancelling, MicrophoneMode, VoiceSetting};
use serambi_protocol::PersonId;
use serde::{Deserialize, Serialize};
use specta::Type;

/// Which microphone or loudspeaker was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum DeviceSetting {
    /// Whatever the system uses.
    System,
    /// One by name; the system's while it is not there.
    Named {
        /// Which.
        device: ChosenDevice,
    },
    /// The command line names it, until another is chosen.
    Given {
        /// A name, or that of a file; empty: none at all.
        name: String,
    },
}

impl DeviceSetting {
    /// `given` on the command line, or else `chosen` in the window.
    pub fn of(given: &DeviceChoice, chosen: Option<ChosenDevice>) -> Self {
        match given {
            DeviceChoice::System => chosen.map_or(Self::System, |device| Self::Named { device }),
            DeviceChoice::Named(name) => Self::Given { name: name.clone() },
            DeviceChoice::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                Self::Given { name: name.to_string_lossy().into_owned() }
            }
            DeviceChoice::Absent => Self::Given { name: String::new() },
        }
    }
}

/// What was chosen about sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SoundView {
    /// What one speaks into.
    pub microphone: DeviceSetting,
    /// What one listens with.
    pub loudspeaker: DeviceSetting,
    /// What is done to the own voice.
    pub mode: MicrophoneMode,
    /// When echo is cancelled.
    pub echo: EchoCancelling,
    /// Sounds for what happens.
    pub cues: CueSetting,
    /// People who are not played as they were sent.
    pub voices: Vec<(PersonId, VoiceSetting)>,
}

/// A microphone or loudspeaker of this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SoundDevice {
    /// As the system knows it.
    pub id: String,
    /// As people know it.
    pub name: String,
    /// The system would use it now.
    pub is_default: bool,
}

impl From<Device> for SoundDevice {
    fn from(Device { id, name, is_default }: Device) -> Self {
        Self { id, name, is_default }
    }
}

/// The devices of this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SoundDevices {
    /// What one can speak into.
    pub microphones: Vec<SoundDevice>,
    /// What one can listen with.
    pub loudspeakers: Vec<SoundDevice>,
}

impl From<Devices> for SoundDevices {
    fn from(devices: Devices) -> Self {
        let listed = |devices: Vec<Device>| devices.into_iter().map(SoundDevice::from).collect();
        Self { microphones: listed(devices.microphones), loudspeakers: listed(devices.loudspeakers) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_from_the_command_line_is_shown_by_its_name() {
        let given = DeviceSetting::of(&DeviceChoice::File("/tmp/speech.wav".into()), None);
        assert_eq!(given, DeviceSetting::Given { name: "speech.wav".into() });
    }

    #[test]
    fn what_was_chosen_in_the_window_stands_where_the_command_line_is_silent() {
        let device = ChosenDevice { id: "usb-1".into(), name: "USB Headset".into() };
        assert_eq!(DeviceSetting::of(&DeviceChoice::System, Some(device.clone())), DeviceSetting::Named { device });
        assert_eq!(DeviceSetting::of(&DeviceChoice::System, None), DeviceSetting::System);
    }
}
