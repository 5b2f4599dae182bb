//! Keys that work whichever window is in front: from the system itself where it shows them, from the desktop's portal
//! under Wayland, from nowhere where that is missing. Which it is, is chosen at the start.

use serambi_call::ComputerSettings;
use serambi_protocol::Code;
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::AppHandle;

#[cfg(target_os = "linux")]
use crate::portal_keys::PortalKeys;
use crate::{system_keys::SystemKeys, view::Language};

/// What a key from anywhere does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEvent {
    /// Mute, or unmute.
    ToggleMute,
    /// The key to talk went down.
    TalkPressed,
    /// It came up.
    TalkReleased,
}

/// What is told of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyReports {
    /// When it goes down; a key that is held goes down once.
    pub pressed: KeyEvent,
    /// When it comes up, if that does anything.
    pub released: Option<KeyEvent>,
}

/// Who gives keys that work from anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum KeysAnywhere {
    /// The system: the keys are those that were chosen here.
    System,
    /// The desktop: it asks the person which keys they are, and can be asked for others in its own settings.
    Desktop,
    /// Nobody.
    Nowhere,
}

/// How one key fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// Why it does not work.
    pub problem: Option<Code>,
    /// The desktop's own words for it.
    pub described: Option<String>,
}

/// How the keys fared that were asked for last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShortcutStates {
    /// The key that mutes.
    pub mute: KeyState,
    /// The key to talk.
    pub talk: KeyState,
}

/// The keys from anywhere, and who gives them.
pub enum Shortcuts {
    /// The system.
    System(Box<SystemKeys>),
    /// The desktop's portal, if it has one.
    #[cfg(target_os = "linux")]
    Portal(PortalKeys),
}

impl Shortcuts {
    /// None yet. `heard` and `changed` are called on threads of the system's.
    pub fn new(app: AppHandle, heard: fn(&AppHandle, KeyEvent), changed: fn(&AppHandle)) -> Self {
        #[cfg(target_os = "linux")]
        {
            let variable = |name: &str| std::env::var(name).unwrap_or_default();
            if is_wayland(&variable("XDG_SESSION_TYPE"), &variable("WAYLAND_DISPLAY")) {
                return Self::Portal(PortalKeys::start(app, heard, changed));
            }
        }
        let _ = changed;
        Self::System(Box::new(SystemKeys::new(app, heard)))
    }

    /// Who gives them.
    pub fn anywhere(&self) -> KeysAnywhere {
        match self {
            Self::System(_) => KeysAnywhere::System,
            #[cfg(target_os = "linux")]
            Self::Portal(keys) if keys.is_there() => KeysAnywhere::Desktop,
            #[cfg(target_os = "linux")]
            Self::Portal(_) => KeysAnywhere::Nowhere,
        }
    }

    /// How the keys fared that were asked for last.
    pub fn states(&self) -> ShortcutStates {
        match self {
            Self::System(keys) => keys.states(),
            #[cfg(target_os = "linux")]
            Self::Portal(keys) => keys.states(),
        }
    }

    /// Takes the keys of these settings and gives back all others. May wait for the main thread. `language`: in which
    /// the desktop tells what they do.
    pub fn take(&self, settings: &ComputerSettings, language: Language) {
        match self {
            Self::System(keys) => keys.take(settings),
            #[cfg(target_os = "linux")]
            Self::Portal(keys) => keys.take(settings, language),
        }
        let _ = language;
    }
}

/// XWayland shows keys of its own windows only, so an X display beside it changes nothing.
#[cfg(target_os = "linux")]
fn is_wayland(session_type: &str, wayland_display: &str) -> bool {
    session_type == "wayland" && !wayland_display.is_empty()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn wayland_is_known_by_its_session_and_its_display() {
        assert!(is_wayland("wayland", "wayland-0"));
        assert!(!is_wayland("x11", "wayland-0"), "a compositor within an X session");
        assert!(!is_wayland("x11", ""));
        assert!(!is_wayland("wayland", ""));
    }
}
