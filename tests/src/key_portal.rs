//! A Wayland desktop's portal for keys, which the session bus starts when it is asked for (`python/key_portal.py`).

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::{Trouble, error::io, places, program::run, wait, window::Desktop};

/// The system's Python: it has the session bus (packages python3-dbus and python3-gi).
const PYTHON: &str = "/usr/bin/python3";
const NAME: &str = "org.freedesktop.portal.Desktop";

/// The portal of one window's session.
pub struct KeyPortal {
    said: PathBuf,
}

impl KeyPortal {
    /// One that nobody can ask yet; what it is asked goes to a file in `output`.
    pub fn new(output: &Path) -> Self {
        Self { said: output.join("key-portal.jsonl") }
    }

    /// Has the session bus of the home with this data folder start the portal when somebody asks for it (D-Bus
    /// specification, session services).
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn install(&self, data: &Path) -> Result<(), Trouble> {
        let program = places::root().join("tests/python/key_portal.py");
        let folder = data.join("dbus-1/services");
        fs::create_dir_all(&folder).map_err(io("making a folder for services"))?;
        let service =
            format!("[D-BUS Service]\nName={NAME}\nExec={PYTHON} {} {}\n", program.display(), self.said.display());
        fs::write(folder.join(format!("{NAME}.service")), service).map_err(io("writing a service"))
    }

    /// Waits until the keys that it was asked for last `fit`, and gives them by name.
    ///
    /// # Errors
    /// `TooLong`, with what it was asked for instead.
    pub fn gives(&self, what: &str, limit: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value, Trouble> {
        let said = || fs::read_to_string(&self.said).unwrap_or_default();
        let look = || {
            let text = said();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let last = lines.rfind(|line| line["event"] == "bound").map(|line| line["keys"].clone());
            Ok(last.filter(&fits))
        };
        wait::until(&format!("{what} of the portal"), limit, look, said)
    }

    /// The key goes down.
    ///
    /// # Errors
    /// When dbus-send is missing or the portal does not answer.
    pub fn press(&self, desktop: &Desktop, key: &str) -> Result<(), Trouble> {
        call(desktop, "Press", key)
    }

    /// The key comes up.
    ///
    /// # Errors
    /// As [`Self::press`].
    pub fn release(&self, desktop: &Desktop, key: &str) -> Result<(), Trouble> {
        call(desktop, "Release", key)
    }
}

fn call(desktop: &Desktop, method: &str, key: &str) -> Result<(), Trouble> {
    let mut command = desktop.command("dbus-send");
    command.args(["--session", "--print-reply", &format!("--dest={NAME}"), "/org/freedesktop/portal/desktop"]);
    command.args([&format!("org.serambi.Test.{method}"), &format!("string:{key}")]);
    run(&mut command).map(|_| ())
}
