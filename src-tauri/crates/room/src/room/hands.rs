//! Raising a hand, and what moderators do with raised hands.

use serambi_protocol::{
    Code, Notice, PersonId, Refusal,
    command::HandScope,
    view::{Role, RoomTime},
};

use super::{Room, refuse_unless};
use crate::{outcome::Outcome, permission::Action};

impl Room {
    pub(super) fn raise_hand(&mut self, now: RoomTime, actor: &PersonId, out: &mut Outcome) -> Result<(), Refusal> {
        if self.may_publish(actor) {
            return Err(Code::AlreadyOnStage.into());
        }
        if self.hands.is_up(actor) {
            return Ok(());
        }
        self.refuse_hand_out_of_scope(actor)?;
        if self.hands.blocked_until(actor).is_some() {
            return Err(Code::HandTooSoon.into());
        }
        self.hands.raise(now, actor);
        if self.hands.take_cue(now, self.settings.hand_cue_ms) {
            let count = u32::try_from(self.hands.len()).unwrap_or(u32::MAX);
            self.tell_moderators(&Notice::HandRaised { name: self.name_of(actor), count }, out);
        }
        Ok(())
    }

    fn refuse_hand_out_of_scope(&self, actor: &PersonId) -> Result<(), Refusal> {
        let followed = self.seats.get(actor).is_some_and(|seat| seat.followed);
        match self.hands.scope {
            HandScope::Off => Err(Code::HandsOff.into()),
            HandScope::Followed if !followed => Err(Code::HandsFollowedOnly.into()),
            HandScope::Followed | HandScope::Everyone => Ok(()),
        }
    }

    /// A hand that is down already stays down: pressing the key at the moment of a dismissal is no mistake.
    pub(super) fn lower_hand(&mut self, actor: &PersonId) -> Result<(), Refusal> {
        self.take_hand_down(actor);
        Ok(())
    }

    pub(super) fn dismiss_hand(
        &mut self,
        now: RoomTime,
        actor: &PersonId,
        person: &PersonId,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.target(actor, person, Action::Invite)?;
        if !self.hands.is_up(person) {
            return Err(Code::HandNotUp.into());
        }
        self.take_hand_down(person);
        self.hands.block_until(person, now.after(self.settings.hand_again_ms));
        out.tell(person, Notice::HandDismissed);
        Ok(())
    }

    /// Nobody has to wait before raising a hand again: clearing the queue is how a new question starts. Invitations
    /// that are on their way stay, so "this one, and everybody else later" can be said in two presses.
    pub(super) fn lower_all_hands(&mut self, role: Role, out: &mut Outcome) -> Result<(), Refusal> {
        refuse_unless(role, role, Action::Invite)?;
        let lowered = self.hands.lower_all();
        out.tell_each(&lowered, &Notice::HandDismissed);
        Ok(())
    }

    /// Hands that are up stay up.
    pub(super) fn set_hand_scope(&mut self, role: Role, scope: HandScope) -> Result<(), Refusal> {
        refuse_unless(role, role, Action::ChangeRoom)?;
        self.hands.scope = scope;
        Ok(())
    }

    /// The offer that answered this hand goes with it.
    fn take_hand_down(&mut self, person: &PersonId) {
        self.hands.lower(person);
        if self.invitations.open_of(person).is_some_and(|invitation| invitation.answers_hand) {
            self.invitations.remove(person);
        }
    }
}
