//! What the processing of a microphone and the levelling of a speaker cost per block of 10 ms, in microseconds, as
//! JSON.
//!
//! ```text
//! cargo run --release -p serambi-audio --features testing --example processing_cost
//! ```

use std::time::Instant;

use serambi_audio::{
    BLOCK_SAMPLES, Block, MicrophoneMode,
    testing::{LoudnessLeveller, Needs, VoiceProcessing},
};

const BLOCKS: usize = 3_000;

fn main() {
    let sound = babble();
    let mut rows = Vec::new();
    for mode in [MicrophoneMode::Speech, MicrophoneMode::StrongNoiseRemoval] {
        for (echo, noise) in [(false, false), (false, true), (true, false), (true, true)] {
            if mode == MicrophoneMode::StrongNoiseRemoval && !noise {
                continue;
            }
            let mut processing = VoiceProcessing::new(mode, Needs { echo, noise });
            let micros = micros_per_block(&sound, |played, block| {
                processing.hear_loudspeaker(played);
                processing.process(block);
            });
            let delay_ms = processing.statistics().delay_ms;
            rows.push(serde_json::json!({
                "mode": mode, "echo": echo, "noise": noise, "delayMs": delay_ms, "microsPerBlock": micros,
            }));
        }
    }
    let mut leveller = LoudnessLeveller::default();
    let levelling = micros_per_block(&sound, |_, block| leveller.apply(block));
    println!("{:#}", serde_json::json!({ "processing": rows, "leveller": levelling }));
}

fn micros_per_block(sound: &[Block], mut work: impl FnMut(&Block, &mut Block)) -> f64 {
    let start = Instant::now();
    for n in 0..BLOCKS {
        let mut block = sound[n % sound.len()];
        work(&sound[(n + 37) % sound.len()], &mut block);
    }
    start.elapsed().as_secs_f64() * 1e6 / BLOCKS as f64
}

/// Two seconds of a buzz with syllables.
fn babble() -> Vec<Block> {
    (0..200)
        .map(|block| {
            std::array::from_fn(|n| {
                let seconds = (block * BLOCK_SAMPLES + n) as f32 / 48_000.0;
                let syllable = (seconds * 4.0 * std::f32::consts::PI).sin().abs();
                let buzz: f32 = (1..20).map(|k| (seconds * 943.0 * k as f32).sin() / k as f32).sum();
                0.1 * syllable * buzz
            })
        })
        .collect()
}
