//! A private PulseAudio server whose cards can be plugged in, pulled out and silenced, and which can be killed, frozen
//! and started again with the cards it had.
//!
//! A card is two null sinks. What is played into the mouth comes out of the microphone, a source remapped from the
//! mouth's monitor so that programs see an ordinary microphone and not a monitor. What a program plays to the
//! loudspeaker is recorded from that sink's monitor.

mod card;
mod ear;
mod recorder;

pub use card::{Card, Speaking};
pub use ear::Ear;
pub use recorder::Recorder;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Trouble,
    error::io,
    program::{Program, run},
    recording::SAMPLES_PER_SECOND,
    wait,
};

const SERVER_START_LIMIT: Duration = Duration::from_secs(15);

/// For the environment variable `PULSE_SERVER`: the server whose socket lies in `folder`.
pub(crate) fn address(folder: &Path) -> String {
    format!("unix:{}", folder.join("native").display())
}

/// A private sound server. Ends with the value.
pub struct SoundServer {
    program: Option<Program>,
    folder: PathBuf,
    output: PathBuf,
    cards: Mutex<Cards>,
    /// Removed with the server.
    _own_folder: Option<TempDir>,
}

/// The cards that are there, or will be when the server is started, and whose are the server's defaults.
#[derive(Default)]
struct Cards {
    plugged_in: Vec<Card>,
    default: Option<String>,
}

impl SoundServer {
    /// Starts a server without any card; logs go to `output`.
    ///
    /// # Errors
    /// When pulseaudio is missing or does not come up.
    pub fn start(output: &Path) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("making a folder for the sound server"))?;
        let path = folder.path().to_owned();
        let mut server = Self { output: output.to_owned(), _own_folder: Some(folder), ..Self::in_folder(&path) };
        server.boot()?;
        Ok(server)
    }

    /// A server in an existing folder that has not been started; logs go there as well.
    pub fn in_folder(folder: &Path) -> Self {
        let (folder, output) = (folder.to_owned(), folder.to_owned());
        Self { program: None, folder, output, cards: Mutex::default(), _own_folder: None }
    }

    /// Starts the server with the cards it has. When this returns it answers, and its cards are there.
    ///
    /// # Errors
    /// When pulseaudio is missing or does not come up.
    pub fn boot(&mut self) -> Result<(), Trouble> {
        let script = self.folder.join("script");
        std::fs::write(&script, self.script()).map_err(io("writing the sound server's script"))?;
        let mut command = Command::new("pulseaudio");
        command.args(["-n", "--system=false", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]);
        // A sound card does not wait for compilers. Where the rights for precedence lack, the server goes on without.
        command.args(["--realtime=yes", "--high-priority=yes"]);
        // Shared memory needs a /dev/shm that a container may not have.
        command.args(["--disable-shm=yes", "--log-level=notice", "-F"]).arg(&script);
        for key in ["PULSE_RUNTIME_PATH", "PULSE_STATE_PATH", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOME"] {
            command.env(key, &self.folder);
        }
        command.env_remove("PULSE_SERVER").env_remove("DISPLAY");
        let name = self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let log = self.output.join(format!("sound-server-{}.log", name.trim_start_matches(".tmp")));
        let mut program = Program::start(&command, Stdio::null(), &log)?;
        let client = Client { address: self.address(), folder: self.folder.clone() };
        let answers = || {
            program.still_runs()?;
            Ok(client.pactl(&["info"]).ok())
        };
        wait::until("the sound server", SERVER_START_LIMIT, answers, String::new)?;
        self.program = Some(program);
        Ok(())
    }

    /// The socket comes last: a server that answers has its cards.
    fn script(&self) -> String {
        let cards = self.lock();
        let mut script = String::new();
        // Writing to a string does not fail.
        for module in cards.plugged_in.iter().flat_map(Card::modules) {
            let _ = writeln!(script, "load-module {module}");
        }
        if let Some(card) = &cards.default {
            let _ = writeln!(script, "set-default-sink {card}-loudspeaker\nset-default-source {card}-microphone");
        }
        let socket = self.folder.join("native");
        let _ =
            writeln!(script, "load-module module-native-protocol-unix auth-anonymous=1 socket={}", socket.display());
        script
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// Lets the server neither answer nor end.
    pub fn freeze(&self) {
        self.program.iter().for_each(Program::freeze);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.program.iter().for_each(Program::thaw);
    }

    /// For the environment variable `PULSE_SERVER`.
    pub fn address(&self) -> String {
        address(&self.folder)
    }

    /// Adds somebody's microphone and loudspeaker. The first card's are the server's defaults.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn add_card(&self, owner: &str) -> Result<Card, Trouble> {
        self.add_card_with(owner, 1)
    }

    /// Adds a card whose microphone has two channels. The first card is the server's default.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn add_stereo_card(&self, owner: &str) -> Result<Card, Trouble> {
        self.add_card_with(owner, 2)
    }

    fn add_card_with(&self, owner: &str, microphone_channels: u8) -> Result<Card, Trouble> {
        let is_first = self.lock().plugged_in.is_empty();
        let card = self.plug_in(owner, microphone_channels)?;
        if is_first {
            self.make_default(owner)?;
        }
        Ok(card)
    }

    /// A card that is there when the server starts, or from now on. It is nobody's default.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn plug_in(&self, owner: &str, microphone_channels: u8) -> Result<Card, Trouble> {
        let client = Client { address: self.address(), folder: self.folder.clone() };
        let card = Card::new(owner, microphone_channels, client, &self.output);
        if self.program.is_some() {
            for module in card.modules() {
                card.client.pactl(&[&["load-module"], &module.split(' ').collect::<Vec<_>>()[..]].concat())?;
            }
        }
        self.lock().plugged_in.push(card.clone());
        Ok(card)
    }

    /// Takes a card away, the microphone first.
    ///
    /// # Errors
    /// When there is no such card.
    pub fn pull_out(&self, owner: &str) -> Result<(), Trouble> {
        let card = self.card(owner)?;
        self.lock().plugged_in.retain(|other| other.owner != owner);
        for module in card.loaded_modules()? {
            card.client.pactl(&["unload-module", &module])?;
        }
        Ok(())
    }

    /// A loose plug: takes a card away and gives it back within a few 10 ms.
    ///
    /// # Errors
    /// When there is no such card.
    pub fn jolt(&self, owner: &str) -> Result<(), Trouble> {
        let card = self.card(owner)?;
        let away = card.loaded_modules()?.into_iter().map(|module| format!("pactl unload-module {module}"));
        let back = card.modules().into_iter().map(|module| format!("pactl load-module {module}"));
        let script = away.chain(back).collect::<Vec<_>>().join(" && ");
        run(card.client.command("sh").args(["-c", &script])).map(drop)
    }

    /// Makes a card what programs use that have no wish of their own.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn make_default(&self, owner: &str) -> Result<(), Trouble> {
        self.lock().default = Some(owner.to_owned());
        if self.program.is_some() {
            let card = self.card(owner)?;
            card.client.pactl(&["set-default-sink", &card.loudspeaker])?;
            card.client.pactl(&["set-default-source", &card.microphone])?;
        }
        Ok(())
    }

    /// A card that is plugged in.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn card(&self, owner: &str) -> Result<Card, Trouble> {
        let cards = self.lock();
        let card = cards.plugged_in.iter().find(|card| card.owner == owner).cloned();
        card.ok_or_else(|| Trouble::Unexpected(format!("there is no card {owner}")))
    }

    fn lock(&self) -> MutexGuard<'_, Cards> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How programs reach the server.
#[derive(Clone, Debug)]
struct Client {
    address: String,
    folder: PathBuf,
}

impl Client {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // The cookie that a client makes for itself is not for the test to find.
        command.env("PULSE_SERVER", &self.address).env("XDG_CONFIG_HOME", &self.folder);
        command
    }

    fn pactl(&self, arguments: &[&str]) -> Result<Vec<u8>, Trouble> {
        run(self.command("pactl").args(arguments))
    }

    /// Records a device raw, with channels and sample format as said.
    fn parec(&self, device: &str, format: &str, channels: u8, latency_ms: u32) -> Command {
        let mut command = self.command("parec");
        command.arg(format!("--device={device}")).args(["--raw", &format!("--format={format}")]);
        command.arg(format!("--channels={channels}")).arg(format!("--rate={SAMPLES_PER_SECOND}"));
        command.arg(format!("--latency-msec={latency_ms}"));
        command
    }
}
