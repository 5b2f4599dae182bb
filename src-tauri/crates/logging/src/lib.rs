//! The log of a program: standard error, a file per day, panics with a backtrace, and no secrets at any level.

mod filter;
mod log_file;
mod panic_hook;
pub mod redaction;

use std::{io, path::Path};

use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

pub use log_file::{LogFile, last_lines};

/// A log that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The folder cannot be made or the file in it cannot be opened.
    #[error("the log folder {folder}: {what}")]
    Folder {
        /// The folder.
        folder: String,
        /// The system's words.
        what: String,
    },
    /// The process has a logger already.
    #[error("logging was started before")]
    StartedBefore,
}

/// Starts logging to standard error and, if a folder is given, to `PROGRAM.DATE.log` in it. `SERAMBI_LOG`, or else
/// `RUST_LOG`, chooses what is logged (`tracing_subscriber::EnvFilter`). The file is complete once the returned value
/// is dropped.
///
/// # Errors
/// [`LoggingError::StartedBefore`]. A folder that cannot be written is an error in the log on standard error only: a
/// full disk must not keep a program from starting.
pub fn start(program: &'static str, folder: Option<&Path>) -> Result<Option<LogFile>, LoggingError> {
    let (chosen, complaint) = filter::chosen();
    let (file, file_error) = match folder.map(|folder| LogFile::open(folder, program)).transpose() {
        Ok(file) => (file, None),
        Err(error) => (None, Some(error)),
    };
    let to_file =
        file.as_ref().map(|file| tracing_subscriber::fmt::layer().with_ansi(false).with_writer(file.writer()));
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry()
        .with(to_stderr)
        .with(to_file)
        .with(chosen)
        .with(filter::cap())
        .try_init()
        .map_err(|_| LoggingError::StartedBefore)?;
    panic_hook::install();
    tracing::info!(program, version = env!("CARGO_PKG_VERSION"), system = std::env::consts::OS, "started");
    if let Some(complaint) = complaint {
        tracing::warn!(complaint, "the log filter cannot be read; the usual one is used");
    }
    if let Some(error) = file_error {
        tracing::error!(%error, "there is no log file");
    }
    Ok(file)
}
