//! Sound cards that are not there: a private PulseAudio daemon whose "microphones" play what a test feeds them and
//! whose "loudspeakers" can be recorded.
//!
//! A card is two null sinks. What is played into the mouth comes out of the microphone, a source remapped from the
//! mouth's monitor so that programs see an ordinary microphone and not a monitor. What a program plays to the
//! loudspeaker is recorded from that sink's monitor.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Trouble,
    error::io,
    program::{Program, run},
    recording::{Recording, SAMPLES_PER_SECOND, from_i16},
    wait,
};

const SERVER_START_LIMIT: Duration = Duration::from_secs(15);
/// What recorders ask of the server; smaller brings more wake-ups and no better timing.
const RECORDER_LATENCY_MS: u32 = 5;
/// So much is always ahead of the mouth: a player that gets no processor time for a moment leaves no gap in a sentence.
const PLAYER_LATENCY_MS: u32 = 500;

/// A private sound server. Ends with the value.
pub struct SoundServer {
    program: Program,
    folder: TempDir,
    output: PathBuf,
}

impl SoundServer {
    /// Starts a server without any card; logs go to `output`.
    ///
    /// # Errors
    /// When pulseaudio is missing or does not come up.
    pub fn start(output: &Path) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("making a folder for the sound server"))?;
        let mut command = Command::new("pulseaudio");
        command.args(["-n", "--system=false", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]);
        // A sound card does not wait for compilers. Where the rights for precedence lack, the server goes on without.
        command.args(["--realtime=yes", "--high-priority=yes"]);
        // Shared memory needs a /dev/shm that a container may not have.
        command.args(["--disable-shm=yes", "--log-level=notice"]);
        let socket = folder.path().join("native");
        command.arg("-L").arg(format!("module-native-protocol-unix auth-anonymous=1 socket={}", socket.display()));
        for key in ["PULSE_RUNTIME_PATH", "PULSE_STATE_PATH", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "HOME"] {
            command.env(key, folder.path());
        }
        command.env_remove("PULSE_SERVER").env_remove("DISPLAY");
        let name = folder.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let log = output.join(format!("sound-server-{}.log", name.trim_start_matches(".tmp")));
        let program = Program::start(&command, Stdio::null(), &log)?;
        let mut server = Self { program, folder, output: output.to_owned() };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    fn wait_until_it_answers(&mut self) -> Result<(), Trouble> {
        let address = self.address();
        let program = &mut self.program;
        let answers = || {
            program.still_runs()?;
            Ok(pactl(&address, &["info"]).is_ok().then_some(()))
        };
        wait::until("the sound server", SERVER_START_LIMIT, answers, String::new)
    }

    /// For the environment variable `PULSE_SERVER`.
    pub fn address(&self) -> String {
        format!("unix:{}", self.folder.path().join("native").display())
    }

    /// Adds somebody's microphone and loudspeaker. The first card's are the server's defaults.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn add_card(&self, owner: &str) -> Result<Card, Trouble> {
        self.add_card_with(owner, 1)
    }

    /// The same with a microphone of two channels.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn add_stereo_card(&self, owner: &str) -> Result<Card, Trouble> {
        self.add_card_with(owner, 2)
    }

    fn add_card_with(&self, owner: &str, microphone_channels: u32) -> Result<Card, Trouble> {
        let address = self.address();
        let first = pactl_json(&address, "sinks")?.as_array().is_none_or(Vec::is_empty);
        let mouth = format!("{owner}-mouth");
        let card = Card {
            address,
            microphone: format!("{owner}-microphone"),
            loudspeaker: format!("{owner}-loudspeaker"),
            mouth,
            output: self.output.clone(),
        };
        card.load_sink(&card.mouth, microphone_channels)?;
        card.load_sink(&card.loudspeaker, 2)?;
        card.pactl(&[
            "load-module",
            "module-remap-source",
            &format!("master={}.monitor", card.mouth),
            &format!("source_name={}", card.microphone),
            &format!("source_properties=device.description={}", card.microphone),
        ])?;
        if first {
            card.pactl(&["set-default-sink", &card.loudspeaker])?;
            card.pactl(&["set-default-source", &card.microphone])?;
        }
        Ok(card)
    }
}

/// Somebody's microphone and loudspeaker.
#[derive(Clone, Debug)]
pub struct Card {
    address: String,
    /// The microphone's name, as programs see it.
    pub microphone: String,
    /// The loudspeaker's name, as programs see it.
    pub loudspeaker: String,
    mouth: String,
    output: PathBuf,
}

impl Card {
    /// For the environment variable `PULSE_SERVER`.
    pub fn server(&self) -> &str {
        &self.address
    }

    /// Says what is in a WAV file into the microphone. Returns at once.
    ///
    /// # Errors
    /// When paplay cannot be started.
    pub fn speak(&self, wav: &Path) -> Result<Speaking, Trouble> {
        self.play(wav, &self.mouth)
    }

    /// Plays a WAV file to the loudspeaker, as any program would. Returns at once.
    ///
    /// # Errors
    /// When paplay cannot be started.
    pub fn play_to_loudspeaker(&self, wav: &Path) -> Result<Speaking, Trouble> {
        self.play(wav, &self.loudspeaker)
    }

    fn play(&self, wav: &Path, sink: &str) -> Result<Speaking, Trouble> {
        let mut command = Command::new("paplay");
        command.env("PULSE_SERVER", &self.address).arg(format!("--device={sink}"));
        command.arg(format!("--latency-msec={PLAYER_LATENCY_MS}")).arg(wav);
        Program::start(&command, Stdio::null(), &self.output.join(format!("paplay-{sink}.log"))).map(Speaking)
    }

    /// Records what the loudspeaker plays, from now on.
    ///
    /// # Errors
    /// When parec cannot be started.
    pub fn listen(&self) -> Result<Recorder, Trouble> {
        self.record(&self.loudspeaker)
    }

    /// Records what is said into the microphone, from now on.
    ///
    /// # Errors
    /// When parec cannot be started.
    pub fn overhear(&self) -> Result<Recorder, Trouble> {
        self.record(&self.mouth)
    }

    /// Carries sound from the microphone straight to the loudspeaker, as a program without any work to do would: what
    /// remains is the delay of the cards themselves.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn short_circuit(&self, latency_ms: u32) -> Result<Program, Trouble> {
        let raw = "--raw --format=s16le --rate=48000 --channels=1";
        let pipe = format!(
            "parec --device={} {raw} --latency-msec={latency_ms} | pacat --playback --device={} {raw} --latency-msec={latency_ms}",
            self.microphone, self.loudspeaker
        );
        let mut command = Command::new("sh");
        command.args(["-c", &pipe]).env("PULSE_SERVER", &self.address);
        Program::start(&command, Stdio::null(), &self.output.join("short-circuit.log"))
    }

    /// How many programs have the microphone open.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn open_captures(&self) -> Result<usize, Trouble> {
        self.streams("sources", &self.microphone, "source-outputs", "source")
    }

    /// How many programs have the loudspeaker open.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn open_playbacks(&self) -> Result<usize, Trouble> {
        self.streams("sinks", &self.loudspeaker, "sink-inputs", "sink")
    }

    fn streams(&self, devices: &str, name: &str, streams: &str, field: &str) -> Result<usize, Trouble> {
        let devices = pactl_json(&self.address, devices)?;
        let device = array(&devices).iter().find(|device| device["name"] == name);
        let index = device.map(|device| device["index"].clone());
        let index = index.ok_or_else(|| Trouble::Unexpected(format!("the sound server has no {name}")))?;
        let streams = pactl_json(&self.address, streams)?;
        Ok(array(&streams).iter().filter(|stream| stream[field] == index).count())
    }

    fn record(&self, sink: &str) -> Result<Recorder, Trouble> {
        let mut command = Command::new("parec");
        command.env("PULSE_SERVER", &self.address).arg(format!("--device={sink}.monitor"));
        command.args(["--raw", "--format=s16le", "--channels=1"]);
        command.arg(format!("--rate={SAMPLES_PER_SECOND}")).arg(format!("--latency-msec={RECORDER_LATENCY_MS}"));
        Recorder::start(&command, &self.output.join(format!("parec-{sink}.log")))
    }

    fn load_sink(&self, name: &str, channels: u32) -> Result<(), Trouble> {
        self.pactl(&[
            "load-module",
            "module-null-sink",
            &format!("sink_name={name}"),
            &format!("rate={SAMPLES_PER_SECOND}"),
            &format!("channels={channels}"),
            // Otherwise a sink that nobody uses sleeps up to two seconds, and the first stream waits for it.
            "norewinds=1",
            &format!("sink_properties=device.description={name}"),
        ])
    }

    fn pactl(&self, arguments: &[&str]) -> Result<(), Trouble> {
        pactl(&self.address, arguments).map(|_| ())
    }
}

fn pactl(address: &str, arguments: &[&str]) -> Result<Vec<u8>, Trouble> {
    run(Command::new("pactl").env("PULSE_SERVER", address).args(arguments))
}

fn pactl_json(address: &str, what: &str) -> Result<Value, Trouble> {
    let text = pactl(address, &["--format=json", "list", what])?;
    serde_json::from_slice(&text).map_err(|error| Trouble::Unexpected(format!("pactl list {what}: {error}")))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A sound file being played.
pub struct Speaking(Program);

impl Speaking {
    /// Waits until all of it was played.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn until_done(mut self, limit: Duration) -> Result<(), Trouble> {
        self.0.wait(limit).map(|_| ())
    }
}

/// A recording that goes on until it is finished or dropped.
pub struct Recorder {
    heard: Arc<Mutex<Heard>>,
    program: Program,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    samples: Vec<f32>,
    began: Option<Instant>,
}

impl Recorder {
    fn start(command: &Command, log: &Path) -> Result<Self, Trouble> {
        let mut program = Program::start(command, Stdio::piped(), log)?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let stdout = program.take_stdout().ok_or_else(|| Trouble::Unexpected("parec has no output".to_owned()))?;
        let reader = std::thread::spawn({
            let heard = Arc::clone(&heard);
            move || keep(stdout, &heard)
        });
        let mut recorder = Self { heard, program, reader: Some(reader) };
        recorder.wait_for_sound_of_any_kind()?;
        Ok(recorder)
    }

    /// Silence counts: it shows that the recording has begun.
    fn wait_for_sound_of_any_kind(&mut self) -> Result<(), Trouble> {
        let (heard, program) = (&self.heard, &mut self.program);
        let begun = || {
            program.still_runs()?;
            Ok(lock(heard).began.map(|_| ()))
        };
        wait::until("the first recorded samples", SERVER_START_LIMIT, begun, String::new)
    }

    /// What was heard until now.
    pub fn so_far(&self) -> Recording {
        let heard = lock(&self.heard);
        Recording { samples: heard.samples.clone(), began: heard.began.unwrap_or_else(Instant::now) }
    }

    /// Ends the recording.
    pub fn finish(mut self) -> Recording {
        self.program.interrupt();
        if let Some(reader) = self.reader.take() {
            // It ends with parec; a panic in it has been printed by then.
            let _ = reader.join();
        }
        self.so_far()
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The least delayed chunk tells best when the recording began: delays only ever add.
fn keep(mut stdout: impl Read, heard: &Mutex<Heard>) {
    let mut bytes = [0; 4_096];
    let mut odd: Option<u8> = None;
    while let Ok(length @ 1..) = stdout.read(&mut bytes) {
        let now = Instant::now();
        let mut heard = lock(heard);
        for byte in &bytes[..length] {
            match odd.take() {
                Some(low) => heard.samples.push(from_i16(i16::from_le_bytes([low, *byte]))),
                None => odd = Some(*byte),
            }
        }
        let length = Duration::from_secs_f64(heard.samples.len() as f64 / f64::from(SAMPLES_PER_SECOND));
        let began = now.checked_sub(length).unwrap_or(now);
        heard.began = Some(heard.began.map_or(began, |earlier| earlier.min(began)));
    }
}
