//! Clients that nobody here wrote: LiveKit's Python SDK in an environment of its own.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Trouble, error::io, places, program::run};

/// A Python with the packages of `tests/NAME`: made once for each content of that file.
///
/// # Errors
/// When Python is missing or the packages cannot be installed.
pub fn python(requirements: &str) -> Result<PathBuf, Trouble> {
    let list = places::root().join("tests").join(requirements);
    let wanted = fs::read_to_string(&list).map_err(io(format!("reading {}", list.display())))?;
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    let folder = places::folder("python")?.join(format!("{:016x}", hasher.finish()));
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    if complete.is_file() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r"];
    run(Command::new(&python).args(quiet).arg(&list))?;
    fs::write(&complete, "").map_err(io("finishing a Python environment"))?;
    Ok(python)
}

/// A script of `tests/python/`.
pub fn script(name: &str) -> PathBuf {
    places::root().join("tests/python").join(name)
}

/// `hear.py`: joins a LiveKit server, writes all it hears to a WAV file, and says so in JSON lines.
///
/// # Errors
/// When the environment cannot be made.
pub fn hear(url: &str, token: &str, wav: &Path, seconds: u32) -> Result<Command, Trouble> {
    let mut command = Command::new(python("requirements.txt")?);
    // The token is a secret: in the environment it is not shown in the list of processes.
    command.arg(script("hear.py")).arg(url).arg(wav).arg(seconds.to_string()).env("LIVEKIT_TOKEN", token);
    Ok(command)
}
