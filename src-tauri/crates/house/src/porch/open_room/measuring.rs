//! What the people of a room measure: taken from each, and passed on in as few words as will do.

use serambi_protocol::{
    Code, PersonId, Refusal,
    api::ChannelTell,
    measurement::{CaptureMark, HouseTime, VoiceHeard, VoiceMark},
};

use super::OpenRoom;

impl OpenRoom {
    /// What a listener hears and misses of each voice.
    ///
    /// # Errors
    /// `bad_request` if nobody can have measured that.
    pub fn take_report(&mut self, listener: &PersonId, voices: Vec<VoiceHeard>, now_ms: u64) -> Result<(), Refusal> {
        let room = &self.room;
        self.loss_reports.take(listener, voices, |person| room.may_publish(person), now_ms)
    }

    /// When a speaker's voice was made.
    ///
    /// # Errors
    /// `not_on_stage`; `bad_request` if it is a mark of no possible moment.
    pub fn take_mark(
        &mut self,
        speaker: &PersonId,
        mark: CaptureMark,
        now: HouseTime,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        if !self.room.may_publish(speaker) {
            return Err(Code::NotOnStage.into());
        }
        self.capture_marks.take(speaker, mark, now, now_ms)
    }

    /// The marks that are to be passed on now.
    pub fn due_marks(&mut self, now_ms: u64) -> Vec<VoiceMark> {
        self.capture_marks.due(now_ms)
    }

    /// Tells everybody when the voices were made; nobody when their own was.
    pub fn tell_marks(&self, marks: &[VoiceMark]) {
        for (person, member) in &self.members {
            let marks: Vec<VoiceMark> = marks.iter().filter(|mark| mark.person != *person).cloned().collect();
            if !marks.is_empty() {
                member.session.say(ChannelTell::Marks { room: self.id.clone(), marks });
            }
        }
    }

    /// When there is something to be passed on.
    pub(super) fn next_measurement_ms(&self) -> Option<u64> {
        let deadlines = [self.loss_reports.next_deadline_ms(), self.capture_marks.next_deadline_ms()];
        deadlines.into_iter().flatten().min()
    }

    /// Tells each speaker what their listeners miss, when it is time.
    pub(super) fn tell_speakers(&mut self, now_ms: u64) {
        let room = &self.room;
        let speakers = self.members.keys().filter(|person| room.may_publish(person));
        for (speaker, reception) in self.loss_reports.due(speakers, now_ms) {
            if let Some(member) = self.members.get(&speaker) {
                member.session.say(ChannelTell::Received { room: self.id.clone(), reception });
            }
        }
    }
}
