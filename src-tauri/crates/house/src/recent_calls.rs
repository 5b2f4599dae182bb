//! How often each person was called into rooms lately, whoever called: in any ten minutes, and not on average.

use std::{collections::VecDeque, num::NonZeroUsize, time::Duration};

use lru::LruCache;
use parking_lot::Mutex;
use serambi_protocol::{
    PersonId,
    limits::{PING_AGAIN_MS, PINGS_PER_PERSON},
};

use crate::{clock::Clock, rate::OverLimit};

/// People of whom it is known; the one called longest ago is forgotten first.
const MAX_PEOPLE: usize = 10_000;

/// The calls of the last ten minutes.
#[derive(Debug)]
pub struct RecentCalls {
    clock: Clock,
    /// When, by the house's time in ms, oldest first.
    calls: Mutex<LruCache<PersonId, VecDeque<u64>>>,
}

impl RecentCalls {
    /// Nobody was called yet.
    pub fn new(clock: &Clock) -> Self {
        let max_people = NonZeroUsize::new(MAX_PEOPLE).unwrap_or(NonZeroUsize::MIN);
        Self { clock: clock.clone(), calls: Mutex::new(LruCache::new(max_people)) }
    }

    /// Counts one call of this person.
    ///
    /// # Errors
    /// [`OverLimit`]; then it is not counted.
    pub fn count(&self, person: &PersonId) -> Result<(), OverLimit> {
        let now_ms = self.clock.now_ms();
        let mut calls = self.calls.lock();
        let theirs = calls.get_or_insert_mut(*person, VecDeque::new);
        theirs.retain(|at_ms| at_ms + PING_AGAIN_MS > now_ms);
        if theirs.len() < PINGS_PER_PERSON as usize {
            theirs.push_back(now_ms);
            return Ok(());
        }
        let free_at_ms = theirs.front().map_or(now_ms, |oldest| oldest + PING_AGAIN_MS);
        Err(OverLimit { retry_after: Duration::from_millis(free_at_ms.saturating_sub(now_ms)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_more_than_three_times_in_any_ten_minutes_and_others_are_not_counted_with_them() {
        let clock = Clock::default();
        let calls = RecentCalls::new(&clock);
        let (dewi, wei) = (PersonId::from_key(&[1; 32]), PersonId::from_key(&[2; 32]));
        for _ in 0..3 {
            assert_eq!(calls.count(&dewi), Ok(()));
            clock.skip_ms(60_000);
        }
        let refused = calls.count(&dewi).map_err(|over| over.retry_after.as_secs());
        assert!(refused.is_err_and(|seconds| (410..=420).contains(&seconds)), "{refused:?}");
        assert_eq!(calls.count(&wei), Ok(()));
        clock.skip_ms(PING_AGAIN_MS - 180_000);
        assert_eq!(calls.count(&dewi), Ok(()), "the first is ten minutes ago");
        assert!(calls.count(&dewi).is_err());
    }
}
