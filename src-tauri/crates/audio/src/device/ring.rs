//! The only code that runs in a device callback: samples into and out of a wait-free ring. No allocation, no lock, no
//! log.
//!
//! Rings carry left and right of each moment, at the device's rate; for a mono sound both are the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread::Thread,
    time::Instant,
};

use cpal::{FromSample, Sample};
use rtrb::{Consumer, Producer, RingBuffer};
use serambi_codec::dsp::{
    fade::{FADE_SAMPLES, GainRamp},
    mid_side::Channels,
};

use crate::{
    device::{callback_timing::CallbackTiming, statistics::StreamCounters},
    dsp::resampler::ten_milliseconds,
};

/// Per-sample decay of the last value when the ring runs empty: silent after about 5 ms, without a step.
const STARVED_DECAY: f32 = 0.98;

/// What has died away this far ends. Left alone it would be multiplied for ever by numbers so small that processors are
/// slow with them.
const INAUDIBLE: f32 = 1e-9;

/// Least size of a ring, frames: a slow device may want as many at once as a fast one.
const MIN_RING_FRAMES: usize = 48_000;

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

/// Left and right of one moment.
pub type LeftRight = [f32; 2];

/// The callback's end of the microphone ring.
pub struct CapturePort {
    ring: Producer<LeftRight>,
    channels: usize,
    keeps_stereo: Arc<AtomicBool>,
    wake_at: usize,
    latency_micros: Arc<AtomicI64>,
    waker: Waker,
    counters: Arc<StreamCounters>,
}

/// The engine's end of the microphone ring, at the device's rate.
pub struct CaptureTap {
    pub(crate) ring: Consumer<LeftRight>,
    pub(crate) rate_hz: u32,
    pub(crate) channels: Channels,
    /// Whether the first two channels go through as left and right. Otherwise both are the mean of all channels.
    pub(crate) keeps_stereo: Arc<AtomicBool>,
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
    let (producer, consumer) = RingBuffer::new(MIN_RING_FRAMES.max(rate_hz as usize));
    let wake_at = ten_milliseconds(rate_hz);
    let latency_micros = Arc::new(AtomicI64::new(0));
    let keeps_stereo = Arc::new(AtomicBool::new(false));
    let port = CapturePort {
        ring: producer,
        channels: usize::from(channels.max(1)),
        keeps_stereo: Arc::clone(&keeps_stereo),
        wake_at,
        latency_micros: Arc::clone(&latency_micros),
        waker,
        counters,
    };
    let channels = if channels > 1 { Channels::Stereo } else { Channels::Mono };
    (port, CaptureTap { ring: consumer, rate_hz, channels, keeps_stereo, latency_micros })
}

impl CapturePort {
    /// Takes what a callback delivers, interleaved, `latency_micros` after its last frame reached the microphone;
    /// channels are averaged unless somebody asked for two. Wakes the engine once 10 ms are there.
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
        let keeps_stereo = self.channels > 1 && self.keeps_stereo.load(Ordering::Relaxed);
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            let frames = data.chunks_exact(self.channels);
            if keeps_stereo {
                chunk.fill_from_iter(frames.map(first_two));
            } else {
                chunk.fill_from_iter(frames.map(|frame| [average(frame); 2]));
            }
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
    within_full_scale(sum / frame.len() as f32)
}

fn first_two<T>(frame: &[T]) -> LeftRight
where
    T: Sample,
    f32: FromSample<T>,
{
    [frame[0], frame[1]].map(|sample| within_full_scale(f32::from_sample(sample)))
}

fn within_full_scale(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

/// The callback's end of the loudspeaker ring.
pub struct PlaybackPort {
    ring: Consumer<LeftRight>,
    channels: usize,
    /// What was played last.
    last: LeftRight,
    /// The dying rest of the sound before the ring last ran empty.
    rest: LeftRight,
    gain: GainRamp,
    waker: Waker,
    timing: Arc<CallbackTiming>,
    counters: Arc<StreamCounters>,
}

/// The engine's end of the loudspeaker ring, at the device's rate.
pub struct PlaybackTap {
    pub(crate) ring: Producer<LeftRight>,
    pub(crate) rate_hz: u32,
    pub(crate) timing: Arc<CallbackTiming>,
}

/// A ring of at least one second between the engine, whose clock started at `clock_start`, and a loudspeaker's
/// callback.
pub(crate) fn playback_ring(
    rate_hz: u32,
    channels: u16,
    clock_start: Instant,
    waker: Waker,
    counters: Arc<StreamCounters>,
) -> (PlaybackPort, PlaybackTap) {
    let (producer, consumer) = RingBuffer::new(MIN_RING_FRAMES.max(rate_hz as usize));
    let timing = Arc::new(CallbackTiming::new(clock_start, rate_hz));
    let port = PlaybackPort {
        ring: consumer,
        channels: usize::from(channels.max(1)),
        last: [0.0; 2],
        rest: [0.0; 2],
        gain: GainRamp::resting_at(0.0),
        waker,
        timing: Arc::clone(&timing),
        counters,
    };
    (port, PlaybackTap { ring: producer, rate_hz, timing })
}

impl PlaybackPort {
    /// Fills what a callback asks for at `called`, interleaved: left and right in the first two channels, or their mean
    /// in the only one. Its first frame leaves the loudspeaker `latency_micros` later. Where the ring runs empty the
    /// sound dies away without a click and fades in again later. Wakes the engine, which refills the ring before the
    /// next callback, unless it knew that this one would come now.
    pub fn fill<T>(&mut self, data: &mut [T], called: Instant, latency_micros: i64)
    where
        T: Sample + FromSample<f32>,
    {
        let wanted = data.len() / self.channels;
        self.counters.note_callback(wanted);
        let ready = self.ring.slots().min(wanted);
        let is_expected = self.timing.note_callback(called, latency_micros, wanted, ready);
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
        if self.rest.iter().all(|rest| rest.abs() < INAUDIBLE) {
            self.rest = [0.0; 2];
        }
        let frames = data.chunks_exact_mut(self.channels).zip(first.iter().chain(second));
        if self.gain.is_open() && self.rest == [0.0; 2] {
            frames.for_each(|(frame, sample)| spread(frame, *sample));
            self.last = second.last().or(first.last()).copied().unwrap_or(self.last);
            return chunk.commit_all();
        }
        for (frame, sample) in frames {
            let gain = self.gain.next_gain();
            self.rest = self.rest.map(|rest| rest * STARVED_DECAY);
            self.last = [self.rest[0] + sample[0] * gain, self.rest[1] + sample[1] * gain];
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
            self.rest = self.rest.map(|rest| rest * STARVED_DECAY);
            spread(frame, self.rest);
        }
        self.last = self.rest;
    }
}

/// Channels after the second stay silent.
fn spread<T>(frame: &mut [T], [left, right]: LeftRight)
where
    T: Sample + FromSample<f32>,
{
    if let [both] = frame {
        *both = T::from_sample(0.5 * (left + right));
        return;
    }
    for (out, sample) in frame.iter_mut().zip([left, right]) {
        *out = T::from_sample(sample);
    }
    frame.iter_mut().skip(2).for_each(|out| *out = T::EQUILIBRIUM);
}

#[cfg(test)]
mod tests {
    use assert_no_alloc::assert_no_alloc;
    use proptest::prelude::*;
    use serambi_codec::dsp::level_meter::{dbfs, mean_square};

    use super::*;

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
        let moments: Vec<LeftRight> = std::iter::from_fn(|| tap.ring.pop().ok()).collect();
        assert!(moments.iter().all(|[left, right]| left == right));
        moments.into_iter().map(|[left, _]| left).collect()
    }

    #[test]
    fn callbacks_do_not_allocate_whether_the_ring_has_room_or_not() {
        let (mut input, _tap, _) = capture(2);
        let (mut output, mut tap, _) = playback(2);
        let called = Instant::now();
        let heard = [0.1_f32; 40_000];
        let mut played = [0.0_f32; 40_000];
        let mut integers = [0_i16; 4_000];
        assert_eq!(tap.ring.push_partial_slice(heard.as_chunks().0).1.len(), 0);
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
                    prop_assert!(tap.ring.push([0.5; 2]).is_ok());
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
    fn two_channels_go_through_apart_where_somebody_asked_for_them() {
        let (mut input, mut tap, _) = capture(3);
        tap.keeps_stereo.store(true, Ordering::Relaxed);
        input.take(&[0.5_f32, -0.25, 0.9, 0.125, f32::NAN, 0.9], 0);
        assert_eq!([tap.ring.pop(), tap.ring.pop()], [Ok([0.5, -0.25]), Ok([0.125, 0.0])]);
        let (mut mono, mut tap, _) = capture(1);
        assert_eq!(tap.channels, Channels::Mono);
        tap.keeps_stereo.store(true, Ordering::Relaxed);
        mono.take(&[0.5_f32, -0.25], 0);
        assert_eq!(samples_in(&mut tap), [0.5, -0.25]);
    }

    #[test]
    fn a_loudspeaker_of_one_channel_plays_the_mean_of_both() {
        let (mut output, mut tap, _) = playback(1);
        assert_eq!(tap.ring.push_partial_slice(&[[0.5, 0.25]; 480]).1.len(), 0);
        let mut data = [0.0_f32; 480];
        output.fill(&mut data, Instant::now(), 0);
        assert_eq!(data[479], 0.375);
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
    fn after_a_hole_the_sound_is_soon_what_the_engine_gave_again() {
        let (mut output, mut tap, _) = playback(2);
        let sound: Vec<LeftRight> = (0..3_000).map(|n| [n as f32 / 3_000.0, -0.25]).collect();
        let mut played = vec![0.0_f32; 6_000];
        for _ in 0..2 {
            let _ = tap.ring.push_partial_slice(&sound);
            output.fill(&mut played, Instant::now(), 0);
            output.fill(&mut [0.0_f32; 20], Instant::now(), 0);
        }
        let _ = tap.ring.push_partial_slice(&sound);
        output.fill(&mut played[..3_000], Instant::now(), 0);
        assert_ne!(output.rest, [0.0; 2]);
        output.fill(&mut played[..3_000], Instant::now(), 0);
        assert_eq!(played[..3_000].as_chunks().0, &sound[1_500..]);
        assert_eq!(output.last, sound[2_999]);
        assert_eq!(output.rest, [0.0; 2]);
    }

    #[test]
    fn sound_is_played_left_and_right_and_nowhere_else() {
        let (mut output, mut tap, _) = playback(6);
        for _ in 0..4_800 {
            assert!(tap.ring.push([0.25; 2]).is_ok());
        }
        let mut data = vec![9.0_f32; 4_800 * 6];
        output.fill(&mut data, Instant::now(), 0);
        let channel = |n: usize| data.chunks(6).skip(480).map(|frame| frame[n]).collect::<Vec<_>>();
        assert!((dbfs(mean_square(&channel(0))) + 12.04).abs() < 0.1);
        assert_eq!(channel(0), channel(1));
        assert!((2..6).all(|n| channel(n).iter().all(|sample| *sample == 0.0)));
    }
}
