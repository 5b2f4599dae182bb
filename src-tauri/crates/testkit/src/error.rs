//! What can go wrong around a test, as opposed to in what it tests.

use std::{io, path::PathBuf, time::Duration};

/// What can go wrong around a test.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A program or file that the test needs is not there.
    #[error("{path} is not there: {remedy}")]
    Missing {
        /// Which.
        path: PathBuf,
        /// How to get it.
        remedy: String,
    },
    /// A program could not be started.
    #[error("{program} could not be started: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program ended badly.
    #[error("{program} ended with {outcome}\n{said}")]
    Ended {
        /// Which.
        program: String,
        /// Its status.
        outcome: String,
        /// The end of what it said.
        said: String,
    },
    /// Something did not happen in time.
    #[error("waited {limit:?} in vain for {what}\n{seen}")]
    TooLong {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// What was there instead.
        seen: String,
    },
    /// The browser driver refused.
    #[error("the window's driver said {code}: {message}")]
    Driver {
        /// W3C WebDriver error code.
        code: String,
        /// Its message.
        message: String,
    },
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A sound file could not be read or written.
    #[error("{path}: {source}")]
    Sound {
        /// Which.
        path: PathBuf,
        /// Why.
        source: hound::Error,
    },
    /// Something answered, but not with what was expected.
    #[error("{0}")]
    Unexpected(String),
}

/// For `map_err` on reading and writing.
pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Trouble {
    let what = what.into();
    move |source| Trouble::Io { what, source }
}
