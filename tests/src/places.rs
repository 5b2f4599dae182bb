//! Where programs are found and where output goes.

use std::path::{Path, PathBuf};

use crate::{Trouble, error::io};

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Cargo's output folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A folder under Cargo's output folder, made if it is not there.
///
/// # Errors
/// When it cannot be made.
pub fn folder(name: &str) -> Result<PathBuf, Trouble> {
    let folder = target().join(name);
    std::fs::create_dir_all(&folder).map_err(io(format!("making {}", folder.display())))?;
    Ok(folder)
}

/// Where a test leaves its screenshots, recordings and logs: emptied when the test starts.
///
/// # Errors
/// When it cannot be emptied or made.
pub fn fresh_output(test: &str) -> Result<PathBuf, Trouble> {
    let output = folder("test-output")?.join(test);
    if output.exists() {
        std::fs::remove_dir_all(&output).map_err(io(format!("emptying {}", output.display())))?;
    }
    std::fs::create_dir_all(&output).map_err(io(format!("making {}", output.display())))?;
    Ok(output)
}

/// One of the project's programs, built like this test (debug or release); `SERAMBI_PROGRAMS` names another folder.
///
/// # Errors
/// `Missing`, with the command that builds it.
pub fn program(name: &str) -> Result<PathBuf, Trouble> {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let folder = std::env::var_os("SERAMBI_PROGRAMS").map_or_else(|| target().join(profile), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let release = if cfg!(debug_assertions) { "" } else { " --release" };
    let remedy = format!("cargo build{release} --workspace --bins, or cargo xtask test, which does that first");
    Err(Trouble::Missing { path, remedy })
}
