//! A sound file in place of a microphone: read at the pace of real time, once, then silence.

use std::{
    fs::File,
    io::BufReader,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use hound::{SampleFormat, WavReader, WavSpec};

use crate::{
    device::{
        ring::{CapturePort, CaptureTap, Waker, capture_ring},
        statistics::StreamCounters,
    },
    dsp::resampler::ten_milliseconds,
    error::AudioError,
};

/// Pace of the "callbacks".
const TICK: Duration = Duration::from_millis(10);

/// A reader that fell behind further than this (a machine that slept) goes on from now.
const MAX_BACKLOG: Duration = Duration::from_millis(500);

/// A running sound file. Dropping it stops the reading before it returns.
pub(crate) struct WavMicrophone {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for WavMicrophone {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A reader that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}

/// Opens `path` and starts reading it.
///
/// # Errors
/// [`AudioError::WavUnreadable`] if it is not a sound file this program understands.
pub(crate) fn open(
    path: &Path,
    waker: Waker,
    counters: Arc<StreamCounters>,
) -> Result<(WavMicrophone, CaptureTap), AudioError> {
    let unreadable = |detail: String| AudioError::WavUnreadable(format!("{}: {detail}", path.display()));
    let reader = WavReader::open(path).map_err(|error| unreadable(error.to_string()))?;
    let spec = reader.spec();
    if spec.channels == 0 || spec.sample_rate < 1_000 {
        return Err(unreadable("no channels or no sample rate".into()));
    }
    let (port, tap) = capture_ring(spec.sample_rate, spec.channels, waker, counters);
    let (stop, stopped) = sync_channel(0);
    let thread = std::thread::Builder::new()
        .name("wav-microphone".into())
        .spawn(move || read_at_real_time(WavSource { reader, spec, ended: false }, port, &stopped))
        .map_err(|error| unreadable(error.to_string()))?;
    Ok((WavMicrophone { stop: Some(stop), thread: Some(thread) }, tap))
}

fn read_at_real_time(mut source: WavSource, mut port: CapturePort, stopped: &Receiver<()>) {
    let mut chunk = vec![0.0; ten_milliseconds(source.spec.sample_rate) * usize::from(source.spec.channels)];
    let mut due = Instant::now();
    loop {
        let now = Instant::now();
        if now.duration_since(due) > MAX_BACKLOG {
            due = now;
        }
        if let Some(wait) = due.checked_duration_since(now) {
            match stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
        }
        source.read(&mut chunk);
        port.take(&chunk, 0);
        due += TICK;
    }
}

struct WavSource {
    reader: WavReader<BufReader<File>>,
    spec: WavSpec,
    ended: bool,
}

impl WavSource {
    /// Fills `chunk` with the next samples, and with silence from the end of the file or its first broken sample on.
    fn read(&mut self, chunk: &mut [f32]) {
        let filled = if self.ended { 0 } else { self.read_samples(chunk) };
        self.ended |= filled < chunk.len();
        chunk[filled..].fill(0.0);
    }

    fn read_samples(&mut self, chunk: &mut [f32]) -> usize {
        match self.spec.sample_format {
            SampleFormat::Float => copy(chunk, self.reader.samples::<f32>().map_while(Result::ok)),
            SampleFormat::Int => {
                let full_scale = 2_f32.powi(i32::from(self.spec.bits_per_sample) - 1);
                let samples = self.reader.samples::<i32>().map_while(Result::ok);
                copy(chunk, samples.map(|sample| sample as f32 / full_scale))
            }
        }
    }
}

fn copy(chunk: &mut [f32], samples: impl Iterator<Item = f32>) -> usize {
    let mut filled = 0;
    for (slot, sample) in chunk.iter_mut().zip(samples) {
        *slot = sample;
        filled += 1;
    }
    filled
}
