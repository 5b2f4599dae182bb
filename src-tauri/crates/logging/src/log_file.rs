//! The log file of today and its writer thread.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tracing_appender::{
    non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard},
    rolling::{Builder, Rotation},
};

use crate::LoggingError;

const SUFFIX: &str = "log";
/// Days that are kept, today included.
const MAX_FILES: usize = 7;
/// Lines that wait for a slow disk; a full queue drops lines, and how many is said at the end.
const MAX_WAITING_LINES: usize = 10_000;
/// The end of a file that is searched for its last lines.
const MAX_TAIL_BYTES: u64 = 256 * 1_024;

/// An open log file. Dropping it writes what still waits.
pub struct LogFile {
    folder: PathBuf,
    program: &'static str,
    writer: NonBlocking,
    dropped: ErrorCounter,
    _worker: WorkerGuard,
}

impl LogFile {
    /// Opens today's file in a folder that only its owner can read.
    pub(crate) fn open(folder: &Path, program: &'static str) -> Result<Self, LoggingError> {
        let wrong = |what: String| LoggingError::Folder { folder: folder.display().to_string(), what };
        serambi_private_folder::make(folder).map_err(|error| wrong(error.to_string()))?;
        let appender = Builder::new()
            .rotation(Rotation::DAILY)
            .filename_prefix(program)
            .filename_suffix(SUFFIX)
            .max_log_files(MAX_FILES)
            .build(folder)
            .map_err(|error| wrong(error.to_string()))?;
        // A thread of its own: a disk that hangs must not hold up whoever forwards sound.
        let (writer, worker) = NonBlockingBuilder::default()
            .buffered_lines_limit(MAX_WAITING_LINES)
            .lossy(true)
            .thread_name("log")
            .finish(appender);
        let dropped = writer.error_counter();
        Ok(Self { folder: folder.to_owned(), program, writer, dropped, _worker: worker })
    }

    /// The folder of the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn writer(&self) -> NonBlocking {
        self.writer.clone()
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        let lines = self.dropped.dropped_lines();
        if lines > 0 {
            tracing::warn!(program = self.program, lines, "the disk was too slow for the log; lines are missing");
        }
    }
}

/// The last lines of the newest log file of a program, oldest first.
///
/// # Errors
/// The system's, if the folder or the file cannot be read.
pub fn last_lines(folder: &Path, program: &str, count: usize) -> io::Result<Vec<String>> {
    let beginning = format!("{program}.");
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_ours = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&beginning));
        if is_ours && path.extension().is_some_and(|extension| extension == SUFFIX) {
            files.push(path);
        }
    }
    // The date in the name sorts as text.
    let Some(newest) = files.into_iter().max() else { return Ok(Vec::new()) };
    let text = tail(&newest)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect())
}

fn tail(file: &Path) -> io::Result<String> {
    use io::{Read, Seek, SeekFrom};
    let mut file = fs::File::open(file)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(MAX_TAIL_BYTES);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(MAX_TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // The first line is whole only if the file begins with it.
    Ok(match text.split_once('\n') {
        Some((_, whole)) if skipped > 0 => whole.to_owned(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_written_is_in_the_file_once_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let file = LogFile::open(&logs, "serambi-app").unwrap();
        writeln!(file.writer(), "one").unwrap();
        writeln!(file.writer(), "two").unwrap();
        assert_eq!(file.folder(), logs);
        drop(file);
        assert_eq!(last_lines(&logs, "serambi-app", 200).unwrap(), ["one", "two"]);
        assert_eq!(last_lines(&logs, "serambi-app", 1).unwrap(), ["two"]);
        assert!(last_lines(&logs, "serambi-house", 200).unwrap().is_empty());
    }

    #[test]
    fn seven_days_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for day in 10..20 {
            fs::write(folder.path().join(format!("serambi-app.2020-01-{day}.log")), "old\n").unwrap();
        }
        fs::write(folder.path().join("holiday.jpg"), "not ours").unwrap();
        drop(LogFile::open(folder.path(), "serambi-app").unwrap());
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let logs = names.filter(|name| name.to_string_lossy().ends_with(".log")).count();
        assert_eq!(logs, MAX_FILES);
        assert!(folder.path().join("holiday.jpg").exists());
    }

    #[test]
    fn the_end_of_a_long_file_begins_with_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let line = "x".repeat(999);
        let text: String = (0..1_000).map(|_| format!("{line}\n")).collect();
        fs::write(folder.path().join("serambi-app.2020-01-01.log"), text).unwrap();
        let lines = last_lines(folder.path(), "serambi-app", 10_000).unwrap();
        assert!(lines.len() < 1_000 && lines.iter().all(|found| *found == line));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_on_the_computer_can_read_the_log() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        drop(LogFile::open(&logs, "serambi-app").unwrap());
        assert_eq!(fs::metadata(logs).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
