//! Why a command stopped, in words for the person at the terminal.

use std::{fmt, process::ExitCode};

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// The command line made no sense.
    Usage(String),
    /// Something must be installed by hand first.
    Missing(String),
    /// A step went wrong.
    Step {
        /// The step's name.
        name: String,
        /// What happened.
        what: String,
        /// The command that repeats this step alone.
        repeat: String,
    },
}

impl Failure {
    /// The command line made no sense.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Something must be installed by hand first.
    pub fn missing(text: impl Into<String>) -> Self {
        Self::Missing(text.into())
    }

    /// What the process should end with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Step { .. } => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Missing(_) => ExitCode::from(3),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Missing(text) => f.write_str(text),
            Self::Step { name, what, repeat } => {
                write!(f, "FAILED: {name}: {what}\nTo repeat this step alone: {repeat}")
            }
        }
    }
}
