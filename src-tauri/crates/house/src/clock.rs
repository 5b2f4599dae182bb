//! The time of a house: the machine's monotonic clock, which tests can move forward, and the wall clock beside it.
//!
//! Everything that lasts is measured by the monotonic one. The wall clock only says how long a house was closed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serambi_protocol::measurement::HouseTime;
use tokio::sync::watch;

/// Milliseconds since this house was opened.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    skipped_ms: Arc<watch::Sender<u64>>,
    wall_ahead_ms: Arc<AtomicI64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { origin: Instant::now(), skipped_ms: Arc::new(watch::Sender::new(0)), wall_ahead_ms: Arc::default() }
    }
}

impl Clock {
    /// Now, in milliseconds since this house was opened.
    pub fn now_ms(&self) -> u64 {
        let passed = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        passed.saturating_add(*self.skipped_ms.borrow())
    }

    /// The wall clock, ms since 1970. It may jump, in both directions.
    pub fn unix_ms(&self) -> i64 {
        let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let skipped = i64::try_from(*self.skipped_ms.borrow()).unwrap_or(i64::MAX);
        let ahead = self.wall_ahead_ms.load(Ordering::Relaxed);
        i64::try_from(passed).unwrap_or(i64::MAX).saturating_add(skipped).saturating_add(ahead)
    }

    /// Now, as clients measure by it.
    pub fn now(&self) -> HouseTime {
        self.at(Instant::now())
    }

    /// What this clock showed at `moment`, or would have shown with what was skipped since.
    pub fn at(&self, moment: Instant) -> HouseTime {
        let passed = moment.saturating_duration_since(self.origin).as_micros();
        let skipped_ms = *self.skipped_ms.borrow();
        let micros = u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(skipped_ms.saturating_mul(1_000));
        HouseTime(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// Moves the clock forward: a test does not wait a minute to see what happens after a minute.
    pub fn skip_ms(&self, ms: u64) {
        self.skipped_ms.send_modify(|skipped| *skipped = skipped.saturating_add(ms));
    }

    /// Sets the wall clock so far ahead of the machine's, or behind it: what a person or a time server does.
    pub fn set_wall_ahead_ms(&self, ms: i64) {
        self.wall_ahead_ms.store(ms, Ordering::Relaxed);
    }

    /// Returns once [`Self::now_ms`] is `at_ms` or later.
    pub async fn reach(&self, at_ms: u64) {
        let mut skipped = self.skipped_ms.subscribe();
        loop {
            let now = self.now_ms();
            if now >= at_ms {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(at_ms - now)) => {}
                // The sender lives in `self`, so this cannot end.
                _ = skipped.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_show_the_same_time() {
        let clock = Clock::default();
        clock.skip_ms(5_000);
        let (before, now, after) = (clock.now_ms(), clock.now().0, clock.now_ms());
        assert!(before >= 5_000);
        assert!((before as i64 * 1_000..(after as i64 + 1) * 1_000).contains(&now), "{before} {now} {after}");
    }

    #[tokio::test]
    async fn a_skipped_minute_wakes_whoever_waits_for_it() {
        let clock = Clock::default();
        let at = clock.now_ms() + 60_000;
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.reach(at).await }
        });
        clock.skip_ms(60_000);
        assert!(tokio::time::timeout(Duration::from_secs(5), waiting).await.is_ok());
        assert!(clock.now_ms() >= at);
    }
}
