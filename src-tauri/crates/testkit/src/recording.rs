//! Mono sound in memory, with the moment it began.

use std::{path::Path, time::Instant};

use crate::Trouble;

/// Everything here is recorded and compared at this rate.
pub const SAMPLES_PER_SECOND: u32 = 48_000;

/// Mono sound, full scale 1.0, at [`SAMPLES_PER_SECOND`].
#[derive(Clone, Debug)]
pub struct Recording {
    /// The sound.
    pub samples: Vec<f32>,
    /// When its first sample was heard, to about a millisecond.
    pub began: Instant,
}

impl Recording {
    /// How long it is.
    pub fn duration_ms(&self) -> u64 {
        self.samples.len() as u64 * 1_000 / u64::from(SAMPLES_PER_SECOND)
    }

    /// When the sample at this offset was heard.
    pub fn moment(&self, offset_ms: u64) -> Instant {
        self.began + std::time::Duration::from_millis(offset_ms)
    }

    /// Offset of the first 10 ms that are louder than `threshold_dbfs` (RMS).
    pub fn first_sound_ms(&self, threshold_dbfs: f32) -> Option<u64> {
        let block = SAMPLES_PER_SECOND as usize / 100;
        self.samples.chunks(block).position(|block| level_dbfs(block) > threshold_dbfs).map(|block| block as u64 * 10)
    }

    /// The part from `from_ms` on, `length_ms` long or shorter.
    pub fn part(&self, from_ms: u64, length_ms: u64) -> &[f32] {
        let sample = |ms: u64| (ms * u64::from(SAMPLES_PER_SECOND) / 1_000) as usize;
        let from = sample(from_ms).min(self.samples.len());
        let to = sample(from_ms + length_ms).min(self.samples.len());
        &self.samples[from..to]
    }
}

/// RMS level in dBFS; silence is −120.
pub fn level_dbfs(samples: &[f32]) -> f32 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum();
    let mean = energy / samples.len().max(1) as f64;
    (10.0 * mean.max(1e-12).log10()) as f32
}

/// Reads a WAV file: mono, 16 bit, 48 kHz.
///
/// # Errors
/// When it is not there or of another kind.
pub fn read_wav(path: &Path) -> Result<Vec<f32>, Trouble> {
    let sound = |source| Trouble::Sound { path: path.to_owned(), source };
    let mut reader = hound::WavReader::open(path).map_err(sound)?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, SAMPLES_PER_SECOND, 16) {
        return Err(Trouble::Unexpected(format!("{}: not mono, 48 kHz, 16 bit", path.display())));
    }
    reader.samples::<i16>().map(|sample| sample.map(from_i16).map_err(sound)).collect()
}

/// Writes a WAV file: mono, 16 bit, 48 kHz.
///
/// # Errors
/// When it cannot be written.
pub fn write_wav(path: &Path, samples: &[f32]) -> Result<(), Trouble> {
    write_channels(path, &[samples])
}

/// Writes a WAV file of left and right: 16 bit, 48 kHz, as long as the shorter of both.
///
/// # Errors
/// When it cannot be written.
pub fn write_stereo_wav(path: &Path, left: &[f32], right: &[f32]) -> Result<(), Trouble> {
    write_channels(path, &[left, right])
}

/// Writes a WAV file of any number of channels: 16 bit, 48 kHz, as long as the shortest of them.
///
/// # Errors
/// When it cannot be written.
pub fn write_channels(path: &Path, channels: &[&[f32]]) -> Result<(), Trouble> {
    let sound = |source| Trouble::Sound { path: path.to_owned(), source };
    let spec = hound::WavSpec {
        channels: channels.len() as u16,
        sample_rate: SAMPLES_PER_SECOND,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).map_err(sound)?;
    let frames = channels.iter().map(|channel| channel.len()).min().unwrap_or(0);
    for frame in 0..frames {
        for channel in channels {
            let sample = channel[frame].clamp(-1.0, 1.0) * f32::from(i16::MAX);
            writer.write_sample(sample as i16).map_err(sound)?;
        }
    }
    writer.finalize().map_err(sound)
}

/// One 16-bit sample.
pub fn from_i16(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}
