//! Coming into a room and going out of it.

use std::sync::Arc;

use serambi_protocol::{Code, Command, PersonId, Refusal, RoomEvent, api::Joined, event::ClosedReason};
use serambi_room::MediaChange;

use super::{Member, RoomActor, answer, connections, streams, telling};
use crate::{authenticator::Session, registry::Place};

impl RoomActor {
    pub(super) fn join(&mut self, session: &Arc<Session>) -> Result<(Joined, Option<Place>), Refusal> {
        let mut outcome = self.room.join(self.now(), &session.person, &session.name)?;
        self.changed();
        let place = Place { room: self.id, session: session.id };
        self.welcome(session)?;
        let earlier = self.shared.places.take(session.person, place);
        // The token they get says whether they may publish: there is nothing to wait for.
        outcome
            .media
            .retain(|change| !matches!(change, MediaChange::MayPublish { person, .. } if *person == session.person));
        self.take_outcome(outcome);
        let media = self.grant(session)?;
        let view = self.show(&session.person)?;
        let joined = Joined { view, seq: session.mailbox.last(), media };
        self.open_streams(session);
        Ok((joined, earlier))
    }

    /// Writes down who came in. Somebody who was here through another session is told on that one that it is over.
    fn welcome(&mut self, session: &Arc<Session>) -> Result<(), Refusal> {
        let (told, told_you) = self.seen_by(&session.person)?;
        self.permissions.welcome(&session.person);
        let earlier = self.members.remove(&session.person);
        let was_on_stage = earlier.as_ref().is_some_and(|member| member.was_on_stage) || told_you.role.is_on_stage();
        if let Some(earlier) = earlier {
            answer(earlier.replies);
            if earlier.session.id != session.id {
                self.close(&earlier.session, ClosedReason::Replaced);
            }
        }
        let link = connections::Link::new(session, self.shared.clock.now_ms());
        self.was_visited |= link.is_attached();
        let member = Member {
            session: session.clone(),
            told,
            told_you,
            outgoing: streams::Outgoing::default(),
            waits_for: None,
            replies: Vec::new(),
            was_on_stage,
            link,
        };
        self.members.insert(session.person, member);
        Ok(())
    }

    /// Somebody has gone to another room.
    pub(super) fn depart(&mut self, person: &PersonId, session: u64) {
        if self.members.get(person).is_none_or(|member| member.session.id != session) {
            return;
        }
        match self.room.command(self.now(), person, &Command::Leave) {
            Ok(outcome) => self.take_outcome(outcome),
            Err(refusal) => tracing::debug!(person = person.short(), %refusal, "had left already"),
        }
    }

    pub(super) fn member(&mut self, session: &Session) -> Result<&mut Member, Refusal> {
        let member = self.members.get_mut(&session.person).filter(|member| member.session.id == session.id);
        member.ok_or_else(|| Code::NotInRoom.into())
    }

    pub(super) fn farewell(&mut self, person: &PersonId, reason: ClosedReason) {
        let Some(mut member) = self.members.remove(person) else { return };
        self.loss_reports.forget(person);
        self.capture_marks.forget(person);
        answer(member.replies);
        telling::post(&member.session, self.id, self.now(), member.outgoing.take());
        self.close(&member.session, reason);
    }

    pub(super) fn close(&self, session: &Session, reason: ClosedReason) {
        session.mailbox.post(self.id, RoomEvent::Closed { reason });
        self.shared.places.leave(&session.person, Place { room: self.id, session: session.id });
    }

    pub(super) fn end_for_all(&mut self, reason: ClosedReason) {
        for (_, member) in std::mem::take(&mut self.members) {
            answer(member.replies);
            self.close(&member.session, reason);
        }
    }
}
