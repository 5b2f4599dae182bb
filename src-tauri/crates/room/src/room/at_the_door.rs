//! Calling people in, and answering those who ask to come in.

use serambi_protocol::{
    Act, Code, Notice, PersonId, Refusal, RoomSwitch,
    door::AtDoor,
    view::{Role, RoomTime},
};

use super::{Room, refuse_unless};
use crate::{outcome::Outcome, permission::may_ping};

/// When somebody who found the door crowded may try again, ms.
const CROWDED_MS: u64 = 60_000;

/// What came of somebody's asking to come in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Knocking {
    /// How it stands with them.
    pub door: AtDoor,
    /// The room is not what it was.
    pub is_news: bool,
    /// What else follows.
    pub outcome: Outcome,
}

impl Room {
    /// Somebody outside asks to come in, or says that they still wait; `waits` false: not any more. Whoever does not
    /// say so again for a while waits no longer.
    ///
    /// # Errors
    /// `room_ended`, `blocked`, `removed_recently`, `door_crowded`. A refusal changes nothing.
    pub fn knock(&mut self, now: RoomTime, person: &PersonId, name: &str, waits: bool) -> Result<Knocking, Refusal> {
        let before = self.door.clone();
        let mut door = AtDoor::Outside;
        let outcome = self.when_time_has_passed(now, |room, out| {
            door = room.stand_at_door(now, person, name, waits, out)?;
            Ok(())
        })?;
        let is_news = self.door != before || outcome != Outcome::default();
        Ok(Knocking { door, is_news, outcome })
    }

    fn stand_at_door(
        &mut self,
        now: RoomTime,
        person: &PersonId,
        name: &str,
        waits: bool,
        out: &mut Outcome,
    ) -> Result<AtDoor, Refusal> {
        self.refuse_if_over()?;
        match self.refuse_at_the_door(now, person) {
            Ok(()) => return Ok(AtDoor::LetIn),
            Err(refusal) if refusal.code == Code::RoomLocked => {}
            Err(refusal) => return Err(refusal),
        }
        if !waits {
            self.door.stop_waiting(person);
            return Ok(AtDoor::Outside);
        }
        if self.door.is_turned_away(person, now) {
            return Ok(AtDoor::NotNow);
        }
        self.wait_at_door(now, person, name, out)
    }

    fn wait_at_door(
        &mut self,
        now: RoomTime,
        person: &PersonId,
        name: &str,
        out: &mut Outcome,
    ) -> Result<AtDoor, Refusal> {
        if self.door.waits(person) {
            self.door.keep_waiting(now, person);
            return Ok(AtDoor::Waiting);
        }
        if self.door.is_crowded(person) {
            return Err(Refusal::from(Code::DoorCrowded).again_in_ms(CROWDED_MS));
        }
        if self.door.begin_waiting(now, person, name, self.settings.knock_again_ms) {
            let count = u32::try_from(self.door.waiting().len()).unwrap_or(u32::MAX);
            self.tell_moderators(&Notice::AtTheDoor { name: name.to_owned(), count }, out);
        }
        Ok(AtDoor::Waiting)
    }

    pub(super) fn let_in(&mut self, now: RoomTime, role: Role, person: &PersonId) -> Result<(), Refusal> {
        self.refuse_unless_at_door(role, person)?;
        self.door.admit(person, now.after(self.settings.let_in_ms));
        Ok(())
    }

    pub(super) fn turn_away(&mut self, now: RoomTime, role: Role, person: &PersonId) -> Result<(), Refusal> {
        self.refuse_unless_at_door(role, person)?;
        self.door.turn_away(person, now.after(self.settings.knock_again_ms));
        Ok(())
    }

    fn refuse_unless_at_door(&self, role: Role, person: &PersonId) -> Result<(), Refusal> {
        refuse_unless(role, role, Act::AnswerDoor)?;
        if self.door.waits(person) { Ok(()) } else { Err(Code::NotAtDoor.into()) }
    }

    /// Only a moderator's call opens the lock. The house tells the person.
    pub(super) fn ping(&mut self, now: RoomTime, role: Role, person: &PersonId) -> Result<(), Refusal> {
        if !self.may_ping(role) {
            return Err(Refusal::new(Code::NotAllowed, format!("calling people in by a {role:?}")));
        }
        if let Some(refusal) = self.why_not_pinged(now, person) {
            return Err(refusal);
        }
        self.door.note_ping(person, now.after(self.settings.ping_again_ms));
        if role.may_moderate() {
            self.door.admit(person, now.after(self.settings.ping_admits_ms));
        }
        Ok(())
    }

    /// Why this person cannot be called in now; none if they can. Of somebody who may not come in it is not said why.
    pub fn why_not_pinged(&self, now: RoomTime, person: &PersonId) -> Option<Refusal> {
        if self.seats.contains_key(person) || self.is_shut_out(now, person) {
            return Some(Code::NotCallable.into());
        }
        let again_ms = self.door.ping_again_in(person, now)?;
        Some(Refusal::from(Code::PingedRecently).again_in_ms(again_ms))
    }

    /// May this role call people in now?
    pub fn may_ping(&self, role: Role) -> bool {
        may_ping(role, self.switches.is_on(RoomSwitch::Locked))
    }
}
