//! What the sound engine alone costs: processor time of all its threads as a share of one core, as JSON.
//!
//! ```text
//! cargo run --release -p serambi-audio --example engine_cost
//! cargo run --release -p serambi-audio --example engine_cost -- default default
//! cargo run --release -p serambi-audio --example engine_cost -- default default "joined and silent"
//! ```
//!
//! Without arguments nothing of a sound card is in it: the microphone is a file, the loudspeaker a clock. With a
//! microphone and a loudspeaker the cost of their streams is in it as well. A third argument measures only the rows
//! whose name has it in it. Linux: threads are read from `/proc`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serambi_audio::{
    Bytes, DeviceChoice, EncodedFrame, Engine, EngineSettings, LossReport, MicrophoneMode, ReceivedPacket,
    RemoteVoiceId,
};

const SETTLING: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(20);
const FRAME: Duration = Duration::from_millis(20);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("voice.wav");
    write_babble(&file, 10.0)?;
    let turn = folder.path().join("turn.wav");
    write_babble(&turn, 10.0 / 3.0)?;
    let chosen = |index: usize, otherwise: DeviceChoice| match arguments.get(index) {
        Some(text) => text.parse().unwrap_or(otherwise),
        None => otherwise,
    };
    let bench = Bench {
        microphone: chosen(0, DeviceChoice::File(file.clone())),
        loudspeaker: chosen(1, DeviceChoice::Absent),
        voice: Bench::record(DeviceChoice::File(file))?,
        turn: Bench::record(DeviceChoice::File(turn))?,
    };
    let (nobody, three_in_turns) = (Talking::default(), Talking { people: 3, in_turns: true });
    let at_once = |people| Talking { people, in_turns: false };
    let speaking = |mode, muted, lossy| Some(Speaking { mode, muted, lossy });
    let wanted = arguments.get(2).map_or("", String::as_str);
    let mut rows = serde_json::Map::new();
    for (name, talking, speaking) in [
        ("joined and silent", nobody, None),
        ("listener, 1 talks", at_once(1), None),
        ("listener, 3 talk", at_once(3), None),
        ("listener, 3 take turns", three_in_turns, None),
        ("listener, 12 talk", at_once(12), None),
        ("speaker, muted", nobody, speaking(MicrophoneMode::Speech, true, false)),
        ("speaker, sound as it is", nobody, speaking(MicrophoneMode::Music, false, false)),
        ("speaker, speech", nobody, speaking(MicrophoneMode::Speech, false, false)),
        ("speaker, speech, 10 % loss", nobody, speaking(MicrophoneMode::Speech, false, true)),
    ] {
        if name.contains(wanted) {
            rows.insert(name.to_owned(), bench.measure(talking, speaking)?);
        }
    }
    let rows = serde_json::Value::Object(rows);
    println!("{rows:#}");
    Ok(())
}

/// Who is heard. All of them send all the time, also who is not at turn.
#[derive(Clone, Copy, Default)]
struct Talking {
    people: u64,
    in_turns: bool,
}

#[derive(Clone, Copy)]
struct Speaking {
    mode: MicrophoneMode,
    muted: bool,
    lossy: bool,
}

struct Bench {
    microphone: DeviceChoice,
    loudspeaker: DeviceChoice,
    voice: Arc<Vec<EncodedFrame>>,
    /// A third of it is talk.
    turn: Arc<Vec<EncodedFrame>>,
}

impl Bench {
    /// Ten seconds of what a speaker sends.
    fn record(microphone: DeviceChoice) -> Result<Arc<Vec<EncodedFrame>>, Failure> {
        let frames: Arc<Mutex<Vec<EncodedFrame>>> = Arc::default();
        let kept = Arc::clone(&frames);
        let settings = EngineSettings { microphone, loudspeaker: DeviceChoice::Absent };
        let keep = move |frame| {
            if let Ok(mut kept) = kept.lock() {
                kept.push(frame);
            }
        };
        let engine = Engine::start(settings, keep, |_| {})?;
        engine.open_microphone()?;
        engine.set_muted(false);
        std::thread::sleep(Duration::from_secs(10));
        drop(engine);
        let frames = frames.lock().map(|frames| frames.clone()).unwrap_or_default();
        Ok(Arc::new(frames))
    }

    /// Processor time of the engine's threads in percent of one core: all of it, and by thread.
    fn measure(&self, talking: Talking, speaking: Option<Speaking>) -> Result<serde_json::Value, Failure> {
        let settings = EngineSettings { microphone: self.microphone.clone(), loudspeaker: self.loudspeaker.clone() };
        let engine = Engine::start(settings, |_| {}, |_| {})?;
        if let Some(speaking) = speaking {
            engine.set_microphone_mode(speaking.mode);
            engine.open_microphone()?;
            engine.set_muted(speaking.muted);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let network = self.send(&engine, talking, &stop)?;
        let lossy = speaking.is_some_and(|speaking| speaking.lossy);
        wait(&engine, SETTLING, lossy);
        let (before, begun) = (thread_times()?, Instant::now());
        wait(&engine, MEASURED, lossy);
        let (after, passed) = (thread_times()?, begun.elapsed());
        stop.store(true, Ordering::Relaxed);
        network.join().map_err(|_| "the network ended badly")?;
        let mut by_thread: BTreeMap<String, f64> = BTreeMap::new();
        for (thread, (name, nanos)) in &after {
            let spent = nanos - before.get(thread).map_or(0, |(_, nanos)| *nanos);
            if !["network", "engine_cost"].contains(&name.as_str()) {
                *by_thread.entry(name.clone()).or_default() += spent as f64 / passed.as_nanos() as f64 * 100.0;
            }
        }
        by_thread.retain(|_, percent| *percent >= 0.005);
        let percent: f64 = by_thread.values().sum();
        let threads: BTreeMap<_, _> = by_thread.iter().map(|(name, percent)| (name.clone(), round(*percent))).collect();
        Ok(serde_json::json!({ "percentOfACore": round(percent), "threads": threads }))
    }

    /// Plays the recorded voice to the engine, once for each who talks.
    fn send(
        &self,
        engine: &Engine,
        talking: Talking,
        stop: &Arc<AtomicBool>,
    ) -> Result<std::thread::JoinHandle<()>, Failure> {
        let inboxes: Vec<_> =
            (0..talking.people).map(|id| engine.add_remote_voice(RemoteVoiceId(id))).collect::<Result<_, _>>()?;
        let (voice, apart) = if talking.in_turns { (&self.turn, 166) } else { (&self.voice, 83) };
        let (voice, stop) = (Arc::clone(voice), Arc::clone(stop));
        let network = std::thread::Builder::new().name("network".into()).spawn(move || {
            let begun = Instant::now();
            let mut number = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                for (index, inbox) in inboxes.iter().enumerate() {
                    let frame = &voice[(number as usize + apart * index) % voice.len()];
                    inbox.push(ReceivedPacket {
                        sequence: number as u16,
                        timestamp: number * 960,
                        payload: Bytes::from(frame.payload.clone()),
                        arrival: Instant::now(),
                    });
                }
                number += 1;
                std::thread::sleep((begun + FRAME * number).saturating_duration_since(Instant::now()));
            }
        })?;
        Ok(network)
    }
}

/// Lets the engine run; its listeners report their loss as they would.
fn wait(engine: &Engine, time: Duration, lossy: bool) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if lossy {
            engine.set_listener_loss(LossReport { loss: 0.1, mean_burst: 1.0, available_bitrate: None });
        }
        std::thread::sleep((end - Instant::now()).min(Duration::from_secs(3)));
    }
}

fn round(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

/// Name and processor time in nanoseconds of each thread of this process.
fn thread_times() -> Result<BTreeMap<String, (String, u64)>, Failure> {
    let mut times = BTreeMap::new();
    for entry in std::fs::read_dir("/proc/self/task")? {
        let path = entry?.path();
        // A thread that has ended meanwhile has no files any more.
        let (Ok(name), Ok(schedule)) =
            (std::fs::read_to_string(path.join("comm")), std::fs::read_to_string(path.join("schedstat")))
        else {
            continue;
        };
        let nanos = schedule.split_whitespace().next().unwrap_or("0").parse()?;
        times.insert(path.display().to_string(), (name.trim().to_owned(), nanos));
    }
    Ok(times)
}

/// Two minutes of a buzz with syllables and pauses in the first `talk` of every ten seconds, and hiss of -75 dBFS in
/// the rest.
fn write_babble(path: &std::path::Path, talk: f32) -> Result<(), Failure> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for n in 0..48_000_u32 * 120 {
        let seconds = (n % 480_000) as f32 / 48_000.0;
        let syllable = if seconds < talk && seconds % 1.5 < 1.2 {
            (seconds * 4.0 * std::f32::consts::PI).sin().abs()
        } else {
            0.0
        };
        let buzz: f32 = (1..20).map(|k| (seconds * 943.0 * k as f32).sin() / k as f32).sum();
        let hiss = if seconds < talk { 0 } else { (n.wrapping_mul(2_654_435_761) >> 16) as i16 % 11 };
        writer.write_sample((0.1 * syllable * buzz * 32_767.0) as i16 + hiss)?;
    }
    writer.finalize()?;
    Ok(())
}
