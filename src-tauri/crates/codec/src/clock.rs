//! Time as the sound path counts it: moments on a clock of its own, and samples at 48 kHz.

use std::time::{Duration, Instant};

use crate::format::SAMPLE_RATE_HZ;

/// A moment on one clock, in microseconds since that clock's start; may be negative.
///
/// Everything that decides by time takes a `Moment` as an argument, so that a test can play hours in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// The moment this many milliseconds after the clock's start.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1000)
    }

    /// Where `instant` lies on the clock that started at `start`.
    pub fn of(instant: Instant, start: Instant) -> Self {
        match instant.checked_duration_since(start) {
            Some(after) => Self(micros_of(after)),
            None => Self(-micros_of(start.saturating_duration_since(instant))),
        }
    }

    /// This moment on the system's clock, if the engine's clock started at `start`.
    pub fn instant(self, start: Instant) -> Instant {
        let distance = Duration::from_micros(self.0.unsigned_abs());
        let there = if self.0 < 0 { start.checked_sub(distance) } else { start.checked_add(distance) };
        there.unwrap_or(start)
    }

    /// Microseconds since the clock's start.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The moment `micros` later (earlier if negative).
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this moment.
    pub const fn micros_since(self, earlier: Moment) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds that `samples` last at 48 kHz.
pub const fn samples_to_micros(samples: i64) -> i64 {
    samples.saturating_mul(1_000_000) / SAMPLE_RATE_HZ as i64
}

/// Samples at 48 kHz in `micros`.
pub const fn micros_to_samples(micros: i64) -> i64 {
    micros.saturating_mul(SAMPLE_RATE_HZ as i64) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_before_the_start_is_negative() {
        let start = Instant::now();
        let later = start + Duration::from_millis(5);
        assert_eq!(Moment::of(later, start).micros(), 5_000);
        assert_eq!(Moment::of(start, later).micros(), -5_000);
        assert_eq!(Moment::of(later, start).instant(start), later);
    }
}
