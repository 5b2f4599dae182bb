//! The order of passes and decisions about one person, in seconds since 1970.
//!
//! A media server compares the `nbf` of a pass with the time of the last decision about its owner: a pass that is not
//! newer is void or worth no more than the decision. The wall clock alone cannot give these times: somebody leaves and
//! comes back within one second, and clocks are set. So a pass that follows a decision is at least a second newer, and
//! a decision is at least as new as every pass before it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serambi_protocol::PersonId;

/// Servers take an `nbf` of at most a minute ahead of their clock. A pass that would be further ahead (the clock was
/// set back) gets the time of now, so that nobody is kept out who was not removed.
const MAX_AHEAD_SECONDS: i64 = 30;
/// People remembered. Beyond it the one whose entry is oldest is forgotten: the clock has passed it.
const MAX_PEOPLE: usize = 8_192;

/// Until when a person's passes are older than a decision about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DecidedAt(pub i64);

#[derive(Clone, Copy, Debug)]
struct Latest {
    at: i64,
    is_decision: bool,
}

/// The latest pass or decision of each person. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PassOrder {
    latest: Arc<Mutex<HashMap<PersonId, Latest>>>,
}

impl PassOrder {
    /// The `nbf` of a pass that is made at `now`.
    pub fn issue(&self, person: &PersonId, now: i64) -> i64 {
        self.update(person, |earlier| {
            let after_decision = earlier.filter(|latest| latest.is_decision).map(|latest| latest.at + 1);
            let at = after_decision.filter(|at| *at <= now + MAX_AHEAD_SECONDS).map_or(now, |at| at.max(now));
            Latest { at, is_decision: false }
        })
    }

    /// A decision that is made at `now`.
    pub fn decide(&self, person: &PersonId, now: i64) -> DecidedAt {
        DecidedAt(self.update(person, |_| Latest { at: now, is_decision: true }))
    }

    /// Gives the time of the new entry. What is remembered never runs back.
    fn update(&self, person: &PersonId, make: impl FnOnce(Option<Latest>) -> Latest) -> i64 {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = latest.get(person).copied();
        if earlier.is_none() && latest.len() >= MAX_PEOPLE {
            let oldest = latest.iter().min_by_key(|(_, entry)| entry.at).map(|(person, _)| *person);
            oldest.and_then(|oldest| latest.remove(&oldest));
        }
        let made = make(earlier);
        let highest = earlier.map_or(made.at, |earlier| earlier.at.max(made.at));
        // A pass from before a correction of the clock does not make the earlier decision forgotten.
        let is_decision = made.is_decision || (made.at < highest && earlier.is_some_and(|earlier| earlier.is_decision));
        latest.insert(*person, Latest { at: highest, is_decision });
        if made.is_decision { highest } else { made.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn person() -> PersonId {
        PersonId::from_key(&[3; 32])
    }

    #[test]
    fn somebody_who_leaves_and_comes_back_ten_times_a_second_always_has_a_newer_pass() {
        let (order, person) = (PassOrder::default(), person());
        let mut earlier = order.issue(&person, NOW);
        for _ in 0..10 {
            let decided = order.decide(&person, NOW).0;
            let pass = order.issue(&person, NOW);
            assert!(earlier <= decided && decided < pass);
            earlier = pass;
        }
        assert!(earlier <= NOW + MAX_AHEAD_SECONDS);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_an_earlier_pass_newer_than_the_removal() {
        let (order, person) = (PassOrder::default(), person());
        let pass = order.issue(&person, NOW);
        assert!(order.decide(&person, NOW - 3_600).0 >= pass);
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_passes_that_servers_take() {
        let (order, person) = (PassOrder::default(), person());
        order.issue(&person, NOW);
        order.decide(&person, NOW);
        let now = NOW - 3_600;
        assert_eq!(order.issue(&person, now), now);
        assert!(order.decide(&person, now).0 >= NOW, "and the removal is still known");
    }

    #[test]
    fn a_clock_that_starts_in_1970_and_jumps_voids_every_pass_of_before() {
        let (order, person) = (PassOrder::default(), person());
        let old = order.issue(&person, 86_400);
        let removed = order.decide(&person, 86_401).0;
        assert!(old <= removed && order.issue(&person, NOW) > removed);
    }

    #[test]
    fn the_memory_of_a_crowd_is_bounded() {
        let order = PassOrder::default();
        for n in 0..MAX_PEOPLE as u32 + 10 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            order.issue(&PersonId::from_key(&key), NOW + i64::from(n));
        }
        let kept = order.latest.lock().map(|latest| latest.len()).unwrap_or(usize::MAX);
        assert_eq!(kept, MAX_PEOPLE);
    }
}
