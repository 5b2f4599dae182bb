//! Orca on a window's desktop, and what it says, which a server prints instead of saying it
//! (`python/speech_server.py`).

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{Trouble, error::io, places, program::Program, wait, window::Desktop};

/// Orca loads for some seconds, on a busy machine for many.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long after a step its sentence comes at most.
const SPEECH_LIMIT: Duration = Duration::from_secs(40);
/// The system's own Python, which Orca uses as well.
const PYTHON: &str = "/usr/bin/python3";
/// What Orca says first, and with that it listens.
const GREETING: &str = "Screen reader on.";

/// The running reader. Ends with the value.
pub struct ScreenReader {
    orca: Program,
    _server: Program,
    _folder: TempDir,
    said: PathBuf,
    heard: usize,
}

impl ScreenReader {
    /// Starts Orca on this desktop, with its usual settings.
    ///
    /// # Errors
    /// When Orca is missing or does not come up.
    pub fn start(desktop: &Desktop, output: &Path) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("making a folder for speech"))?;
        let socket = folder.path().join("speech");
        let said = output.join("speech.jsonl");
        let mut command = Command::new(PYTHON);
        command.arg(places::root().join("tests/python/speech_server.py")).arg(&socket);
        let file = File::create(&said).map_err(io("making a file for speech"))?;
        let mut server = Program::start(&command, Stdio::from(file), &output.join("speech-server.log"))?;
        let ready = || {
            server.still_runs()?;
            Ok(socket.exists().then_some(()))
        };
        wait::until("the speech server", START_LIMIT, ready, String::new)?;
        let mut command = desktop.command("orca");
        command.arg("--replace").env("SPEECHD_ADDRESS", format!("unix_socket:{}", socket.display()));
        let orca = Program::start(&command, Stdio::null(), &output.join("orca.log"))?;
        let mut reader = Self { orca, _server: server, _folder: folder, said, heard: 0 };
        reader.hears_within(START_LIMIT, &[GREETING])?;
        Ok(reader)
    }

    /// Waits until it has said all of these, in any order, after what it was last heard to say; other sentences may
    /// come between.
    ///
    /// # Errors
    /// `TooLong`, with everything it said since.
    pub fn hears(&mut self, expected: &[&str]) -> Result<(), Trouble> {
        self.hears_within(SPEECH_LIMIT, expected)
    }

    fn hears_within(&mut self, limit: Duration, expected: &[&str]) -> Result<(), Trouble> {
        let (said, heard, orca) = (&self.said, self.heard, &mut self.orca);
        let look = || {
            orca.still_runs()?;
            let new = sentences(said).split_off(heard);
            let places = expected.iter().map(|wanted| new.iter().position(|one| one.contains(wanted)));
            Ok(places.collect::<Option<Vec<usize>>>().and_then(|places| places.into_iter().max()))
        };
        let what = format!("{expected:?} from the screen reader");
        let last = wait::until(&what, limit, look, || sentences(said).split_off(heard).join("\n"))?;
        self.heard = heard + last + 1;
        Ok(())
    }

    /// How often it has said this from the start.
    pub fn times(&self, sentence: &str) -> usize {
        sentences(&self.said).iter().filter(|one| one.contains(sentence)).count()
    }

    /// All it has said.
    pub fn said(&self) -> String {
        sentences(&self.said).join("\n")
    }
}

fn sentences(said: &Path) -> Vec<String> {
    let text = fs::read_to_string(said).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
