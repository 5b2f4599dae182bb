//! A screen that is not there, with a window manager that gives windows focus and can close them.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Trouble,
    error::io,
    program::{Program, run},
    wait,
};

const START_LIMIT: Duration = Duration::from_secs(15);

/// A virtual X display with openbox. Ends with the value.
pub struct Display {
    _window_manager: Program,
    _server: Program,
    _home: TempDir,
    number: String,
}

impl Display {
    /// Starts a display of this size in pixels; `name` tells its logs apart.
    ///
    /// # Errors
    /// When Xvfb or openbox is missing or does not come up.
    pub fn start(output: &Path, name: &str, width: u32, height: u32) -> Result<Self, Trouble> {
        let mut xvfb = Command::new("Xvfb");
        // With -displayfd the server picks a free number itself and prints it when it is ready.
        xvfb.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", &format!("{width}x{height}x24")]);
        let mut server = Program::start(&xvfb, Stdio::piped(), &output.join(format!("xvfb-{name}.log")))?;
        let mut line = String::new();
        if let Some(stdout) = server.take_stdout() {
            BufReader::new(stdout).read_line(&mut line).map_err(io("reading the display's number"))?;
        }
        server.still_runs()?;
        let number = format!(":{}", line.trim());
        let mut openbox = Command::new("openbox");
        let home = tempfile::tempdir().map_err(io("making a home"))?;
        openbox.arg("--sm-disable").env("DISPLAY", &number).env("HOME", home.path());
        let log = output.join(format!("openbox-{name}.log"));
        let window_manager = Program::start(&openbox, Stdio::null(), &log)?;
        Ok(Self { _window_manager: window_manager, _server: server, _home: home, number })
    }

    /// For the environment variable `DISPLAY`.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Presses keys, named as xdotool names them ("alt+F4"), in the window that has the focus.
    ///
    /// # Errors
    /// When xdotool is missing or fails.
    pub fn press(&self, keys: &str) -> Result<(), Trouble> {
        self.xdotool(&["key", keys]).map(|_| ())
    }

    /// Holds a key down until [`Self::release`].
    ///
    /// # Errors
    /// When xdotool is missing or fails.
    pub fn hold(&self, key: &str) -> Result<(), Trouble> {
        self.xdotool(&["keydown", key]).map(|_| ())
    }

    /// Lets a held key go.
    ///
    /// # Errors
    /// When xdotool is missing or fails.
    pub fn release(&self, key: &str) -> Result<(), Trouble> {
        self.xdotool(&["keyup", key]).map(|_| ())
    }

    /// Waits for a visible window whose title contains `title`, and gives it the focus.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn focus(&self, title: &str) -> Result<(), Trouble> {
        let look = || match self.xdotool(&["search", "--onlyvisible", "--name", title, "windowactivate", "--sync"]) {
            Ok(_) => Ok(Some(())),
            Err(Trouble::Ended { .. }) => Ok(None),
            Err(other) => Err(other),
        };
        wait::until(&format!("a window named {title:?}"), START_LIMIT, look, String::new)
    }

    /// Takes a window whose title contains `title` off the screen, as its frame's button would.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn minimize(&self, title: &str) -> Result<(), Trouble> {
        self.focus(title)?;
        self.xdotool(&["search", "--onlyvisible", "--name", title, "windowminimize"])?;
        let look = || Ok((self.windows(title)? == 0).then_some(()));
        wait::until(&format!("{title:?} off the screen"), START_LIMIT, look, String::new)
    }

    /// How many visible windows have `title` in their title.
    ///
    /// # Errors
    /// When xdotool is missing.
    pub fn windows(&self, title: &str) -> Result<usize, Trouble> {
        match self.xdotool(&["search", "--onlyvisible", "--name", title]) {
            Ok(printed) => Ok(printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()),
            Err(Trouble::Ended { .. }) => Ok(0),
            Err(other) => Err(other),
        }
    }

    /// Whether the window in front, whose title contains `title`, stays above all others (`_NET_WM_STATE_ABOVE`).
    ///
    /// # Errors
    /// When there is none, or xdotool or xprop is missing.
    pub fn is_on_top(&self, title: &str) -> Result<bool, Trouble> {
        let printed = self.xdotool(&["search", "--onlyvisible", "--name", title])?;
        let text = String::from_utf8_lossy(&printed);
        let window = text.lines().next().unwrap_or_default();
        let state = run(Command::new("xprop").env("DISPLAY", &self.number).args(["-id", window, "_NET_WM_STATE"]))?;
        Ok(String::from_utf8_lossy(&state).contains("_NET_WM_STATE_ABOVE"))
    }

    /// The whole screen as a PNG file.
    ///
    /// # Errors
    /// When ImageMagick is missing or fails.
    pub fn photograph(&self, file: &Path) -> Result<PathBuf, Trouble> {
        run(Command::new("import").env("DISPLAY", &self.number).args(["-window", "root"]).arg(file))?;
        Ok(file.to_owned())
    }

    fn xdotool(&self, arguments: &[&str]) -> Result<Vec<u8>, Trouble> {
        run(Command::new("xdotool").env("DISPLAY", &self.number).args(arguments))
    }
}
