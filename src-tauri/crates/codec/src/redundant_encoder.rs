//! The own voice to packets that carry low-rate copies of earlier frames.
//!
//! Two encoders hear the same sound: the voice itself, and a second one whose frames are sent again with later packets.
//! A copy decoded in the state of the voice's own decoder sounds a little duller and leaves that state nearly right, so
//! that the frame after it comes out whole. That takes copies of the voice's coding family, and of one SILK rate (hence
//! their fixed bandwidth in speech).

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    coding::Coding,
    dsp::mid_side::MidSide,
    format::FRAME_SAMPLES,
    opus_codec::{EncoderSettings, OpusEncoder, OpusError},
    opus_padding::packet::is_celt,
    redundancy_profile::RedundancyScheme,
    redundant_copies::{OFFSET_UNIT_SAMPLES, RedundantCopy, attach_copies},
};

/// Effort of both encoders: 205 and 150 us of processor time per 20 ms.
const COMPLEXITY: i32 = 10;

/// The largest packet libopus makes for one frame (RFC 6716 section 3.4), bytes.
const MAX_FRAME_BYTES: usize = 1_275;

/// The largest packet with copies, bytes: with headers, encryption and relaying it stays well below 1200.
const MAX_PACKET_BYTES: usize = 700;

/// Copies kept: as many frames as the farthest one is back, and the newest.
const KEPT_COPIES: usize = 6;

/// The encoder of the own voice.
#[derive(Debug)]
pub struct RedundantEncoder {
    voice: OpusEncoder,
    copier: OpusEncoder,
    coding: Coding,
    scheme: RedundancyScheme,
    /// RTP timestamp and copy, newest first.
    recent: VecDeque<(u32, Bytes)>,
}

impl RedundantEncoder {
    /// An encoder of speech with no history that sends what is sent before anybody knows of any loss.
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses the settings.
    pub fn new() -> Result<Self, OpusError> {
        let (coding, scheme) = (Coding::Speech, RedundancyScheme::UNREPORTED);
        let voice = OpusEncoder::new(voice_settings(coding, scheme))?;
        let copier = OpusEncoder::new(copy_settings(coding, scheme))?;
        Ok(Self { voice, copier, coding, scheme, recent: VecDeque::with_capacity(KEPT_COPIES) })
    }

    /// How the next frame is coded.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Codes so from the next frame on, as if nothing had been said before.
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses it.
    pub fn set_coding(&mut self, coding: Coding) -> Result<(), OpusError> {
        self.coding = coding;
        self.recent.clear();
        self.settle()
    }

    /// Sends `scheme` from the next frame on.
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses it.
    pub fn set_scheme(&mut self, scheme: RedundancyScheme) -> Result<(), OpusError> {
        if scheme.frame_samples != self.scheme.frame_samples {
            // A copy stands for a frame of the usual length.
            self.recent.clear();
        }
        self.scheme = scheme;
        self.settle()
    }

    fn settle(&mut self) -> Result<(), OpusError> {
        self.voice.change(voice_settings(self.coding, self.scheme))?;
        self.copier.change(copy_settings(self.coding, self.scheme))
    }

    /// Forgets the sound so far: it lies before a pause, and Deep Redundancy and copies would put it right before what
    /// comes now.
    ///
    /// # Errors
    /// [`OpusError`] never, as far as libopus says.
    pub fn begin_talkspurt(&mut self) -> Result<(), OpusError> {
        self.recent.clear();
        self.voice.reset().and_then(|()| self.copier.reset())
    }

    /// Samples in the next frame.
    pub fn frame_samples(&self) -> usize {
        self.scheme.frame_samples
    }

    /// Encodes the frame whose first sample has this RTP timestamp.
    ///
    /// # Errors
    /// [`OpusError`] if libopus cannot.
    pub fn encode<'a>(&mut self, frame: impl Into<MidSide<&'a [f32]>>, timestamp: u32) -> Result<Vec<u8>, OpusError> {
        let frame = frame.into();
        let packet = self.voice.encode(frame, MAX_FRAME_BYTES)?;
        if frame.len() != FRAME_SAMPLES {
            return Ok(packet);
        }
        // The copier always listens: one that begins late needs some 100 ms to sound like the voice.
        let copy = self.copier.encode(frame, MAX_FRAME_BYTES)?;
        let copies = self.copies_for(&packet, timestamp);
        self.recent.truncate(KEPT_COPIES - 1);
        self.recent.push_front((timestamp, copy.into()));
        Ok(attach_copies(packet, &copies, MAX_PACKET_BYTES))
    }

    /// By media time and not by count: after a pause the frames of before are far away.
    fn copies_for(&self, packet: &[u8], timestamp: u32) -> Vec<RedundantCopy> {
        let celt = |packet: &[u8]| packet.first().is_some_and(|toc| is_celt(*toc));
        let copy = |frames_back: &u32| {
            let back = frames_back * FRAME_SAMPLES as u32;
            let (_, copy) = self.recent.iter().find(|(at, _)| timestamp.wrapping_sub(*at) == back)?;
            let offset_units = u8::try_from(back as usize / OFFSET_UNIT_SAMPLES).ok()?;
            (celt(copy) == celt(packet)).then(|| RedundantCopy { offset_units, packet: copy.clone() })
        };
        self.scheme.copies.iter().filter_map(copy).collect()
    }
}

fn voice_settings(coding: Coding, scheme: RedundancyScheme) -> EncoderSettings {
    let scheme = coding.fit(scheme);
    EncoderSettings {
        coding,
        bitrate: scheme.bitrate,
        complexity: COMPLEXITY,
        only_wideband: false,
        // Copies mend the state that the voice goes on from only where both are coded alike.
        only_speech: !scheme.copies.is_empty(),
        inband_copies: scheme.inband_copies,
        expected_loss_percent: scheme.expected_loss_percent,
        deep_redundancy_units: scheme.deep_redundancy_units,
    }
}

fn copy_settings(coding: Coding, scheme: RedundancyScheme) -> EncoderSettings {
    let scheme = coding.fit(scheme);
    EncoderSettings {
        coding,
        bitrate: scheme.copy_bitrate,
        complexity: COMPLEXITY,
        only_wideband: coding == Coding::Speech,
        only_speech: true,
        inband_copies: false,
        expected_loss_percent: 0,
        deep_redundancy_units: 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        clock::Moment,
        opus_codec::DeepRedundancy,
        opus_padding::packet::OpusPacket,
        redundancy_profile::{LossReport, RedundancyControl},
        redundant_copies::find_copies,
        testing::simulated_path::synthetic_speech,
    };

    fn scheme_for(loss: f32, mean_burst: f32) -> RedundancyScheme {
        let mut control = RedundancyControl::default();
        control.report(LossReport { loss, mean_burst, available_bitrate: None }, Moment::default());
        control.scheme()
    }

    fn encode(scheme: RedundancyScheme, timestamps: impl Iterator<Item = u32>) -> Vec<Bytes> {
        let mut encoder = RedundantEncoder::new().unwrap();
        encoder.set_scheme(scheme).unwrap();
        let speech = synthetic_speech(400 * FRAME_SAMPLES);
        let frames = speech.as_chunks::<FRAME_SAMPLES>().0;
        timestamps.zip(frames).map(|(at, frame)| encoder.encode(frame, at).unwrap().into()).collect()
    }

    fn steadily(first: u32) -> impl Iterator<Item = u32> {
        (0_u32..400).map(move |n| first.wrapping_add(n * 960))
    }

    #[test]
    fn nothing_is_padded_where_nothing_is_lost() {
        for scheme in [RedundancyScheme::UNREPORTED, RedundancyScheme::CLEAN] {
            for packet in encode(scheme, steadily(0)) {
                assert!(OpusPacket::parse(&packet).unwrap().padding.is_empty());
            }
        }
    }

    #[test]
    fn every_packet_carries_the_same_copy_of_a_frame_that_another_one_carries() {
        let packets = encode(scheme_for(0.2, 2.0), steadily(u32::MAX - 100_000));
        let copies: Vec<Vec<RedundantCopy>> = packets.iter().map(find_copies).collect();
        let mut both = 0;
        for n in 5..397 {
            // Frame n goes again with packets n + 2 and n + 5, offsets 40 and 100 ms.
            let near = copies[n + 2].iter().find(|copy| copy.offset_units == 4);
            let Some(far) = copies.get(n + 5).map(|copies| copies.iter().find(|copy| copy.offset_units == 10)) else {
                continue;
            };
            if let (Some(near), Some(far)) = (near, far) {
                assert_eq!(near.packet, far.packet);
                both += 1;
            }
        }
        assert!(both > 200, "{both}");
    }

    #[test]
    fn after_a_pause_nothing_of_before_is_repeated_at_a_wrong_place() {
        let with_pause = (0_u32..400).map(|n| n * 960 + if n < 100 { 0 } else { 48_000 });
        let packets = encode(scheme_for(0.1, 1.0), with_pause);
        assert!(find_copies(&packets[100]).is_empty());
        assert!(find_copies(&packets[101]).iter().all(|copy| copy.offset_units == 2));
    }

    #[test]
    fn a_new_talkspurt_tells_nothing_of_the_one_before() {
        let mut encoder = RedundantEncoder::new().unwrap();
        encoder.set_scheme(scheme_for(0.4, 1.7)).unwrap();
        let speech = synthetic_speech(120 * FRAME_SAMPLES);
        let mut redundancy = DeepRedundancy::new().unwrap();
        let mut reaches = Vec::new();
        for (n, frame) in speech.as_chunks::<FRAME_SAMPLES>().0.iter().enumerate() {
            if n == 60 {
                encoder.begin_talkspurt().unwrap();
            }
            let packet = Bytes::from(encoder.encode(frame, n as u32 * 960).unwrap());
            reaches.push(redundancy.read(&packet, 48_000).unwrap());
            assert!(n < 60 || find_copies(&packet).iter().all(|copy| copy.offset_samples() <= (n - 60) * 960));
        }
        for (begin, reaches) in [(0, &reaches[..60]), (60, &reaches[60..])] {
            assert!(reaches[10..].iter().all(|reach| *reach > 4_800), "from {begin}: {reaches:?}");
            assert!((0..4).all(|n| reaches[n] <= (n + 1) * FRAME_SAMPLES), "from {begin}: {reaches:?}");
        }
    }

    #[test]
    fn the_worst_scheme_stays_below_60_kilobits() {
        let mut control = RedundancyControl::default();
        for second in 0..2 {
            let report = LossReport { loss: 0.4, mean_burst: 3.0, available_bitrate: None };
            control.report(report, Moment::from_millis(second * 1_000));
        }
        let packets = encode(control.scheme(), steadily(0));
        let bits: usize = packets.iter().map(|packet| packet.len() * 8).sum();
        assert!(bits < 8 * 60_000, "{} bit/s", bits / 8);
        assert!(packets.iter().all(|packet| packet.len() <= MAX_PACKET_BYTES));
    }
}
