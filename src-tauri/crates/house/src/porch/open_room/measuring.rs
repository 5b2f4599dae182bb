//! What the people of a room measure: taken from each, and passed on in as few words as will do.

use serambi_protocol::{PersonId, Refusal, api::ChannelTell, measurement::VoiceHeard};

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

    /// Tells each speaker what their listeners miss, when it is time.
    pub(super) fn tell_speakers(&mut self, now_ms: u64) {
        let room = &self.room;
        let speakers = self.members.keys().filter(|person| room.may_publish(person));
        for (speaker, reception) in self.loss_reports.due(speakers, now_ms) {
            if let Some(member) = self.members.get(&speaker) {
                member.guest.say(ChannelTell::Received { room: self.id.clone(), reception });
            }
        }
    }
}
