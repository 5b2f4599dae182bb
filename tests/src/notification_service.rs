//! A desktop's notification service that shows nothing and can be pressed (`python/notification_service.py`).

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    Trouble,
    error::io,
    places,
    process_load::Family,
    program::{Program, run},
    wait,
    window::Window,
};

const START_LIMIT: Duration = Duration::from_secs(20);
/// The system's own Python, which has the system's D-Bus package.
const PYTHON: &str = "/usr/bin/python3";
/// The driver has the window's session bus in its environment.
const DRIVER: &str = "WebKitWebDriver";
const BUS_VARIABLE: &str = "DBUS_SESSION_BUS_ADDRESS";

/// The running service of one window's session.
pub struct NotificationService {
    program: Program,
    bus: String,
    said: PathBuf,
}

impl NotificationService {
    /// Starts the service on the session bus of this window.
    ///
    /// # Errors
    /// When Python or its D-Bus package is missing, or the bus has such a service already.
    pub fn start(window: &Window, output: &Path) -> Result<Self, Trouble> {
        let bus = session_bus(window)?;
        let said = output.join("notifications.jsonl");
        let mut command = Command::new(PYTHON);
        command.arg(places::root().join("tests/python/notification_service.py")).env(BUS_VARIABLE, &bus);
        let file = File::create(&said).map_err(io("making a file for notifications"))?;
        let program = Program::start(&command, Stdio::from(file), &output.join("notifications.log"))?;
        let mut service = Self { program, bus, said };
        service.wait_for("readiness", START_LIMIT, |line| line["event"] == "ready")?;
        Ok(service)
    }

    /// Waits for a line that `fits`.
    ///
    /// # Errors
    /// `TooLong` with what it said instead, or that it has ended.
    pub fn wait_for(&mut self, what: &str, limit: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value, Trouble> {
        let (said, program) = (&self.said, &mut self.program);
        let look = || {
            program.still_runs()?;
            Ok(lines(said).into_iter().find(&fits))
        };
        wait::until(&format!("{what} on the desktop"), limit, look, || fs::read_to_string(said).unwrap_or_default())
    }

    /// The titles of everything it was asked to show.
    pub fn titles(&self) -> Vec<String> {
        let shown = lines(&self.said).into_iter().filter(|line| line["event"] == "shown");
        shown.map(|line| line["title"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Presses a notice, or one of its buttons.
    ///
    /// # Errors
    /// When dbus-send is missing or the service does not answer.
    pub fn press(&self, shown: &Value, action: &str) -> Result<(), Trouble> {
        let mut command = Command::new("dbus-send");
        command.arg(format!("--bus={}", self.bus)).args([
            "--print-reply",
            "--dest=org.freedesktop.Notifications",
            "/org/freedesktop/Notifications",
            "org.freedesktop.Notifications.Press",
            &format!("uint32:{}", shown["id"]),
            &format!("string:{action}"),
        ]);
        run(&mut command).map(|_| ())
    }
}

fn lines(said: &Path) -> Vec<Value> {
    let text = fs::read_to_string(said).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn session_bus(window: &Window) -> Result<String, Trouble> {
    let driver = Family::of_descendant(window.driver(), DRIVER)?.head();
    let environment = fs::read(format!("/proc/{driver}/environ")).map_err(io("reading an environment"))?;
    let text = String::from_utf8_lossy(&environment);
    let value = text.split('\0').find_map(|entry| entry.strip_prefix(BUS_VARIABLE)?.strip_prefix('='));
    value.map(str::to_owned).ok_or_else(|| Trouble::Unexpected("the window has no session bus".to_owned()))
}
