//! Who is in which room, through which session: one room at a time.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use serambi_protocol::{PersonId, RoomId};

/// Where somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In which room.
    pub room: RoomId,
    /// Through which session, by its number.
    pub session: u64,
}

/// The places of everybody in a house.
#[derive(Debug, Default)]
pub struct Places {
    places: Mutex<HashMap<PersonId, Place>>,
    channels: AtomicU64,
}

impl Places {
    /// Where this person is.
    pub fn of(&self, person: &PersonId) -> Option<Place> {
        self.places.lock().get(person).copied()
    }

    /// Somebody is here now; where they were.
    pub fn take(&self, person: PersonId, place: Place) -> Option<Place> {
        self.places.lock().insert(person, place)
    }

    /// Somebody is no longer there, unless they have a new place already.
    pub fn leave(&self, person: &PersonId, place: Place) {
        let mut places = self.places.lock();
        if places.get(person) == Some(&place) {
            places.remove(person);
        }
    }

    /// Numbers channels.
    pub fn next_channel(&self) -> u64 {
        self.channels.fetch_add(1, Ordering::Relaxed) + 1
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.places.lock().len()
    }
}
