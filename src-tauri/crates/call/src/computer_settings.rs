//! What a person chose about the app on this computer: what closing does, and which keys work from anywhere.

use serde::{Deserialize, Serialize};

/// What the close button of the window does while the system shows a tray icon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum WhenClosed {
    /// The app stays while this person is in a room or others are in theirs.
    #[default]
    StayInRoom,
    /// The app always stays.
    Stay,
    /// The app ends.
    Quit,
}

/// What is remembered in the profile. Key combinations are written as [W3C codes](https://www.w3.org/TR/uievents-code/)
/// behind their modifiers: `Ctrl+Shift+KeyM`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComputerSettings {
    /// What the close button does.
    pub when_closed: WhenClosed,
    /// The person was told that the app stayed in the tray: it is said once.
    pub told_of_staying: bool,
    /// The small window stays above those of other programs.
    pub small_on_top: bool,
    /// Mutes and unmutes from anywhere; none: switched off.
    pub mute_shortcut: Option<String>,
    /// The microphone is open only while a key is held.
    pub push_to_talk: bool,
    /// That key, from anywhere.
    pub push_to_talk_key: String,
    /// Where updates of the app come from: an address with the key of whoever signs; none: nobody is asked.
    pub update_source: Option<String>,
}

impl Default for ComputerSettings {
    fn default() -> Self {
        Self {
            when_closed: WhenClosed::default(),
            told_of_staying: false,
            small_on_top: true,
            mute_shortcut: Some("Ctrl+Shift+KeyM".to_owned()),
            push_to_talk: false,
            push_to_talk_key: "F8".to_owned(),
            update_source: None,
        }
    }
}
