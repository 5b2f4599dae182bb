//! What is appended to a room's streams, on its way to people: made once, sent to everybody with their next changes.

use std::sync::Arc;

use serambi_protocol::{Notice, PersonId, RoomEvent, TopicChange, chat::ChatEvent};
use serambi_room::Room;

use super::RoomActor;
use crate::authenticator::Session;

/// Entries that may wait for one person: more than a newcomer is told of the chat, and than anybody is told in one go.
const ENTRIES_WAITING: usize = 128;

/// Entries of streams that one person has yet to be told, in order.
#[derive(Default)]
pub(super) struct Outgoing(Vec<Arc<TopicChange>>);

impl Outgoing {
    /// One more. Whoever waits so long that there are too many loses what can be told anew, which `so_far` does, and
    /// what was only worth telling at the time; of notices they lose the oldest.
    fn push(&mut self, entry: Arc<TopicChange>, so_far: impl FnOnce() -> Vec<Arc<TopicChange>>) {
        if self.0.len() == ENTRIES_WAITING {
            self.0.retain(|waiting| matches!(**waiting, TopicChange::Notices { .. }));
            self.0.drain(..self.0.len().saturating_sub(ENTRIES_WAITING / 2));
            self.0.extend(so_far());
        }
        self.0.push(entry);
    }

    /// All of them, to be told now.
    pub(super) fn take(&mut self) -> Vec<Arc<TopicChange>> {
        std::mem::take(&mut self.0)
    }
}

/// What newcomers are told of the streams: made once for all who come until something is written.
#[derive(Default)]
pub(super) struct StreamsSoFar(Option<Vec<Arc<TopicChange>>>);

impl StreamsSoFar {
    /// Empty while nobody has written anything.
    fn of(&mut self, room: &Room) -> Vec<Arc<TopicChange>> {
        let opened = |messages| TopicChange::Chat { stream: vec![ChatEvent::Opened { messages }] };
        self.0.get_or_insert_with(|| room.chat_so_far().map(opened).map(Arc::new).into_iter().collect()).clone()
    }
}

impl RoomActor {
    pub(super) fn take_chat(&mut self, events: Vec<ChatEvent>) {
        for event in events {
            self.streams_so_far = StreamsSoFar::default();
            self.append(TopicChange::Chat { stream: vec![event] });
        }
    }

    /// What people show goes its own way: neither views nor the disk have anything of it.
    pub(super) fn tell_reactions(&mut self) {
        if let Some(reacted) = self.room.take_reactions(self.now()) {
            self.append(TopicChange::Reactions { stream: vec![reacted] });
            self.telling.times.has_news();
        }
    }

    /// Everybody who is here is to be told.
    fn append(&mut self, entry: TopicChange) {
        let (entry, so_far, room) = (Arc::new(entry), &mut self.streams_so_far, &self.room);
        for member in self.members.values_mut() {
            member.outgoing.push(entry.clone(), || so_far.of(room));
        }
    }

    /// Something is to be said to that person, once.
    pub(super) fn notify(&mut self, person: &PersonId, notice: Notice) {
        let Some(member) = self.members.get_mut(person) else { return };
        if !is_said_to_everybody(&notice) {
            self.telling.times.has_news_for(person);
        }
        let (so_far, room) = (&mut self.streams_so_far, &self.room);
        member.outgoing.push(Arc::new(TopicChange::Notices { stream: vec![notice] }), || so_far.of(room));
    }

    /// Tells somebody who has just come in, or has missed too much, what is kept of the streams.
    pub(super) fn open_streams(&mut self, session: &Session) {
        let so_far = self.streams_so_far.of(&self.room);
        if let Some(member) = self.members.get_mut(&session.person) {
            // The rest is among it, or over.
            member.outgoing.0.retain(|waiting| matches!(**waiting, TopicChange::Notices { .. }));
        }
        if !so_far.is_empty() {
            session.mailbox.post(self.id, RoomEvent::Changed { now: self.now(), changes: so_far });
        }
    }
}

/// Is it about somebody else, and said to all who are in the room?
fn is_said_to_everybody(notice: &Notice) -> bool {
    matches!(notice, Notice::JoinedStage { .. } | Notice::NewHost { .. })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn notice(name: &str) -> Arc<TopicChange> {
        Arc::new(TopicChange::Notices { stream: vec![Notice::JoinedStage { name: name.to_owned() }] })
    }

    fn written() -> Arc<TopicChange> {
        Arc::new(TopicChange::Chat { stream: vec![ChatEvent::Unknown] })
    }

    fn so_far() -> Arc<TopicChange> {
        Arc::new(TopicChange::Chat { stream: vec![ChatEvent::Opened { messages: Vec::new() }] })
    }

    #[test]
    fn who_waits_too_long_is_told_the_chat_anew_and_every_notice() {
        let mut outgoing = Outgoing::default();
        outgoing.push(notice("first"), Vec::new);
        (0..ENTRIES_WAITING).for_each(|_| outgoing.push(written(), || vec![so_far()]));
        assert_eq!(outgoing.take(), [notice("first"), so_far(), written()]);
        assert!(outgoing.take().is_empty());
    }

    #[test]
    fn who_never_reads_keeps_the_newest_notices_and_no_more_than_may_wait() {
        let mut outgoing = Outgoing::default();
        (0..10 * ENTRIES_WAITING).for_each(|_| outgoing.push(notice("old"), Vec::new));
        outgoing.push(notice("new"), Vec::new);
        assert!(outgoing.0.len() <= ENTRIES_WAITING);
        assert_eq!(outgoing.take().pop().unwrap(), notice("new"));
    }
}
