//! What passes through a PulseAudio stream, how much of it at once, and how the server is asked for that.

use std::{ffi::CString, time::Duration};

use cpal::{BufferSize, ChannelCount, ErrorKind, FrameCount, StreamConfig};
use pulseaudio::{
    ClientError,
    protocol::{
        ChannelMap, PlaybackStreamParams, Prop, Props, PulseError, RecordStreamParams, SampleFormat, SampleSpec,
        stream::{BufferAttr, StreamFlags},
    },
};

/// Channels that a stream has at most; the server converts.
pub(crate) const MAX_CHANNELS: ChannelCount = 2;

/// The samples are 32-bit float; the same.
pub(crate) const SAMPLE_BYTES: usize = size_of::<f32>();

/// Some sources (a null sink's monitor with rewinds) deliver 3000 pieces a second, whatever fragment they were asked
/// for, and being woken for each costs 3 % of a core. After a piece shorter than this the next ones are left to gather,
/// for no longer than the rest of a callback takes, less a margin for a late wake-up.
const SHORT_PIECE: Duration = Duration::from_millis(1);
const NAP_MARGIN: Duration = Duration::from_micros(500);

/// What passes through a stream, and how much of it at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    rate_hz: u32,
    channels: u8,
    pub(crate) callback_frames: FrameCount,
}

impl Shape {
    pub(crate) fn of(config: StreamConfig) -> Result<Self, cpal::Error> {
        let callback_frames = match config.buffer_size {
            BufferSize::Fixed(frames) => frames,
            BufferSize::Default => config.sample_rate / 100,
        };
        match (config.channels, config.sample_rate, callback_frames) {
            (1..=MAX_CHANNELS, 1.., 1..) => {
                Ok(Self { rate_hz: config.sample_rate, channels: config.channels as u8, callback_frames })
            }
            _ => Err(ErrorKind::UnsupportedConfig.into()),
        }
    }

    pub(crate) fn frame_bytes(self) -> usize {
        SAMPLE_BYTES * usize::from(self.channels)
    }

    pub(crate) fn callback_samples(self) -> usize {
        self.callback_frames as usize * usize::from(self.channels)
    }

    fn callback_bytes(self) -> u32 {
        u32::try_from(self.callback_samples() * SAMPLE_BYTES).unwrap_or(u32::MAX)
    }

    pub(crate) fn bytes_per_second(self) -> u32 {
        self.rate_hz.saturating_mul(self.frame_bytes() as u32)
    }

    pub(crate) fn length_of(self, samples: usize) -> Duration {
        let frames = samples as u64 / u64::from(self.channels);
        Duration::from_micros(frames * 1_000_000 / u64::from(self.rate_hz))
    }

    /// How long to let sound gather behind a piece of so many samples, when `waiting` ones have not been taken.
    pub(crate) fn nap_after(self, piece: usize, waiting: usize) -> Option<Duration> {
        let until_taken = self.length_of(self.callback_samples().saturating_sub(waiting));
        let nap = until_taken.saturating_sub(NAP_MARGIN);
        (piece > 0 && self.length_of(piece) < SHORT_PIECE && nap > NAP_MARGIN).then_some(nap)
    }

    /// A stream of the microphone `source`.
    pub(crate) fn record(self, source: &str) -> Result<RecordStreamParams, cpal::Error> {
        let bytes = self.callback_bytes();
        Ok(RecordStreamParams {
            sample_spec: self.sample_spec(),
            channel_map: self.channel_map(),
            source_name: Some(device_name(source)?),
            buffer_attr: BufferAttr { max_length: bytes, fragment_size: bytes, ..BufferAttr::default() },
            flags: flags(),
            props: stream_names(),
            ..RecordStreamParams::default()
        })
    }

    /// A stream of the loudspeaker `sink`. The server holds two callbacks' worth.
    pub(crate) fn playback(self, sink: &str) -> Result<PlaybackStreamParams, cpal::Error> {
        let bytes = self.callback_bytes();
        Ok(PlaybackStreamParams {
            sample_spec: self.sample_spec(),
            channel_map: self.channel_map(),
            sink_name: Some(device_name(sink)?),
            buffer_attr: BufferAttr {
                max_length: bytes.saturating_mul(2),
                target_length: bytes.saturating_mul(2),
                minimum_request_length: bytes,
                ..BufferAttr::default()
            },
            flags: flags(),
            props: stream_names(),
            ..PlaybackStreamParams::default()
        })
    }

    fn sample_spec(self) -> SampleSpec {
        SampleSpec { format: SampleFormat::Float32Le, channels: self.channels, sample_rate: self.rate_hz }
    }

    fn channel_map(self) -> ChannelMap {
        if self.channels > 1 { ChannelMap::stereo() } else { ChannelMap::mono() }
    }
}

/// Silent until it is played, and the device's own buffer counts as part of the stream's.
fn flags() -> StreamFlags {
    StreamFlags { start_corked: true, adjust_latency: true, ..StreamFlags::default() }
}

fn stream_names() -> Props {
    let mut names = Props::new();
    names.set(Prop::MediaName, c"Serambi");
    names
}

fn device_name(name: &str) -> Result<CString, cpal::Error> {
    CString::new(name).map_err(|_| ClientError::ServerError(PulseError::NoEntity).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Callbacks of 5 ms.
    fn shape(channels: ChannelCount) -> Shape {
        Shape::of(StreamConfig { channels, sample_rate: 48_000, buffer_size: BufferSize::Fixed(240) }).unwrap()
    }

    #[test]
    fn only_behind_a_short_piece_sound_is_left_to_gather_and_never_past_the_moment_a_callback_is_whole() {
        let nap = |piece, waiting| shape(1).nap_after(piece, waiting);
        assert_eq!(nap(0, 0), None);
        assert_eq!(nap(240, 0), None);
        assert_eq!(nap(48, 48), None);
        assert_eq!(nap(16, 192), None);
        assert_eq!(nap(16, 168), Some(Duration::from_millis(1)));
        assert_eq!(nap(16, 0), Some(Duration::from_micros(4_500)));
        assert_eq!(shape(2).nap_after(32, 336), Some(Duration::from_millis(1)));
    }

    #[test]
    fn what_these_streams_cannot_be_is_refused() {
        for (channels, sample_rate, frames) in [(0, 48_000, 240), (3, 48_000, 240), (2, 0, 240), (2, 48_000, 0)] {
            let config = StreamConfig { channels, sample_rate, buffer_size: BufferSize::Fixed(frames) };
            assert_eq!(Shape::of(config).unwrap_err().kind(), ErrorKind::UnsupportedConfig);
        }
        let own = StreamConfig { channels: 1, sample_rate: 44_100, buffer_size: BufferSize::Default };
        assert_eq!(Shape::of(own).unwrap().callback_frames, 441);
    }
}
