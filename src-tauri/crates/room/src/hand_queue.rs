//! Raised hands, oldest first.

use std::collections::BTreeMap;

use serambi_protocol::{PersonId, command::HandScope, view::RoomTime};
use serde::{Deserialize, Serialize};

/// A hand that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hand {
    pub(crate) person: PersonId,
    pub(crate) raised_at: RoomTime,
    /// Compares who raised first. Not a time: hundreds may go up in the same millisecond.
    pub(crate) rank: u64,
}

/// The queue, who may stand in it, and who may not just now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandQueue {
    pub(crate) scope: HandScope,
    up: Vec<Hand>,
    /// Dismissed a moment ago: no new hand before this time. Outlives leaving, else leaving would be a way around it.
    blocked_until: BTreeMap<PersonId, RoomTime>,
    last_cue: Option<RoomTime>,
    /// Hands raised so far.
    count: u64,
}

impl HandQueue {
    pub(crate) fn hands(&self) -> &[Hand] {
        &self.up
    }

    pub(crate) fn len(&self) -> usize {
        self.up.len()
    }

    pub(crate) fn is_up(&self, person: &PersonId) -> bool {
        self.up.iter().any(|hand| hand.person == *person)
    }

    /// 1 is next.
    pub(crate) fn place_of(&self, person: &PersonId) -> Option<usize> {
        self.up.iter().position(|hand| hand.person == *person).map(|index| index + 1)
    }

    pub(crate) fn blocked_until(&self, person: &PersonId) -> Option<RoomTime> {
        self.blocked_until.get(person).copied()
    }

    /// At the end of the queue. For a hand that is not up.
    pub(crate) fn raise(&mut self, now: RoomTime, person: &PersonId) {
        self.count += 1;
        self.up.push(Hand { person: *person, raised_at: now, rank: self.count });
    }

    pub(crate) fn lower(&mut self, person: &PersonId) {
        self.up.retain(|hand| hand.person != *person);
    }

    pub(crate) fn block_until(&mut self, person: &PersonId, until: RoomTime) {
        self.blocked_until.insert(*person, until);
    }

    /// Empties the queue; whose hands were up.
    pub(crate) fn lower_all(&mut self) -> Vec<PersonId> {
        std::mem::take(&mut self.up).into_iter().map(|hand| hand.person).collect()
    }

    /// Is it time for a cue again? If so, this was it.
    pub(crate) fn take_cue(&mut self, now: RoomTime, hand_cue_ms: u64) -> bool {
        let is_time = self.last_cue.is_none_or(|last| now.since(last) >= hand_cue_ms);
        if is_time {
            self.last_cue = Some(now);
        }
        is_time
    }

    pub(crate) fn deadline(&self) -> Option<RoomTime> {
        self.blocked_until.values().min().copied()
    }

    pub(crate) fn expire(&mut self, now: RoomTime) {
        self.blocked_until.retain(|_, until| *until > now);
    }
}
