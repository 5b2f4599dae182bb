//! What the house's clock shows, seen from here: the offset between two monotonic clocks, from pings that come back
//! with the other clock's time. Pure: moments are arguments.
//!
//! As in NTP (RFC 5905 section 8): the house's time belongs somewhere between sending and receiving; the middle is
//! wrong by half the round trip at most, and every second since adds what two crystals can drift apart. The exchange
//! with the least such error counts, so queues on the way, which make round trips longer and uneven, do no harm.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serambi_protocol::measurement::HouseTime;

/// Exchanges that are remembered: a minute of them.
const KEPT: usize = 32;

/// How far two computers' clocks may drift apart, parts per million: crystals keep within 50 each, and RFC 5905
/// (section 7.1, PHI) allows 15 for a disciplined clock.
const DRIFT_PPM: i64 = 60;

/// An exchange that took longer says nothing.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(2);

/// One ping and its answer.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    /// Halfway between sending and receiving.
    at: Instant,
    house: HouseTime,
    /// Half the round trip: how far `house` can be from `at`.
    error_micros: i64,
}

impl Exchange {
    fn error_at(&self, moment: Instant) -> i64 {
        self.error_micros + micros_between(self.at, moment).abs() * DRIFT_PPM / 1_000_000
    }

    fn house_time_at(&self, moment: Instant) -> HouseTime {
        self.house.plus_micros(micros_between(self.at, moment))
    }
}

/// The house's clock, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct HouseClock {
    exchanges: VecDeque<Exchange>,
}

impl HouseClock {
    /// Takes an answer: the house's clock showed `house` between `sent` and `received`.
    pub(crate) fn take(&mut self, sent: Instant, house: HouseTime, received: Instant) {
        let round_trip = received.saturating_duration_since(sent);
        if round_trip > LONGEST_ROUND_TRIP {
            return;
        }
        let half = round_trip / 2;
        let new = Exchange { at: sent + half, house, error_micros: micros(half) };
        if self.best(new.at).is_some_and(|best| contradict(&best, &new)) {
            // One of the two clocks was set, or stood still while its computer slept.
            self.exchanges.clear();
        }
        if self.exchanges.len() == KEPT {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back(new);
    }

    /// What the house's clock showed, or will show, at `moment`; none before the first answer.
    pub(crate) fn at(&self, moment: Instant) -> Option<HouseTime> {
        self.best(moment).map(|best| best.house_time_at(moment))
    }

    /// When the house's clock showed this; none before the first answer.
    pub(crate) fn moment_of(&self, house: HouseTime, now: Instant) -> Option<Instant> {
        let ahead = house.micros_since(self.at(now)?);
        let apart = Duration::from_micros(ahead.unsigned_abs());
        if ahead < 0 { now.checked_sub(apart) } else { now.checked_add(apart) }
    }

    /// How far [`Self::at`] may be off, microseconds.
    pub(crate) fn error_micros(&self, moment: Instant) -> Option<i64> {
        self.best(moment).map(|best| best.error_at(moment))
    }

    /// Another house, or the same one opened anew.
    pub(crate) fn forget(&mut self) {
        self.exchanges.clear();
    }

    fn best(&self, moment: Instant) -> Option<Exchange> {
        self.exchanges.iter().min_by_key(|exchange| exchange.error_at(moment)).copied()
    }
}

/// Two exchanges that cannot both be true of two clocks that run on.
fn contradict(old: &Exchange, new: &Exchange) -> bool {
    let apart = new.house.micros_since(old.house_time_at(new.at)).abs();
    apart > old.error_at(new.at) + new.error_micros
}

/// Microseconds from `from` to `to`; negative if `to` is earlier.
pub(crate) fn micros_between(from: Instant, to: Instant) -> i64 {
    match to.checked_duration_since(from) {
        Some(after) => micros(after),
        None => -micros(from.saturating_duration_since(to)),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two clocks, and a way between them that takes as long as it is told.
    struct World {
        start: Instant,
        offset_micros: i64,
        drift_ppm: i64,
        clock: HouseClock,
    }

    impl World {
        fn new(offset_micros: i64, drift_ppm: i64) -> Self {
            Self { start: Instant::now(), offset_micros, drift_ppm, clock: HouseClock::default() }
        }

        fn moment(&self, micros: i64) -> Instant {
            self.start + Duration::from_micros(micros.unsigned_abs())
        }

        /// What the house's clock really shows.
        fn house(&self, micros: i64) -> HouseTime {
            HouseTime(self.offset_micros + micros + micros * self.drift_ppm / 1_000_000)
        }

        fn ping(&mut self, at: i64, there_micros: i64, back_micros: i64) {
            let (house, received) = (self.house(at + there_micros), self.moment(at + there_micros + back_micros));
            self.clock.take(self.moment(at), house, received);
        }

        /// How far the estimate is off now.
        fn error(&self, at: i64) -> i64 {
            self.clock.at(self.moment(at)).unwrap().micros_since(self.house(at)).abs()
        }
    }

    const SECOND: i64 = 1_000_000;

    /// Knuth's MMIX generator: the same spikes in every run.
    fn random(state: &mut u64, below: i64) -> i64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(*state >> 33).unwrap() % below
    }

    #[test]
    fn before_the_first_answer_nothing_is_known() {
        let clock = HouseClock::default();
        assert_eq!((clock.at(Instant::now()), clock.error_micros(Instant::now())), (None, None));
    }

    #[test]
    fn an_even_way_gives_the_exact_offset() {
        for offset in [0, 5_000_000_000, -3] {
            let mut world = World::new(offset, 0);
            world.ping(SECOND, 20_000, 20_000);
            assert_eq!(world.error(2 * SECOND), 0);
        }
    }

    #[test]
    fn an_uneven_way_is_wrong_by_no_more_than_it_says() {
        let mut world = World::new(77, 0);
        world.ping(SECOND, 30_000, 2_000);
        assert_eq!(world.error(SECOND), 14_000);
        assert!(world.clock.error_micros(world.moment(SECOND)).unwrap() >= 14_000);
    }

    #[test]
    fn queues_on_one_side_of_the_way_do_no_harm_once_one_ping_came_through_freely() {
        let (mut world, mut dice) = (World::new(123_456_789, 0), 1);
        for ping in 0..30 {
            let spike = if ping == 11 { 0 } else { random(&mut dice, 300_000) };
            world.ping(ping * 2 * SECOND, 4_000 + spike, 4_000);
        }
        assert!(world.error(60 * SECOND) < 500, "{}", world.error(60 * SECOND));
    }

    #[test]
    fn for_an_hour_of_drift_and_spikes_it_stays_within_two_milliseconds_and_within_what_it_says() {
        for drift_ppm in [-50, -7, 50] {
            let (mut world, mut dice) = (World::new(9_000_000, drift_ppm), 5);
            for ping in 0..1_800 {
                let at = ping * 2 * SECOND;
                let spike = if random(&mut dice, 4) == 0 { 0 } else { random(&mut dice, 80_000) };
                world.ping(at, 3_000 + spike, 3_000 + random(&mut dice, 2_000));
                if ping > 10 {
                    let claimed = world.clock.error_micros(world.moment(at + SECOND)).unwrap();
                    let error = world.error(at + SECOND);
                    assert!(error <= claimed && error < 2_500, "{drift_ppm} ppm, ping {ping}: {error} of {claimed}");
                }
            }
        }
    }

    #[test]
    fn a_computer_that_slept_takes_the_new_offset_at_once() {
        let mut world = World::new(0, 0);
        (0..20).for_each(|ping| world.ping(ping * 2 * SECOND, 1_000, 1_000));
        world.offset_micros += 3_600 * SECOND;
        world.ping(50 * SECOND, 40_000, 40_000);
        assert_eq!(world.error(50 * SECOND), 0);
    }

    #[test]
    fn an_answer_that_took_ages_is_no_answer() {
        let mut world = World::new(0, 0);
        world.ping(0, 2 * SECOND, 1);
        assert_eq!(world.clock.at(world.start), None);
    }
}
