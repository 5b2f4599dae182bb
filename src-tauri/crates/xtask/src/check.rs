//! `cargo xtask check`: everything that can be said about the sources without running the product.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    actionlint, bindings, cargo_deny,
    failure::Failure,
    lock_file, machine_path, npm,
    packages::Purpose,
    run::cargo,
    setup::{self, Consent, require_toolchain_parts},
    step::Steps,
    workspace,
};

/// The whole check, as the command.
pub fn run(steps: &mut Steps) -> Result<(), Failure> {
    setup::run(steps, Purpose::Run, Consent::given(false))?;
    npm::build_pages(steps)?;
    sources(steps)?;
    compare_bindings(steps)
}

/// All of it but the generated bindings, which `test` covers with every other test.
pub fn sources(steps: &mut Steps) -> Result<(), Failure> {
    require_toolchain_parts()?;
    steps.command("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    tracked_files(steps)?;
    steps.command(
        "lints",
        &mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]),
    )?;
    steps.command("UI types", &mut npm::npm(&["run", "--silent", "check"]))?;
    steps.command("UI lints", &mut npm::npm(&["run", "--silent", "lint"]))?;
    cargo_deny::check(steps)?;
    actionlint::check(steps)
}

/// The TypeScript that is generated from Rust must be what is committed.
fn compare_bindings(steps: &mut Steps) -> Result<(), Failure> {
    steps.command("bindings", &mut bindings::border_test())
}

fn tracked_files(steps: &mut Steps) -> Result<(), Failure> {
    let files = match git_files() {
        Ok(files) => files,
        Err(why) => {
            steps.skip("tracked files", &why);
            return Ok(());
        }
    };
    steps.work("tracked files", "cargo xtask check", || {
        let own = machine_path::of_this_machine();
        let mut complaints = Vec::new();
        for file in &files {
            // A file that is listed but gone is being deleted; one that is not text has no sentences.
            let Ok(text) = fs::read_to_string(workspace::root().join(file)) else { continue };
            let name = file.display().to_string();
            complaints.extend(machine_path::complaints(&name, &text, &own));
            complaints.extend(lock_file::complaints(&name, &text));
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n  ")) }
    })
}

fn git_files() -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(workspace::root())
        .output()
        .map_err(|error| format!("git could not be started: {error}"))?;
    if !output.status.success() {
        return Err("this is no git checkout".to_owned());
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}
