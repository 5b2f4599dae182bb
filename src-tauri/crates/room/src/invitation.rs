//! Invitations to the stage: open, put off, or left without an answer.

use serambi_protocol::{
    Code, PersonId,
    view::{InvitationState, RoomTime},
};
use serde::{Deserialize, Serialize};

/// How the invitation of one listener stands. Every state ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) person: PersonId,
    /// Display name of the moderator.
    pub(crate) by: String,
    pub(crate) answers_hand: bool,
    pub(crate) state: InvitationState,
    /// Open: runs out. Otherwise: no longer shown, and the person may be invited again.
    pub(crate) until: RoomTime,
    /// Compares which was made first; given by [`Invitations::make`].
    pub(crate) rank: u64,
}

impl Invitation {
    pub(crate) fn is_open(&self) -> bool {
        self.state == InvitationState::Open
    }

    /// Why this person cannot be invited again now; none if they can.
    pub(crate) fn why_not_again(&self) -> Option<Code> {
        match self.state {
            InvitationState::Open => Some(Code::AlreadyInvited),
            InvitationState::Later => Some(Code::InviteTooSoon),
            InvitationState::NoAnswer => None,
        }
    }
}

/// At most one for each listener, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invitations {
    made: Vec<Invitation>,
    /// Invitations made so far.
    count: u64,
}

impl Invitations {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Invitation> {
        self.made.iter()
    }

    pub(crate) fn of(&self, person: &PersonId) -> Option<&Invitation> {
        self.made.iter().find(|invitation| invitation.person == *person)
    }

    pub(crate) fn open_of(&self, person: &PersonId) -> Option<&Invitation> {
        self.of(person).filter(|invitation| invitation.is_open())
    }

    /// Takes the place of whatever stood there for this person.
    pub(crate) fn make(&mut self, invitation: Invitation) {
        self.remove(&invitation.person);
        self.count += 1;
        self.made.push(Invitation { rank: self.count, ..invitation });
    }

    pub(crate) fn put_off(&mut self, person: &PersonId, until: RoomTime) {
        if let Some(invitation) = self.made.iter_mut().find(|invitation| invitation.person == *person) {
            invitation.state = InvitationState::Later;
            invitation.until = until;
        }
    }

    pub(crate) fn remove(&mut self, person: &PersonId) {
        self.made.retain(|invitation| invitation.person != *person);
    }

    pub(crate) fn deadline(&self) -> Option<RoomTime> {
        self.made.iter().map(|invitation| invitation.until).min()
    }

    /// Open ones that ran out become "no answer" for as long as that is shown; older answers go. Who gave no answer,
    /// and whether it was about a raised hand.
    pub(crate) fn expire(&mut self, now: RoomTime, answer_shown_ms: u64) -> Vec<(PersonId, bool)> {
        self.made.retain(|invitation| invitation.is_open() || invitation.until > now);
        let mut silent = Vec::new();
        for invitation in self.made.iter_mut().filter(|invitation| invitation.is_open() && invitation.until <= now) {
            invitation.state = InvitationState::NoAnswer;
            invitation.until = now.after(answer_shown_ms);
            silent.push((invitation.person, invitation.answers_hand));
        }
        silent
    }
}
