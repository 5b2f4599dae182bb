//! Invitations to the stage: open, put off, or left without an answer.

use serambi_protocol::{
    PersonId,
    view::{InvitationState, RoomTime},
};

/// How the invitation of one listener stands. Every state ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invitation {
    pub(crate) person: PersonId,
    /// Display name of the moderator.
    pub(crate) by: String,
    pub(crate) answers_hand: bool,
    pub(crate) state: InvitationState,
    /// Open: runs out. Otherwise: no longer shown, and the person may be invited again.
    pub(crate) until: RoomTime,
}

impl Invitation {
    pub(crate) fn is_open(&self) -> bool {
        self.state == InvitationState::Open
    }
}

/// At most one for each listener, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Invitations(Vec<Invitation>);

impl Invitations {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Invitation> {
        self.0.iter()
    }

    pub(crate) fn of(&self, person: &PersonId) -> Option<&Invitation> {
        self.0.iter().find(|invitation| invitation.person == *person)
    }

    pub(crate) fn open_of(&self, person: &PersonId) -> Option<&Invitation> {
        self.of(person).filter(|invitation| invitation.is_open())
    }

    /// Takes the place of whatever stood there for this person.
    pub(crate) fn make(&mut self, invitation: Invitation) {
        self.remove(&invitation.person);
        self.0.push(invitation);
    }

    pub(crate) fn put_off(&mut self, person: &PersonId, until: RoomTime) {
        if let Some(invitation) = self.0.iter_mut().find(|invitation| invitation.person == *person) {
            invitation.state = InvitationState::Later;
            invitation.until = until;
        }
    }

    pub(crate) fn remove(&mut self, person: &PersonId) {
        self.0.retain(|invitation| invitation.person != *person);
    }

    pub(crate) fn deadline(&self) -> Option<RoomTime> {
        self.0.iter().map(|invitation| invitation.until).min()
    }

    /// Open ones that ran out become "no answer" for as long as that is shown; older answers go. Who gave no answer.
    pub(crate) fn expire(&mut self, now: RoomTime, answer_shown_ms: u64) -> Vec<PersonId> {
        self.0.retain(|invitation| invitation.is_open() || invitation.until > now);
        let mut silent = Vec::new();
        for invitation in self.0.iter_mut().filter(|invitation| invitation.is_open() && invitation.until <= now) {
            invitation.state = InvitationState::NoAnswer;
            invitation.until = now.after(answer_shown_ms);
            silent.push(invitation.person.clone());
        }
        silent
    }
}
