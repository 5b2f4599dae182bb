//! The real window of the real app, driven from outside by what a person would go by: roles, names and visible words.

use std::{
    ffi::{OsStr, OsString},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Trouble,
    display::Display,
    error::io,
    key_portal::KeyPortal,
    login_service::LoginService,
    places,
    process_load::Family,
    program::Program,
    wait,
    webdriver::{Element, Session, free_port},
};

const DRIVER_START_LIMIT: Duration = Duration::from_secs(20);
/// How long a person would stare at a window before giving up.
pub const PATIENCE: Duration = Duration::from_secs(20);

const FIND: &str = include_str!("find.js");
const WIDTH_PIXELS: u32 = 1_280;
const HEIGHT_PIXELS: u32 = 860;

/// The folders a program keeps things in (XDG Base Directory Specification).
const FOLDERS: [(&str, &str); 5] = [
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_DATA_HOME", "data"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_STATE_HOME", "state"),
    ("XDG_RUNTIME_DIR", "runtime"),
];

/// Every desktop has one: the first program that uses libpulse makes it. A client without any is sent away by the sound
/// server ("protocol error"), also where anybody may come in.
const PULSE_COOKIE: &str = "pulse-cookie";
const PULSE_COOKIE_BYTES: usize = 256;

/// How a window is started.
pub struct Opening<'a> {
    /// Whose window it is: names its screenshots and logs.
    pub owner: &'a str,
    /// The sound server it uses (`PULSE_SERVER`).
    pub sound: &'a str,
    /// Arguments of the app.
    pub arguments: &'a [String],
    /// Where screenshots and logs go.
    pub output: &'a Path,
}

/// The environment of the app in a window: what else runs on that desktop.
#[derive(Clone, Debug)]
pub struct Desktop {
    environment: Vec<(OsString, OsString)>,
}

impl Desktop {
    /// A program on this desktop.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().cloned());
        command
    }
}

/// An open window on a display of its own, with its own session bus and its own folders, as on another computer.
pub struct Window {
    session: Session,
    /// The display it is on.
    pub display: Display,
    driver: Program,
    _home: TempDir,
    owner: String,
    output: PathBuf,
    pictures: std::cell::Cell<u32>,
}

impl Window {
    /// Opens the app `serambi`.
    ///
    /// # Errors
    /// When the app is not built, or it or the driver does not come up.
    pub fn open(opening: &Opening<'_>) -> Result<Self, Trouble> {
        let app = places::program("serambi")?;
        Self::open_program(&app.to_string_lossy(), opening)
    }

    /// Opens the app `serambi` in a session that calls itself one of Wayland, with a portal for keys or without. The
    /// window itself is on X.
    ///
    /// # Errors
    /// As [`Window::open`].
    pub fn open_under_wayland(opening: &Opening<'_>, portal: Option<&KeyPortal>) -> Result<Self, Trouble> {
        let app = places::program("serambi")?;
        Self::open_in(&app.to_string_lossy(), opening, |command, home| {
            command.env("XDG_SESSION_TYPE", "wayland").env("WAYLAND_DISPLAY", "wayland-nowhere");
            portal.map_or(Ok(()), |portal| portal.install(&home.join("data")))
        })
    }

    /// Opens the app `serambi` in a session of this login service.
    ///
    /// # Errors
    /// As [`Window::open`].
    pub fn open_in_login_session(opening: &Opening<'_>, login: &LoginService) -> Result<Self, Trouble> {
        let app = places::program("serambi")?;
        Self::open_in(&app.to_string_lossy(), opening, |command, _| {
            command.env("DBUS_SYSTEM_BUS_ADDRESS", login.bus());
            Ok(())
        })
    }

    /// Opens the app `serambi` as if it ran from this AppImage.
    ///
    /// # Errors
    /// As [`Window::open`].
    pub fn open_app_image(opening: &Opening<'_>, app_image: &Path) -> Result<Self, Trouble> {
        let app = places::program("serambi")?;
        Self::open_in(&app.to_string_lossy(), opening, |command, _| {
            command.env("APPIMAGE", app_image);
            Ok(())
        })
    }

    /// Opens any program that shows a WebKitGTK view and allows itself to be driven.
    ///
    /// # Errors
    /// When it or the driver does not come up.
    pub fn open_program(binary: &str, opening: &Opening<'_>) -> Result<Self, Trouble> {
        Self::open_in(binary, opening, |_, _| Ok(()))
    }

    fn open_in(
        binary: &str,
        opening: &Opening<'_>,
        prepare: impl FnOnce(&mut Command, &Path) -> Result<(), Trouble>,
    ) -> Result<Self, Trouble> {
        let Opening { owner, output, .. } = *opening;
        let display = Display::start(output, owner, WIDTH_PIXELS, HEIGHT_PIXELS)?;
        let home = tempfile::tempdir().map_err(io("making a home"))?;
        for (_, folder) in FOLDERS {
            make_private(&home.path().join(folder))?;
        }
        let cookie = home.path().join(PULSE_COOKIE);
        std::fs::write(&cookie, [0; PULSE_COOKIE_BYTES]).map_err(io("making a cookie"))?;
        let port = free_port()?;
        let mut command = driver_command(port, &display, home.path(), opening.sound);
        prepare(&mut command, home.path())?;
        let mut driver = Program::start(&command, Stdio::null(), &output.join(format!("window-{owner}.log")))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listening = || {
            driver.still_runs()?;
            Ok(TcpStream::connect(address).is_ok().then_some(()))
        };
        wait::until("the window's driver", DRIVER_START_LIMIT, listening, String::new)?;
        let session = Session::new(address, binary, opening.arguments)
            .map_err(|trouble| Trouble::Unexpected(format!("{trouble}\n{}", driver.last_words())))?;
        let (owner, output) = (owner.to_owned(), output.to_owned());
        Ok(Self { session, display, driver, _home: home, owner, output, pictures: 0.into() })
    }

    /// Waits for an element of a role whose accessible name matches a pattern (JavaScript, case ignored).
    ///
    /// # Errors
    /// `TooLong`, with what the page says instead.
    pub fn find(&self, role: &str, pattern: &str) -> Result<Element, Trouble> {
        self.find_near(role, pattern, None)
    }

    /// The same, in a list item or region that also holds words matching `near`.
    ///
    /// # Errors
    /// As [`Window::find`].
    pub fn find_near(&self, role: &str, pattern: &str, near: Option<&str>) -> Result<Element, Trouble> {
        let arguments = [json!(role), json!(pattern), near.map_or(Value::Null, |near| json!(near))];
        let look = || or_look_again(self.session.find_by(FIND, &arguments));
        self.wait(&format!("{role} {pattern:?} in {}'s window", self.owner), look)
    }

    /// Is there such an element now?
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn has(&self, role: &str, pattern: &str) -> Result<bool, Trouble> {
        Ok(self.session.find_by(FIND, &[json!(role), json!(pattern), Value::Null])?.is_some())
    }

    /// Waits until the page's visible words match a pattern.
    ///
    /// # Errors
    /// `TooLong`, with what the page says instead.
    pub fn read(&self, pattern: &str) -> Result<(), Trouble> {
        let script = "return new RegExp(arguments[0], 'iu').test(document.body.innerText.replace(/\\s+/g, ' '))";
        let look = || Ok(self.session.run(script, &[json!(pattern)])?.as_bool().unwrap_or(false).then_some(()));
        self.wait(&format!("the words {pattern:?} in {}'s window", self.owner), look)
    }

    /// All visible words of the page.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn words(&self) -> Result<String, Trouble> {
        let words = self.session.run("return document.body.innerText", &[])?;
        Ok(words.as_str().unwrap_or_default().to_owned())
    }

    /// Waits for a button and clicks it.
    ///
    /// # Errors
    /// When it does not appear or cannot be clicked.
    pub fn press_button(&self, pattern: &str) -> Result<(), Trouble> {
        self.press_button_near(pattern, None)
    }

    /// The same, in a list item or region that also holds words matching `near`.
    ///
    /// # Errors
    /// When it does not appear or cannot be clicked.
    pub fn press_button_near(&self, pattern: &str, near: Option<&str>) -> Result<(), Trouble> {
        self.press("button", pattern, near)
    }

    /// Waits for an entry of the menu that is open and clicks it.
    ///
    /// # Errors
    /// When it does not appear or cannot be clicked.
    pub fn choose_in_menu(&self, pattern: &str) -> Result<(), Trouble> {
        self.press("menuitem", pattern, None)
    }

    fn press(&self, role: &str, pattern: &str, near: Option<&str>) -> Result<(), Trouble> {
        let arguments = [json!(role), json!(pattern), near.map_or(Value::Null, |near| json!(near))];
        let press = || match self.session.find_by(FIND, &arguments)? {
            None => Ok(None),
            Some(found) => self.session.click(&found).map(Some),
        };
        self.wait(&format!("a {role} {pattern:?} to press in {}'s window", self.owner), || or_look_again(press()))
    }

    /// Waits for an empty text field and types into it.
    ///
    /// # Errors
    /// When it does not appear or takes no keys.
    pub fn fill(&self, field: &str, text: &str) -> Result<(), Trouble> {
        let arguments = [json!("textbox"), json!(field), Value::Null];
        let type_into = || match self.session.find_by(FIND, &arguments)? {
            None => Ok(None),
            Some(found) => self.session.type_into(&found, text).map(Some),
        };
        self.wait(&format!("a field {field:?} to fill in {}'s window", self.owner), || or_look_again(type_into()))
    }

    /// Presses keys one after the other, wherever the focus is.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn press_keys(&self, keys: &str) -> Result<(), Trouble> {
        self.session.press(keys)
    }

    /// Runs JavaScript in the page.
    ///
    /// # Errors
    /// When the script throws or the driver does not answer.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Result<Value, Trouble> {
        self.session.run(script, arguments)
    }

    /// A picture of the screen with the window, numbered in the order of the steps: `sari-03-hand-raised.png`. Taken
    /// from the display: the driver's own pictures wait for a frame that a page at rest never draws (WebKitGTK 2.50).
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn photograph(&self, step: &str) -> Result<PathBuf, Trouble> {
        self.session.until_drawn()?;
        self.display.photograph(&self.next_picture(step))
    }

    /// Tries to close the window, as its frame's button would.
    ///
    /// # Errors
    /// When no such window is there.
    pub fn ask_to_close(&self) -> Result<(), Trouble> {
        self.display.focus("Serambi")?;
        self.display.press("alt+F4")
    }

    /// The driver's process; the app is among its descendants.
    pub fn driver(&self) -> u32 {
        self.driver.id()
    }

    /// The app's process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn app(&self) -> Result<u32, Trouble> {
        Ok(Family::of_descendant(self.driver(), "serambi")?.head())
    }

    /// The desktop it is on: session bus, display, folders.
    ///
    /// # Errors
    /// When the app does not run.
    pub fn desktop(&self) -> Result<Desktop, Trouble> {
        let file = format!("/proc/{}/environ", self.app()?);
        let bytes = std::fs::read(&file).map_err(io(format!("reading {file}")))?;
        let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            Some((OsStr::from_bytes(&pair[..at]).to_owned(), OsStr::from_bytes(&pair[at + 1..]).to_owned()))
        });
        Ok(Desktop { environment: pairs.collect() })
    }

    /// Ends the app through the driver.
    ///
    /// # Errors
    /// When the driver does not answer.
    pub fn end(self) -> Result<(), Trouble> {
        self.session.end()
    }

    fn next_picture(&self, step: &str) -> PathBuf {
        let number = self.pictures.get() + 1;
        self.pictures.set(number);
        self.output.join(format!("{}-{number:02}-{step}.png", self.owner))
    }

    fn wait<T>(&self, what: &str, look: impl FnMut() -> Result<Option<T>, Trouble>) -> Result<T, Trouble> {
        let waited = wait::until(what, PATIENCE, look, || self.words().unwrap_or_default());
        waited.inspect_err(|_| {
            // The picture of what was there instead helps most; its own failure must not hide the first one.
            let _ = self.display.photograph(&self.next_picture("in-vain"));
        })
    }
}

/// WebDriver's codes for what passes: the page has drawn the element anew since it was found, or something covers it.
const PASSING: [&str; 4] =
    ["stale element reference", "no such element", "element click intercepted", "element not interactable"];

fn or_look_again<T>(outcome: Result<Option<T>, Trouble>) -> Result<Option<T>, Trouble> {
    match outcome {
        Err(Trouble::Driver { code, .. }) if PASSING.contains(&code.as_str()) => Ok(None),
        decided => decided,
    }
}

fn driver_command(port: u16, display: &Display, home: &Path, sound: &str) -> Command {
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "WebKitWebDriver", "--host=127.0.0.1", &format!("--port={port}")]);
    command.env("DISPLAY", display.number()).env("GDK_BACKEND", "x11").env("TAURI_WEBVIEW_AUTOMATION", "true");
    command.env("PULSE_SERVER", sound).env("LANG", "C.UTF-8").env("LANGUAGE", "en").env_remove("WAYLAND_DISPLAY");
    command.env("HOME", home).env("PULSE_COOKIE", home.join(PULSE_COOKIE));
    for (key, folder) in FOLDERS {
        command.env(key, home.join(folder));
    }
    command
}

/// `XDG_RUNTIME_DIR` must exist and be nobody else's; the others may as well.
fn make_private(folder: &Path) -> Result<(), Trouble> {
    let made = std::fs::DirBuilder::new().mode(0o700).create(folder);
    made.map_err(io(format!("making {}", folder.display())))
}
