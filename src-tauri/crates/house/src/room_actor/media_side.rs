//! The room and its media server: what somebody may do there, and what it says of them.

use serambi_protocol::{Code, PersonId, Refusal, api::MediaGrant};
use serambi_room::MediaChange;

use super::{RoomActor, answer};
use crate::{
    authenticator::Session,
    media::{
        keys::Standing,
        permission_reconciler::{Report, SeenParticipant},
    },
};

impl RoomActor {
    pub(super) fn grant(&self, session: &Session) -> Result<MediaGrant, Refusal> {
        let standing = self.standing(&session.person)?;
        let token = self.shared.media.keys.grant(&self.id, &session.person, &session.name, standing)?;
        Ok(MediaGrant { url: self.shared.media.url.clone(), token })
    }

    /// What a person may do in the media room now.
    pub(super) fn standing(&self, person: &PersonId) -> Result<Standing, Refusal> {
        self.room.role_of(person).ok_or(Code::NotInRoom)?;
        let may_publish = self.room.may_publish(person);
        let was_on_stage = self.members.get(person).is_some_and(|member| member.was_on_stage);
        Ok(Standing { may_publish, hidden: !(may_publish || was_on_stage) })
    }

    pub(super) fn take_media(&mut self, report: Report) {
        match report {
            Report::Granted { person, ticket, .. } => self.granted(&person, ticket),
            Report::Seen { people, .. } => {
                self.compare(&people);
                self.take_signs_of_sound(&people);
            }
            Report::Passed { marks, .. } => self.tell_marks(&marks),
        }
    }

    /// The media server lets somebody publish now: they can be told.
    fn granted(&mut self, person: &PersonId, ticket: u64) {
        if let Some(member) = self.members.get_mut(person).filter(|member| member.waits_for == Some(ticket)) {
            member.waits_for = None;
            answer(std::mem::take(&mut member.replies));
            self.telling.times.has_news_for(person);
        }
    }

    /// Puts right in the media server what it says about people and the rules do not.
    fn compare(&mut self, people: &[SeenParticipant]) {
        for seen in people {
            match self.standing(&seen.person) {
                Ok(standing) if standing.may_publish == seen.may_publish => {}
                Ok(standing) if standing.may_publish => self.allow_again(&seen.person),
                Ok(_) => self.permissions.deny(&seen.person),
                Err(_) => self.permissions.remove(&seen.person),
            }
        }
    }

    /// The new order takes the place of one that may still be under way, and so does its ticket.
    fn allow_again(&mut self, person: &PersonId) {
        let ticket = self.permissions.allow(person);
        if let Some(member) = self.members.get_mut(person).filter(|member| member.waits_for.is_some()) {
            member.waits_for = Some(ticket);
        }
    }

    pub(super) fn change_media(&mut self, change: MediaChange) {
        match change {
            MediaChange::MayPublish { person, may } => {
                let Some(member) = self.members.get_mut(&person) else { return };
                if may {
                    member.was_on_stage = true;
                    member.waits_for = Some(self.permissions.allow(&person));
                } else {
                    member.waits_for = None;
                    answer(std::mem::take(&mut member.replies));
                    self.permissions.deny(&person);
                }
            }
            MediaChange::Mute { person } => self.permissions.mute(&person),
            MediaChange::Remove { person } => self.permissions.remove(&person),
        }
    }
}
