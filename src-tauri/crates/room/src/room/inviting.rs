//! Invitations to the stage: made, taken back, accepted, put off. Nobody is put on stage without agreeing.

use serambi_protocol::{
    Act, Code, Notice, PersonId, Refusal,
    view::{InvitationState, RoomTime},
};

use super::Room;
use crate::{invitation::Invitation, outcome::Outcome};

impl Room {
    pub(super) fn invite(
        &mut self,
        now: RoomTime,
        actor: &PersonId,
        person: &PersonId,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let target = self.target(actor, person, Act::Invite)?;
        if target.is_on_stage() {
            return Err(Code::AlreadyOnStage.into());
        }
        if let Some(code) = self.invitations.of(person).and_then(Invitation::why_not_again) {
            return Err(code.into());
        }
        if self.stage_is_full() {
            return Err(Code::StageFull.into());
        }
        let invitation = self.invitation_for(now, actor, person);
        let by = invitation.by.clone();
        out.tell(person, if invitation.answers_hand { Notice::YourTurn } else { Notice::Invited { by } });
        self.invitations.make(invitation);
        Ok(())
    }

    fn invitation_for(&self, now: RoomTime, actor: &PersonId, person: &PersonId) -> Invitation {
        let answers_hand = self.hands.is_up(person);
        let open_ms = if answers_hand { self.settings.turn_invitation_ms } else { self.settings.invitation_ms };
        Invitation {
            person: *person,
            by: self.name_of(actor),
            answers_hand,
            state: InvitationState::Open,
            until: now.after(open_ms),
            rank: 0,
        }
    }

    pub(super) fn cancel_invitation(
        &mut self,
        actor: &PersonId,
        person: &PersonId,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.target(actor, person, Act::Invite)?;
        self.invitations.open_of(person).ok_or(Code::InvitationGone)?;
        self.invitations.remove(person);
        out.tell(person, Notice::InvitationCancelled);
        Ok(())
    }

    /// If the stage filled up meanwhile, the invitation stays open until its time, and the hand keeps its place.
    pub(super) fn accept_invitation(&mut self, actor: &PersonId, out: &mut Outcome) -> Result<(), Refusal> {
        if self.may_publish(actor) {
            return Err(Code::AlreadyOnStage.into());
        }
        if self.invitations.open_of(actor).is_none() && !self.may_take_empty_stage(actor) {
            return Err(Code::InvitationGone.into());
        }
        if self.stage_is_full() {
            return Err(Code::StageFull.into());
        }
        self.step_up(actor, out);
        Ok(())
    }

    pub(super) fn decline_invitation(
        &mut self,
        now: RoomTime,
        actor: &PersonId,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let invitation = self.invitations.open_of(actor);
        let (is_invited, answers_hand) =
            (invitation.is_some(), invitation.is_some_and(|invitation| invitation.answers_hand));
        if !is_invited && !self.may_take_empty_stage(actor) {
            return Err(Code::InvitationGone.into());
        }
        self.stage.not_now(actor);
        if answers_hand {
            self.hands.lower(actor);
        }
        if is_invited {
            self.invitations.put_off(actor, now.after(self.settings.invite_again_ms));
            self.tell_moderators(&Notice::SaidLater { name: self.name_of(actor) }, out);
        }
        Ok(())
    }
}
