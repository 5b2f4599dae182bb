//! Sound at a device's rate to the engine's rate and back, in chunks of 10 ms.

use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
    audioadapter_buffers::direct::InterleavedSlice,
};

/// Taps of the interpolation filter: 0.7 ms of delay at 141 dB signal to noise.
const FILTER_TAPS: usize = 64;

/// Points between two taps; cubic interpolation between them.
const OVERSAMPLING: usize = 256;

/// Samples of 10 ms at `rate_hz`, at least one.
pub fn ten_milliseconds(rate_hz: u32) -> usize {
    (rate_hz as usize / 100).max(1)
}

/// Converts mono sound between two fixed rates, or passes it on where they are the same.
pub struct RateConverter {
    resampler: Option<Async<f32>>,
    chunk: usize,
    waiting: Vec<f32>,
    converted: Vec<f32>,
}

impl RateConverter {
    /// A converter from `from_hz` to `to_hz`; `None` if the pair of rates makes no sense.
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Self> {
        let chunk = ten_milliseconds(from_hz);
        if from_hz == to_hz {
            return Some(Self { resampler: None, chunk, waiting: Vec::new(), converted: Vec::new() });
        }
        if from_hz == 0 || to_hz == 0 {
            return None;
        }
        let parameters = SincInterpolationParameters {
            sinc_len: FILTER_TAPS,
            f_cutoff: None,
            oversampling_factor: OVERSAMPLING,
            interpolation: SincInterpolationType::Cubic,
            window: WindowFunction::BlackmanHarris2,
        };
        let ratio = f64::from(to_hz) / f64::from(from_hz);
        let resampler = Async::new_sinc(ratio, 1.0, &parameters, chunk, 1, FixedAsync::Input).ok()?;
        let converted = vec![0.0; resampler.output_frames_max()];
        Some(Self { resampler: Some(resampler), chunk, waiting: Vec::with_capacity(2 * chunk), converted })
    }

    /// Converts `input` and appends to `output`; up to 10 ms of input stay inside until more comes.
    pub fn convert(&mut self, input: &[f32], output: &mut Vec<f32>) {
        if self.resampler.is_none() {
            output.extend_from_slice(input);
            return;
        }
        self.waiting.extend_from_slice(input);
        let mut taken = 0;
        while self.waiting.len() - taken >= self.chunk {
            self.convert_chunk(taken, output);
            taken += self.chunk;
        }
        self.waiting.drain(..taken);
    }

    fn convert_chunk(&mut self, start: usize, output: &mut Vec<f32>) {
        let Some(resampler) = &mut self.resampler else { return };
        let input = &self.waiting[start..start + self.chunk];
        let room = self.converted.len();
        let (Ok(from), Ok(mut to)) =
            (InterleavedSlice::new(input, 1, self.chunk), InterleavedSlice::new_mut(&mut self.converted, 1, room))
        else {
            return;
        };
        match resampler.process_into_buffer(&from, &mut to, None) {
            Ok((_, written)) => output.extend_from_slice(&self.converted[..written]),
            Err(error) => tracing::warn!(%error, "resampling failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serambi_codec::dsp::level_meter::{dbfs, mean_square};

    use super::*;

    fn tone(rate_hz: u32, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| 0.5 * (n as f32 * std::f32::consts::TAU * 440.0 / rate_hz as f32).sin()).collect()
    }

    #[test]
    fn every_usual_device_rate_keeps_length_and_level() {
        for rate in [8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000] {
            let mut converter = RateConverter::new(rate, 48_000).unwrap();
            let mut output = Vec::new();
            for part in tone(rate, rate as usize).chunks(77) {
                converter.convert(part, &mut output);
            }
            assert!((47_000..=48_200).contains(&output.len()), "{rate}: {}", output.len());
            let level = dbfs(mean_square(&output[2_000..46_000]));
            assert!((level + 9.03).abs() < 0.1, "{rate}: {level}");
        }
    }

    #[test]
    fn a_rate_of_nothing_is_refused() {
        assert!(RateConverter::new(0, 48_000).is_none());
    }
}
