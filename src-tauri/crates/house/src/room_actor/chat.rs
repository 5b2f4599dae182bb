//! Passing on what people write: made once, sent to everybody with their next changes.

use std::sync::Arc;

use serambi_protocol::{RoomEvent, TopicChange, chat::ChatEvent, limits::CHAT_SHOWN};
use serambi_room::Room;

use super::RoomActor;
use crate::authenticator::Session;

/// What newcomers are told of the chat: made once for all who come until something is written.
#[derive(Default)]
pub(super) struct ChatSoFar(Option<Arc<TopicChange>>);

impl ChatSoFar {
    /// None while nobody has written anything.
    fn of(&mut self, room: &Room) -> Option<Arc<TopicChange>> {
        if self.0.is_none() {
            let opened = |messages| TopicChange::Chat { stream: vec![ChatEvent::Opened { messages }] };
            self.0 = room.chat_so_far().map(opened).map(Arc::new);
        }
        self.0.clone()
    }
}

impl RoomActor {
    /// Everybody who is here is to be told. Whoever waits so long that more has come than a newcomer reads is told the
    /// last messages instead, like a newcomer.
    pub(super) fn take_chat(&mut self, events: Vec<ChatEvent>) {
        for event in events {
            self.chat_so_far = ChatSoFar::default();
            let change = Arc::new(TopicChange::Chat { stream: vec![event] });
            for member in self.members.values_mut() {
                if member.chat.len() < CHAT_SHOWN {
                    member.chat.push(change.clone());
                } else {
                    member.chat = self.chat_so_far.of(&self.room).into_iter().collect();
                }
            }
        }
    }

    /// Tells somebody who has just come in, or has missed too much, what was written so far.
    pub(super) fn open_chat(&mut self, session: &Session) {
        if let Some(member) = self.members.get_mut(&session.person) {
            // It is among what was written so far.
            member.chat.clear();
        }
        let changes: Vec<_> = self.chat_so_far.of(&self.room).into_iter().collect();
        if !changes.is_empty() {
            session.mailbox.post(self.id, RoomEvent::Changed { now: self.now(), changes });
        }
    }
}
