//! A pair of Chromium with a plain page: `RTCPeerConnection`, a microphone, an `<audio>`.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use serambi_tests::{
    Trouble,
    datagram::Wrapping,
    error::io,
    network::Place,
    program::Program,
    sound_server::Card,
    wait,
    webdriver::{Session, connect},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Call, Stage};

/// Each driver has a loopback interface of its own.
const PORT: u16 = 9_515;
const LIMIT: Duration = Duration::from_secs(30);
const PAGE: &str = include_str!("pair.html");

struct Pair {
    ends: [End; 2],
    tag_bytes: usize,
}

struct End {
    session: Session,
    driver: Program,
    _profile: TempDir,
}

pub fn start(stage: &Stage<'_>) -> Result<Box<dyn Call>, Trouble> {
    let page = stage.output.join("pair.html");
    fs::write(&page, PAGE).map_err(io("writing a page"))?;
    let speaker = End::open("speaker", &stage.network.here, stage.speaker, &page, stage.output)?;
    let listener = End::open("listener", &stage.network.there, stage.listener, &page, stage.output)?;
    let offered = speaker.ask("offer()", &[])?;
    let answered = listener.ask("answer(arguments[0])", &[offered])?;
    speaker.ask("accept(arguments[0])", &[answered])?;
    let connected =
        || Ok((speaker.session.run("return connection.connectionState", &[])? == "connected").then_some(()));
    wait::until("a connected pair", LIMIT, connected, String::new)?;
    let tag_bytes = tag_bytes(&speaker.ask("cipher()", &[])?)?;
    Ok(Box::new(Pair { ends: [speaker, listener], tag_bytes }))
}

/// Of the authentication tags, by the cipher's name (RFC 5764 section 4.1.2, RFC 7714 section 12).
fn tag_bytes(cipher: &Value) -> Result<usize, Trouble> {
    match cipher.as_str().unwrap_or_default() {
        name if name.ends_with("HMAC_SHA1_80") => Ok(10),
        name if name.contains("AEAD") => Ok(16),
        other => Err(Trouble::Unexpected(format!("an unknown cipher {other:?}"))),
    }
}

impl End {
    fn open(name: &str, place: &Arc<Place>, card: &Card, page: &Path, output: &Path) -> Result<Self, Trouble> {
        let profile = tempfile::tempdir().map_err(io("making a profile for Chromium"))?;
        let mut command = place.command("chromedriver");
        command.arg(format!("--port={PORT}")).env("PULSE_SERVER", card.server()).env("HOME", profile.path());
        for key in ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"] {
            command.env_remove(key);
        }
        let mut driver = Program::start(&command, Stdio::null(), &output.join(format!("chromium-{name}.log")))?;
        let reach = {
            let place = Arc::clone(place);
            move || place.within(|| connect(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))))?
        };
        let listening = || {
            driver.still_runs()?;
            Ok(reach().ok().map(|_| ()))
        };
        wait::until("Chromium's driver", LIMIT, listening, String::new)?;
        let session = Session::with(Box::new(reach), &capabilities(profile.path()))?;
        session.open(&format!("file://{}", page.display()))?;
        Ok(Self { session, driver, _profile: profile })
    }

    /// Calls a function of the page that gives a promise, and waits for what it promises.
    fn ask(&self, call: &str, arguments: &[Value]) -> Result<Value, Trouble> {
        let script = format!("tell({call}, arguments[arguments.length - 1])");
        let value = self.session.run_until_called(&script, arguments)?;
        match value["error"].as_str() {
            Some(error) => Err(Trouble::Unexpected(format!("{call}: {error}"))),
            None => Ok(value),
        }
    }
}

/// No sandbox, because root has none and the page is ours; addresses in the open, because nobody resolves mDNS names
/// here; no other names either, because its start would wait for answers.
fn capabilities(profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.join("profile").display());
    json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": [
            "--headless=new",
            "--no-sandbox",
            "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            "--disable-features=WebRtcHideLocalIpsWithMdns",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            profile,
        ] },
    })
}

impl Call for Pair {
    fn still_runs(&mut self) -> Result<(), Trouble> {
        self.ends.iter_mut().try_for_each(|end| end.driver.still_runs())
    }

    fn wrapping(&self) -> Wrapping {
        Wrapping::Srtp { tag_bytes: self.tag_bytes }
    }
}
