//! Opus packets to sound, with libopus filling what is missing.

use opus::{Channels, Decoder};

use crate::error::AudioError;
use crate::format::{LONGEST_PACKET_SAMPLES, SAMPLE_RATE_HZ};

/// libopus invents and recovers sound in units of 2.5 ms.
const CONCEALMENT_UNIT_SAMPLES: usize = 120;

/// The decoder of one speaker. Frames must be given in the order they are played: concealment and prediction go on from
/// whatever was decoded last.
pub struct VoiceDecoder {
    opus: Decoder,
    buffer: Vec<f32>,
}

/// Samples of sound in an Opus packet as its header says (RFC 6716 section 3.1); `None` if the header is no Opus header.
pub fn packet_samples(payload: &[u8]) -> Option<usize> {
    if payload.is_empty() {
        return None;
    }
    opus::packet::get_nb_samples(payload, SAMPLE_RATE_HZ)
        .ok()
        .filter(|samples| (1..=LONGEST_PACKET_SAMPLES).contains(samples))
}

impl VoiceDecoder {
    /// A decoder with no history.
    ///
    /// # Errors
    /// [`AudioError::Codec`] if libopus has no memory.
    pub fn new() -> Result<Self, AudioError> {
        let opus =
            Decoder::new(SAMPLE_RATE_HZ, Channels::Mono).map_err(|error| AudioError::Codec(error.to_string()))?;
        Ok(Self { opus, buffer: vec![0.0; LONGEST_PACKET_SAMPLES] })
    }

    /// Decodes `payload`; `None` if it is not valid Opus.
    pub fn decode(&mut self, payload: &[u8]) -> Option<&mut [f32]> {
        let samples = self.opus.decode_float(payload, &mut self.buffer, false).ok()?;
        Some(&mut self.buffer[..samples])
    }

    /// Fills a gap of `samples` from the copy that the packet after it carries, or invents it where there is none.
    pub fn recover(&mut self, samples: usize, next_payload: &[u8]) -> &mut [f32] {
        self.fill(samples, next_payload, true)
    }

    /// Invents `samples` of sound that go on from what was decoded last.
    pub fn conceal(&mut self, samples: usize) -> &mut [f32] {
        self.fill(samples, &[], false)
    }

    fn fill(&mut self, samples: usize, payload: &[u8], copy: bool) -> &mut [f32] {
        let samples = samples.min(LONGEST_PACKET_SAMPLES);
        let units = samples.div_ceil(CONCEALMENT_UNIT_SAMPLES) * CONCEALMENT_UNIT_SAMPLES;
        let filled = self.opus.decode_float(payload, &mut self.buffer[..units], copy).unwrap_or(0);
        if filled < samples {
            self.buffer[filled..samples].fill(0.0);
        }
        &mut self.buffer[..samples]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hostile_payloads_yield_sound_or_nothing(payload in prop::collection::vec(any::<u8>(), 0..1_500)) {
            let mut decoder = VoiceDecoder::new().unwrap();
            if let Some(samples) = packet_samples(&payload) {
                prop_assert!(samples <= LONGEST_PACKET_SAMPLES);
            }
            if let Some(sound) = decoder.decode(&payload) {
                prop_assert!(sound.len() <= LONGEST_PACKET_SAMPLES);
            }
            prop_assert_eq!(decoder.recover(960, &payload).len(), 960);
            prop_assert_eq!(decoder.conceal(7).len(), 7);
        }
    }
}
