//! The door of a room: who was called or let in, and who asks to come in.

use std::collections::BTreeMap;

use serambi_protocol::{
    PersonId,
    limits::{KNOCKS, KNOCKS_REMEMBERED},
    view::RoomTime,
};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// That somebody still waits is noted this often, and not each time it is said: a note is written to the disk.
const HEARD_EVERY_MS: u64 = 5_000;

/// Somebody who asks to come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Knock {
    pub(crate) person: PersonId,
    /// Display name.
    pub(crate) name: String,
    pub(crate) since: RoomTime,
    /// When they last said that they wait.
    heard_at: RoomTime,
    /// Compares who asked first.
    pub(crate) rank: u64,
}

/// Who asks, and what was said lately to whom. Every entry ends by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Door {
    waiting: Vec<Knock>,
    /// The moderators are not told of them again before this time.
    announced: BTreeMap<PersonId, RoomTime>,
    /// "Not now" holds until this time.
    turned_away: BTreeMap<PersonId, RoomTime>,
    /// Not called in again before this time.
    pinged: BTreeMap<PersonId, RoomTime>,
    /// The lock does not stop them, once, until this time.
    admitted: BTreeMap<PersonId, RoomTime>,
    /// People who have asked so far.
    count: u64,
}

impl Door {
    pub(crate) fn waiting(&self) -> &[Knock] {
        &self.waiting
    }

    pub(crate) fn waits(&self, person: &PersonId) -> bool {
        self.waiting.iter().any(|knock| knock.person == *person)
    }

    pub(crate) fn is_turned_away(&self, person: &PersonId, now: RoomTime) -> bool {
        is_before(&self.turned_away, person, now)
    }

    pub(crate) fn is_admitted(&self, person: &PersonId, now: RoomTime) -> bool {
        is_before(&self.admitted, person, now)
    }

    /// Milliseconds until this person can be called in again; none: now.
    pub(crate) fn ping_again_in(&self, person: &PersonId, now: RoomTime) -> Option<u64> {
        self.pinged.get(person).map(|until| until.since(now)).filter(|ms| *ms > 0)
    }

    pub(crate) fn note_ping(&mut self, person: &PersonId, until: RoomTime) {
        self.pinged.insert(*person, until);
    }

    /// What was said before is not made shorter.
    pub(crate) fn admit(&mut self, person: &PersonId, until: RoomTime) {
        let admitted = self.admitted.entry(*person).or_insert(until);
        *admitted = until.max(*admitted);
        self.turned_away.remove(person);
        self.stop_waiting(person);
    }

    pub(crate) fn turn_away(&mut self, person: &PersonId, until: RoomTime) {
        self.turned_away.insert(*person, until);
        self.stop_waiting(person);
    }

    /// Has no place for one more.
    pub(crate) fn is_crowded(&self, person: &PersonId) -> bool {
        let is_new = !self.announced.contains_key(person);
        self.waiting.len() >= KNOCKS || is_new && self.announced.len() >= KNOCKS_REMEMBERED
    }

    /// For somebody who does not wait yet. True: the moderators are to be told.
    pub(crate) fn begin_waiting(&mut self, now: RoomTime, person: &PersonId, name: &str, again_ms: u64) -> bool {
        self.count += 1;
        let knock = Knock { person: *person, name: name.to_owned(), since: now, heard_at: now, rank: self.count };
        self.waiting.push(knock);
        let is_new = !is_before(&self.announced, person, now);
        if is_new {
            self.announced.insert(*person, now.after(again_ms));
        }
        is_new
    }

    pub(crate) fn keep_waiting(&mut self, now: RoomTime, person: &PersonId) {
        let knock = self.waiting.iter_mut().find(|knock| knock.person == *person);
        if let Some(knock) = knock.filter(|knock| now.since(knock.heard_at) >= HEARD_EVERY_MS) {
            knock.heard_at = now;
        }
    }

    pub(crate) fn stop_waiting(&mut self, person: &PersonId) {
        self.waiting.retain(|knock| knock.person != *person);
    }

    /// Nobody has to ask any more.
    pub(crate) fn open(&mut self) {
        self.waiting.clear();
    }

    /// Came in, or was put out: the lock stops them again.
    pub(crate) fn use_up(&mut self, person: &PersonId) {
        self.stop_waiting(person);
        self.admitted.remove(person);
    }

    /// The house was closed: whoever waits could not say so.
    pub(crate) fn restart(&mut self, now: RoomTime) {
        self.waiting.iter_mut().for_each(|knock| knock.heard_at = now);
    }

    pub(crate) fn deadline(&self, settings: &Settings) -> Option<RoomTime> {
        let notes = [&self.announced, &self.turned_away, &self.pinged, &self.admitted];
        let ends = notes.into_iter().flat_map(|notes| notes.values().copied());
        let unheard = self.waiting.iter().map(|knock| knock.heard_at.after(settings.knock_kept_ms));
        ends.chain(unheard).min()
    }

    pub(crate) fn expire(&mut self, now: RoomTime, settings: &Settings) {
        for notes in [&mut self.announced, &mut self.turned_away, &mut self.pinged, &mut self.admitted] {
            notes.retain(|_, until| *until > now);
        }
        self.waiting.retain(|knock| knock.heard_at.after(settings.knock_kept_ms) > now);
    }
}

fn is_before(notes: &BTreeMap<PersonId, RoomTime>, person: &PersonId, now: RoomTime) -> bool {
    notes.get(person).is_some_and(|until| *until > now)
}
