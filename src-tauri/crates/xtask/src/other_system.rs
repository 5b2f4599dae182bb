//! `cargo xtask check --target windows|macos`: the whole workspace, tests included, compiled for a system that this
//! machine is not, up to where linking would begin.

use std::{fmt, path::PathBuf, process::Command};

use crate::{
    failure::Failure, npm, packages::Purpose, run::cargo, setup, setup::Consent, standard_library::StandardLibrary,
    step::Steps, workspace, zig::AppleCompiler,
};

/// A system that the project is written for and that this machine is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherSystem {
    /// 64-bit Windows, with MinGW's C compiler.
    Windows,
    /// macOS on Apple's processors, with Zig's C compiler.
    MacOs,
}

impl OtherSystem {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Windows, Self::MacOs];

    /// As it is written on the command line.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|system| system.to_string() == word)
    }

    /// Rust's name for it.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Windows => "x86_64-pc-windows-gnu",
            Self::MacOs => "aarch64-apple-darwin",
        }
    }

    /// Cargo, told to work for this system in a folder of its own: what it builds there shares nothing with what is
    /// built for this machine, and neither makes the other anew.
    pub fn cargo(self, steps: &mut Steps, verb: &str) -> Result<Command, Failure> {
        if !cfg!(target_os = "linux") {
            return Err(Failure::missing(
                "Other systems are compiled for on Linux only; here `cargo xtask check` is it.",
            ));
        }
        let library = StandardLibrary::provide(steps, self.triple())?;
        let mut command = cargo(&[verb, "--target", self.triple()]);
        command.env("CARGO_TARGET_DIR", folder()).env("CARGO_INCREMENTAL", "0");
        library.set_on(&mut command);
        if self == Self::MacOs {
            AppleCompiler::provide(steps)?.set_on(&mut command, self.triple());
        }
        Ok(command)
    }
}

impl fmt::Display for OtherSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Windows => "windows",
            Self::MacOs => "macos",
        })
    }
}

/// Cargo's output folder for other systems.
pub fn folder() -> PathBuf {
    workspace::target().join("other-systems")
}

/// The check, as the command.
pub fn run(steps: &mut Steps, system: OtherSystem) -> Result<(), Failure> {
    setup::run(steps, Purpose::OtherSystems, Consent::given(false))?;
    npm::build_pages(steps)?;
    check(steps, system)
}

/// Types and lints of every crate and test.
pub fn check(steps: &mut Steps, system: OtherSystem) -> Result<(), Failure> {
    let mut clippy = system.cargo(steps, "clippy")?;
    clippy.args(["--locked", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    steps.command(&format!("check for {system}"), &mut clippy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_read_as_it_is_written() {
        for system in OtherSystem::ALL {
            assert_eq!(OtherSystem::read(&system.to_string()), Some(system));
        }
        assert_eq!(OtherSystem::read("beos"), None);
    }
}
