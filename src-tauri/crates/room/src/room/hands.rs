//! Raising a hand, and what moderators do with raised hands.

use serambi_protocol::{
    Act, Code, Notice, PersonId, Refusal,
    command::HandScope,
    view::{InvitationState, Role, RoomTime},
};

use super::{Room, refuse_unless};
use crate::outcome::Outcome;

impl Room {
    pub(super) fn raise_hand(&mut self, now: RoomTime, actor: &PersonId, out: &mut Outcome) -> Result<(), Refusal> {
        if self.may_publish(actor) {
            return Err(Code::AlreadyOnStage.into());
        }
        if self.hands.is_up(actor) {
            return Ok(());
        }
        if let Some(code) = self.why_no_hand(actor) {
            return Err(code.into());
        }
        self.hands.raise(now, actor);
        // Whoever raises a hand after "Maybe later" may be invited at once.
        if self.invitations.of(actor).is_some_and(|invitation| invitation.state == InvitationState::Later) {
            self.invitations.remove(actor);
        }
        if self.hands.take_cue(now, self.settings.hand_cue_ms) {
            let count = u32::try_from(self.hands.len()).unwrap_or(u32::MAX);
            self.tell_moderators(&Notice::HandRaised { name: self.name_of(actor), count }, out);
        }
        Ok(())
    }

    /// Why this listener's hand cannot go up now; none if it can.
    pub(crate) fn why_no_hand(&self, person: &PersonId) -> Option<Code> {
        let followed = self.seats.get(person).is_some_and(|seat| seat.followed);
        match self.hands.scope {
            HandScope::Off => Some(Code::HandsOff),
            HandScope::Followed if !followed => Some(Code::HandsFollowedOnly),
            HandScope::Followed | HandScope::Everyone => self.hands.blocked_until(person).map(|_| Code::HandTooSoon),
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
        self.target(actor, person, Act::Invite)?;
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
        refuse_unless(role, role, Act::LowerAllHands)?;
        let lowered = self.hands.lower_all();
        out.tell_each(&lowered, &Notice::HandDismissed);
        Ok(())
    }

    /// Hands that are up stay up.
    pub(super) fn set_hand_scope(&mut self, role: Role, scope: HandScope) -> Result<(), Refusal> {
        refuse_unless(role, role, Act::SetHandScope)?;
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
