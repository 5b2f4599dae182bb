//! Somebody's microphone and loudspeaker: what is said into the one, what the other plays, and who has them open.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;

use super::{Client, Ear, Recorder};
use crate::{
    Trouble,
    error::io,
    program::Program,
    recording::{SAMPLES_PER_SECOND, write_channels},
};

/// So much is always ahead of the mouth: a player that gets no processor time for a moment leaves no gap in a sentence.
const PLAYER_LATENCY_MS: u32 = 500;

/// The same for a tone, which may have a gap and is to be heard soon.
const HUM_LATENCY_MS: u32 = 200;

/// Length and pitch of a tone: longer than any test, 400 Hz.
const HUM_SECONDS: u32 = 120;
const HUM_PERIOD_SAMPLES: f32 = 120.0;

/// Somebody's microphone and loudspeaker.
#[derive(Clone, Debug)]
pub struct Card {
    pub(super) owner: String,
    /// The microphone's name, as programs see it.
    pub microphone: String,
    /// The loudspeaker's name, as programs see it.
    pub loudspeaker: String,
    mouth: String,
    microphone_channels: u8,
    pub(super) client: Client,
    output: PathBuf,
}

impl Card {
    pub(super) fn new(owner: &str, microphone_channels: u8, client: Client, output: &Path) -> Self {
        Self {
            owner: owner.to_owned(),
            microphone: format!("{owner}-microphone"),
            loudspeaker: format!("{owner}-loudspeaker"),
            mouth: format!("{owner}-mouth"),
            microphone_channels,
            client,
            output: output.to_owned(),
        }
    }

    /// The modules that make a card; its loudspeaker comes first and so is the server's default where nobody has chosen
    /// one.
    pub(super) fn modules(&self) -> [String; 3] {
        let sink = |name: &str, channels: u8| {
            // Otherwise a sink that nobody uses sleeps up to two seconds, and the first stream waits for it.
            format!(
                "module-null-sink sink_name={name} rate={SAMPLES_PER_SECOND} channels={channels} norewinds=1 \
                 sink_properties=device.description={name}"
            )
        };
        let (mouth, microphone) = (&self.mouth, &self.microphone);
        [
            sink(&self.loudspeaker, 2),
            sink(mouth, self.microphone_channels),
            format!(
                "module-remap-source source_name={microphone} master={mouth}.monitor \
                 source_properties=device.description={microphone}"
            ),
        ]
    }

    /// The numbers of its modules, the last one first.
    pub(super) fn loaded_modules(&self) -> Result<Vec<String>, Trouble> {
        let listed = self.client.pactl(&["list", "short", "modules"])?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let of_card = listed.lines().rev().filter(|line| line.contains(&format!("_name={}-", self.owner)));
        let modules: Vec<String> = of_card.filter_map(|line| line.split('\t').next()).map(str::to_owned).collect();
        if modules.len() == self.modules().len() { Ok(modules) } else { Err(Trouble::Unexpected(listed)) }
    }

    /// For the environment variable `PULSE_SERVER`.
    pub fn server(&self) -> &str {
        &self.client.address
    }

    /// Says what is in a WAV file into the microphone. Returns at once.
    ///
    /// # Errors
    /// When paplay cannot be started.
    pub fn speak(&self, wav: &Path) -> Result<Speaking, Trouble> {
        self.play(wav, &self.mouth, PLAYER_LATENCY_MS)
    }

    /// Plays a WAV file to the loudspeaker, as any program would. Returns at once.
    ///
    /// # Errors
    /// When paplay cannot be started.
    pub fn play_to_loudspeaker(&self, wav: &Path) -> Result<Speaking, Trouble> {
        self.play(wav, &self.loudspeaker, PLAYER_LATENCY_MS)
    }

    /// Plays a tone of 400 Hz into the microphone, with a peak for each of its channels, until the value is dropped.
    ///
    /// # Errors
    /// When paplay cannot be started.
    pub fn hum(&self, peaks: &[f32]) -> Result<Speaking, Trouble> {
        let tone = |peak: &f32| {
            let sample = |n: u32| peak * (n as f32 * std::f32::consts::TAU / HUM_PERIOD_SAMPLES).sin();
            (0..SAMPLES_PER_SECOND * HUM_SECONDS).map(sample).collect::<Vec<f32>>()
        };
        let channels: Vec<Vec<f32>> = peaks.iter().map(tone).collect();
        let wav = self.output.join(format!("hum-{}.wav", self.owner));
        write_channels(&wav, &channels.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        self.play(&wav, &self.mouth, HUM_LATENCY_MS)
    }

    fn play(&self, wav: &Path, sink: &str, latency_ms: u32) -> Result<Speaking, Trouble> {
        let mut command = self.client.command("paplay");
        command.arg(format!("--device={sink}")).arg(format!("--latency-msec={latency_ms}")).arg(wav);
        Program::start(&command, Stdio::null(), &self.output.join(format!("paplay-{sink}.log"))).map(Speaking)
    }

    /// Records what the loudspeaker plays, from now on.
    ///
    /// # Errors
    /// When parec cannot be started.
    pub fn listen(&self) -> Result<Recorder, Trouble> {
        Recorder::start(&self.client, &self.loudspeaker, &self.output)
    }

    /// Records what is said into the microphone, from now on.
    ///
    /// # Errors
    /// When parec cannot be started.
    pub fn overhear(&self) -> Result<Recorder, Trouble> {
        Recorder::start(&self.client, &self.mouth, &self.output)
    }

    /// Notes from now on when the loudspeaker plays something loud.
    ///
    /// # Errors
    /// When parec cannot be started.
    pub fn ear(&self) -> Result<Ear, Trouble> {
        Ear::start(&self.client, &self.loudspeaker, &self.output)
    }

    /// What the loudspeaker plays left and right for a second from now.
    ///
    /// # Errors
    /// When parec cannot be started or ends early.
    pub fn heard_in_a_second(&self) -> Result<[Vec<f32>; 2], Trouble> {
        let command = self.client.parec(&format!("{}.monitor", self.loudspeaker), "float32le", 2, 20);
        let mut program = Program::start(&command, Stdio::piped(), &self.output.join("parec-stereo.log"))?;
        let mut bytes = vec![0_u8; SAMPLES_PER_SECOND as usize * 2 * 4];
        if let Some(mut sound) = program.take_stdout() {
            sound.read_exact(&mut bytes).map_err(io("recording a second"))?;
        }
        let samples: Vec<f32> = bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect();
        Ok([0, 1].map(|channel| samples.iter().skip(channel).step_by(2).copied().collect()))
    }

    /// Carries sound from the microphone straight to the loudspeaker, as a program without any work to do would: what
    /// remains is the delay of the cards themselves.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn short_circuit(&self, latency_ms: u32) -> Result<Program, Trouble> {
        let raw = format!("--raw --format=s16le --rate=48000 --channels=1 --latency-msec={latency_ms}");
        let (microphone, loudspeaker) = (&self.microphone, &self.loudspeaker);
        let pipe = format!("parec --device={microphone} {raw} | pacat --playback --device={loudspeaker} {raw}");
        let mut command = self.client.command("sh");
        command.args(["-c", &pipe]);
        Program::start(&command, Stdio::null(), &self.output.join("short-circuit.log"))
    }

    /// A suspended microphone is there and delivers nothing.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn suspend_microphone(&self, suspended: bool) -> Result<(), Trouble> {
        self.suspend("source", &self.microphone, suspended)
    }

    /// A suspended loudspeaker is there and takes nothing.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn suspend_loudspeaker(&self, suspended: bool) -> Result<(), Trouble> {
        self.suspend("sink", &self.loudspeaker, suspended)
    }

    fn suspend(&self, kind: &str, device: &str, suspended: bool) -> Result<(), Trouble> {
        let suspended = if suspended { "1" } else { "0" };
        self.client.pactl(&[&format!("suspend-{kind}"), device, suspended]).map(drop)
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

    /// A device that is not there has no streams.
    fn streams(&self, devices: &str, name: &str, streams: &str, field: &str) -> Result<usize, Trouble> {
        let devices = self.list(devices)?;
        let Some(device) = array(&devices).iter().find(|device| device["name"] == name) else { return Ok(0) };
        let streams = self.list(streams)?;
        Ok(array(&streams).iter().filter(|stream| stream[field] == device["index"]).count())
    }

    fn list(&self, what: &str) -> Result<Value, Trouble> {
        let text = self.client.pactl(&["--format=json", "list", what])?;
        serde_json::from_slice(&text).map_err(|error| Trouble::Unexpected(format!("pactl list {what}: {error}")))
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A sound file being played. Ends with the value.
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
