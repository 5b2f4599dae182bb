//! Reacting: everybody may, once a second; nothing in the room changes by it.

use serambi_protocol::{
    Code, PersonId, Refusal, RoomSwitch,
    reaction::{Reacted, Reaction},
    view::RoomTime,
};

use super::Room;

impl Room {
    /// Somebody shows something. Neither a view nor what is on a disk is different afterwards.
    ///
    /// # Errors
    /// `room_ended`, `not_in_room`, `reactions_off`; `reacted_recently` with how long to wait.
    pub fn react(&mut self, now: RoomTime, actor: &PersonId, reaction: Reaction) -> Result<(), Refusal> {
        self.refuse_if_over()?;
        let role = self.role_of(actor).ok_or(Code::NotInRoom)?;
        if let Some(code) = self.why_no_reacting() {
            return Err(code.into());
        }
        if let Some(wait_ms) = self.reactions.wait_ms(now, actor) {
            return Err(Refusal::from(Code::ReactedRecently).again_in_ms(wait_ms));
        }
        self.reactions.add(now, actor, role.is_on_stage(), reaction);
        Ok(())
    }

    /// Why nobody can react now; none: they can.
    pub(crate) fn why_no_reacting(&self) -> Option<Code> {
        self.switches.is_on(RoomSwitch::ReactionsOff).then_some(Code::ReactionsOff)
    }

    /// When everybody is to be told what was shown; none: nothing was.
    pub fn reactions_due(&self) -> Option<RoomTime> {
        self.reactions.due()
    }

    /// What was shown since this was last asked, if it is time to tell it; of the stage, what those show who are still
    /// there. Nothing, if reactions were turned off since.
    pub fn take_reactions(&mut self, now: RoomTime) -> Option<Reacted> {
        let mut reacted = self.reactions.take(now)?;
        reacted.stage.retain(|shown| self.role_of(&shown.person).is_some_and(|role| role.is_on_stage()));
        let is_empty = reacted.audience.is_empty() && reacted.stage.is_empty();
        (!is_empty && self.why_no_reacting().is_none()).then_some(reacted)
    }
}
