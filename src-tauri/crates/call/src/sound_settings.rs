//! What a person chose about sound: devices, what is done to the own voice, and how loud each other person is for them
//! alone.

use std::collections::{BTreeMap, HashMap};

use serambi_audio::EngineSettings;
use serambi_protocol::PersonId;
use serde::{Deserialize, Serialize};

/// As loud as sent, percent.
pub const USUAL_VOLUME_PERCENT: u16 = 100;
/// The loudest a person can be made (room rules 8.9), percent.
pub const LOUDEST_VOLUME_PERCENT: u16 = 200;

/// What is done to the own voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum MicrophoneMode {
    /// Even level; echo and noise taken out where there is any.
    #[default]
    Speech,
    /// The same with a stronger denoiser, always.
    StrongNoiseRemoval,
    /// Nothing.
    Music,
}

impl From<MicrophoneMode> for serambi_audio::MicrophoneMode {
    fn from(mode: MicrophoneMode) -> Self {
        match mode {
            MicrophoneMode::Speech => Self::Speech,
            MicrophoneMode::StrongNoiseRemoval => Self::StrongNoiseRemoval,
            MicrophoneMode::Music => Self::Music,
        }
    }
}

/// When echo is cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum EchoCancelling {
    /// Where there is an echo to cancel.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl From<EchoCancelling> for serambi_audio::EchoCancelling {
    fn from(setting: EchoCancelling) -> Self {
        match setting {
            EchoCancelling::Auto => Self::Auto,
            EchoCancelling::On => Self::On,
            EchoCancelling::Off => Self::Off,
        }
    }
}

/// Whether what happens in the room is heard: all cues together (room rules 13.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum CueSetting {
    /// All of them.
    #[default]
    On,
    /// None of them.
    Off,
}

/// A microphone or loudspeaker chosen by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct ChosenDevice {
    /// As the system knows it; the same after a restart.
    pub id: String,
    /// As people know it: to be shown also while the device is not there.
    pub name: String,
}

/// How one person sounds here. Nobody else knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct VoiceSetting {
    /// 0 to [`LOUDEST_VOLUME_PERCENT`].
    pub volume_percent: u16,
    /// Not heard at all; the volume is kept for later.
    pub muted: bool,
}

impl Default for VoiceSetting {
    fn default() -> Self {
        Self { volume_percent: USUAL_VOLUME_PERCENT, muted: false }
    }
}

impl VoiceSetting {
    /// What the engine multiplies with: 0.0 to 2.0.
    pub fn gain(self) -> f32 {
        if self.muted {
            return 0.0;
        }
        f32::from(self.volume_percent.min(LOUDEST_VOLUME_PERCENT)) / f32::from(USUAL_VOLUME_PERCENT)
    }
}

/// What is remembered in the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SoundSettings {
    /// The microphone; none: follow the system.
    pub microphone: Option<ChosenDevice>,
    /// The loudspeaker; none: follow the system.
    pub loudspeaker: Option<ChosenDevice>,
    /// None was chosen: speech, except for a microphone made of software, which is left as it is.
    pub microphone_mode: Option<MicrophoneMode>,
    /// When echo is cancelled.
    pub echo_cancelling: EchoCancelling,
    /// Sounds for what happens.
    pub cues: CueSetting,
    /// People who are not played as they were sent.
    pub voices: BTreeMap<PersonId, VoiceSetting>,
}

impl SoundSettings {
    /// Remembers how somebody is to sound; the usual needs no remembering.
    pub fn set_voice(&mut self, person: PersonId, voice: VoiceSetting) {
        let voice = VoiceSetting { volume_percent: voice.volume_percent.min(LOUDEST_VOLUME_PERCENT), ..voice };
        if voice == VoiceSetting::default() {
            self.voices.remove(&person);
        } else {
            self.voices.insert(person, voice);
        }
    }

    /// The same for a call, on these devices.
    pub fn on(&self, devices: EngineSettings) -> SoundChoice {
        SoundChoice {
            devices,
            microphone_mode: self.microphone_mode,
            echo_cancelling: self.echo_cancelling,
            cues: self.cues,
            gains: self.voices.iter().map(|(person, voice)| (*person, voice.gain())).collect(),
        }
    }
}

/// What a call works with. It can be changed while the call lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct SoundChoice {
    /// Microphone and loudspeaker.
    pub devices: EngineSettings,
    /// None: as the microphone calls for.
    pub microphone_mode: Option<MicrophoneMode>,
    /// When echo is cancelled.
    pub echo_cancelling: EchoCancelling,
    /// Sounds for what happens.
    pub cues: CueSetting,
    /// How loud people are played who are not played as sent: 0.0 to 2.0.
    pub gains: HashMap<PersonId, f32>,
}

/// For programs without a person: what they hear is what was said, without cues.
impl From<EngineSettings> for SoundChoice {
    fn from(devices: EngineSettings) -> Self {
        SoundSettings { cues: CueSetting::Off, ..SoundSettings::default() }.on(devices)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serambi_audio::DeviceChoice;

    fn somebody() -> PersonId {
        PersonId::from_key(&[7; 32])
    }

    fn gain_of(volume_percent: u16, muted: bool) -> Option<f32> {
        let mut settings = SoundSettings::default();
        settings.set_voice(somebody(), VoiceSetting { volume_percent, muted });
        let nothing = EngineSettings { microphone: DeviceChoice::Absent, loudspeaker: DeviceChoice::Absent };
        settings.on(nothing).gains.get(&somebody()).copied()
    }

    #[test]
    fn a_person_can_be_made_twice_as_loud_and_no_louder() {
        assert_eq!(gain_of(150, false), Some(1.5));
        assert_eq!(gain_of(9_000, false), Some(2.0));
        assert_eq!(gain_of(0, false), Some(0.0));
    }

    #[test]
    fn muting_somebody_keeps_their_volume_for_later() {
        assert_eq!(gain_of(150, true), Some(0.0));
        let mut settings = SoundSettings::default();
        settings.set_voice(somebody(), VoiceSetting { volume_percent: 150, muted: true });
        assert_eq!(settings.voices[&somebody()].volume_percent, 150);
    }

    #[test]
    fn who_is_played_as_sent_is_not_remembered() {
        assert_eq!(gain_of(100, false), None);
        let mut settings = SoundSettings::default();
        settings.set_voice(somebody(), VoiceSetting { volume_percent: 40, muted: false });
        settings.set_voice(somebody(), VoiceSetting::default());
        assert!(settings.voices.is_empty());
    }

    #[test]
    fn a_person_hears_cues_until_they_turn_them_off_and_a_program_hears_none() {
        let nothing = || EngineSettings { microphone: DeviceChoice::Absent, loudspeaker: DeviceChoice::Absent };
        assert_eq!(SoundSettings::default().on(nothing()).cues, CueSetting::On);
        assert_eq!(SoundChoice::from(nothing()).cues, CueSetting::Off);
    }

    #[test]
    fn what_is_remembered_can_be_read_again() {
        let mut settings = SoundSettings {
            microphone: Some(ChosenDevice { id: "usb-1".into(), name: "USB Headset".into() }),
            microphone_mode: Some(MicrophoneMode::StrongNoiseRemoval),
            ..SoundSettings::default()
        };
        settings.set_voice(somebody(), VoiceSetting { volume_percent: 40, muted: false });
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<SoundSettings>(&text).unwrap(), settings);
        assert_eq!(serde_json::from_str::<SoundSettings>("{}").unwrap(), SoundSettings::default());
    }
}
