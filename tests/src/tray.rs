//! A place for tray icons on the desktop of a window, and a hand for their menus.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    Trouble,
    error::io,
    places,
    program::{Program, run},
    wait,
    window::{Desktop, PATIENCE},
};

/// The system's Python: it has the session bus (packages python3-dbus and python3-gi).
const PYTHON: &str = "/usr/bin/python3";

/// The place. Gone with the value.
pub struct Tray {
    _host: Program,
    desktop: Desktop,
}

impl Tray {
    /// Opens one on this desktop.
    ///
    /// # Errors
    /// When Python or its packages are missing, or another place is there already.
    pub fn open(desktop: &Desktop, output: &Path) -> Result<Self, Trouble> {
        let command = command(desktop, &["serve"]);
        let mut host = Program::start(&command, Stdio::piped(), &output.join("tray.log"))?;
        let mut line = String::new();
        if let Some(stdout) = host.take_stdout() {
            BufReader::new(stdout).read_line(&mut line).map_err(io("waiting for a place for tray icons"))?;
        }
        host.still_runs()?;
        Ok(Self { _host: host, desktop: desktop.clone() })
    }

    /// Waits until the menu has a line that begins so; lines to be read stand in brackets.
    ///
    /// # Errors
    /// `TooLong`, with what it says instead.
    pub fn says(&self, line: &str) -> Result<(), Trouble> {
        let look = || Ok(self.lines()?.iter().any(|found| found.starts_with(line)).then_some(()));
        wait::until(&format!("{line:?} in the tray"), PATIENCE, look, || format!("{:?}", self.lines()))
    }

    /// The lines of the menu.
    ///
    /// # Errors
    /// When there is no icon.
    pub fn lines(&self) -> Result<Vec<String>, Trouble> {
        let lines = self.look()?["lines"].as_array().cloned().unwrap_or_default();
        Ok(lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect())
    }

    /// The picture of the icon, kept for whoever looks at what the test leaves.
    ///
    /// # Errors
    /// When there is no icon, or its file cannot be copied.
    pub fn photograph(&self, file: &Path) -> Result<Vec<u8>, Trouble> {
        let icon = self.look()?["icon"].as_str().unwrap_or_default().to_owned();
        std::fs::copy(&icon, file).map_err(io(format!("copying {icon}")))?;
        std::fs::read(file).map_err(io(format!("reading {}", file.display())))
    }

    /// Presses an entry.
    ///
    /// # Errors
    /// When there is none that begins so.
    pub fn choose(&self, label: &str) -> Result<(), Trouble> {
        run(&mut command(&self.desktop, &["choose", label])).map(|_| ())
    }

    /// Presses an entry upon which the icon becomes another one; when it was pressed and when that was, milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// When there is no such entry, or the icon stays as it is.
    pub fn time(&self, label: &str) -> Result<(f64, f64), Trouble> {
        let printed = run(&mut command(&self.desktop, &["time", label]))?;
        let times: Value = serde_json::from_slice(&printed).map_err(|error| Trouble::Unexpected(error.to_string()))?;
        let at = |name: &str| {
            times[name].as_f64().ok_or_else(|| Trouble::Unexpected(format!("no time of {name} in {times}")))
        };
        Ok((at("pressed")?, at("icon")?))
    }

    fn look(&self) -> Result<Value, Trouble> {
        let printed = run(&mut command(&self.desktop, &["menu"]))?;
        serde_json::from_slice(&printed).map_err(|error| Trouble::Unexpected(error.to_string()))
    }
}

fn command(desktop: &Desktop, arguments: &[&str]) -> Command {
    let mut command = desktop.command(PYTHON);
    command.arg(places::root().join("tests/python/tray_host.py")).args(arguments);
    command
}
