//! `cargo xtask bindings`: the TypeScript that is generated from the shell's Rust types, written anew.

use std::process::Command;

use crate::{
    failure::Failure,
    npm,
    packages::Purpose,
    run::cargo,
    setup::{self, Consent},
    step::Steps,
};

/// The test that compares the committed file with what Rust says writes it when it is asked to.
const WRITE: &str = "SERAMBI_WRITE_BINDINGS";

/// Writes `ui/src/backend/bindings.ts`.
pub fn run(steps: &mut Steps) -> Result<(), Failure> {
    setup::run(steps, Purpose::Run, Consent::given(false))?;
    npm::build_pages(steps)?;
    steps.command("bindings", border_test().env(WRITE, "1"))
}

/// The test of the border between Rust and TypeScript.
pub fn border_test() -> Command {
    let mut command = cargo(&["test", "--quiet", "-p", "serambi", "--test", "border"]);
    command.env_remove(WRITE);
    command
}
