//! Tauri's command line program, which makes the bundles: in one version, installed for this project alone.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{failure::Failure, npm, step::Steps, workspace};

/// Also named in `release.yml`, for the systems whose bundles are made there alone. It is no dependency of the pages:
/// npm leaves systems out of a lock file whose parts of this package its registry does not have at that moment.
const PACKAGE: &str = "@tauri-apps/cli@2.12.5";

/// Installs it unless it is there.
pub fn provide(steps: &mut Steps) -> Result<PathBuf, Failure> {
    let program = folder().join("node_modules/.bin/tauri");
    if is_pinned(&program) {
        return Ok(program);
    }
    let mut install = npm::npm(&["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]);
    steps.command("Tauri's bundler", install.arg(folder()).arg(PACKAGE))?;
    Ok(program)
}

fn folder() -> PathBuf {
    workspace::target().join("xtask/tauri-cli")
}

/// `tauri-cli 2.12.5`
fn is_pinned(program: &Path) -> bool {
    let version = PACKAGE.rsplit('@').next();
    let said = Command::new(program).arg("--version").output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).split_whitespace().nth(1) == version)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_workflow_bundles_with_the_same_version() {
        let workflow = std::fs::read_to_string(workspace::root().join(".github/workflows/release.yml")).unwrap();
        assert!(workflow.contains(&format!("TAURI_CLI: '{PACKAGE}'")));
    }
}
