//! What people write to each other in a room: messages, what happens to them, and the one fold that keeps the last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{event::RoomEvent, event::TopicChange, id::PersonId, limits::CHAT_KEPT, view::RoomTime};

/// Which message of a room; grows by one with each and is never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(specta::Type), specta(type = u32))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageId(pub u64);

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChatMessage {
    /// Which.
    pub id: MessageId,
    /// Who wrote it.
    pub person: PersonId,
    /// Their display name at that time.
    pub name: String,
    /// When.
    pub at: RoomTime,
    /// One line; none: removed by a moderator.
    pub text: Option<String>,
}

/// What happened in the chat. Stream `chat`, alike for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ChatEvent {
    /// The last messages, in place of whatever is known: to who comes in, and to who missed too much.
    Opened {
        /// Oldest first.
        messages: Vec<ChatMessage>,
    },
    /// A new message.
    Said {
        /// All of it.
        message: ChatMessage,
    },
    /// Whoever wrote it took it back: nothing is left of it.
    TakenBack {
        /// Which.
        id: MessageId,
    },
    /// A moderator removed it: its text is gone, and that it was there is not.
    Removed {
        /// Which.
        id: MessageId,
    },
    /// From a newer house.
    #[serde(other)]
    #[cfg_attr(feature = "types", specta(skip))]
    Unknown,
}

/// The last messages as somebody in the room knows them: at most [`CHAT_KEPT`]. The window folds the same events
/// (`ui/src/state/chat.svelte.ts`); the vectors in `vectors/chat.json` hold the two equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatLog {
    messages: BTreeMap<MessageId, ChatMessage>,
}

impl ChatLog {
    /// Oldest first.
    pub fn messages(&self) -> impl Iterator<Item = &ChatMessage> {
        self.messages.values()
    }

    /// Folds one event in.
    pub fn apply(&mut self, event: &ChatEvent) {
        match event {
            ChatEvent::Opened { messages } => {
                self.messages = messages.iter().map(|message| (message.id, message.clone())).collect();
            }
            ChatEvent::Said { message } => _ = self.messages.insert(message.id, message.clone()),
            ChatEvent::TakenBack { id } => _ = self.messages.remove(id),
            ChatEvent::Removed { id } => {
                if let Some(message) = self.messages.get_mut(id) {
                    message.text = None;
                }
            }
            ChatEvent::Unknown => {}
        }
        while self.messages.len() > CHAT_KEPT {
            self.messages.pop_first();
        }
    }

    /// The change that tells all of it to somebody who knows nothing of it.
    pub fn opened(&self) -> TopicChange {
        TopicChange::Chat { stream: vec![ChatEvent::Opened { messages: self.messages().cloned().collect() }] }
    }
}

/// What a change says of the chat, in order.
pub fn chat_in(change: &TopicChange) -> &[ChatEvent] {
    match change {
        TopicChange::Chat { stream } => stream,
        _ => &[],
    }
}

impl RoomEvent {
    /// What happened in the chat, in order.
    pub fn chat(&self) -> impl Iterator<Item = &ChatEvent> {
        let changes = match self {
            Self::Changed { changes, .. } => changes.as_slice(),
            Self::Opened { .. } | Self::Closed { .. } | Self::Unknown => &[],
        };
        changes.iter().flat_map(|change| chat_in(change))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(id: u64) -> ChatEvent {
        let message = ChatMessage {
            id: MessageId(id),
            person: PersonId::from_key(&[1; 32]),
            name: "Dewi".into(),
            at: RoomTime(id),
            text: Some("hello".into()),
        };
        ChatEvent::Said { message }
    }

    fn ids(log: &ChatLog) -> Vec<u64> {
        log.messages().map(|message| message.id.0).collect()
    }

    #[test]
    fn a_client_keeps_no_more_messages_than_the_house_however_many_are_said() {
        let mut log = ChatLog::default();
        (1..=CHAT_KEPT as u64 + 7).for_each(|id| log.apply(&said(id)));
        assert_eq!(ids(&log), (8..=CHAT_KEPT as u64 + 7).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_told_twice_stands_there_once() {
        let mut log = ChatLog::default();
        [said(1), said(2), said(2)].iter().for_each(|event| log.apply(event));
        assert_eq!(ids(&log), [1, 2]);
        log.apply(&ChatEvent::TakenBack { id: MessageId(1) });
        log.apply(&ChatEvent::TakenBack { id: MessageId(1) });
        assert_eq!(ids(&log), [2]);
    }

    /// An older program in a room of a newer house reads on.
    #[test]
    fn an_event_of_a_newer_house_is_passed_over() {
        let told = r#"{"topic":"chat","stream":[{"type":"painted","id":7},{"type":"takenBack","id":3}]}"#;
        let change: TopicChange = serde_json::from_str(told).unwrap();
        assert_eq!(chat_in(&change), [ChatEvent::Unknown, ChatEvent::TakenBack { id: MessageId(3) }]);
    }
}
