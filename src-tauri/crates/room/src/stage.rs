//! The people who may send voice, in the order in which they are shown, and the host among them.

use std::collections::BTreeSet;

use serambi_protocol::{
    PersonId,
    view::{Role, RoomTime},
};
use serde::{Deserialize, Serialize};

use crate::succession::successor;

/// Ranks of moderators and of speakers begin here; both stay exact in a JavaScript number.
const MODERATORS_RANK: u64 = 1 << 40;
const SPEAKERS_RANK: u64 = 2 << 40;

/// One person's place on stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) person: PersonId,
    pub(crate) muted: bool,
    /// Compares who came on stage first. Not a time: two may come in the same millisecond.
    stepped_up: u64,
    /// Compares who became a moderator first; none for a speaker. A host has always one.
    moderator_since: Option<u64>,
}

impl Place {
    pub(crate) fn is_moderator(&self) -> bool {
        self.moderator_since.is_some()
    }
}

/// A stage has a host or nobody at all: there is no way to write down two hosts, or speakers without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Held {
        host: Place,
        /// Moderators by when they became one, then speakers by when they came on stage.
        others: Vec<Place>,
    },
    Empty {
        since: RoomTime,
        /// Whoever was asked onto it and said "not now".
        not_now: BTreeSet<PersonId>,
        /// The time has come to ask a listener.
        is_offered: bool,
    },
}

/// The stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stage {
    state: State,
    /// Grows with everybody who comes on stage or becomes a moderator.
    count: u64,
}

impl Stage {
    /// A stage with its host, muted.
    pub(crate) fn held_by(host: PersonId) -> Self {
        let mut stage = Self::empty(RoomTime(0));
        stage.step_up_as_host(host);
        stage
    }

    /// A stage with nobody on it since then.
    pub(crate) fn empty(since: RoomTime) -> Self {
        Self { state: State::Empty { since, not_now: BTreeSet::new(), is_offered: false }, count: 0 }
    }

    /// Host first.
    pub(crate) fn places(&self) -> impl DoubleEndedIterator<Item = &Place> {
        let (host, others) = match &self.state {
            State::Held { host, others } => (Some(host), others.as_slice()),
            State::Empty { .. } => (None, [].as_slice()),
        };
        host.into_iter().chain(others)
    }

    /// Everybody on stage but the host.
    pub(crate) fn others(&self) -> &[Place] {
        match &self.state {
            State::Held { others, .. } => others,
            State::Empty { .. } => &[],
        }
    }

    pub(crate) fn host(&self) -> Option<&PersonId> {
        match &self.state {
            State::Held { host, .. } => Some(&host.person),
            State::Empty { .. } => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places().count()
    }

    pub(crate) fn empty_since(&self) -> Option<RoomTime> {
        match &self.state {
            State::Held { .. } => None,
            State::Empty { since, .. } => Some(*since),
        }
    }

    pub(crate) fn place_of(&self, person: &PersonId) -> Option<&Place> {
        self.places().find(|place| place.person == *person)
    }

    /// None for somebody who is not on stage.
    pub(crate) fn role_of(&self, person: &PersonId) -> Option<Role> {
        let place = self.place_of(person)?;
        Some(if self.host() == Some(person) {
            Role::Host
        } else if place.is_moderator() {
            Role::Moderator
        } else {
            Role::Speaker
        })
    }

    /// A number that orders the stage as it is shown: the host, then moderators, then speakers.
    pub(crate) fn rank_of(&self, place: &Place) -> u64 {
        match place.moderator_since {
            _ if self.host() == Some(&place.person) => 0,
            Some(since) => MODERATORS_RANK + since,
            None => SPEAKERS_RANK + place.stepped_up,
        }
    }

    /// The time has come to ask a listener onto the empty stage. False if it had come before, or the stage is not
    /// empty.
    pub(crate) fn offer(&mut self) -> bool {
        match &mut self.state {
            State::Empty { is_offered, .. } => !std::mem::replace(is_offered, true),
            State::Held { .. } => false,
        }
    }

    /// Has the time come?
    pub(crate) fn is_offered(&self) -> bool {
        matches!(self.state, State::Empty { is_offered: true, .. })
    }

    /// Nobody on stage is heard until they unmute themselves.
    pub(crate) fn mute_all(&mut self) {
        if let State::Held { host, others } = &mut self.state {
            std::iter::once(host).chain(others).for_each(|place| place.muted = true);
        }
    }

    /// Comes on stage, muted: as a speaker, or as host if nobody is there.
    pub(crate) fn step_up(&mut self, person: PersonId) {
        let stepped_up = self.count();
        match &mut self.state {
            State::Held { others, .. } => {
                others.push(Place { person, muted: true, stepped_up, moderator_since: None });
            }
            State::Empty { .. } => self.step_up_as_host(person),
        }
    }

    /// Comes on stage, muted, as host; the host until now stays as a moderator.
    pub(crate) fn step_up_as_host(&mut self, person: PersonId) {
        let count = self.count();
        let place = Place { person, muted: true, stepped_up: count, moderator_since: Some(count) };
        match &mut self.state {
            State::Held { host, others } => {
                others.push(std::mem::replace(host, place));
                put_in_order(others);
            }
            State::Empty { .. } => self.state = State::Held { host: place, others: Vec::new() },
        }
    }

    /// Goes off the stage. If that was the host, another one follows; the answer is the new host.
    pub(crate) fn step_down(
        &mut self,
        now: RoomTime,
        person: &PersonId,
        has_sound: impl Fn(&PersonId) -> bool,
    ) -> Option<PersonId> {
        let count = self.count();
        let State::Held { host, others } = &mut self.state else { return None };
        if host.person != *person {
            others.retain(|place| place.person != *person);
            return None;
        }
        let Some(next) = successor(others, has_sound) else {
            self.state = State::Empty { since: now, not_now: BTreeSet::new(), is_offered: false };
            return None;
        };
        *host = others.remove(next);
        host.moderator_since.get_or_insert(count);
        Some(host.person)
    }

    /// Makes somebody on stage host; the host until now stays as a moderator.
    pub(crate) fn hand_over(&mut self, to: &PersonId) {
        let count = self.count();
        let State::Held { host, others } = &mut self.state else { return };
        let Some(next) = others.iter_mut().find(|place| place.person == *to) else { return };
        std::mem::swap(host, next);
        host.moderator_since.get_or_insert(count);
        put_in_order(others);
    }

    /// Makes a speaker a moderator. False if they are one already.
    pub(crate) fn make_moderator(&mut self, person: &PersonId) -> bool {
        let count = self.count();
        self.change_other(person, |place| {
            let is_new = !place.is_moderator();
            place.moderator_since.get_or_insert(count);
            is_new
        })
    }

    /// Makes a moderator a speaker. False if they are no moderator, or the host.
    pub(crate) fn take_moderator(&mut self, person: &PersonId) -> bool {
        self.change_other(person, |place| place.moderator_since.take().is_some())
    }

    /// False if it was so already.
    pub(crate) fn set_muted(&mut self, person: &PersonId, muted: bool) -> bool {
        let place = match &mut self.state {
            State::Held { host, .. } if host.person == *person => Some(host),
            State::Held { others, .. } => others.iter_mut().find(|place| place.person == *person),
            State::Empty { .. } => None,
        };
        place.is_some_and(|place| std::mem::replace(&mut place.muted, muted) != muted)
    }

    /// Another host, because the present one has no sound; that one stays as a moderator. The answer is the new host.
    pub(crate) fn pass_on(&mut self, has_sound: impl Fn(&PersonId) -> bool) -> Option<PersonId> {
        let next = self.others().iter().find(|place| has_sound(&place.person))?.person;
        self.hand_over(&next);
        Some(next)
    }

    /// Remembers that somebody does not want to come onto the empty stage for now.
    pub(crate) fn not_now(&mut self, person: &PersonId) {
        if let State::Empty { not_now, .. } = &mut self.state {
            not_now.insert(*person);
        }
    }

    /// Did they say so?
    pub(crate) fn said_not_now(&self, person: &PersonId) -> bool {
        matches!(&self.state, State::Empty { not_now, .. } if not_now.contains(person))
    }

    fn change_other(&mut self, person: &PersonId, change: impl FnOnce(&mut Place) -> bool) -> bool {
        let State::Held { others, .. } = &mut self.state else { return false };
        let changed = others.iter_mut().find(|place| place.person == *person).is_some_and(change);
        put_in_order(others);
        changed
    }

    fn count(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

fn put_in_order(others: &mut [Place]) {
    others.sort_by_key(|place| (place.moderator_since.unwrap_or(u64::MAX), place.stepped_up));
}
