//! The system's login service on a private system bus (`python/login_service.py`): who keeps the computer awake, and
//! whether the screen is locked.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Trouble,
    error::io,
    places,
    program::{Program, run},
    wait,
};

const START_LIMIT: Duration = Duration::from_secs(20);
/// The system's own Python, which has the system's D-Bus package.
const PYTHON: &str = "/usr/bin/python3";

/// The running service and its bus.
pub struct LoginService {
    service: Program,
    _bus: Program,
    _folder: TempDir,
    address: String,
    said: PathBuf,
}

impl LoginService {
    /// Starts a bus with the service on it.
    ///
    /// # Errors
    /// When the bus's daemon, Python or its packages are missing.
    pub fn start(output: &Path) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("making a folder for a bus"))?;
        let socket = folder.path().join("system-bus");
        let address = format!("unix:path={}", socket.display());
        let mut daemon = Command::new("dbus-daemon");
        daemon.args(["--session", "--nofork", "--nopidfile", "--nosyslog"]).arg(format!("--address={address}"));
        let mut bus = Program::start(&daemon, Stdio::null(), &output.join("system-bus.log"))?;
        let is_open = || {
            bus.still_runs()?;
            Ok(socket.exists().then_some(()))
        };
        wait::until("a system bus", START_LIMIT, is_open, String::new)?;
        let said = output.join("login-service.jsonl");
        let mut command = Command::new(PYTHON);
        command.arg(places::root().join("tests/python/login_service.py")).env("DBUS_SYSTEM_BUS_ADDRESS", &address);
        let file = File::create(&said).map_err(io("making a file for the login service"))?;
        let service = Program::start(&command, Stdio::from(file), &output.join("login-service.log"))?;
        let mut login = Self { service, _bus: bus, _folder: folder, address, said };
        login.wait_for("ready", 1)?;
        Ok(login)
    }

    /// The address of its bus.
    pub fn bus(&self) -> &str {
        &self.address
    }

    /// Waits until it has said so often that this happened.
    ///
    /// # Errors
    /// `TooLong` with what it said instead, or that it has ended.
    pub fn wait_for(&mut self, event: &str, times: usize) -> Result<(), Trouble> {
        let (said, service) = (&self.said, &mut self.service);
        let look = || {
            service.still_runs()?;
            Ok((lines(said, event).len() >= times).then_some(()))
        };
        wait::until(&format!("{event:?} {times} times"), START_LIMIT, look, || {
            fs::read_to_string(said).unwrap_or_default()
        })
    }

    /// All that it said about this.
    pub fn said(&self, event: &str) -> Vec<Value> {
        lines(&self.said, event)
    }

    /// Says of the screen from now on that it is locked, or not.
    ///
    /// # Errors
    /// When dbus-send is missing or the service does not answer.
    pub fn lock(&self, locked: bool) -> Result<(), Trouble> {
        let mut command = Command::new("dbus-send");
        command.arg(format!("--bus={}", self.address)).args([
            "--print-reply",
            "--dest=org.freedesktop.login1",
            "/org/freedesktop/login1/session/auto",
            "org.serambi.Test.Lock",
            &format!("boolean:{locked}"),
        ]);
        run(&mut command).map(|_| ())
    }
}

fn lines(said: &Path, event: &str) -> Vec<Value> {
    let text = fs::read_to_string(said).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == event).collect()
}
