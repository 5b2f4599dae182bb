//! A program that runs beside the test and never outlives it.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Trouble, error::io, wait};

const LAST_WORDS_CHARACTERS: usize = 2_000;

/// A running program with all the processes it started, and the file its standard error goes to.
///
/// Dropping it ends them all, also while a failed test unwinds. `setpriv --pdeathsig` ends the first of them even
/// when the test itself is killed.
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program in a process group of its own. Standard input and output are as the command says; standard
    /// error goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &Command, stdout: Stdio, log: &Path) -> Result<Self, Trouble> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = File::create(log).map_err(io(format!("making {}", log.display())))?;
        let mut wrapped = Command::new("setpriv");
        wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        let child = wrapped
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(file)
            .process_group(0)
            .spawn()
            .map_err(|source| Trouble::Start { program: name.clone(), source })?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// The first process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, once, if it was asked for with `Stdio::piped()`.
    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// `Err` with its last words if it has ended.
    ///
    /// # Errors
    /// `Ended`.
    pub fn still_runs(&mut self) -> Result<(), Trouble> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.ended(&status.to_string())),
            Err(error) => Err(self.ended(&error.to_string())),
        }
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn wait(&mut self, limit: Duration) -> Result<std::process::ExitStatus, Trouble> {
        let what = format!("the end of {}", self.name);
        let child = &mut self.child;
        let look = || child.try_wait().map_err(io("waiting for a program"));
        let log = self.log.clone();
        wait::until(&what, limit, look, || last_words(&log))
    }

    /// Asks it to end, as a terminal would with Ctrl+C.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Stops it and all it started where they are.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen program go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// The end of what it said on standard error.
    pub fn last_words(&self) -> String {
        last_words(&self.log)
    }

    fn ended(&self, outcome: &str) -> Trouble {
        Trouble::Ended { program: self.name.clone(), outcome: outcome.to_owned(), said: self.last_words() }
    }

    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // A group that has ended cannot be signalled, and need not be.
        let _ = group.map(|group| kill_process_group(group, signal));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

fn last_words(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let skip = text.chars().count().saturating_sub(LAST_WORDS_CHARACTERS);
    text.chars().skip(skip).collect()
}

/// Runs a program to its end and gives what it printed.
///
/// # Errors
/// When it cannot be started or ends badly.
pub fn run(command: &mut Command) -> Result<Vec<u8>, Trouble> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|source| Trouble::Start { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Trouble::Ended { program, outcome: output.status.to_string(), said })
}
