//! Keys from anywhere on Windows and macOS, through the library that takes them there.

use serambi_protocol::{Code, Refusal};
use tauri::AppHandle;
use tauri_plugin_global_shortcut::{GlobalShortcutExt, ShortcutState};

use crate::{
    key_combination::KeyCombination,
    shortcuts::{KeyEvent, KeyReports},
};

/// The keys that are ours.
pub struct KeyGrabs {
    app: AppHandle,
    heard: fn(&AppHandle, KeyEvent),
}

impl KeyGrabs {
    /// None yet. `heard` is called on a thread of the system's.
    pub fn new(app: AppHandle, heard: fn(&AppHandle, KeyEvent)) -> Self {
        Self { app, heard }
    }

    /// Takes a key from every other program. Waits for the main thread.
    ///
    /// # Errors
    /// `shortcut_taken`.
    pub fn grab(&self, keys: KeyCombination, reports: KeyReports) -> Result<(), Refusal> {
        let heard = self.heard;
        let taken = self.app.global_shortcut().on_shortcut(keys.shortcut(), move |app, _, event| match event.state {
            ShortcutState::Pressed => heard(app, reports.pressed),
            ShortcutState::Released => reports.released.into_iter().for_each(|report| heard(app, report)),
        });
        taken.map_err(|error| Refusal::new(Code::ShortcutTaken, format!("{keys}: {error}")))
    }

    /// Gives a key back. Waits for the main thread.
    pub fn give_back(&self, keys: KeyCombination) {
        if let Err(error) = self.app.global_shortcut().unregister(keys.shortcut()) {
            tracing::warn!(%keys, %error, "a key was not given back");
        }
    }
}
