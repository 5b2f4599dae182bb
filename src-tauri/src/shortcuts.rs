//! Keys that work whichever window is in front, as the system gives them to us.

use std::{
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serambi_call::ComputerSettings;
use serambi_protocol::{Code, Refusal};
use tauri::AppHandle;
use tauri_plugin_global_shortcut::{GlobalShortcutExt, ShortcutState};

use crate::key_combination::KeyCombination;

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

/// Why a key does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShortcutProblems {
    /// The key that mutes.
    pub mute: Option<Code>,
    /// The key to talk.
    pub talk: Option<Code>,
}

/// The keys that are ours now.
pub struct Shortcuts {
    app: AppHandle,
    taken: Mutex<Vec<KeyCombination>>,
    problems: Mutex<ShortcutProblems>,
    heard: fn(&AppHandle, KeyEvent),
}

impl Shortcuts {
    /// None yet. `heard` is called on a thread of the system's.
    pub fn new(app: AppHandle, heard: fn(&AppHandle, KeyEvent)) -> Self {
        Self { app, taken: Mutex::default(), problems: Mutex::default(), heard }
    }

    /// Does this desktop show keys of other windows at all? Under Wayland the system says yes and does nothing.
    pub fn work_here() -> bool {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        !(cfg!(target_os = "linux") && is_wayland(&variable("XDG_SESSION_TYPE"), &variable("WAYLAND_DISPLAY")))
    }

    /// What did not work when the keys were taken last.
    pub fn problems(&self) -> ShortcutProblems {
        *lock(&self.problems)
    }

    /// Takes the keys of these settings and gives back all others. Waits for the main thread.
    pub fn take(&self, settings: &ComputerSettings) {
        if !Self::work_here() {
            return;
        }
        // Held to the end: two changes must not mix.
        let mut taken = lock(&self.taken);
        for keys in taken.drain(..) {
            if let Err(error) = self.app.global_shortcut().unregister(keys.shortcut()) {
                tracing::warn!(%keys, %error, "a key was not given back");
            }
        }
        let mut take = |text: Option<&str>, events: fn(ShortcutState) -> Option<KeyEvent>| {
            let keys = KeyCombination::from_str(text?);
            match keys.and_then(|keys| self.take_one(keys, events)) {
                Ok(keys) => {
                    taken.push(keys);
                    None
                }
                Err(refusal) => {
                    tracing::info!(code = %refusal.code, detail = refusal.detail, "a key is not ours");
                    Some(refusal.code)
                }
            }
        };
        let mute = take(settings.mute_shortcut.as_deref(), |state| match state {
            ShortcutState::Pressed => Some(KeyEvent::ToggleMute),
            ShortcutState::Released => None,
        });
        let talk_key = settings.push_to_talk.then_some(settings.push_to_talk_key.as_str());
        let talk = take(talk_key, |state| match state {
            ShortcutState::Pressed => Some(KeyEvent::TalkPressed),
            ShortcutState::Released => Some(KeyEvent::TalkReleased),
        });
        *lock(&self.problems) = ShortcutProblems { mute, talk };
    }

    fn take_one(
        &self,
        keys: KeyCombination,
        events: fn(ShortcutState) -> Option<KeyEvent>,
    ) -> Result<KeyCombination, Refusal> {
        let heard = self.heard;
        let taken = self.app.global_shortcut().on_shortcut(keys.shortcut(), move |app, _, event| {
            if let Some(event) = events(event.state) {
                heard(app, event);
            }
        });
        taken.map(|()| keys).map_err(|error| Refusal::new(Code::ShortcutTaken, format!("{keys}: {error}")))
    }
}

/// XWayland shows keys of its own windows only, so an X display beside it changes nothing.
fn is_wayland(session_type: &str, wayland_display: &str) -> bool {
    session_type == "wayland" && !wayland_display.is_empty()
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
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
