//! A person without a window: `serambi-peer`, and what it says about itself in JSON lines.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Trouble, error::io, places, program::Program, sound_server::Card, wait};

/// A running `serambi-peer` with a folder of its own.
pub struct Peer {
    program: Program,
    lines: Arc<Mutex<Vec<Value>>>,
    output: PathBuf,
    name: String,
    /// Goes with the person, unless somebody else keeps it.
    _folder: Option<TempDir>,
}

impl Peer {
    /// Starts `serambi-peer ARGUMENTS --name NAME …` with that person's microphone and loudspeaker.
    ///
    /// # Errors
    /// When the program is not built or cannot be started.
    pub fn start(name: &str, card: &Card, arguments: &[&str], output: &Path) -> Result<Self, Trouble> {
        Self::start_as(Command::new(places::program("serambi-peer")?), name, card, arguments, output)
    }

    /// The same with a command that runs `serambi-peer` somewhere: on a network of its own, with precedence.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_as(
        mut command: Command,
        name: &str,
        card: &Card,
        arguments: &[&str],
        output: &Path,
    ) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("making a folder for a peer"))?;
        command.env("PULSE_SERVER", card.server());
        let devices = ["--microphone", &card.microphone, "--loudspeaker", &card.loudspeaker];
        let mut peer = Self::start_in(command, name, folder.path(), &[arguments, &devices].concat(), output)?;
        peer._folder = Some(folder);
        Ok(peer)
    }

    /// The person whose folder this is; the arguments say which devices they have.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_in(
        mut command: Command,
        name: &str,
        folder: &Path,
        arguments: &[&str],
        output: &Path,
    ) -> Result<Self, Trouble> {
        command.args(arguments).args(["--name", name]).arg("--folder").arg(folder);
        let log = output.join(format!("peer-{name}.log"));
        let mut program = Program::start(&command, Stdio::piped(), &log)?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        if let Some(stdout) = program.take_stdout() {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || keep(BufReader::new(stdout), &lines));
        }
        Ok(Self { program, lines, output: output.to_owned(), name: name.to_owned(), _folder: None })
    }

    /// Waits until it has said a line that `fits`: the first such line of its life, however long ago it was said.
    ///
    /// # Errors
    /// `TooLong` with what it said instead, or that it has ended.
    pub fn wait_for(&mut self, what: &str, limit: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value, Trouble> {
        self.wait_for_the(1, what, limit, fits)
    }

    /// Waits until it has said that many lines that `fit`, counted from its start, and gives the last of them. For what
    /// it says more than once: [`Peer::wait_for`] would find the one of before.
    ///
    /// # Errors
    /// As [`Peer::wait_for`].
    pub fn wait_for_the(
        &mut self,
        number: usize,
        what: &str,
        limit: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value, Trouble> {
        let (lines, program) = (Arc::clone(&self.lines), &mut self.program);
        let what = format!("{what} from {}", self.name);
        let look = || {
            let found = said(&lines).into_iter().filter(&fits).nth(number - 1);
            if found.is_none() {
                program.still_runs()?;
            }
            Ok(found)
        };
        wait::until(&what, limit, look, || said(&self.lines).iter().map(|line| format!("{line}\n")).collect())
    }

    /// Waits for a line whose `event` is this.
    ///
    /// # Errors
    /// As [`Peer::wait_for`].
    pub fn event(&mut self, event: &str, limit: Duration) -> Result<Value, Trouble> {
        self.wait_for(event, limit, |line| line["event"] == event)
    }

    /// Everything it said so far.
    pub fn said(&self) -> Vec<Value> {
        said(&self.lines)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// `Err` with its last words if it has ended.
    ///
    /// # Errors
    /// `Ended`.
    pub fn still_runs(&mut self) -> Result<(), Trouble> {
        self.program.still_runs()
    }

    /// Waits until it ends by itself, and gives its exit code.
    ///
    /// # Errors
    /// `TooLong`, or that it was killed.
    pub fn ends(&mut self, limit: Duration) -> Result<i32, Trouble> {
        let status = self.program.wait(limit)?;
        status.code().ok_or_else(|| Trouble::Unexpected(format!("{} was killed: {status}", self.name)))
    }

    /// Asks it to end.
    pub fn interrupt(&self) {
        self.program.interrupt();
    }
}

impl Drop for Peer {
    /// What it said stays with the test's output.
    fn drop(&mut self) {
        let text: String = self.said().iter().map(|line| format!("{line}\n")).collect();
        // The test has its result by now; a full disk must not change it.
        let _ = std::fs::write(self.output.join(format!("peer-{}.jsonl", self.name)), text);
    }
}

fn said(lines: &Mutex<Vec<Value>>) -> Vec<Value> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A line that is no JSON is kept as text, so that a test which waits for an event shows it.
fn keep(stdout: impl BufRead, lines: &Mutex<Vec<Value>>) {
    for line in stdout.lines().map_while(Result::ok) {
        let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        lines.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}
