//! The only code that runs in a device callback: samples into and out of a wait-free ring. No allocation, no lock, no log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Thread;

use cpal::{FromSample, Sample};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::fade::{FADE_SAMPLES, GainRamp};
use crate::resampler::ten_milliseconds;
use crate::statistics::StreamCounters;

/// Per-sample decay of the last value when the ring runs empty: silent after about 5 ms, without a step.
const STARVED_DECAY: f32 = 0.98;

/// Wakes the engine thread. Waking is one system call at most: no lock is taken and nothing is allocated.
#[derive(Clone, Debug)]
pub struct Waker(Thread);

impl Waker {
    /// Wakes this thread.
    pub fn of(thread: Thread) -> Self {
        Self(thread)
    }

    /// Wakes the thread now, or lets its next wait return at once.
    pub fn wake(&self) {
        self.0.unpark();
    }
}

/// The callback's end of the microphone ring.
pub struct CapturePort {
    ring: Producer<f32>,
    channels: usize,
    wake_at: usize,
    waker: Waker,
    counters: Arc<StreamCounters>,
}

/// The engine's end of the microphone ring: mono at the device's rate.
pub struct CaptureTap {
    pub(crate) ring: Consumer<f32>,
    pub(crate) rate_hz: u32,
}

/// A ring of one second between a microphone's callback and the engine.
pub(crate) fn capture_ring(
    rate_hz: u32, channels: u16, waker: Waker, counters: Arc<StreamCounters>,
) -> (CapturePort, CaptureTap) {
    let (producer, consumer) = RingBuffer::new(rate_hz.max(1_000) as usize);
    let wake_at = ten_milliseconds(rate_hz);
    let port = CapturePort { ring: producer, channels: usize::from(channels.max(1)), wake_at, waker, counters };
    (port, CaptureTap { ring: consumer, rate_hz })
}

impl CapturePort {
    /// Takes what a callback delivers, interleaved; channels are averaged. Wakes the engine once 10 ms are there.
    pub fn take<T>(&mut self, data: &[T])
    where
        T: Sample,
        f32: FromSample<T>,
    {
        let frames = data.len() / self.channels;
        self.counters.note_callback(frames);
        let room = self.ring.slots().min(frames);
        if room < frames {
            self.counters.note_starved(frames, frames - room);
        }
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            chunk.fill_from_iter(data.chunks_exact(self.channels).map(average));
        }
        let filled = self.ring.buffer().capacity() - self.ring.slots();
        if filled >= self.wake_at {
            self.waker.wake();
        }
    }
}

fn average<T>(frame: &[T]) -> f32
where
    T: Sample,
    f32: FromSample<T>,
{
    let sum: f32 = frame.iter().map(|sample| f32::from_sample(*sample)).sum();
    let mean = sum / frame.len() as f32;
    if mean.is_finite() { mean.clamp(-1.0, 1.0) } else { 0.0 }
}

/// The callback's end of the loudspeaker ring.
pub struct PlaybackPort {
    ring: Consumer<f32>,
    channels: usize,
    last: f32,
    gain: GainRamp,
    waker: Waker,
    counters: Arc<StreamCounters>,
}

/// The engine's end of the loudspeaker ring: mono at the device's rate.
pub struct PlaybackTap {
    pub(crate) ring: Producer<f32>,
    pub(crate) rate_hz: u32,
    pub(crate) counters: Arc<StreamCounters>,
}

/// A ring of one second between the engine and a loudspeaker's callback.
pub(crate) fn playback_ring(
    rate_hz: u32, channels: u16, waker: Waker, counters: Arc<StreamCounters>,
) -> (PlaybackPort, PlaybackTap) {
    let (producer, consumer) = RingBuffer::new(rate_hz.max(1_000) as usize);
    let port = PlaybackPort {
        ring: consumer,
        channels: usize::from(channels.max(1)),
        last: 0.0,
        gain: GainRamp::resting_at(0.0),
        waker,
        counters: Arc::clone(&counters),
    };
    (port, PlaybackTap { ring: producer, rate_hz, counters })
}

impl PlaybackPort {
    /// Fills what a callback asks for, interleaved, the same sound in the first two channels. Where the ring runs empty the
    /// sound dies away without a click and fades in again later. Wakes the engine to refill the ring.
    pub fn fill<T>(&mut self, data: &mut [T])
    where
        T: Sample + FromSample<f32>,
    {
        let wanted = data.len() / self.channels;
        self.counters.note_callback(wanted);
        let ready = self.ring.slots().min(wanted);
        let (sound, rest) = data.split_at_mut(ready * self.channels);
        if ready > 0 {
            self.play(sound, ready);
        }
        if ready < wanted {
            self.counters.note_starved(wanted, wanted - ready);
            self.die_away(rest);
        }
        self.counters.least_left.fetch_min(self.ring.slots() as u64, Ordering::Relaxed);
        self.waker.wake();
    }

    fn play<T>(&mut self, data: &mut [T], frames: usize)
    where
        T: Sample + FromSample<f32>,
    {
        let Ok(chunk) = self.ring.read_chunk(frames) else { return };
        let (first, second) = chunk.as_slices();
        self.gain.head_for(1.0, FADE_SAMPLES);
        for (frame, sample) in data.chunks_exact_mut(self.channels).zip(first.iter().chain(second)) {
            self.last = sample * self.gain.next_gain();
            spread(frame, self.last);
        }
        chunk.commit_all();
    }

    fn die_away<T>(&mut self, data: &mut [T])
    where
        T: Sample + FromSample<f32>,
    {
        self.gain = GainRamp::resting_at(0.0);
        for frame in data.chunks_mut(self.channels) {
            self.last *= STARVED_DECAY;
            spread(frame, self.last);
        }
    }
}

/// Left and right get the sound, further channels stay silent.
fn spread<T>(frame: &mut [T], sample: f32)
where
    T: Sample + FromSample<f32>,
{
    for (channel, out) in frame.iter_mut().enumerate() {
        *out = if channel < 2 { T::from_sample(sample) } else { T::EQUILIBRIUM };
    }
}
