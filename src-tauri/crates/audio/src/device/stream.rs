//! Opens one device stream: 48 kHz if the device can, short callbacks if it will, and its ring to the engine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cpal::{
    BufferSize, ErrorKind, FromSample, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize,
    SupportedStreamConfigRange,
    traits::{DeviceTrait as _, StreamTrait as _},
};
use serambi_codec::format::SAMPLE_RATE_HZ;

use crate::{
    device::{
        lookup::{Direction, FoundDevice},
        ring::{CapturePort, CaptureTap, PlaybackPort, PlaybackTap, Waker, capture_ring, playback_ring},
        stated_latency::StatedLatency,
        statistics::StreamCounters,
    },
    dsp::resampler::ten_milliseconds,
    error::AudioError,
};

/// How long a sound service may take to answer before it counts as stuck.
pub(crate) const OPENING_LIMIT: Duration = Duration::from_secs(3);

/// How often a stream is asked to call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Every 5 ms where that was seen to work. A PulseAudio sink then holds 10 ms in all: 10 ms less from mouth to ear.
    #[default]
    Quick,
    /// Every 10 ms: for a computer that did not keep up with the quick one.
    Steady,
}

impl Pace {
    /// Callback length to ask for, frames. Only PulseAudio (and PipeWire's stand-in for it) was measured with 5 ms;
    /// through ALSA's `pulse` plugin that gave gaps and a storm of errors.
    fn frames(self, device_id: &str, rate_hz: u32) -> u32 {
        let ten_ms = u32::try_from(ten_milliseconds(rate_hz)).unwrap_or(SAMPLE_RATE_HZ / 100);
        let is_quick = self == Self::Quick && device_id.starts_with("pulseaudio:");
        if is_quick { ten_ms / 2 } else { ten_ms }
    }
}

/// First callbacks of a stream: they come while it is being built, and ask for all that the system will hold.
const FILLING_CALLBACKS: u64 = 20;

/// Tells the keeper of a device that its stream is broken, once per stream, or has got another device.
pub(crate) type OnBroken = Box<dyn FnMut(cpal::Error) + Send>;

/// A device stream. Dropping it stops it.
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
    let (config, format) = choose(found, Direction::Microphone, Pace::Quick)?;
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
    pace: Pace,
    clock_start: Instant,
    waker: Waker,
    counters: &Arc<StreamCounters>,
    on_broken: OnBroken,
) -> Result<(OpenStream, PlaybackTap), AudioError> {
    let (config, format) = choose(found, Direction::Loudspeaker, pace)?;
    let (port, tap) = playback_ring(config.sample_rate, config.channels, clock_start, waker, Arc::clone(counters));
    let on_error = error_callback(Arc::clone(counters), on_broken);
    let drains = DrainCount::of(config, Arc::clone(counters));
    let stream = match format {
        SampleFormat::I16 => build_output::<i16>(found, config, port, drains, on_error),
        SampleFormat::I32 => build_output::<i32>(found, config, port, drains, on_error),
        SampleFormat::U16 => build_output::<u16>(found, config, port, drains, on_error),
        _ => build_output::<f32>(found, config, port, drains, on_error),
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
    let take = move |data: &[T], info: &cpal::InputCallbackInfo| {
        port.take(data, capture_latency_micros(info, data.len(), config));
    };
    found.device.build_input_stream::<T, _, _>(config, take, on_error, Some(OPENING_LIMIT))
}

fn build_output<T>(
    found: &FoundDevice,
    config: StreamConfig,
    mut port: PlaybackPort,
    mut drains: DrainCount,
    on_error: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample + FromSample<f32>,
{
    let mut stated = StatedLatency::default();
    let fill = move |data: &mut [T], info: &cpal::OutputCallbackInfo| {
        drains.note_callback(data.len());
        port.fill(data, Instant::now(), stated.counted_once(playback_latency_micros(info)));
    };
    found.device.build_output_stream::<T, _, _>(config, fill, on_error, Some(OPENING_LIMIT))
}

/// Counts the callbacks by which a sound service asks for all it can hold: it had run out. PulseAudio reports that to
/// its clients, but not through cpal 0.18.
struct DrainCount {
    callbacks: u64,
    full_samples: usize,
    counters: Arc<StreamCounters>,
}

impl DrainCount {
    fn of(config: StreamConfig, counters: Arc<StreamCounters>) -> Self {
        // The service holds two callbacks' worth.
        let full_samples = match config.buffer_size {
            BufferSize::Fixed(frames) => frames as usize * usize::from(config.channels) * 2,
            BufferSize::Default => usize::MAX,
        };
        Self { callbacks: 0, full_samples, counters }
    }

    /// A callback asks for so many samples.
    fn note_callback(&mut self, samples: usize) {
        self.callbacks += 1;
        if self.callbacks > FILLING_CALLBACKS && samples >= self.full_samples {
            self.counters.drained.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// From the microphone to the callback, for the last frame of a callback's `samples`.
fn capture_latency_micros(info: &cpal::InputCallbackInfo, samples: usize, config: StreamConfig) -> i64 {
    let times = info.timestamp();
    let age = times.callback.saturating_duration_since(times.capture);
    let frames = samples as u64 / u64::from(config.channels.max(1));
    let length = Duration::from_micros(frames * 1_000_000 / u64::from(config.sample_rate.max(1)));
    i64::try_from(age.saturating_sub(length).as_micros()).unwrap_or(0)
}

/// From the callback to the moment its first frame leaves the loudspeaker, as the library states it.
fn playback_latency_micros(info: &cpal::OutputCallbackInfo) -> i64 {
    let times = info.timestamp();
    let latency = times.playback.saturating_duration_since(times.callback);
    i64::try_from(latency.as_micros()).unwrap_or(0)
}

/// Counts what the system reports, and passes on the first report that says the stream is gone. Some drivers report the
/// same error thousands of times in a loop (alsa-project/alsa-plugins issue 65): everything else is only counted, and a
/// stream that stops calling is noticed by its keeper.
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
        ErrorKind::DeviceChanged => on_broken(error),
        ErrorKind::RealtimeDenied => {}
        _ => {
            counters.errors.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The configuration nearest to what the engine wants.
fn choose(found: &FoundDevice, direction: Direction, pace: Pace) -> Result<(StreamConfig, SampleFormat), AudioError> {
    let ranges = supported(found, direction).map_err(|error| direction.error(&error))?;
    let wanted = wanted_channels(found, direction);
    let best = ranges.into_iter().min_by_key(|range| distance(range, wanted));
    let Some(range) = best else {
        return default_of(found, direction, pace);
    };
    let rate = SAMPLE_RATE_HZ.clamp(range.min_sample_rate(), range.max_sample_rate());
    let frames = pace.frames(&found.id, rate);
    Ok((config(range.channels(), rate, frames, range.buffer_size()), range.sample_format()))
}

fn supported(found: &FoundDevice, direction: Direction) -> Result<Vec<SupportedStreamConfigRange>, cpal::Error> {
    Ok(match direction {
        Direction::Microphone => found.device.supported_input_configs()?.filter(is_known).collect(),
        Direction::Loudspeaker => found.device.supported_output_configs()?.filter(is_known).collect(),
    })
}

fn default_of(
    found: &FoundDevice,
    direction: Direction,
    pace: Pace,
) -> Result<(StreamConfig, SampleFormat), AudioError> {
    let default = match direction {
        Direction::Microphone => found.device.default_input_config(),
        Direction::Loudspeaker => found.device.default_output_config(),
    }
    .map_err(|error| direction.error(&error))?;
    let frames = pace.frames(&found.id, default.sample_rate());
    Ok((config(default.channels(), default.sample_rate(), frames, default.buffer_size()), default.sample_format()))
}

fn is_known(range: &SupportedStreamConfigRange) -> bool {
    matches!(range.sample_format(), SampleFormat::F32 | SampleFormat::I16 | SampleFormat::I32 | SampleFormat::U16)
}

/// Two channels for a loudspeaker: one is played on the left only by some drivers. Two for a microphone that has them
/// by itself, in case the person wants both; a sound server would make two of one as well.
fn wanted_channels(found: &FoundDevice, direction: Direction) -> u16 {
    match direction {
        Direction::Microphone => found.device.default_input_config().map_or(1, |own| own.channels().min(2)),
        Direction::Loudspeaker => 2,
    }
}

/// How far a configuration is from the wish, worst first: its rate from 48 kHz, its channels from those wanted, its
/// samples from 32-bit float.
fn distance(range: &SupportedStreamConfigRange, wanted: u16) -> (u32, u16, u8) {
    let rate = SAMPLE_RATE_HZ.clamp(range.min_sample_rate(), range.max_sample_rate());
    let format = match range.sample_format() {
        SampleFormat::F32 => 0,
        SampleFormat::I32 => 1,
        SampleFormat::I16 => 2,
        _ => 3,
    };
    (rate.abs_diff(SAMPLE_RATE_HZ), range.channels().abs_diff(wanted), format)
}

/// Always a fixed size: left to itself the PulseAudio client buffers 2 s. The size that comes is another matter.
fn config(channels: u16, rate: u32, wanted: u32, buffer: &SupportedBufferSize) -> StreamConfig {
    let frames = match *buffer {
        SupportedBufferSize::Range { min, max } if min <= max => wanted.clamp(min, max),
        _ => wanted,
    };
    StreamConfig { channels, sample_rate: rate, buffer_size: BufferSize::Fixed(frames) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sound_server_that_was_measured_is_asked_for_the_quick_pace() {
        assert_eq!(Pace::Quick.frames("pulseaudio:headset", 48_000), 240);
        assert_eq!(Pace::Steady.frames("pulseaudio:headset", 48_000), 480);
        assert_eq!(Pace::Quick.frames("alsa:default", 44_100), 441);
    }

    #[test]
    fn a_callback_that_asks_for_everything_counts_as_drained_once_the_stream_runs() {
        let counters = Arc::new(StreamCounters::default());
        let config = StreamConfig { channels: 2, sample_rate: 48_000, buffer_size: BufferSize::Fixed(240) };
        let mut drains = DrainCount::of(config, Arc::clone(&counters));
        for _ in 0..FILLING_CALLBACKS {
            drains.note_callback(960);
        }
        assert_eq!(counters.drained.load(Ordering::Relaxed), 0);
        for samples in [480, 960, 480, 1_920] {
            drains.note_callback(samples);
        }
        assert_eq!(counters.drained.load(Ordering::Relaxed), 2);
    }
}
