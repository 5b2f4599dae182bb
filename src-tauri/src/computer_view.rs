//! What the window is shown about this computer: closing, starting, and keys that work from anywhere.

use serambi_call::WhenClosed;
use serambi_protocol::Code;
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::shortcuts::KeysAnywhere;

/// A key combination, as it was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ShortcutView {
    /// Modifiers and a W3C code: `Ctrl+Shift+KeyM`; none: switched off.
    pub keys: Option<String>,
    /// Why it does not work.
    pub problem: Option<Code>,
    /// What the desktop calls the key that it gave instead.
    pub described: Option<String>,
}

/// What was chosen about this computer, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ComputerView {
    /// A hidden window can be found again in the tray.
    pub has_tray: bool,
    /// What the close button does where there is a tray.
    pub when_closed: WhenClosed,
    /// The small window stays above those of other programs.
    pub small_on_top: bool,
    /// The computer starts the app; none: it cannot be asked to.
    pub autostart: Option<bool>,
    /// Who gives keys that work in other windows, too.
    pub keys_anywhere: KeysAnywhere,
    /// Mutes and unmutes.
    pub mute_shortcut: ShortcutView,
    /// The microphone is open only while a key is held.
    pub push_to_talk: bool,
    /// That key.
    pub push_to_talk_key: ShortcutView,
}
