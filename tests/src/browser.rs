//! Somebody else's browser on a network of its own, in front of one of our pages: Firefox over Marionette, Chromium
//! over its WebDriver. Its microphone is one that plays a tone, and what its page plays is measured where it leaves the
//! page. Without a loudspeaker Firefox's `AudioContext` never runs, so each has a card that is not there.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Trouble,
    error::io,
    marionette::Marionette,
    namespace::Namespace,
    program::Program,
    sound_server::Card,
    wait,
    webdriver::{Session, connect},
};

/// Each network has a loopback interface of its own.
const PORT: u16 = 9_515;
/// A first start of a browser, on a machine with other things to do.
const START_LIMIT: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(30);
const FIND: &str = include_str!("find.js");
const TAP: &str = include_str!("tap_output.js");
/// Nobody is asked, nothing is held back, and nobody else is told anything.
const FIREFOX_SETTINGS: &str = r#"
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("media.autoplay.blocking_policy", 0);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("toolkit.telemetry.enabled", false);
user_pref("intl.accept_languages", "en-GB, en");
"#;

/// Debian's name for it, and everybody else's.
const FIREFOX: [&str; 2] = ["firefox-esr", "firefox"];

/// A running browser.
pub struct Browser {
    driver: Driver,
    program: Program,
    _profile: TempDir,
}

enum Driver {
    Marionette(Marionette),
    WebDriver(Session),
}

impl Browser {
    /// The system's Firefox ESR.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub fn firefox(place: &Arc<Namespace>, card: &Card, output: &Path) -> Result<Self, Trouble> {
        let profile = profile()?;
        let settings = format!("user_pref(\"marionette.port\", {PORT});\n{FIREFOX_SETTINGS}");
        fs::write(profile.path().join("user.js"), settings).map_err(io("writing Firefox's settings"))?;
        let mut command = place.command(FIREFOX.into_iter().find(|name| is_installed(name)).unwrap_or(FIREFOX[0]));
        command.args(["--headless", "--no-remote", "--marionette", "--profile"]).arg(profile.path());
        let mut program = start(&mut command, &profile, card, &output.join("firefox.log"))?;
        let stream = wait::until("Firefox", START_LIMIT, || reached(place, &mut program), String::new)?;
        Ok(Self { driver: Driver::Marionette(Marionette::begin(stream)?), program, _profile: profile })
    }

    /// The system's Chromium.
    ///
    /// # Errors
    /// When it or its driver is not installed or does not come up.
    pub fn chromium(place: &Arc<Namespace>, card: &Card, output: &Path) -> Result<Self, Trouble> {
        let profile = profile()?;
        let mut command = place.command("chromedriver");
        command.arg(format!("--port={PORT}"));
        let mut program = start(&mut command, &profile, card, &output.join("chromium.log"))?;
        wait::until("Chromium's driver", START_LIMIT, || reached(place, &mut program), String::new)?;
        let reach = {
            let place = Arc::clone(place);
            move || place.within(|| connect(address()))?
        };
        let session = Session::with(Box::new(reach), &chromium_capabilities(profile.path()))?;
        Ok(Self { driver: Driver::WebDriver(session), program, _profile: profile })
    }

    /// Opens a page of ours.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn open(&self, url: &str) -> Result<(), Trouble> {
        match &self.driver {
            Driver::Marionette(session) => session.open(url)?,
            Driver::WebDriver(session) => session.open(url)?,
        }
        self.run(TAP, &[]).map(drop)
    }

    /// Waits for an element by its role and a pattern for its name, and presses it.
    ///
    /// # Errors
    /// When there is none.
    pub fn press(&self, role: &str, pattern: &str) -> Result<(), Trouble> {
        let script = format!(
            "const found = (function () {{ {FIND} }}).apply(null, arguments); found?.click(); return found !== null"
        );
        let arguments = [json!(role), json!(pattern), Value::Null];
        let look = || Ok((self.run(&script, &arguments)? == true).then_some(()));
        wait::until(&format!("{role} {pattern}"), LIMIT, look, || self.words())
    }

    /// Waits for a field by a pattern for its name, and writes into it.
    ///
    /// # Errors
    /// When there is none.
    pub fn write(&self, pattern: &str, text: &str) -> Result<(), Trouble> {
        let script = format!(
            "const found = (function () {{ {FIND} }}).apply(null, arguments); if (found === null) return false; \
             found.value = arguments[3]; found.dispatchEvent(new Event('input', {{ bubbles: true }})); return true"
        );
        let arguments = [json!("textbox"), json!(pattern), Value::Null, json!(text)];
        let look = || Ok((self.run(&script, &arguments)? == true).then_some(()));
        wait::until(&format!("a field {pattern}"), LIMIT, look, || self.words())
    }

    /// Waits until the page shows these words.
    ///
    /// # Errors
    /// When it does not.
    pub fn reads(&self, words: &str) -> Result<(), Trouble> {
        let look = || Ok(self.words().contains(words).then_some(()));
        wait::until(words, LIMIT, look, || self.words())
    }

    /// Waits until what leaves the page is as loud as speech.
    ///
    /// # Errors
    /// When it stays silent.
    pub fn hears(&self) -> Result<(), Trouble> {
        const SPEECH_DB: f64 = -50.0;
        let level = || self.run("return window.heard.level()", &[]);
        let look = || Ok(level()?.as_f64().is_some_and(|db| db > SPEECH_DB).then_some(()));
        let seen = || format!("{:?} dB; {}; {}", level(), self.connections(), self.words());
        wait::until("a voice in the browser", LIMIT, look, seen)
    }

    /// What the page says at the moment.
    pub fn words(&self) -> String {
        let words = self.run("return document.body.innerText", &[]);
        words.map_or_else(|error| error.to_string(), |words| words.as_str().unwrap_or_default().to_owned())
    }

    /// Of each peer connection, how it stands.
    pub fn connections(&self) -> String {
        let states = self.run("return window.heard.connections.map((one) => one.iceConnectionState)", &[]);
        states.map_or_else(|error| error.to_string(), |states| states.to_string())
    }

    /// That it has not ended.
    ///
    /// # Errors
    /// When it has.
    pub fn still_runs(&mut self) -> Result<(), Trouble> {
        self.program.still_runs()
    }

    fn run(&self, script: &str, arguments: &[Value]) -> Result<Value, Trouble> {
        match &self.driver {
            Driver::Marionette(session) => session.run(script, arguments),
            Driver::WebDriver(session) => session.run(script, arguments),
        }
    }
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn profile() -> Result<TempDir, Trouble> {
    tempfile::tempdir().map_err(io("making a profile for a browser"))
}

fn start(command: &mut Command, profile: &TempDir, card: &Card, log: &Path) -> Result<Program, Trouble> {
    command.env("HOME", profile.path()).env("PULSE_SERVER", card.server());
    for key in ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        command.env_remove(key);
    }
    Program::start(command, Stdio::null(), log)
}

fn address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))
}

fn reached(place: &Namespace, program: &mut Program) -> Result<Option<std::net::TcpStream>, Trouble> {
    program.still_runs()?;
    Ok(place.within(|| connect(address()))?.ok())
}

/// No sandbox, because root has none and the page is ours; addresses in the open, because nobody resolves mDNS names
/// here; nobody but the small Internet either, because its start would wait for answers.
fn chromium_capabilities(profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.join("profile").display());
    json!({
        "browserName": "chrome",
        "acceptInsecureCerts": true,
        "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": [
            "--headless=new",
            "--no-sandbox",
            "--lang=en-GB",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            "--disable-features=WebRtcHideLocalIpsWithMdns",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 203.0.*",
            profile,
        ] },
    })
}
