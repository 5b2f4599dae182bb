//! Pebble: an authority that signs certificates over ACME and forgets everything when it ends, for tests of domains. It
//! is a Go program, and where there is no Go these tests leave themselves out by name.

use std::{path::PathBuf, process::Command};

use crate::{failure::Failure, packages::succeeds, step::Steps, workspace};

/// The tests look for this version (`testkit::pebble`).
const VERSION: &str = "2.10.3";
const MODULE: &str = "github.com/letsencrypt/pebble/v2/cmd/pebble";

/// What Go builds does not know its version, so the folder says it.
fn folder() -> PathBuf {
    workspace::target().join("xtask/pebble").join(VERSION)
}

/// Installs it where Go can: some seconds. What cannot be had is no failure, the tests say that they were left out.
pub fn install(steps: &mut Steps) -> Result<(), Failure> {
    if folder().join("pebble").is_file() || !succeeds("go", &["version"]) {
        return Ok(());
    }
    let module = format!("{MODULE}@v{VERSION}");
    steps.work("Pebble", &format!("go install {module}"), || {
        let status = Command::new("go").args(["install", &module]).env("GOBIN", folder()).status();
        if !status.is_ok_and(|status| status.success()) {
            println!("   Pebble could not be installed");
        }
        Ok(())
    })
}

/// Says that tests will leave themselves out.
pub fn report(steps: &mut Steps) {
    if !folder().join("pebble").is_file() {
        steps.skip("certificates of an authority", &format!("no Pebble {VERSION}; with Go: cargo xtask setup --tests"));
    }
}
