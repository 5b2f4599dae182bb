//! What is done to the own voice before it is encoded: echo cancelled, noise removed, level made even.
//!
//! ```text
//! Speech                (echo canceller) ► (noise suppression) ► gain       one pass of `sonora`
//! StrongNoiseRemoval    (echo canceller) ► gain ► `nnnoiseless`
//! Music                 nothing
//! ```
//!
//! What stands in brackets runs where it is needed: each costs delay and some of the voice.
//!
//! The canceller comes first in both: it needs the room to answer linearly, and a denoiser before it would not let it.
//! The gain comes before the denoiser: it knows noise from speech, but takes what a denoiser leaves of noise for speech
//! and lifts it.

use nnnoiseless::DenoiseState;
use serambi_codec::format::SAMPLE_RATE_HZ;
use serde::{Deserialize, Serialize};
use sonora::{
    AudioProcessing, Config, StreamConfig,
    config::{
        AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, MaxProcessingRate, NoiseSuppression,
        NoiseSuppressionLevel, Pipeline,
    },
};

use crate::format::{BLOCK_SAMPLES, Block, SILENT_BLOCK};

/// `nnnoiseless` counts samples as 16-bit integers do.
const SIXTEEN_BIT: f32 = 32_768.0;

/// Most the gain control adds to a quiet voice, dB. The library's own 50 dB lifts the room as well.
const MAX_GAIN_DB: f32 = 24.0;

/// Gain before the first word, dB. The library's own 15 dB would lift the echo while the canceller still learns the
/// room.
const FIRST_GAIN_DB: f32 = 0.0;

/// Loudest noise that the gain control may make of a room's, dBFS. The library's own -50 dBFS is heard between words.
const MAX_NOISE_DBFS: f32 = -60.0;

/// What is done to the microphone's sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MicrophoneMode {
    /// Even level; echo cancelled and noise suppressed where there is any.
    #[default]
    Speech,
    /// The same with a neural denoiser, always: keyboards, fans and traffic go.
    StrongNoiseRemoval,
    /// Nothing is done to the sound.
    Music,
}

/// What a microphone's sound suffers from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs {
    /// The loudspeaker is heard in it.
    pub echo: bool,
    /// The room is heard in it.
    pub noise: bool,
}

impl Needs {
    /// What `mode` does about it.
    fn met_by(self, mode: MicrophoneMode) -> Self {
        match mode {
            MicrophoneMode::Speech => self,
            MicrophoneMode::StrongNoiseRemoval => Self { noise: true, ..self },
            MicrophoneMode::Music => Self::default(),
        }
    }
}

/// What is done to the microphone's sound, and what is known of its echo and noise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessingStatistics {
    /// What is done to the sound.
    pub mode: MicrophoneMode,
    /// Whether the echo canceller runs.
    pub cancels_echo: bool,
    /// Whether noise is suppressed.
    pub suppresses_noise: bool,
    /// How loud the room is by itself, before any processing, dBFS; `None` until it is known.
    pub noise_floor_dbfs: Option<f32>,
    /// How much later the sound leaves than it came, ms.
    pub delay_ms: f32,
    /// How much of the echo the canceller takes away, dB (echo return loss enhancement, ITU-T G.168), as it estimates
    /// it.
    pub echo_removed_db: Option<f32>,
    /// From the mix to its echo in the microphone, ms, as the canceller estimates it.
    pub echo_delay_ms: Option<i32>,
    /// How likely echo is left in the processed sound, 0.0 to 1.0.
    pub residual_echo_likelihood: Option<f32>,
    /// How much of the loudspeaker the microphone hears before any processing, 0.0 to 1.0; `None` until 3 s were
    /// played.
    pub echo_coupling: Option<f32>,
    /// Blocks that left as they came because a step refused them.
    pub unprocessed_blocks: u64,
}

/// The processing of one microphone. `sonora` allocates for every block: this is for the engine thread, not for a
/// device callback.
pub struct VoiceProcessing {
    mode: MicrophoneMode,
    /// All but the denoiser.
    first: Option<Box<AudioProcessing>>,
    denoiser: Option<Box<DenoiseState<'static>>>,
    needs: Needs,
    unprocessed_blocks: u64,
}

impl VoiceProcessing {
    /// Processing for a microphone that has not been heard yet. Call it on the thread that will process: the denoiser's
    /// Fourier tables belong to a thread.
    pub fn new(mode: MicrophoneMode, needs: Needs) -> Self {
        let needs = needs.met_by(mode);
        let (first, denoiser) = match mode {
            MicrophoneMode::Speech => (Some(pass(needs, needs.noise)), None),
            MicrophoneMode::StrongNoiseRemoval => (Some(pass(needs, false)), Some(warm_denoiser())),
            MicrophoneMode::Music => (None, None),
        };
        Self { mode, first, denoiser, needs, unprocessed_blocks: 0 }
    }

    /// Whether this does all that `mode` does about `needs`, and no more.
    pub fn fits(&self, mode: MicrophoneMode, needs: Needs) -> bool {
        self.mode == mode && self.needs == needs.met_by(mode)
    }

    /// What this was made for.
    pub fn mode(&self) -> MicrophoneMode {
        self.mode
    }

    /// Whether the echo canceller runs.
    pub fn cancels_echo(&self) -> bool {
        self.needs.echo
    }

    /// How much later the sound leaves than it came, microseconds, as `tests::every_chain_is_as_late_as_it_says`
    /// measures it.
    pub fn delay_micros(&self) -> i64 {
        match (self.mode, self.needs.echo, self.needs.noise) {
            (MicrophoneMode::Music, ..) | (MicrophoneMode::Speech, false, false) => 0,
            (MicrophoneMode::Speech, false, true) => 7_000,
            (MicrophoneMode::Speech, true, false) => 9_000,
            (MicrophoneMode::Speech, true, true) => 15_000,
            (MicrophoneMode::StrongNoiseRemoval, false, _) => 10_000,
            (MicrophoneMode::StrongNoiseRemoval, true, _) => 19_000,
        }
    }

    /// Takes what the loudspeaker will play, before the microphone's block of the same time.
    pub fn hear_loudspeaker(&mut self, block: &Block) {
        if !self.needs.echo {
            return;
        }
        if let Some(canceller) = &mut self.first {
            let played = numbers_only(block);
            let mut unused = SILENT_BLOCK;
            if canceller.process_render_f32(&[&played], &mut [&mut unused]).is_err() {
                self.unprocessed_blocks += 1;
            }
        }
    }

    /// Processes a block of the microphone in place. Samples that are not numbers count as silence.
    pub fn process(&mut self, block: &mut Block) {
        if self.mode == MicrophoneMode::Music {
            return;
        }
        *block = numbers_only(block);
        let mut fits = true;
        if let Some(first) = &mut self.first {
            fits &= run(first, block);
        }
        if let Some(denoiser) = &mut self.denoiser {
            denoise(denoiser, block);
        }
        self.unprocessed_blocks += u64::from(!fits);
    }

    /// What is known about the echo now.
    pub fn statistics(&self) -> ProcessingStatistics {
        let canceller = self.first.as_ref().filter(|_| self.needs.echo).map(|canceller| canceller.statistics());
        ProcessingStatistics {
            mode: self.mode,
            cancels_echo: self.needs.echo,
            suppresses_noise: self.needs.noise,
            noise_floor_dbfs: None,
            delay_ms: self.delay_micros() as f32 / 1_000.0,
            echo_removed_db: canceller.and_then(|known| known.echo_return_loss_enhancement).map(|db| db as f32),
            echo_delay_ms: canceller.and_then(|known| known.delay_ms),
            residual_echo_likelihood: canceller
                .and_then(|known| known.residual_echo_likelihood)
                .map(|share| share as f32),
            echo_coupling: None,
            unprocessed_blocks: self.unprocessed_blocks,
        }
    }
}

/// Digital gain only: the system's own microphone level is the person's.
fn gain_control() -> GainController2 {
    GainController2 {
        input_volume_controller: false,
        adaptive_digital: Some(AdaptiveDigital {
            max_gain_db: MAX_GAIN_DB,
            initial_gain_db: FIRST_GAIN_DB,
            max_output_noise_level_dbfs: MAX_NOISE_DBFS,
            ..AdaptiveDigital::default()
        }),
        ..GainController2::default()
    }
}

/// One pass of the library. A high-pass filter goes with the noise, and not alone with the canceller as the library
/// would have it: it takes some of a deep voice with the rumble (PESQ of a clean voice 3.9 with it, 4.6 without, for
/// 0.5 dB of echo).
fn pass(needs: Needs, suppress_noise: bool) -> Box<AudioProcessing> {
    let config = Config {
        pipeline: Pipeline {
            // The default, 32 kHz, would cut the voice at 16 kHz.
            maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
            multi_channel_render: false,
            multi_channel_capture: false,
            ..Pipeline::default()
        },
        echo_canceller: needs
            .echo
            .then(|| EchoCanceller { enforce_high_pass_filtering: needs.noise, ..EchoCanceller::default() }),
        high_pass_filter: suppress_noise.then(HighPassFilter::default),
        noise_suppression: suppress_noise
            .then(|| NoiseSuppression { level: NoiseSuppressionLevel::Moderate, ..NoiseSuppression::default() }),
        gain_controller2: Some(gain_control()),
        ..Config::default()
    };
    let mono = StreamConfig::new(SAMPLE_RATE_HZ, 1);
    let builder = AudioProcessing::builder().config(config).capture_config(mono).render_config(mono);
    Box::new(builder.echo_detector(needs.echo).build())
}

/// A denoiser past its first block, which is a fade-in and makes the tables.
fn warm_denoiser() -> Box<DenoiseState<'static>> {
    let mut denoiser = DenoiseState::new();
    let mut quiet = [0.0; BLOCK_SAMPLES];
    // Not quite silence, lest the network be skipped.
    for (index, sample) in quiet.iter_mut().enumerate() {
        *sample = if index % 2 == 0 { 1e-3 } else { -1e-3 };
    }
    denoise(&mut denoiser, &mut quiet);
    denoiser
}

fn run(pass: &mut AudioProcessing, block: &mut Block) -> bool {
    let captured = *block;
    pass.process_capture_f32(&[&captured], &mut [block]).is_ok()
}

fn denoise(denoiser: &mut DenoiseState<'static>, block: &mut Block) {
    let loud = block.map(|sample| sample * SIXTEEN_BIT);
    denoiser.process_frame(block, &loud);
    for sample in block {
        *sample = (*sample / SIXTEEN_BIT).clamp(-1.0, 1.0);
    }
}

/// One sample that is not a number would stay in every filter for ever.
fn numbers_only(block: &Block) -> Block {
    block.map(|sample| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 })
}

#[cfg(test)]
mod tests;
