//! How much of the far end's voice comes back from a room: plays speech through a synthetic loudspeaker and room into
//! the voice processing and prints the echo return loss enhancement (ITU-T G.168) as JSON.
//!
//! ```text
//! espeak-ng -w far.wav "$(cat a-text-of-half-a-minute)"
//! cargo run --release -p serambi-audio --features testing --example echo_room -- far.wav near.wav
//! ```
//! The loudspeaker clips softly, the sound takes 60 ms to the microphone, the room answers for 150 ms, the microphone
//! has noise at -65 dBFS. The near talker is silent for the first 15 s; without `near.wav` for good.

use std::{error::Error, time::Instant};

use serambi_audio::{
    BLOCK_SAMPLES, MicrophoneMode, SAMPLE_RATE_HZ,
    testing::{Needs, VoiceProcessing},
};

const BULK_DELAY_SAMPLES: usize = 2_880;
const ROOM_SAMPLES: usize = 7_200;
const NOISE_DBFS: f32 = -65.0;
const FAR_DBFS: f32 = -20.0;
const NEAR_DBFS: f32 = -26.0;
const NEAR_STARTS_SECONDS: usize = 15;

/// How loud the loudspeaker is in the microphone, dB.
const ROOM_GAIN_DB: f32 = -6.0;

/// SplitMix64.
struct Random(u64);

impl Random {
    /// The next number in -1.0 .. 1.0.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args().skip(1);
    let far_path = paths.next().ok_or("usage: echo_room far.wav [near.wav]")?;
    let played = at_level(read(&far_path)?, FAR_DBFS);
    let near = match paths.next() {
        Some(path) => at_level(read(&path)?, NEAR_DBFS),
        None => Vec::new(),
    };
    let echo = through_the_room(&played);
    let mut random = Random(7);
    let noise_peak = gain(NOISE_DBFS) * 3_f32.sqrt();
    let mut captured: Vec<f32> = echo.iter().map(|sample| sample + random.next() * noise_peak).collect();
    for (sample, own) in captured.iter_mut().skip(NEAR_STARTS_SECONDS * SAMPLE_RATE_HZ as usize).zip(&near) {
        *sample = (*sample + own).clamp(-1.0, 1.0);
    }
    let results: Vec<serde_json::Value> = [
        (MicrophoneMode::Speech, Needs { echo: true, noise: false }),
        (MicrophoneMode::Speech, Needs { echo: true, noise: true }),
        (MicrophoneMode::StrongNoiseRemoval, Needs { echo: true, noise: true }),
    ]
    .into_iter()
    .map(|(mode, needs)| measure(mode, needs, &played, &captured))
    .collect();
    println!("{}", serde_json::to_string_pretty(&results)?);
    Ok(())
}

fn measure(mode: MicrophoneMode, needs: Needs, played: &[f32], captured: &[f32]) -> serde_json::Value {
    let start = Instant::now();
    let mut processing = VoiceProcessing::new(mode, needs);
    let micros_to_build = start.elapsed().as_secs_f64() * 1e6;
    let mut left = Vec::with_capacity(captured.len());
    let mut slowest_micros = 0.0_f64;
    let start = Instant::now();
    for (far, near) in played.as_chunks::<BLOCK_SAMPLES>().0.iter().zip(captured.as_chunks::<BLOCK_SAMPLES>().0) {
        let mut block = *near;
        let before = Instant::now();
        processing.hear_loudspeaker(far);
        processing.process(&mut block);
        slowest_micros = slowest_micros.max(before.elapsed().as_secs_f64() * 1e6);
        left.extend_from_slice(&block);
    }
    let blocks = left.len() / BLOCK_SAMPLES;
    let enhancement = |from: usize, to: usize| {
        let part = |sound: &[f32]| {
            let rate = SAMPLE_RATE_HZ as usize;
            level_dbfs(&sound[(from * rate).min(sound.len())..(to * rate).min(sound.len())])
        };
        part(captured) - part(&left)
    };
    serde_json::json!({
        "mode": mode,
        "suppressesNoise": needs.noise,
        "erleDb1To5s": enhancement(1, 5),
        "erleDb7To14s": enhancement(7, 14),
        "microsPerBlock": start.elapsed().as_secs_f64() * 1e6 / blocks as f64,
        "microsToBuild": micros_to_build,
        "slowestBlockMicros": slowest_micros,
        "statistics": processing.statistics(),
    })
}

/// A loudspeaker that clips softly, air, and a room that answers with decaying noise (60 dB in 150 ms).
fn through_the_room(played: &[f32]) -> Vec<f32> {
    let mut random = Random(3);
    let decay_per_sample = 10_f32.powf(-60.0 / 20.0 / ROOM_SAMPLES as f32);
    let mut room: Vec<f32> = (0..ROOM_SAMPLES).map(|n| random.next() * decay_per_sample.powi(n as i32)).collect();
    let energy = room.iter().map(|tap| tap * tap).sum::<f32>().sqrt();
    room.iter_mut().for_each(|tap| *tap *= gain(ROOM_GAIN_DB) / energy);
    let membrane: Vec<f32> = played.iter().map(|sample| (sample * 1.5).tanh() / 1.5).collect();
    let mut heard = vec![0.0_f32; played.len()];
    for (n, sample) in membrane.iter().enumerate() {
        if *sample != 0.0 {
            let start = (n + BULK_DELAY_SAMPLES).min(heard.len());
            heard[start..].iter_mut().zip(&room).for_each(|(sum, tap)| *sum += sample * tap);
        }
    }
    heard
}

fn read(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut reader = hound::WavReader::open(path)?;
    let spec = reader.spec();
    if spec.sample_rate != SAMPLE_RATE_HZ || spec.channels != 1 || spec.bits_per_sample != 16 {
        return Err(format!("{path} must be 48 kHz, mono, 16 bit: sox in.wav -r 48000 -c 1 -b 16 out.wav").into());
    }
    Ok(reader
        .samples::<i16>()
        .map(|sample| sample.map(|sample| f32::from(sample) / 32_768.0))
        .collect::<Result<_, _>>()?)
}

fn at_level(mut sound: Vec<f32>, dbfs: f32) -> Vec<f32> {
    let change = gain(dbfs - level_dbfs(&sound));
    sound.iter_mut().for_each(|sample| *sample *= change);
    sound
}

fn level_dbfs(sound: &[f32]) -> f32 {
    10.0 * (sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32).max(1e-13).log10()
}

fn gain(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}
