//! How long to wait before the next try: soon at first, then less and less often.

use std::time::Duration;

/// The first wait; the next are twice as long each time.
const FIRST: Duration = Duration::from_millis(250);
/// No wait is longer: a house that comes back is joined within 5 s, its channel and its media server one after the
/// other.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits between tries. The first try after a success comes at once.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    tries: u32,
}

impl Retry {
    /// How long to wait before the next try. `jitter` (0 to 1) spreads many clients that lost the same house.
    pub(crate) fn next_wait(&mut self, jitter: f64) -> Duration {
        let wait = match self.tries {
            0 => Duration::ZERO,
            tries => FIRST.saturating_mul(1 << (tries - 1).min(8)).min(LONGEST),
        };
        self.tries = self.tries.saturating_add(1);
        wait.mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// It may be wrong to try again at once.
    pub(crate) fn hesitate(&mut self) {
        self.tries = self.tries.max(3);
    }

    /// It worked.
    pub(crate) fn succeeded(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_start_anew_after_a_success() {
        let mut retry = Retry::default();
        let waits: Vec<u128> = (0..8).map(|_| retry.next_wait(0.5).as_millis()).collect();
        assert_eq!(waits, [0, 250, 500, 1_000, 2_000, 2_000, 2_000, 2_000]);
        retry.succeeded();
        assert_eq!(retry.next_wait(0.5), Duration::ZERO);
    }

    #[test]
    fn a_thousand_clients_do_not_come_back_in_the_same_moment() {
        let wait = |jitter| {
            let mut retry = Retry::default();
            retry.next_wait(jitter);
            retry.next_wait(jitter)
        };
        assert!(wait(0.0) < wait(1.0));
        assert!(wait(0.0) > Duration::ZERO);
    }
}
