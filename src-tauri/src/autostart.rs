//! Starting with the computer: the system's own list says whether, so nothing about it stands in the profile.

use serambi_call::profile::DEFAULT_PROFILE;
use serambi_protocol::{Code, Refusal};
use tauri::{AppHandle, Wry, plugin::TauriPlugin};
use tauri_plugin_autostart::ManagerExt;

use crate::arguments::Arguments;

/// The plugin; the entry that it makes starts this profile without showing its window.
pub fn plugin(arguments: &Arguments) -> TauriPlugin<Wry> {
    let mut plugin = tauri_plugin_autostart::Builder::new().app_name(entry_name(&arguments.profile)).arg("--hidden");
    if arguments.profile != DEFAULT_PROFILE {
        plugin = plugin.args(["--profile", &arguments.profile]);
    }
    plugin.build()
}

/// Each profile has an entry of its own.
fn entry_name(profile: &str) -> String {
    if profile == DEFAULT_PROFILE { "Serambi".to_owned() } else { format!("Serambi-{profile}") }
}

/// A profile in a folder of its own is for trying things out: nothing starts it.
pub const fn is_possible(arguments: &Arguments) -> bool {
    arguments.folder.is_none()
}

/// Does the computer start the app?
pub fn is_on(app: &AppHandle) -> bool {
    let asked = app.autolaunch().is_enabled();
    asked.inspect_err(|error| tracing::debug!(%error, "the list of what starts cannot be read")).unwrap_or(false)
}

/// Puts the app on the system's list, or takes it off.
///
/// # Errors
/// `autostart_failed`.
pub fn set(app: &AppHandle, on: bool) -> Result<(), Refusal> {
    let list = app.autolaunch();
    // Taking off what is not there is an error on some systems.
    let changed = match (on, is_on(app)) {
        (true, _) => list.enable(),
        (false, true) => list.disable(),
        (false, false) => Ok(()),
    };
    changed.map_err(|error| Refusal::new(Code::AutostartFailed, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_profile_does_not_take_the_first_ones_place_on_the_list() {
        assert_ne!(entry_name(DEFAULT_PROFILE), entry_name("second"));
    }
}
