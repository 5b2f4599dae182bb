//! The doors of the rooms: asking to come in, and who can be called in.

use std::{collections::BTreeMap, sync::Arc};

use serambi_protocol::{
    PersonId, Refusal, RoomId,
    door::{AtDoor, CallablePerson},
};

use super::RoomRegistry;
use crate::{authenticator::Session, room_actor::Message};

impl RoomRegistry {
    /// Asks to come in, says that one still waits, or (`waits` false) asks no longer.
    ///
    /// # Errors
    /// `room_…`, `blocked`, `removed_recently`, `door_crowded`.
    pub async fn knock(&self, session: Arc<Session>, room: &RoomId, waits: bool) -> Result<AtDoor, Refusal> {
        self.ask(room, |reply| Message::Knock { session, waits, reply }).await
    }

    /// Who of these people can be called in by this session's person, by name.
    ///
    /// # Errors
    /// `room_…`, `not_in_room`, `not_allowed`.
    pub async fn callable(
        &self,
        session: Arc<Session>,
        room: &RoomId,
        people: BTreeMap<PersonId, String>,
    ) -> Result<Vec<CallablePerson>, Refusal> {
        self.ask(room, |reply| Message::Callable { session, people, reply }).await
    }
}
