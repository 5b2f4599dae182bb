//! One running app per profile folder: a second start of the same folder is handed to the first.

use std::path::Path;

use sha2::{Digest, Sha256};
use tauri::{AppHandle, Context, Wry, plugin::TauriPlugin};

/// Bytes of the hash in a name: 64 bits tell the folders of one computer apart.
const HASH_BYTES: usize = 8;

/// The plugin that hands a second start of this folder to `on_second_start` in the first.
pub fn only_once(
    context: &mut Context,
    folder: &Path,
    on_second_start: fn(&AppHandle, Vec<String>, String),
) -> TauriPlugin<Wry> {
    let name = instance_name(&context.config().identifier, folder);
    let plugin = tauri_plugin_single_instance::Builder::new().callback(on_second_start);
    if cfg!(target_os = "linux") {
        return plugin.dbus_id(name).build();
    }
    // Elsewhere the plugin knows no other name than the bundle's.
    context.config_mut().identifier = name;
    plugin.build()
}

/// The instance's name: a D-Bus name element does not begin with a digit (D-Bus specification, bus names).
fn instance_name(identifier: &str, folder: &Path) -> String {
    format!("{identifier}.{}", folder_name(folder))
}

/// A short name of a profile's folder, for what other programs must tell apart.
pub fn folder_name(folder: &Path) -> String {
    let digest: [u8; 32] = Sha256::digest(folder.as_os_str().as_encoded_bytes()).into();
    let hash: String = digest[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("folder_{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `serambi --folder /tmp/a` and `serambi --folder /tmp/b` were one program: the second window never opened.
    #[test]
    fn two_folders_are_two_instances_and_one_folder_is_one() {
        let name = |folder: &str| instance_name("org.serambi.Serambi", Path::new(folder));
        assert_ne!(name("/tmp/a"), name("/tmp/b"));
        assert_eq!(name("/tmp/a"), name("/tmp/a"));
    }

    #[test]
    fn a_name_is_one_that_the_session_bus_takes() {
        let name = instance_name("org.serambi.Serambi", Path::new("/data/ani/.local/share/serambi/second-one"));
        assert!(
            name.len() < 200
                && name.split('.').all(|element| {
                    !element.starts_with(|first: char| first.is_ascii_digit())
                        && element.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                }),
            "{name}"
        );
    }
}
