//! What clients measure, on its way to the room they are in and from there to everybody it concerns.

use serambi_protocol::{
    RoomId,
    measurement::{CaptureMark, ListenerReport},
};

use super::Porch;
use crate::{authenticator::Session, media::mirror::Report};

impl Porch {
    /// Nobody waits for an answer: what is wrong about a report is for the log, and the next one may be better.
    pub(super) fn take_report(&mut self, session: &Session, report: ListenerReport) {
        let now = self.now_ms;
        let taken =
            self.member(session, &report.room).and_then(|room| room.take_report(&session.person, report.voices, now));
        if let Err(refusal) = taken {
            tracing::debug!(person = session.person.short(), %refusal, "a report that is not taken");
        }
    }

    pub(super) fn take_mark(&mut self, session: &Session, room: &RoomId, mark: CaptureMark) {
        let (now, now_ms) = (self.clock.now(), self.now_ms);
        let taken = self.member(session, room).and_then(|room| room.take_mark(&session.person, mark, now, now_ms));
        if let Err(refusal) = taken {
            tracing::debug!(person = session.person.short(), %refusal, "a mark that is not taken");
        }
    }

    /// The media server is asked when the marked packets came and went; nobody waits for that on the porch.
    pub(super) fn pass_on_marks(&mut self) {
        for (id, room) in &mut self.rooms {
            let marks = room.due_marks(self.now_ms);
            match &self.media.embedded {
                _ if marks.is_empty() => {}
                None => room.tell_marks(&marks),
                Some(embedded) => {
                    let (embedded, id) = (embedded.clone(), id.clone());
                    let (clock, reports) = (self.clock.clone(), self.reports.clone());
                    tokio::spawn(async move {
                        let marks = embedded.find_passages(&id, marks, &clock).await;
                        // A porch that is gone has nobody to tell.
                        let _ = reports.send(Report::Passed { room: id, marks });
                    });
                }
            }
        }
    }
}
