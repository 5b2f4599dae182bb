//! Microphone to Opus to a simulated network to loudspeaker, on this machine alone; the listener reports its loss to
//! the speaker every 3 s. Prints the delay from mouth to ear as the engine measures it every second, and its statistics
//! as JSON.
//!
//! ```text
//! cargo run -p serambi-audio --example loop_back -- --seconds 20 --loss 0.1 --jitter-ms 20 --seed 7
//! ```
//! `--mode` takes `speech`, `strong_noise_removal` or `music`; `--microphone` and `--loudspeaker` take `default`,
//! `none`, a `.wav` file, or a device's id or name; `--list` prints those.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

use serambi_audio::{
    Audience, Bytes, DeviceChoice, EncodedFrame, Engine, EngineSettings, JitterCounters, MicrophoneMode,
    ReceivedPacket, RemoteVoiceId, RemoteVoiceInbox,
};

/// Time between two reports of loss.
const REPORT_SECONDS: u64 = 3;

struct Options {
    microphone: DeviceChoice,
    loudspeaker: DeviceChoice,
    seconds: u64,
    mute_seconds: u64,
    mode: Option<MicrophoneMode>,
    network: Network,
}

/// A path that loses packets and delays them by an exponentially distributed time.
#[derive(Clone, Copy)]
struct Network {
    loss: f64,
    jitter_ms: f64,
    seed: u64,
}

impl Network {
    /// SplitMix64, in 0.0 .. 1.0.
    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// When the next packet arrives after it was sent; `None` if it is lost.
    fn next_delay(&mut self) -> Option<Duration> {
        let (lost, delay) = (self.random() < self.loss, -(1.0 - self.random()).ln() * self.jitter_ms);
        (!lost).then(|| Duration::from_secs_f64(delay / 1_000.0))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = read_options()? else {
        println!("{}", serde_json::to_string_pretty(&serambi_audio::list_devices()?)?);
        return Ok(());
    };
    let (frames, sent) = channel();
    let captured = Captured::default();
    let marks = Captured::clone(&captured);
    let settings = EngineSettings { microphone: options.microphone, loudspeaker: options.loudspeaker };
    let engine = Engine::start(
        settings,
        move |frame| {
            note_captured(&marks, &frame);
            // The network thread ends before the engine does.
            let _ = frames.send((Instant::now(), frame));
        },
        |notice| eprintln!("notice: {notice:?}"),
    )?;
    let inbox = engine.add_remote_voice(RemoteVoiceId(1))?;
    let network = options.network;
    let carrier = std::thread::spawn(move || carry(network, &sent, &inbox));
    if let Some(mode) = options.mode {
        engine.set_microphone_mode(mode);
    }
    engine.open_microphone()?;
    engine.set_audience(Audience { listeners: 1, round_trip_ms: 0.0, saves_headers: false });
    engine.set_muted(false);
    let mut reported = JitterCounters::default();
    for second in 1..=options.seconds {
        std::thread::sleep(Duration::from_secs(1));
        eprintln!("{second} s: {:?}; {}", engine.levels(), delay_of(&engine, &captured));
        if second % REPORT_SECONDS == 0 {
            report_loss(&engine, &mut reported);
        }
        if options.mute_seconds > 0 && second % options.mute_seconds == 0 {
            engine.set_muted(second / options.mute_seconds % 2 == 1);
        }
    }
    println!("{}", serde_json::to_string_pretty(&engine.statistics())?);
    drop(engine);
    carrier.join().map_err(|_| "the network thread failed")?;
    Ok(())
}

/// When the sound of each of the last frames was captured, by RTP timestamp.
type Captured = Arc<Mutex<VecDeque<(u32, Instant)>>>;

/// Frames remembered: 2 s.
const FRAMES_REMEMBERED: usize = 200;

fn note_captured(captured: &Captured, frame: &EncodedFrame) {
    let mut captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
    captured.push_back((frame.timestamp, frame.captured_at));
    if captured.len() > FRAMES_REMEMBERED {
        captured.pop_front();
    }
}

/// The delay from mouth to ear and its last two parts.
fn delay_of(engine: &Engine, captured: &Captured) -> String {
    let statistics = engine.statistics();
    let Some(heard) = statistics.remote_voices.first().and_then(|voice| voice.heard) else {
        return "no delay yet".into();
    };
    let captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(&(_, at)) = captured.iter().find(|(timestamp, _)| *timestamp == heard.timestamp) else {
        return "no delay now".into();
    };
    let total_ms = heard.heard_at.saturating_duration_since(at).as_secs_f64() * 1_000.0;
    let part_ms = |micros: i64| micros as f64 / 1_000.0;
    let (buffer, loudspeaker) = (part_ms(heard.buffer_micros), part_ms(heard.loudspeaker_micros));
    format!("delay {total_ms:.1} ms, of that buffer {buffer:.1}, loudspeaker {loudspeaker:.1}")
}

/// Tells the speaker what the listener missed since `reported`, as a house would.
fn report_loss(engine: &Engine, reported: &mut JitterCounters) {
    let Some(counted) = engine.statistics().remote_voices.first().map(|voice| voice.packets) else { return };
    if let Some(report) = counted.loss_since(reported) {
        engine.set_listener_loss(report);
    }
    *reported = counted;
}

/// Carries frames from the encoder to the inbox until the engine is gone.
fn carry(mut network: Network, sent: &Receiver<(Instant, EncodedFrame)>, inbox: &RemoteVoiceInbox) {
    let mut sequence: u16 = 65_500;
    let mut under_way: BinaryHeap<Reverse<(Instant, u16, u32, Bytes)>> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while under_way.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            if let Some(Reverse((_, sequence, timestamp, payload))) = under_way.pop() {
                inbox.push(ReceivedPacket { sequence, timestamp, payload, arrival: Instant::now() });
            }
        }
        let wait = under_way.peek().map_or(Duration::from_secs(1), |Reverse((due, ..))| *due - now);
        match sent.recv_timeout(wait) {
            Ok((at, frame)) => {
                sequence = sequence.wrapping_add(1);
                if let Some(delay) = network.next_delay() {
                    under_way.push(Reverse((at + delay, sequence, frame.timestamp, Bytes::from(frame.payload))));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn read_options() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        microphone: DeviceChoice::System,
        loudspeaker: DeviceChoice::System,
        seconds: 10,
        mute_seconds: 0,
        mode: None,
        network: Network { loss: 0.0, jitter_ms: 0.0, seed: 1 },
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--list" {
            return Ok(None);
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--microphone" => options.microphone = value.parse()?,
            "--loudspeaker" => options.loudspeaker = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--mode" => options.mode = Some(serde_json::from_value(value.into())?),
            "--mute-every" => options.mute_seconds = value.parse()?,
            "--loss" => options.network.loss = value.parse()?,
            "--jitter-ms" => options.network.jitter_ms = value.parse()?,
            "--seed" => options.network.seed = value.parse()?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(Some(options))
}
