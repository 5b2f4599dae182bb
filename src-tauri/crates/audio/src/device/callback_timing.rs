//! What a loudspeaker's callbacks and the engine tell each other about time: when the last callback came, and how long
//! before it its sound was there. Atomics only: the callback waits for nobody.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Instant,
};

use serambi_codec::clock::Moment;

use crate::device::render_lead::{CallbackLuck, LastCallback};

const NEVER: i64 = i64::MIN;
const NONE_YET: i64 = i64::MAX;

/// A callback this near to its time tells the engine nothing new, microseconds: half of what the engine keeps to spare.
const EXPECTED_WITHIN_MICROS: i64 = 500;

/// Shared by both ends of one playback ring.
#[derive(Debug)]
pub(crate) struct CallbackTiming {
    clock_start: Instant,
    rate_hz: u32,
    called_at: AtomicI64,
    /// Asked for in the last callback and in the one before.
    called_frames: AtomicU64,
    called_before_frames: AtomicU64,
    latency_micros: AtomicI64,
    /// Frames that callbacks took so far.
    taken: AtomicU64,
    /// Frames that had been rendered before the last block, and when that one was.
    rendered_before: AtomicU64,
    rendered_at: AtomicI64,
    /// Since the last look.
    missing_frames: AtomicU64,
    least_spare_micros: AtomicI64,
}

impl CallbackTiming {
    /// The timing of a stream that has not begun, on the clock that started at `clock_start`.
    pub(crate) fn new(clock_start: Instant, rate_hz: u32) -> Self {
        Self {
            clock_start,
            rate_hz,
            called_at: AtomicI64::new(NEVER),
            called_frames: AtomicU64::new(u64::MAX),
            called_before_frames: AtomicU64::new(u64::MAX),
            latency_micros: AtomicI64::new(0),
            taken: AtomicU64::new(0),
            rendered_before: AtomicU64::new(0),
            rendered_at: AtomicI64::new(NEVER),
            missing_frames: AtomicU64::new(0),
            least_spare_micros: AtomicI64::new(NONE_YET),
        }
    }

    /// From the callback: at `called` it asks for `wanted` frames and takes the `ready` ones. The first of them leaves
    /// the loudspeaker `latency_micros` later. Tells whether it was what the last callbacks let expect: then the
    /// engine, which sleeps until shortly before the next one, need not be woken.
    pub(crate) fn note_callback(&self, called: Instant, latency_micros: i64, wanted: usize, ready: usize) -> bool {
        let at = Moment::of(called, self.clock_start).micros();
        let is_expected = ready == wanted && self.expects(at, wanted);
        self.called_at.store(at, Ordering::Relaxed);
        self.called_before_frames.store(self.called_frames.load(Ordering::Relaxed), Ordering::Relaxed);
        self.called_frames.store(wanted as u64, Ordering::Relaxed);
        self.latency_micros.store(latency_micros, Ordering::Relaxed);
        let taken = self.taken.fetch_add(ready as u64, Ordering::Relaxed);
        let last_block = self.rendered_before.load(Ordering::Relaxed);
        if taken <= last_block && last_block < taken + ready as u64 {
            let spare = at.saturating_sub(self.rendered_at.load(Ordering::Relaxed));
            self.least_spare_micros.fetch_min(spare, Ordering::Relaxed);
        }
        self.missing_frames.fetch_add(wanted.saturating_sub(ready) as u64, Ordering::Relaxed);
        is_expected
    }

    fn expects(&self, at: i64, wanted: usize) -> bool {
        let (last, before) =
            (self.called_frames.load(Ordering::Relaxed), self.called_before_frames.load(Ordering::Relaxed));
        let is_even = last == wanted as u64 && before == last;
        let due = self.called_at.load(Ordering::Relaxed).saturating_add(self.micros(wanted as i64));
        is_even && at.saturating_sub(due).abs() <= EXPECTED_WITHIN_MICROS
    }

    /// From the engine: a block is put into the ring at `now`, behind `filled` frames that wait there.
    pub(crate) fn note_block(&self, now: Moment, filled: usize) {
        self.rendered_at.store(now.micros(), Ordering::Relaxed);
        self.rendered_before.store(self.taken.load(Ordering::Relaxed) + filled as u64, Ordering::Relaxed);
    }

    /// The last callback; `None` before the first. Its period is the shorter one of the last two: a sound service that
    /// had stalled asks for much at once and then again soon.
    pub(crate) fn last_callback(&self) -> Option<LastCallback> {
        let at = self.called_at.load(Ordering::Relaxed);
        let before = self.called_before_frames.load(Ordering::Relaxed);
        let frames = self.called_frames.load(Ordering::Relaxed).min(before);
        let period_micros = self.micros(i64::try_from(frames).unwrap_or(0));
        (at != NEVER).then(|| LastCallback { at: Moment::default().plus_micros(at), period_micros })
    }

    /// From the next callback to when its first frame leaves the loudspeaker, microseconds, as the system says.
    pub(crate) fn latency_micros(&self) -> i64 {
        self.latency_micros.load(Ordering::Relaxed)
    }

    /// From `now` to when sound leaves the loudspeaker that is put into the ring behind `filled` frames, microseconds:
    /// the next callback comes, its first frame takes the device's latency, and the waiting frames go first.
    pub(crate) fn micros_to_ear(&self, now: Moment, filled: usize) -> i64 {
        let to_next = self.last_callback().map_or(0, |last| last.micros_to_next(now));
        to_next + self.latency_micros() + self.micros(filled as i64)
    }

    /// What happened in the callbacks since the last call.
    pub(crate) fn take_luck(&self) -> CallbackLuck {
        let missing = self.missing_frames.swap(0, Ordering::Relaxed);
        let spare = self.least_spare_micros.swap(NONE_YET, Ordering::Relaxed);
        CallbackLuck {
            missing_micros: self.micros(i64::try_from(missing).unwrap_or(0)),
            least_spare_micros: (spare != NONE_YET).then_some(spare),
        }
    }

    /// How long `frames` last on this device, microseconds.
    pub(crate) fn micros(&self, frames: i64) -> i64 {
        frames.saturating_mul(1_000_000) / i64::from(self.rate_hz.max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timing() -> (CallbackTiming, Instant) {
        let start = Instant::now();
        (CallbackTiming::new(start, 48_000), start)
    }

    #[test]
    fn before_the_first_callback_there_is_no_timing() {
        let (timing, _) = timing();
        assert_eq!(timing.last_callback(), None);
        assert_eq!(timing.take_luck(), CallbackLuck::default());
    }

    #[test]
    fn only_the_callback_that_begins_a_block_tells_how_early_the_block_was_there() {
        let (timing, start) = timing();
        timing.note_block(Moment::from_millis(10), 0);
        timing.note_callback(start + Duration::from_millis(13), 5_000, 240, 240);
        timing.note_callback(start + Duration::from_millis(18), 5_000, 240, 240);
        assert_eq!(timing.take_luck(), CallbackLuck { missing_micros: 0, least_spare_micros: Some(3_000) });
        assert_eq!(timing.take_luck(), CallbackLuck::default());
        assert_eq!(timing.last_callback(), Some(LastCallback { at: Moment::from_millis(18), period_micros: 5_000 }));
    }

    #[test]
    fn a_single_large_callback_does_not_put_the_next_one_off() {
        let (timing, start) = timing();
        timing.note_callback(start + Duration::from_millis(10), 0, 480, 480);
        timing.note_callback(start + Duration::from_millis(30), 0, 960, 480);
        assert_eq!(timing.last_callback(), Some(LastCallback { at: Moment::from_millis(30), period_micros: 10_000 }));
    }

    #[test]
    fn only_an_even_pace_lets_the_engine_sleep() {
        let (timing, start) = timing();
        let expected = |micros: u64, wanted: usize, ready: usize| {
            timing.note_callback(start + Duration::from_micros(micros), 0, wanted, ready)
        };
        assert!(!expected(10_000, 240, 240));
        assert!(!expected(15_000, 240, 240));
        assert!(expected(20_000, 240, 240));
        assert!(expected(25_400, 240, 240));
        assert!(!expected(31_000, 240, 240), "late");
        assert!(!expected(35_000, 240, 240), "early");
        assert!(!expected(40_000, 240, 100), "starved");
        assert!(!expected(45_000, 480, 480), "another length");
    }

    #[test]
    fn what_a_callback_misses_is_told_once() {
        let (timing, start) = timing();
        timing.note_callback(start + Duration::from_millis(1), 5_000, 960, 480);
        assert_eq!(timing.take_luck().missing_micros, 10_000);
        assert_eq!(timing.take_luck().missing_micros, 0);
    }
}
