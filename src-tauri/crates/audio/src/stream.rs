//! Opens one device stream: 48 kHz if the device can, callbacks of 10 ms if it will, and its ring to the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cpal::traits::{DeviceTrait as _, StreamTrait as _};
use cpal::{
    BufferSize, ErrorKind, FromSample, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize,
    SupportedStreamConfigRange,
};

use crate::device::{Direction, FoundDevice};
use crate::error::AudioError;
use crate::format::SAMPLE_RATE_HZ;
use crate::resampler::ten_milliseconds;
use crate::ring::{CapturePort, CaptureTap, PlaybackPort, PlaybackTap, Waker, capture_ring, playback_ring};
use crate::statistics::StreamCounters;

/// How long a sound service may take to answer before it counts as stuck.
pub(crate) const OPENING_LIMIT: Duration = Duration::from_secs(3);

/// Tells the keeper of a device that its stream is broken, once per stream.
pub(crate) type OnBroken = Box<dyn FnMut(cpal::Error) + Send>;

/// A device stream that runs. Dropping it stops it.
pub(crate) struct OpenStream {
    stream: cpal::Stream,
    pub(crate) rate_hz: u32,
}

impl OpenStream {
    /// Starts the callbacks. Waits for the first one, which may never come.
    pub(crate) fn play(&self, direction: Direction) -> Result<(), AudioError> {
        self.stream.play().map_err(|error| direction.error(&error))
    }
}

/// Builds a microphone stream, not yet running.
pub(crate) fn open_capture(
    found: &FoundDevice,
    waker: Waker,
    counters: &Arc<StreamCounters>,
    on_broken: OnBroken,
) -> Result<(OpenStream, CaptureTap), AudioError> {
    let (config, format) = choose(found, Direction::Microphone)?;
    let (port, tap) = capture_ring(config.sample_rate, config.channels, waker, Arc::clone(counters));
    let on_error = error_callback(Arc::clone(counters), on_broken);
    let stream = match format {
        SampleFormat::I16 => build_input::<i16>(found, config, port, on_error),
        SampleFormat::I32 => build_input::<i32>(found, config, port, on_error),
        SampleFormat::U16 => build_input::<u16>(found, config, port, on_error),
        _ => build_input::<f32>(found, config, port, on_error),
    }
    .map_err(|error| AudioError::of_microphone(&error))?;
    Ok((OpenStream { stream, rate_hz: config.sample_rate }, tap))
}

/// Builds a loudspeaker stream, not yet running.
pub(crate) fn open_playback(
    found: &FoundDevice,
    waker: Waker,
    counters: &Arc<StreamCounters>,
    on_broken: OnBroken,
) -> Result<(OpenStream, PlaybackTap), AudioError> {
    let (config, format) = choose(found, Direction::Loudspeaker)?;
    let (port, tap) = playback_ring(config.sample_rate, config.channels, waker, Arc::clone(counters));
    let on_error = error_callback(Arc::clone(counters), on_broken);
    let stream = match format {
        SampleFormat::I16 => build_output::<i16>(found, config, port, on_error),
        SampleFormat::I32 => build_output::<i32>(found, config, port, on_error),
        SampleFormat::U16 => build_output::<u16>(found, config, port, on_error),
        _ => build_output::<f32>(found, config, port, on_error),
    }
    .map_err(|error| AudioError::of_loudspeaker(&error))?;
    Ok((OpenStream { stream, rate_hz: config.sample_rate }, tap))
}

fn build_input<T>(
    found: &FoundDevice,
    config: StreamConfig,
    mut port: CapturePort,
    on_error: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    found.device.build_input_stream::<T, _, _>(config, move |data, _| port.take(data), on_error, Some(OPENING_LIMIT))
}

fn build_output<T>(
    found: &FoundDevice,
    config: StreamConfig,
    mut port: PlaybackPort,
    on_error: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample + FromSample<f32>,
{
    found.device.build_output_stream::<T, _, _>(config, move |data, _| port.fill(data), on_error, Some(OPENING_LIMIT))
}

/// Counts what the system reports, and passes on the first report that says the stream is gone. Some drivers report the same
/// error thousands of times in a loop (alsa-project/alsa-plugins issue 65): everything else is only counted, and a stream that
/// stops calling is noticed by its keeper.
fn error_callback(counters: Arc<StreamCounters>, mut on_broken: OnBroken) -> impl FnMut(cpal::Error) + Send + 'static {
    let reported = AtomicBool::new(false);
    move |error| match error.kind() {
        ErrorKind::Xrun => {
            counters.xruns.fetch_add(1, Ordering::Relaxed);
        }
        ErrorKind::StreamInvalidated
        | ErrorKind::DeviceNotAvailable
        | ErrorKind::HostUnavailable
        | ErrorKind::PermissionDenied => {
            counters.errors.fetch_add(1, Ordering::Relaxed);
            if !reported.swap(true, Ordering::Relaxed) {
                on_broken(error);
            }
        }
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => {
            counters.errors.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The configuration nearest to what the engine wants.
fn choose(found: &FoundDevice, direction: Direction) -> Result<(StreamConfig, SampleFormat), AudioError> {
    let ranges = supported(found, direction).map_err(|error| direction.error(&error))?;
    let best = ranges.into_iter().min_by_key(|range| distance(range, direction));
    let Some(range) = best else {
        return default_of(found, direction);
    };
    let rate = SAMPLE_RATE_HZ.clamp(range.min_sample_rate(), range.max_sample_rate());
    Ok((config(range.channels(), rate, range.buffer_size()), range.sample_format()))
}

fn supported(found: &FoundDevice, direction: Direction) -> Result<Vec<SupportedStreamConfigRange>, cpal::Error> {
    Ok(match direction {
        Direction::Microphone => found.device.supported_input_configs()?.filter(is_known).collect(),
        Direction::Loudspeaker => found.device.supported_output_configs()?.filter(is_known).collect(),
    })
}

fn default_of(found: &FoundDevice, direction: Direction) -> Result<(StreamConfig, SampleFormat), AudioError> {
    let default = match direction {
        Direction::Microphone => found.device.default_input_config(),
        Direction::Loudspeaker => found.device.default_output_config(),
    }
    .map_err(|error| direction.error(&error))?;
    Ok((config(default.channels(), default.sample_rate(), default.buffer_size()), default.sample_format()))
}

fn is_known(range: &SupportedStreamConfigRange) -> bool {
    matches!(range.sample_format(), SampleFormat::F32 | SampleFormat::I16 | SampleFormat::I32 | SampleFormat::U16)
}

/// How far a configuration is from the wish, worst first: its rate from 48 kHz, its channels from one for a microphone and two
/// for a loudspeaker (one is played on the left only by some drivers), its samples from 32-bit float.
fn distance(range: &SupportedStreamConfigRange, direction: Direction) -> (u32, u16, u8) {
    let rate = SAMPLE_RATE_HZ.clamp(range.min_sample_rate(), range.max_sample_rate());
    let wanted: u16 = match direction {
        Direction::Microphone => 1,
        Direction::Loudspeaker => 2,
    };
    let format = match range.sample_format() {
        SampleFormat::F32 => 0,
        SampleFormat::I32 => 1,
        SampleFormat::I16 => 2,
        _ => 3,
    };
    (rate.abs_diff(SAMPLE_RATE_HZ), range.channels().abs_diff(wanted), format)
}

/// Always a fixed size near 10 ms: left to itself the PulseAudio client buffers 2 s. The size that comes is another matter.
fn config(channels: u16, rate: u32, buffer: &SupportedBufferSize) -> StreamConfig {
    let wanted = u32::try_from(ten_milliseconds(rate)).unwrap_or(SAMPLE_RATE_HZ / 100);
    let frames = match *buffer {
        SupportedBufferSize::Range { min, max } if min <= max => wanted.clamp(min, max),
        _ => wanted,
    };
    StreamConfig { channels, sample_rate: rate, buffer_size: BufferSize::Fixed(frames) }
}
