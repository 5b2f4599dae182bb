//! A test in a process of its own with a private sound server: sound libraries find their server by an environment
//! variable, which a running test must not change. The process is started from the same program.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    Trouble,
    error::io,
    program::Program,
    sound_server::{SoundServer, address},
};

/// Names the folder of the sound server in the process that a test runs in.
const FOLDER_VARIABLE: &str = "PRIVATE_SOUND_FOLDER";

/// Longest that one test may take.
const TEST_LIMIT: Duration = Duration::from_secs(120);

/// One at a time: each needs its sound in real time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `body` with a sound server that has no cards yet and has not been started. `test` is the name of the test that
/// calls.
///
/// # Errors
/// When the test fails, hangs, or is not called `test`.
pub fn with_sound_server(test: &str, body: impl FnOnce(SoundServer)) -> Result<(), Trouble> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let folder = PathBuf::from(folder);
        body(SoundServer::in_folder(&folder));
        return std::fs::write(folder.join("done"), "").map_err(io("noting the end of a test"));
    }
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().map_err(io("making a folder for a test"))?;
    let path = folder.path();
    let mut command = Command::new(std::env::current_exe().map_err(io("finding the test's program"))?);
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(FOLDER_VARIABLE, path);
    command.env("PULSE_SERVER", address(path)).env("XDG_RUNTIME_DIR", path).env("HOME", path);
    for key in ["PULSE_RUNTIME_PATH", "PULSE_COOKIE", "PULSE_CONFIG_PATH", "XDG_CONFIG_HOME"] {
        command.env_remove(key);
    }
    let mut process = Program::start(&command, Stdio::inherit(), &path.join("test.log"))?;
    let status = process.wait(TEST_LIMIT)?;
    let said = process.last_words();
    match status.success() {
        true if path.join("done").exists() => Ok(()),
        true => Err(Trouble::Unexpected(format!("{test} is not the name of a test"))),
        false => Err(Trouble::Ended { program: test.to_owned(), outcome: status.to_string(), said }),
    }
}
