//! Packets as a speaker sends them, to be spoiled: with copies of earlier frames and with Deep Redundancy, of every
//! length and kind.

use std::sync::LazyLock;

use bytes::Bytes;

use crate::{
    clock::Moment,
    coding::Coding,
    dsp::mid_side::{Channels, MidSide},
    format::{FRAME_SAMPLES, LONG_FRAME_SAMPLES, SHORT_FRAME_SAMPLES},
    opus_codec::OpusError,
    redundancy_profile::{LossReport, RedundancyControl},
    redundant_encoder::RedundantEncoder,
};

/// What a packet holds. A speaker changes from one to another in mid-stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Speech, 20 ms.
    Usual,
    /// Speech, 10 ms.
    Short,
    /// Speech, 40 ms.
    Long,
    /// Music in stereo, 20 ms.
    Stereo,
}

impl Kind {
    /// The kind that `byte` draws.
    pub fn any(byte: u8) -> Self {
        match byte & 3 {
            0 => Self::Usual,
            1 => Self::Short,
            2 => Self::Long,
            _ => Self::Stereo,
        }
    }

    /// Length of a packet, samples.
    pub fn samples(self) -> usize {
        match self {
            Self::Usual | Self::Stereo => FRAME_SAMPLES,
            Self::Short => SHORT_FRAME_SAMPLES,
            Self::Long => LONG_FRAME_SAMPLES,
        }
    }

    /// Packet `index`, counted around.
    pub fn packet(self, index: usize) -> Bytes {
        let packets = &PACKETS[self as usize];
        packets.get(index % packets.len().max(1)).cloned().unwrap_or_default()
    }
}

/// Real packet `index` of the usual kind, counted around.
pub fn real_packet(index: usize) -> Bytes {
    Kind::Usual.packet(index)
}

/// A buzz, in the order of [`Kind`].
static PACKETS: LazyLock<[Vec<Bytes>; 4]> = LazyLock::new(|| {
    [Kind::Usual, Kind::Short, Kind::Long, Kind::Stereo].map(|kind| {
        let coding = if kind == Kind::Stereo { Coding::Music(Channels::Stereo) } else { Coding::Speech };
        real_packets(60, coding, kind.samples()).unwrap_or_default()
    })
});

fn real_packets(frames: usize, coding: Coding, frame_samples: usize) -> Result<Vec<Bytes>, OpusError> {
    let mut control = RedundancyControl::default();
    control.report(LossReport { loss: 0.4, mean_burst: 2.0, available_bitrate: None }, Moment::default());
    let mut encoder = RedundantEncoder::new()?;
    encoder.set_scheme(control.scheme())?;
    encoder.set_coding(coding)?;
    let sample = |n: usize| {
        let seconds = n as f32 / 48_000.0;
        let buzz: f32 = (1..20).map(|k| (seconds * 900.0 * k as f32).sin() / k as f32).sum();
        0.1 * (seconds * 13.0).sin() * buzz
    };
    let frame = |first: usize| (first..first + frame_samples).map(sample).collect::<Vec<f32>>();
    let firsts = (0..frames).map(|index| index * frame_samples);
    let mut encode = |first: usize| {
        let (middle, side) = (frame(first), frame(first + frame_samples / 2));
        encoder.encode(MidSide { middle: &middle[..], side: Some(&side) }, first as u32)
    };
    firsts.map(|first| Ok(encode(first)?.into())).collect()
}
