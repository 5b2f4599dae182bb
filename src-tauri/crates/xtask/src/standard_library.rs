//! Rust's standard library for a system that this machine is not: rustup's, or compiled from its sources.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{failure::Failure, packages::succeeds, rust_source, step::Steps, workspace};

/// How cargo gets the standard library of another system.
#[derive(Debug, PartialEq, Eq)]
pub enum StandardLibrary {
    /// It lies in the toolchain.
    Installed,
    /// Cargo compiles it along with everything else, from this folder.
    Source(PathBuf),
}

impl StandardLibrary {
    /// Finds it for `triple`, or gets it: from rustup, and where that reaches no server, from the distribution.
    pub fn provide(steps: &mut Steps, triple: &str) -> Result<Self, Failure> {
        let sysroot = sysroot()?;
        if is_installed(&sysroot, triple) {
            return Ok(Self::Installed);
        }
        // What a toolchain lacks is no failure of this step: there is another way.
        steps.work("standard library", &format!("rustup target add {triple}"), || {
            succeeds("rustup", &["target", "add", triple]);
            Ok(())
        })?;
        if is_installed(&sysroot, triple) {
            return Ok(Self::Installed);
        }
        let component = sysroot.join("lib/rustlib/src/rust/library");
        if component.join("Cargo.lock").is_file() {
            return Ok(Self::Source(component));
        }
        match rust_source::provide(steps, &rustc_version()?)? {
            Some(library) => Ok(Self::Source(library)),
            None => Err(Failure::missing(advice(triple))),
        }
    }

    /// What cargo must be told. The flags belong before a `--`.
    pub fn set_on(&self, cargo: &mut Command) {
        if let Self::Source(library) = self {
            cargo.arg("-Zbuild-std=std,panic_abort,panic_unwind");
            // `-Z` is for nightly toolchains; this says that ours is one for this call.
            cargo.env("RUSTC_BOOTSTRAP", "1");
            // Cargo's own tests use it: sources elsewhere than in the toolchain's folder, which is not ours.
            cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
        }
    }
}

fn advice(triple: &str) -> String {
    format!(
        "Rust's standard library for {triple} is missing, and nobody here has it. Where rustup reaches its server:\n  \
         rustup target add {triple}\nOr its sources, of exactly the version of `rustc --version`:\n  \
         rustup component add rust-src"
    )
}

fn is_installed(sysroot: &Path, triple: &str) -> bool {
    let libraries = fs::read_dir(sysroot.join("lib/rustlib").join(triple).join("lib"));
    libraries.is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
    })
}

fn sysroot() -> Result<PathBuf, Failure> {
    rustc(&["--print", "sysroot"]).map(PathBuf::from)
}

/// The part before the first hyphen: `rustc 1.95.0 (59807616e 2026-04-14)` is 1.95.0, a nightly 1.97.0-nightly.
fn rustc_version() -> Result<String, Failure> {
    let line = rustc(&["--version"])?;
    line.split_whitespace()
        .nth(1)
        .map(str::to_owned)
        .ok_or_else(|| Failure::missing(format!("rustc says no version: {line:?}")))
}

fn rustc(arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new("rustc").args(arguments).current_dir(workspace::root()).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        _ => Err(Failure::missing("rustc was not found: https://rustup.rs")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_standard_library_of_this_machine_is_there_and_one_of_no_machine_is_not() {
        let sysroot = sysroot().unwrap();
        let host = rustc(&["--print", "host-tuple"]).unwrap();
        assert!(is_installed(&sysroot, &host), "{host}");
        assert!(!is_installed(&sysroot, "pdp11-dec-unix"));
    }

    #[test]
    fn only_a_library_from_source_changes_what_cargo_is_told() {
        let arguments = |library: &StandardLibrary| {
            let mut cargo = Command::new("cargo");
            library.set_on(&mut cargo);
            (cargo.get_args().count(), cargo.get_envs().count())
        };
        assert_eq!(arguments(&StandardLibrary::Installed), (0, 0));
        assert_eq!(arguments(&StandardLibrary::Source("library".into())), (1, 2));
    }
}
