//! What the people of a room measure: taken from each, and passed on in as few words as will do.

use std::sync::Arc;

use serambi_protocol::{
    Code, Refusal,
    api::ChannelTell,
    measurement::{CaptureMark, VoiceHeard, VoiceMark},
};

use super::RoomActor;
use crate::{authenticator::Session, media::permission_reconciler::Report};

impl RoomActor {
    /// What a listener hears and misses of each voice. Nobody waits for an answer: what is wrong about a report is for
    /// the log, and the next one may be better.
    pub(super) fn take_report(&mut self, session: &Arc<Session>, voices: Vec<VoiceHeard>) {
        let now_ms = self.shared.clock.now_ms();
        let is_here = self.member(session).map(drop);
        let room = &self.room;
        let taken = is_here
            .and_then(|()| self.loss_reports.take(&session.person, voices, |person| room.may_publish(person), now_ms));
        note(session, taken);
    }

    /// When a speaker's voice was made.
    pub(super) fn take_mark(&mut self, session: &Arc<Session>, mark: CaptureMark) {
        let (now, now_ms) = (self.shared.clock.now(), self.shared.clock.now_ms());
        let is_here = self.member(session).map(drop);
        let may_speak = self.room.may_publish(&session.person);
        let taken = is_here.and_then(|()| {
            if may_speak {
                self.capture_marks.take(&session.person, mark, now, now_ms)
            } else {
                Err(Code::NotOnStage.into())
            }
        });
        note(session, taken);
    }

    /// When there is something to be passed on.
    pub(super) fn next_measurement_ms(&self) -> Option<u64> {
        let deadlines = [self.loss_reports.next_deadline_ms(), self.capture_marks.next_deadline_ms()];
        deadlines.into_iter().flatten().min()
    }

    /// Tells each speaker what their listeners miss, when it is time.
    pub(super) fn tell_speakers(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        let room = &self.room;
        let speakers = self.members.keys().filter(|person| room.may_publish(person));
        for (speaker, reception) in self.loss_reports.due(speakers, now_ms) {
            if let Some(member) = self.members.get(&speaker) {
                member.session.say(ChannelTell::Received { room: self.id, reception });
            }
        }
    }

    /// The media server is asked when the marked packets came and went; the room does not wait for that.
    pub(super) fn pass_on_marks(&mut self) {
        let marks = self.capture_marks.due(self.shared.clock.now_ms());
        match &self.shared.media.embedded {
            _ if marks.is_empty() => {}
            None => self.tell_marks(&marks),
            Some(embedded) => {
                let (embedded, id) = (embedded.clone(), self.id);
                let (clock, reports) = (self.shared.clock.clone(), self.report_sender.clone());
                self.shared.farewells.spawn(async move {
                    let marks = embedded.find_passages(&id, marks, &clock).await;
                    if reports.send(Report::Passed { room: id, marks }).await.is_err() {
                        tracing::debug!(room = %id, "a room that is over has nobody to tell");
                    }
                });
            }
        }
    }

    /// Tells everybody when the voices were made; nobody when their own was.
    pub(super) fn tell_marks(&self, marks: &[VoiceMark]) {
        for (person, member) in &self.members {
            let marks: Vec<VoiceMark> = marks.iter().filter(|mark| mark.person != *person).cloned().collect();
            if !marks.is_empty() {
                member.session.say(ChannelTell::Marks { room: self.id, marks });
            }
        }
    }
}

fn note(session: &Session, taken: Result<(), Refusal>) {
    if let Err(refusal) = taken {
        tracing::debug!(person = session.person.short(), %refusal, "a measurement that is not taken");
    }
}
