//! A house in which somebody talks all the time, and whoever comes to listen: what a test of reach begins with.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Trouble,
    error::io,
    namespace::Namespace,
    peer::Peer,
    places,
    program::Program,
    recording::write_wav,
    speech::{self, PORCH},
    wait,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than any of these stories.
const TALK_SECONDS: usize = 240;
/// What the host does (`--do`).
const SCRIPT: &str = "on joined unmute; on hand_raised invite-first";
/// Packets that are not there by chance: a second of voice.
const MANY: u64 = 50;

/// A house somewhere, a room in it, and somebody who talks there all the time.
pub struct TalkingHouse {
    house: Program,
    /// The link to the room.
    pub link: String,
    /// The host, who talks.
    pub speaker: Peer,
    _folders: [TempDir; 2],
}

impl TalkingHouse {
    /// Opens it with these words for `serambi-house`.
    ///
    /// # Errors
    /// When a program does not start or the room does not come up.
    pub fn open(place: &Namespace, arguments: &[&str], output: &Path) -> Result<Self, Trouble> {
        let talk = talk("en-us+f3", PORCH, output)?;
        Self::start(place, arguments, &["--microphone", &talk.to_string_lossy(), "--do", SCRIPT], output)
    }

    /// The same with more words for the host's `serambi-peer`.
    ///
    /// # Errors
    /// As [`TalkingHouse::open`].
    pub fn open_with_host(
        place: &Namespace,
        arguments: &[&str],
        words: &[&str],
        output: &Path,
    ) -> Result<Self, Trouble> {
        let talk = talk("en-us+f3", PORCH, output)?;
        let usual = ["--microphone", &talk.to_string_lossy(), "--do", SCRIPT];
        Self::start(place, arguments, &[&usual, words].concat(), output)
    }

    /// The same with what the host says again and again, and does (`--do`).
    ///
    /// # Errors
    /// As [`TalkingHouse::open`].
    pub fn open_with(
        place: &Namespace,
        arguments: &[&str],
        talk: &Path,
        script: &str,
        output: &Path,
    ) -> Result<Self, Trouble> {
        Self::start(place, arguments, &["--microphone", &talk.to_string_lossy(), "--do", script], output)
    }

    fn start(place: &Namespace, arguments: &[&str], words: &[&str], output: &Path) -> Result<Self, Trouble> {
        let folders = [temporary()?, temporary()?];
        let mut command = place.command(places::program("serambi-house")?);
        command.arg("--folder").arg(folders[0].path()).arg("--no-discovery").args(arguments);
        command.env("SERAMBI_LOG", "info");
        let mut house = Program::start(&command, Stdio::piped(), &output.join("house.log"))?;
        let link = first_line(&mut house)?;
        let host = [&["host", "--house", &link, "--loudspeaker", "none"], words].concat();
        let peer = place.command(places::program("serambi-peer")?);
        let mut speaker = Peer::start_in(peer, "Ani", folders[1].path(), &host, output)?;
        let joined = speaker.event("joined", LIMIT)?;
        let link = joined["link"].as_str().unwrap_or_default().to_owned();
        speaker.event("unmuted", LIMIT)?;
        Ok(Self { house, link, speaker, _folders: folders })
    }

    /// The link with this address alone.
    pub fn link_at(&self, address: &str) -> String {
        let (_, rest) = self.link.split_once("://").and_then(|(_, rest)| rest.split_once('/')).unwrap_or_default();
        let pin = rest.split_once("pin=").and_then(|(_, pin)| pin.split('&').next()).unwrap_or_default();
        format!("serambi://{address}/{}?pin={pin}", rest.split('?').next().unwrap_or_default())
    }

    /// The process of the house.
    pub fn house_id(&self) -> u32 {
        self.house.id()
    }

    /// Asks the house to close, and waits until it has.
    ///
    /// # Errors
    /// When it does not end.
    pub fn close(&mut self) -> Result<(), Trouble> {
        self.house.interrupt();
        self.house.wait(LIMIT).map(drop)
    }

    /// That nothing of it has ended.
    ///
    /// # Errors
    /// When something has, with the end of its log.
    pub fn still_runs(&mut self) -> Result<(), Trouble> {
        self.house.still_runs()?;
        self.speaker.still_runs()
    }
}

/// The first line that a program says: a house's link.
///
/// # Errors
/// When nothing can be read.
pub fn first_line(program: &mut Program) -> Result<String, Trouble> {
    let stdout = program.take_stdout().ok_or_else(|| Trouble::Unexpected("its output is taken".to_owned()))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(io("reading a link"))?;
    Ok(line.trim().to_owned())
}

fn temporary() -> Result<TempDir, Trouble> {
    tempfile::tempdir().map_err(io("making a folder"))
}

/// A file of somebody who says the same again and again.
///
/// # Errors
/// When it cannot be made.
pub fn talk(voice: &str, text: &str, output: &Path) -> Result<PathBuf, Trouble> {
    let sentence = speech::say(voice, text)?.samples;
    let path = output.join(format!("talk-{voice}.wav"));
    let samples: Vec<f32> = sentence.iter().copied().cycle().take(TALK_SECONDS * 48_000).collect();
    write_wav(&path, &samples)?;
    Ok(path)
}

/// Somebody who comes to listen.
pub struct Listener {
    /// The person.
    pub peer: Peer,
    _folder: TempDir,
}

impl Listener {
    /// Opens the link.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn join(place: &Namespace, link: &str, output: &Path) -> Result<Self, Trouble> {
        Self::join_as("Budi", place, link, output)
    }

    /// The same with a name, where there are several.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn join_as(name: &str, place: &Namespace, link: &str, output: &Path) -> Result<Self, Trouble> {
        Self::join_with(name, &[], place, link, output)
    }

    /// The same with more words for `serambi-peer`; without devices among them there are none.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn join_with(
        name: &str,
        words: &[&str],
        place: &Namespace,
        link: &str,
        output: &Path,
    ) -> Result<Self, Trouble> {
        let folder = temporary()?;
        let devices = ["--microphone", "--loudspeaker"].into_iter().filter(|device| !words.contains(device));
        let devices: Vec<&str> = devices.flat_map(|device| [device, "none"]).collect();
        let arguments = [&["join", link], &devices[..], words].concat();
        let command = place.command(places::program("serambi-peer")?);
        let peer = Peer::start_in(command, name, folder.path(), &arguments, output)?;
        Ok(Self { peer, _folder: folder })
    }

    /// Waits until it says for the first time that its connection stands like this, and gives all that it says of it.
    ///
    /// # Errors
    /// When it does not say so.
    pub fn reads(&mut self, state: &str) -> Result<Value, Trouble> {
        self.peer.wait_for(state, LIMIT, |line| line["event"] == "connection" && line["state"] == state)
    }

    /// Waits until what it said last of its connection is this.
    ///
    /// # Errors
    /// When it stays otherwise.
    pub fn reads_at_last(&self, state: &str) -> Result<(), Trouble> {
        let last = || self.peer.said().into_iter().rfind(|line| line["event"] == "connection").unwrap_or_default();
        let look = || Ok((last()["state"] == state).then_some(()));
        wait::until(state, LIMIT, look, || last().to_string())
    }

    /// What it said last of its figures.
    pub fn statistic(&self, name: &str) -> Value {
        let said = self.peer.said();
        let newest = said.iter().rev().find(|line| line["event"] == "statistics");
        newest.map(|line| line[name].clone()).unwrap_or_default()
    }

    fn packets(&self) -> u64 {
        self.statistic("packets_received").as_u64().unwrap_or_default()
    }

    /// Waits for a second more of voice than there is now.
    ///
    /// # Errors
    /// When it does not come.
    pub fn hears_more(&self) -> Result<(), Trouble> {
        let before = self.packets();
        let look = || Ok((self.packets() >= before + MANY).then_some(()));
        wait::until("more of the voice", LIMIT, look, || self.last_words())
    }

    /// Waits until a figure is this.
    ///
    /// # Errors
    /// When it does not become so.
    pub fn becomes(&self, name: &str, wanted: &Value) -> Result<(), Trouble> {
        let look = || Ok((self.statistic(name) == *wanted).then_some(()));
        wait::until(&format!("{name} {wanted}"), LIMIT, look, || self.last_words())
    }

    fn last_words(&self) -> String {
        self.peer.said().iter().rev().take(3).map(|line| format!("{line}\n")).collect()
    }
}
