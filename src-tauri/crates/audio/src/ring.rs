//! The only code that runs in a device callback: samples into and out of a wait-free ring. No allocation, no lock, no log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::Thread;
use std::time::Instant;

use cpal::{FromSample, Sample};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::fade::{FADE_SAMPLES, GainRamp};
use crate::playback_pulse::PlaybackPulse;
use crate::resampler::ten_milliseconds;
use crate::statistics::StreamCounters;

/// Per-sample decay of the last value when the ring runs empty: silent after about 5 ms, without a step.
const STARVED_DECAY: f32 = 0.98;

/// Least size of a ring, frames: a slow device may want as many at once as a fast one.
const LEAST_RING_FRAMES: usize = 48_000;

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
    latency_micros: Arc<AtomicI64>,
    waker: Waker,
    counters: Arc<StreamCounters>,
}

/// The engine's end of the microphone ring: mono at the device's rate.
pub struct CaptureTap {
    pub(crate) ring: Consumer<f32>,
    pub(crate) rate_hz: u32,
    /// From the microphone to the callback, microseconds, as the system says.
    pub(crate) latency_micros: Arc<AtomicI64>,
}

/// A ring of at least one second between a microphone's callback and the engine.
pub(crate) fn capture_ring(
    rate_hz: u32,
    channels: u16,
    waker: Waker,
    counters: Arc<StreamCounters>,
) -> (CapturePort, CaptureTap) {
    let (producer, consumer) = RingBuffer::new(LEAST_RING_FRAMES.max(rate_hz as usize));
    let wake_at = ten_milliseconds(rate_hz);
    let latency_micros = Arc::new(AtomicI64::new(0));
    let port = CapturePort {
        ring: producer,
        channels: usize::from(channels.max(1)),
        wake_at,
        latency_micros: Arc::clone(&latency_micros),
        waker,
        counters,
    };
    (port, CaptureTap { ring: consumer, rate_hz, latency_micros })
}

impl CapturePort {
    /// Takes what a callback delivers, interleaved, `latency_micros` after its last frame reached the microphone; channels are
    /// averaged. Wakes the engine once 10 ms are there.
    pub fn take<T>(&mut self, data: &[T], latency_micros: i64)
    where
        T: Sample,
        f32: FromSample<T>,
    {
        let frames = data.len() / self.channels;
        self.latency_micros.store(latency_micros, Ordering::Relaxed);
        self.counters.note_callback(frames);
        let room = self.ring.slots().min(frames);
        if room < frames {
            self.counters.note_starved(frames - room);
        }
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            chunk.fill_from_iter(data.chunks_exact(self.channels).map(average));
        }
        if self.frames_to_wake() == 0 {
            self.waker.wake();
        }
    }

    /// How many frames more wake the engine.
    pub(crate) fn frames_to_wake(&self) -> usize {
        let filled = self.ring.buffer().capacity() - self.ring.slots();
        self.wake_at.saturating_sub(filled)
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
    /// What was played last.
    last: f32,
    /// The dying rest of the sound before the ring last ran empty.
    rest: f32,
    gain: GainRamp,
    waker: Waker,
    pulse: Arc<PlaybackPulse>,
    counters: Arc<StreamCounters>,
}

/// The engine's end of the loudspeaker ring: mono at the device's rate.
pub struct PlaybackTap {
    pub(crate) ring: Producer<f32>,
    pub(crate) rate_hz: u32,
    pub(crate) pulse: Arc<PlaybackPulse>,
}

/// A ring of at least one second between the engine, whose clock started at `clock_start`, and a loudspeaker's callback.
pub(crate) fn playback_ring(
    rate_hz: u32,
    channels: u16,
    clock_start: Instant,
    waker: Waker,
    counters: Arc<StreamCounters>,
) -> (PlaybackPort, PlaybackTap) {
    let (producer, consumer) = RingBuffer::new(LEAST_RING_FRAMES.max(rate_hz as usize));
    let pulse = Arc::new(PlaybackPulse::new(clock_start, rate_hz));
    let port = PlaybackPort {
        ring: consumer,
        channels: usize::from(channels.max(1)),
        last: 0.0,
        rest: 0.0,
        gain: GainRamp::resting_at(0.0),
        waker,
        pulse: Arc::clone(&pulse),
        counters,
    };
    (port, PlaybackTap { ring: producer, rate_hz, pulse })
}

impl PlaybackPort {
    /// Fills what a callback asks for at `called`, interleaved, the same sound in the first two channels; its first frame leaves
    /// the loudspeaker `latency_micros` later. Where the ring runs empty the sound dies away without a click and fades in again
    /// later. Wakes the engine, which refills the ring before the next callback, unless it knew that this one would come now.
    pub fn fill<T>(&mut self, data: &mut [T], called: Instant, latency_micros: i64)
    where
        T: Sample + FromSample<f32>,
    {
        let wanted = data.len() / self.channels;
        self.counters.note_callback(wanted);
        let ready = self.ring.slots().min(wanted);
        let is_expected = self.pulse.note_callback(called, latency_micros, wanted, ready);
        let (sound, rest) = data.split_at_mut(ready * self.channels);
        if ready > 0 {
            self.play(sound, ready);
        }
        if ready < wanted {
            self.counters.note_starved(wanted - ready);
            self.die_away(rest);
        }
        if !is_expected {
            self.waker.wake();
        }
    }

    fn play<T>(&mut self, data: &mut [T], frames: usize)
    where
        T: Sample + FromSample<f32>,
    {
        let Ok(chunk) = self.ring.read_chunk(frames) else { return };
        let (first, second) = chunk.as_slices();
        self.gain.head_for(1.0, FADE_SAMPLES);
        for (frame, sample) in data.chunks_exact_mut(self.channels).zip(first.iter().chain(second)) {
            self.rest *= STARVED_DECAY;
            self.last = self.rest + sample * self.gain.next_gain();
            spread(frame, self.last);
        }
        chunk.commit_all();
    }

    fn die_away<T>(&mut self, data: &mut [T])
    where
        T: Sample + FromSample<f32>,
    {
        self.gain = GainRamp::resting_at(0.0);
        self.rest = self.last;
        for frame in data.chunks_mut(self.channels) {
            self.rest *= STARVED_DECAY;
            spread(frame, self.rest);
        }
        self.last = self.rest;
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

#[cfg(test)]
mod tests {
    use assert_no_alloc::assert_no_alloc;
    use proptest::prelude::*;

    use super::*;
    use crate::level_meter::{dbfs, mean_square};

    fn capture(channels: u16) -> (CapturePort, CaptureTap, Arc<StreamCounters>) {
        let counters = Arc::new(StreamCounters::default());
        let waker = Waker::of(std::thread::current());
        let (port, tap) = capture_ring(48_000, channels, waker, Arc::clone(&counters));
        (port, tap, counters)
    }

    fn playback(channels: u16) -> (PlaybackPort, PlaybackTap, Arc<StreamCounters>) {
        let counters = Arc::new(StreamCounters::default());
        let waker = Waker::of(std::thread::current());
        let (port, tap) = playback_ring(48_000, channels, Instant::now(), waker, Arc::clone(&counters));
        (port, tap, counters)
    }

    fn samples_in(tap: &mut CaptureTap) -> Vec<f32> {
        std::iter::from_fn(|| tap.ring.pop().ok()).collect()
    }

    #[test]
    fn callbacks_do_not_allocate_whether_the_ring_has_room_or_not() {
        let (mut input, _tap, _) = capture(2);
        let (mut output, mut tap, _) = playback(2);
        let called = Instant::now();
        let heard = [0.1_f32; 40_000];
        let mut played = [0.0_f32; 40_000];
        let mut integers = [0_i16; 4_000];
        assert_eq!(tap.ring.push_partial_slice(&heard).1.len(), 0);
        assert_no_alloc(|| {
            for frames in [1, 24, 480, 960, 20_000] {
                input.take(&heard[..frames * 2], 0);
                output.fill(&mut played[..frames * 2], called, 0);
            }
            input.take(&[0_i16; 4_000], 0);
            for _ in 0..100 {
                output.fill(&mut integers, called, 0);
            }
        });
    }

    proptest! {
        #[test]
        fn callbacks_of_any_size_pass_every_sample(
            sizes in prop::collection::vec(1_usize..20_000, 1..20), channels in 1_u16..8
        ) {
            let (mut input, mut tap, counters) = capture(channels);
            let mut total = 0;
            for frames in sizes {
                input.take(&vec![0.25_f32; frames * usize::from(channels)], 0);
                let got = samples_in(&mut tap);
                prop_assert_eq!(got.len(), frames);
                prop_assert!(got.iter().all(|sample| (sample - 0.25).abs() < 1e-6));
                total += frames as u64;
            }
            prop_assert_eq!(counters.snapshot().frames, total);
            prop_assert_eq!(counters.snapshot().starved, 0);
        }

        #[test]
        fn a_loudspeaker_callback_of_any_size_is_filled_without_a_step(
            sizes in prop::collection::vec(1_usize..20_000, 1..20), fed in prop::collection::vec(0_usize..3_000, 20)
        ) {
            let (mut output, mut tap, _) = playback(1);
            let mut played = Vec::new();
            for (frames, fed) in sizes.into_iter().zip(fed) {
                for _ in 0..fed.min(tap.ring.slots()) {
                    prop_assert!(tap.ring.push(0.5).is_ok());
                }
                let mut data = vec![9.0_f32; frames];
                output.fill(&mut data, Instant::now(), 0);
                played.extend(data);
            }
            let largest = played.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            // Both ramps at their steepest: dying away by 2 % of 0.5 per sample, fading in by 0.5 in 240 samples.
            prop_assert!(largest <= 0.0122, "{}", largest);
        }
    }

    #[test]
    fn a_full_ring_loses_sound_and_says_so() {
        let (mut input, _tap, counters) = capture(1);
        for _ in 0..5 {
            input.take(&[0.0_f32; 20_000], 0);
        }
        let counted = counters.snapshot();
        assert_eq!(counted.starved_frames, 100_000 - 48_000);
        assert_eq!(counted.largest_callback, 20_000);
    }

    #[test]
    fn samples_that_are_not_numbers_are_silence() {
        let (mut input, mut tap, _) = capture(1);
        input.take(&[f32::NAN, f32::INFINITY, -7.0, 0.5], 0);
        assert_eq!(samples_in(&mut tap), [0.0, 0.0, -1.0, 0.5]);
    }

    #[test]
    fn sound_is_played_left_and_right_and_nowhere_else() {
        let (mut output, mut tap, _) = playback(6);
        for _ in 0..4_800 {
            assert!(tap.ring.push(0.25).is_ok());
        }
        let mut data = vec![9.0_f32; 4_800 * 6];
        output.fill(&mut data, Instant::now(), 0);
        let channel = |n: usize| data.chunks(6).skip(480).map(|frame| frame[n]).collect::<Vec<_>>();
        assert!((dbfs(mean_square(&channel(0))) + 12.04).abs() < 0.1);
        assert_eq!(channel(0), channel(1));
        assert!((2..6).all(|n| channel(n).iter().all(|sample| *sample == 0.0)));
    }
}
