//! Keys from anywhere as X11, Windows and macOS give them: whoever asks first has them.

use std::{
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serambi_call::ComputerSettings;
use tauri::AppHandle;

#[cfg(not(target_os = "linux"))]
use crate::library_keys::KeyGrabs;
#[cfg(target_os = "linux")]
use crate::x11_keys::KeyGrabs;
use crate::{
    key_combination::KeyCombination,
    shortcuts::{KeyEvent, KeyReports, KeyState, ShortcutStates},
};

const MUTE: KeyReports = KeyReports { pressed: KeyEvent::ToggleMute, released: None };
const TALK: KeyReports = KeyReports { pressed: KeyEvent::TalkPressed, released: Some(KeyEvent::TalkReleased) };

/// The keys that are ours now.
pub struct SystemKeys {
    grabs: KeyGrabs,
    taken: Mutex<Vec<KeyCombination>>,
    states: Mutex<ShortcutStates>,
}

impl SystemKeys {
    /// None yet. `heard` is called on a thread of the system's.
    pub fn new(app: AppHandle, heard: fn(&AppHandle, KeyEvent)) -> Self {
        Self { grabs: KeyGrabs::new(app, heard), taken: Mutex::default(), states: Mutex::default() }
    }

    /// How the keys fared that were asked for last.
    pub fn states(&self) -> ShortcutStates {
        lock(&self.states).clone()
    }

    /// Takes the keys of these settings and gives back all others. May wait for the main thread.
    pub fn take(&self, settings: &ComputerSettings) {
        // Held to the end: two changes must not mix.
        let mut taken = lock(&self.taken);
        taken.drain(..).for_each(|keys| self.grabs.give_back(keys));
        let mut take = |text: Option<&str>, reports: KeyReports| {
            let keys = KeyCombination::from_str(text?);
            match keys.and_then(|keys| self.grabs.grab(keys, reports).map(|()| keys)) {
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
        let mute = take(settings.mute_shortcut.as_deref(), MUTE);
        let talk = take(settings.push_to_talk.then_some(settings.push_to_talk_key.as_str()), TALK);
        let state = |problem| KeyState { problem, described: None };
        *lock(&self.states) = ShortcutStates { mute: state(mute), talk: state(talk) };
    }
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
