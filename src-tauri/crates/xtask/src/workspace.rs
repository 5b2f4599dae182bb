//! Where things are in this checkout.

use std::path::PathBuf;

/// The folder that holds the workspace's Cargo.toml.
pub fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(3).map_or(own.clone(), PathBuf::from)
}

/// The web UI.
pub fn ui() -> PathBuf {
    root().join("ui")
}

/// Cargo's output folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Small notes to ourselves about what was done when.
pub fn stamps() -> PathBuf {
    target().join("xtask")
}

/// Is this an unattended run?
pub fn unattended() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_root_is_the_folder_of_the_workspace() {
        assert!(super::root().join("Cargo.toml").is_file());
        assert!(super::root().join("src-tauri").is_dir());
    }
}
