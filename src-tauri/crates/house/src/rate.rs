//! Rate limits (GCRA, by `governor`) on the house's own clock: for one client, and for everybody by key.

use std::{
    hash::Hash,
    num::{NonZeroU32, NonZeroUsize},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock as _,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use lru::LruCache;

use crate::clock::Clock;

/// A burst, and what comes after it in the long run.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Requests in one burst.
    pub burst: NonZeroU32,
    /// Time after which one more request is allowed.
    pub one_per: Duration,
}

impl Rate {
    /// `burst` at once and then `per_second`. Zero counts as one.
    pub const fn per_second(burst: u32, per_second: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        Self { burst: at_least_one(burst), one_per: Duration::from_nanos(1_000_000_000 / per_second as u64) }
    }

    /// `burst` at once and then `per_minute`. Zero counts as one.
    pub const fn per_minute(burst: u32, per_minute: u32) -> Self {
        let per_minute = if per_minute == 0 { 1 } else { per_minute };
        Self { burst: at_least_one(burst), one_per: Duration::from_millis(60_000 / per_minute as u64) }
    }

    fn quota(self) -> Quota {
        // Only a period of zero is none, and `one_per` is none of those.
        let quota = Quota::with_period(self.one_per).unwrap_or_else(|| Quota::per_second(self.burst));
        quota.allow_burst(self.burst)
    }
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// Over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit {
    /// When the same request may succeed.
    pub retry_after: Duration,
}

/// The limit of one client.
#[derive(Debug)]
pub struct Limit(RateLimiter<NotKeyed, InMemoryState, HouseClock, NoOpMiddleware<Duration>>);

impl Limit {
    /// A limit of which nothing is used yet.
    pub fn new(rate: Rate, clock: &Clock) -> Self {
        Self(RateLimiter::direct_with_clock(rate.quota(), HouseClock(clock.clone())))
    }

    /// Counts one request.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn check(&self) -> Result<(), OverLimit> {
        self.0.check().map_err(|not_until| OverLimit { retry_after: not_until.wait_time_from(self.0.clock().now()) })
    }

    /// Counts `number` at once, all or none; more than a burst never fits. Zero counts as one.
    ///
    /// # Errors
    /// [`OverLimit`].
    #[cfg(feature = "reach")]
    pub fn check_many(&self, number: usize) -> Result<(), OverLimit> {
        let number = at_least_one(u32::try_from(number).unwrap_or(u32::MAX));
        match self.0.check_n(number) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(OverLimit { retry_after: until.wait_time_from(self.0.clock().now()) }),
            Err(_) => Err(OverLimit { retry_after: Duration::MAX }),
        }
    }
}

/// The same limit for every key, each counted by itself. When `max_keys` are known, the one seen longest ago is
/// forgotten for a new one: filling the table resets nobody who is still asking.
#[derive(Debug)]
pub struct KeyedLimit<K: Hash + Eq> {
    rate: Rate,
    clock: Clock,
    limits: Mutex<LruCache<K, Limit>>,
}

impl<K: Hash + Eq> KeyedLimit<K> {
    /// Nothing is used yet of any key's limit.
    pub fn new(rate: Rate, max_keys: usize, clock: &Clock) -> Self {
        let capacity = NonZeroUsize::new(max_keys).unwrap_or(NonZeroUsize::MIN);
        // Memory is taken as keys come, not for all of them at once.
        let mut limits = LruCache::unbounded();
        limits.resize(capacity);
        Self { rate, clock: clock.clone(), limits: Mutex::new(limits) }
    }

    /// Counts one request of `key`.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn check(&self, key: K) -> Result<(), OverLimit> {
        self.check_with(key, Limit::check)
    }

    /// Counts `number` of `key` at once, as [`Limit::check_many`] does.
    ///
    /// # Errors
    /// [`OverLimit`].
    #[cfg(feature = "reach")]
    pub fn check_many(&self, key: K, number: usize) -> Result<(), OverLimit> {
        self.check_with(key, |limit| limit.check_many(number))
    }

    fn check_with(&self, key: K, check: impl Fn(&Limit) -> Result<(), OverLimit>) -> Result<(), OverLimit> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        check(limits.get_or_insert(key, || Limit::new(self.rate, &self.clock)))
    }
}

/// The house's clock as `governor` reads it.
#[derive(Clone, Debug)]
struct HouseClock(Clock);

impl governor::clock::Clock for HouseClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now_ms())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_steady_rate() {
        let clock = Clock::default();
        let limit = Limit::new(Rate::per_minute(3, 2), &clock);
        let allowed = || (0..10).filter(|_| limit.check().is_ok()).count();
        assert_eq!(allowed(), 3);
        clock.skip_ms(30_000);
        assert_eq!(allowed(), 1);
        clock.skip_ms(600_000);
        assert_eq!(allowed(), 3);
    }

    #[test]
    fn whoever_is_over_the_limit_is_told_how_long_to_wait_and_may_then_ask() {
        let clock = Clock::default();
        let limit = Limit::new(Rate::per_minute(1, 6), &clock);
        assert_eq!(limit.check(), Ok(()));
        let OverLimit { retry_after } = limit.check().unwrap_err();
        assert!(retry_after > Duration::from_secs(9) && retry_after <= Duration::from_secs(10), "{retry_after:?}");
        clock.skip_ms(10_000);
        assert_eq!(limit.check(), Ok(()));
    }

    #[cfg(feature = "reach")]
    #[test]
    fn many_count_all_or_none() {
        let clock = Clock::default();
        let limit = Limit::new(Rate::per_second(100, 100), &clock);
        assert!(limit.check_many(60).is_ok());
        assert!(limit.check_many(60).is_err());
        assert!(limit.check_many(40).is_ok());
        clock.skip_ms(600);
        assert!(limit.check_many(60).is_ok());
        clock.skip_ms(600_000);
        assert!(limit.check_many(101).is_err(), "more than a burst");
    }

    /// Known failure: ten thousand addresses, and everybody's count began anew.
    #[test]
    fn a_full_table_forgets_the_key_seen_longest_ago_and_nobody_who_still_asks() {
        let clock = Clock::default();
        let limit = KeyedLimit::new(Rate::per_minute(1, 1), 100, &clock);
        assert!(limit.check(0).is_ok());
        for stranger in 1..1_000 {
            assert!(limit.check(stranger).is_ok());
            assert!(limit.check(0).is_err(), "forgotten after {stranger} others");
        }
    }
}
