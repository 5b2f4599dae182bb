//! actionlint: the workflows of `.github/workflows`, which run on no machine of ours, are at least read. It is a Go
//! program, and where there is no Go it is left out by name.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{failure::Failure, packages::succeeds, step::Steps, workspace};

const VERSION: &str = "1.7.12";
const MODULE: &str = "github.com/rhysd/actionlint/cmd/actionlint";

/// The program in the pinned version: ours, or the one on the path.
fn program() -> Option<PathBuf> {
    [folder().join("actionlint"), PathBuf::from("actionlint")].into_iter().find(|program| is_pinned(program))
}

fn folder() -> PathBuf {
    workspace::target().join("xtask/actionlint")
}

/// `v1.7.12` or `1.7.12` in the first line, as it was built.
fn is_pinned(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| {
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().next().is_some_and(|line| line.trim_start_matches('v') == VERSION)
    })
}

/// Installs it where Go can: some seconds. What cannot be had is no failure, the check says that it was left out.
pub fn install(steps: &mut Steps) -> Result<(), Failure> {
    if program().is_some() || !succeeds("go", &["version"]) {
        return Ok(());
    }
    let module = format!("{MODULE}@v{VERSION}");
    steps.work("actionlint", &format!("go install {module}"), || {
        let status = Command::new("go").args(["install", &module]).env("GOBIN", folder()).status();
        if !status.is_ok_and(|status| status.success()) {
            println!("   actionlint could not be installed");
        }
        Ok(())
    })
}

/// Syntax, expressions, and the shell scripts as far as shellcheck is there.
pub fn check(steps: &mut Steps) -> Result<(), Failure> {
    match program() {
        Some(program) => steps.command("workflows", Command::new(program).current_dir(workspace::root())),
        None => {
            steps.skip("workflows", &format!("no actionlint {VERSION}; with Go: cargo xtask setup --tests"));
            Ok(())
        }
    }
}
