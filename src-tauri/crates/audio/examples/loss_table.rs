//! What a listener hears of a voice on paths that lose or delay packets, in simulated time: one WAV file per path, and
//! a line of figures.
//!
//! ```text
//! cargo run -p serambi-audio --features testing --example loss_table -- speech.wav out/ --seed 7
//! ```
//! `--near` makes the audience one near listener, so that a clean path gets frames of 10 ms. The speech is mono at 48
//! kHz. The speaker is told of the loss before it begins; the speech is said once before the listener counts, so that
//! the wait has settled. Each `out/<path>.wav` is as long as the speech and begins when that began to be said. Compare
//! it with the speech by PESQ or STOI.

use std::{
    error::Error,
    fs::create_dir_all,
    path::{Path as FilePath, PathBuf},
    time::Duration,
};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use serambi_audio::{Audience, LossReport, SAMPLE_RATE_HZ, testing::simulated_call::hear};

/// What every packet travels that is not lost.
const TRAVEL: Duration = Duration::from_millis(20);

/// The longest that jitter adds to it, ms.
const MAX_JITTER_MS: f64 = 120.0;

/// What a listener's reports come to where many frames are late and none are lost.
const REPORTED_WITH_JITTER: LossReport = LossReport { loss: 0.03, mean_burst: 1.0, available_bitrate: None };

/// What a path does to packets.
#[derive(Clone, Copy)]
enum Trouble {
    /// This share is lost, in bursts of this mean length; 0 for losses that know nothing of each other.
    Loss(f64, f64),
    /// Each travels longer for itself: half of a normal distribution with this deviation, ms.
    Jitter(f64),
    /// They go over TCP, which loses this share of its segments: what comes after a lost one waits with it.
    Stalls(f64),
}

/// How long TCP needs for a segment that is lost: until three more were acknowledged (RFC 5681 section 3.2), one each
/// 20 ms, and a round trip of 60 ms. Where that one is lost as well, its timer of 200 ms (Linux's least).
const FAST_RETRANSMIT: Duration = Duration::from_millis(3 * 20 + 60);
const RETRANSMIT_TIMEOUT: Duration = Duration::from_millis(200 + 60);

const PATHS: [(&str, Trouble); 10] = [
    ("clean", Trouble::Loss(0.0, 0.0)),
    ("random-10", Trouble::Loss(0.1, 0.0)),
    ("random-20", Trouble::Loss(0.2, 0.0)),
    ("random-40", Trouble::Loss(0.4, 0.0)),
    ("bursts-20", Trouble::Loss(0.2, 3.0)),
    ("bursts-30", Trouble::Loss(0.3, 3.0)),
    ("jitter-30", Trouble::Jitter(30.0)),
    ("tcp-1", Trouble::Stalls(0.01)),
    ("tcp-2", Trouble::Stalls(0.02)),
    ("tcp-5", Trouble::Stalls(0.05)),
];

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    /// In 0.0 .. 1.0.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(speech), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: loss_table <speech.wav> <out directory> [--seed <number>]".into());
    };
    let (mut seed, mut audience) = (1, None);
    while let Some(option) = arguments.next() {
        match option.as_str() {
            "--near" => audience = Some(Audience { listeners: 1, round_trip_ms: 1.0, saves_headers: false }),
            "--seed" => seed = arguments.next().ok_or("--seed needs a number")?.parse()?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let (speech, out) = (read_wav(FilePath::new(&speech))?, PathBuf::from(out));
    create_dir_all(&out)?;
    println!("path          loss  burst  kbit/s  missing  brought back  wait ms");
    for (name, trouble) in PATHS {
        measure(name, &Path::over(trouble, seed, 8 * speech.len() / 960), audience, &speech, &out)?;
    }
    Ok(())
}

fn measure(
    name: &str,
    path: &Path,
    audience: Option<Audience>,
    speech: &[f32],
    out: &FilePath,
) -> Result<(), Box<dyn Error>> {
    let report = path.report;
    let said = [speech, speech].concat();
    let travel = |number: usize| path.travels.get(number).copied().unwrap_or(Some(TRAVEL));
    let heard = hear(&said, &[report, report], audience, travel)?;
    let kilobits = heard.sent_bytes as f64 * 8.0 * 48.0 / (said.len() as f64 + 48_000.0);
    let counted = &heard.statistics;
    println!(
        "{name:12}  {:4.2}  {:5.2}  {kilobits:6.1}  {:7}  {:12}  {:7.1}",
        report.loss,
        report.mean_burst,
        counted.packets.missing,
        counted.recovered,
        counted.playout_offset_ms.unwrap_or_default(),
    );
    let from = speech.len();
    write_wav(&out.join(format!("{name}.wav")), &heard.sound[from..from + speech.len()])
}

/// What becomes of each packet, and what the listener tells of it.
struct Path {
    /// `None` if it is lost.
    travels: Vec<Option<Duration>>,
    report: LossReport,
}

impl Path {
    fn over(trouble: Trouble, seed: u64, packets: usize) -> Self {
        match trouble {
            Trouble::Loss(loss, burst) => {
                let lost = lost_packets(loss, burst, seed, packets);
                let travels = lost.iter().map(|lost| (!lost).then_some(TRAVEL)).collect();
                Self { travels, report: report(&lost) }
            }
            Trouble::Jitter(deviation_ms) => {
                let mut chance = Chance(seed);
                let travels = (0..packets).map(|_| Some(TRAVEL + jitter(&mut chance, deviation_ms))).collect();
                Self { travels, report: REPORTED_WITH_JITTER }
            }
            Trouble::Stalls(loss) => Self { travels: stalled(loss, seed, packets), report: REPORTED_WITH_JITTER },
        }
    }
}

/// Box and Muller, 1958.
fn jitter(chance: &mut Chance, deviation_ms: f64) -> Duration {
    let (radius, angle) = (1.0 - chance.share(), chance.share());
    let ms = deviation_ms * (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos().abs();
    Duration::from_secs_f64(ms.min(MAX_JITTER_MS) / 1_000.0)
}

/// One packet each 20 ms, none before the one ahead of it.
fn stalled(loss: f64, seed: u64, packets: usize) -> Vec<Option<Duration>> {
    let mut chance = Chance(seed);
    let mut free_at = Duration::ZERO;
    let travel = |number: usize| {
        let sent = Duration::from_millis(20) * number as u32;
        let delay = match (chance.share() < loss, chance.share() < loss) {
            (false, _) => Duration::ZERO,
            (true, false) => FAST_RETRANSMIT,
            (true, true) => FAST_RETRANSMIT + RETRANSMIT_TIMEOUT,
        };
        free_at = free_at.max(sent + TRAVEL + delay);
        Some(free_at - sent)
    };
    (0..packets).map(travel).collect()
}

/// Which packets are lost: each for itself, or in bursts as Gilbert's channel makes them (1960).
fn lost_packets(loss: f64, burst: f64, seed: u64, packets: usize) -> Vec<bool> {
    let mut chance = Chance(seed);
    let mut in_burst = false;
    let lost = |_| {
        in_burst = match (burst > 0.0, in_burst) {
            (false, _) => chance.share() < loss,
            (true, true) => chance.share() >= 1.0 / burst,
            (true, false) => chance.share() < loss / (1.0 - loss) / burst,
        };
        in_burst
    };
    (0..packets).map(lost).collect()
}

/// What listeners would report of these losses.
fn report(lost: &[bool]) -> LossReport {
    let missing = lost.iter().filter(|lost| **lost).count();
    let bursts = lost.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
    LossReport {
        loss: missing as f32 / lost.len().max(1) as f32,
        mean_burst: missing as f32 / bursts.max(1) as f32,
        available_bitrate: None,
    }
}

fn read_wav(path: &FilePath) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut reader = WavReader::open(path)?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.sample_format) != (1, SAMPLE_RATE_HZ, SampleFormat::Int) {
        return Err(format!("{} is not mono, 48 kHz, integer samples", path.display()).into());
    }
    let full_scale = (1_i64 << (spec.bits_per_sample - 1)) as f32;
    let samples: Result<Vec<f32>, _> = reader.samples::<i32>().map(|s| s.map(|s| s as f32 / full_scale)).collect();
    // Whole blocks of 20 ms.
    let mut samples = samples?;
    samples.truncate(samples.len() / 960 * 960);
    Ok(samples)
}

fn write_wav(path: &FilePath, sound: &[f32]) -> Result<(), Box<dyn Error>> {
    let spec =
        WavSpec { channels: 1, sample_rate: SAMPLE_RATE_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec)?;
    for sample in sound {
        writer.write_sample((sample.clamp(-1.0, 1.0) * 32_767.0) as i16)?;
    }
    Ok(writer.finalize()?)
}
