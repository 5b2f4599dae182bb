//! The door of the room: who asks to come in, and who can be called in.

use std::collections::BTreeMap;

use serambi_protocol::{
    Code, PersonId, Refusal,
    door::{AtDoor, CallablePerson},
    limits::CALLABLE_LISTED,
};

use super::RoomActor;
use crate::authenticator::Session;

impl RoomActor {
    /// Most knocks say only that somebody still waits: that is told to nobody.
    pub(super) fn knock(&mut self, session: &Session, waits: bool) -> Result<AtDoor, Refusal> {
        let knocking = self.room.knock(self.now(), &session.person, &session.name, waits)?;
        if knocking.is_news {
            self.take_outcome(knocking.outcome);
        }
        Ok(knocking.door)
    }

    pub(super) fn callable(
        &mut self,
        session: &Session,
        people: BTreeMap<PersonId, String>,
    ) -> Result<Vec<CallablePerson>, Refusal> {
        self.member(session)?;
        let role = self.room.role_of(&session.person).ok_or(Code::NotInRoom)?;
        if !self.room.may_ping(role) {
            return Err(Code::NotAllowed.into());
        }
        let now = self.now();
        let asked = people.into_iter().map(|(id, name)| {
            let refused = self.room.why_not_pinged(now, &id).map(|refusal| refusal.code);
            CallablePerson { id, name, refused }
        });
        let mut found: Vec<CallablePerson> = asked.filter(|person| person.refused != Some(Code::NotCallable)).collect();
        found.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
        found.truncate(CALLABLE_LISTED);
        Ok(found)
    }
}
