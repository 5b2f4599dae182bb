//! Keys from anywhere as X11, Windows and macOS give them: whoever asks first has them.

use std::{
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serambi_call::ComputerSettings;
use serambi_protocol::{Code, Refusal};
use tauri::AppHandle;
use tauri_plugin_global_shortcut::{GlobalShortcutExt, ShortcutState};

use crate::{
    key_combination::KeyCombination,
    shortcuts::{KeyEvent, KeyState, ShortcutStates},
};

/// The keys that are ours now.
pub struct SystemKeys {
    app: AppHandle,
    taken: Mutex<Vec<KeyCombination>>,
    states: Mutex<ShortcutStates>,
    heard: fn(&AppHandle, KeyEvent),
}

impl SystemKeys {
    /// None yet. `heard` is called on a thread of the system's.
    pub fn new(app: AppHandle, heard: fn(&AppHandle, KeyEvent)) -> Self {
        Self { app, taken: Mutex::default(), states: Mutex::default(), heard }
    }

    /// How the keys fared that were asked for last.
    pub fn states(&self) -> ShortcutStates {
        lock(&self.states).clone()
    }

    /// Takes the keys of these settings and gives back all others. Waits for the main thread.
    pub fn take(&self, settings: &ComputerSettings) {
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
        let state = |problem| KeyState { problem, described: None };
        *lock(&self.states) = ShortcutStates { mute: state(mute), talk: state(talk) };
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

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
