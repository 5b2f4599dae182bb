//! Who runs the room when the host is gone, and until when a host who dropped out is host again on coming back.

use serambi_protocol::{PersonId, view::RoomTime};
use serde::{Deserialize, Serialize};

use crate::stage::Place;

/// Which of the others on stage follows the host: the moderator who has been one longest, else the speaker who has been
/// on stage longest. Somebody who hears and is heard goes before somebody who is away or without sound, so that a room
/// with a person in it who can invite does not wait for one who cannot.
pub(crate) fn successor(others: &[Place], has_sound: impl Fn(&PersonId) -> bool) -> Option<usize> {
    let present = others.iter().position(|place| has_sound(&place.person));
    present.or(if others.is_empty() { None } else { Some(0) })
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    person: PersonId,
    until: RoomTime,
}

/// Hosts who dropped out or left without handing over, in that order. Each keeps a place on stage for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostClaims(Vec<Claim>);

impl HostClaims {
    pub(crate) fn keep(&mut self, person: &PersonId, until: RoomTime) {
        self.0.push(Claim { person: *person, until });
    }

    pub(crate) fn has(&self, person: &PersonId) -> bool {
        self.0.iter().any(|claim| claim.person == *person)
    }

    /// Uses up a claim. Whoever was host only because this one was gone has no claim any more.
    pub(crate) fn use_up(&mut self, person: &PersonId) {
        if let Some(index) = self.0.iter().position(|claim| claim.person == *person) {
            self.0.truncate(index);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn deadline(&self) -> Option<RoomTime> {
        self.0.iter().map(|claim| claim.until).min()
    }

    pub(crate) fn expire(&mut self, now: RoomTime) {
        self.0.retain(|claim| claim.until > now);
    }
}
