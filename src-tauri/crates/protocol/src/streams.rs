//! The append streams of a room as somebody in it knows them: what is kept of each, and what tells it anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    chat::{ChatLog, chat_in},
    event::TopicChange,
    view::RoomView,
};

/// What is kept of the streams. Nothing is kept of those whose entries are told once, as notices are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// None: nothing was told of it yet.
    chat: Option<ChatLog>,
}

impl Streams {
    /// Folds in what changes of topics append.
    pub fn fold<'a>(&mut self, changes: impl IntoIterator<Item = &'a TopicChange>) {
        for event in changes.into_iter().flat_map(chat_in) {
            self.chat.get_or_insert_default().apply(event);
        }
    }

    /// The changes that tell all of it to somebody who knows nothing of it.
    pub fn told_anew(&self) -> Vec<Arc<TopicChange>> {
        self.chat.iter().map(|chat| Arc::new(chat.opened())).collect()
    }
}

/// A room in full: for somebody who knows nothing of it, or has missed too much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct RoomSnapshot {
    /// Its topics.
    pub view: RoomView,
    /// What is kept of its streams, to be folded behind the view.
    pub streams: Vec<Arc<TopicChange>>,
}

impl RoomSnapshot {
    /// The room as it stands now.
    pub fn new(view: RoomView, streams: &Streams) -> Self {
        Self { view, streams: streams.told_anew() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chat::{ChatEvent, ChatMessage, MessageId},
        id::PersonId,
        view::RoomTime,
    };

    fn told(event: ChatEvent) -> TopicChange {
        TopicChange::Chat { stream: vec![event] }
    }

    #[test]
    fn what_was_never_told_is_not_told_anew_and_what_was_taken_back_is() {
        let mut streams = Streams::default();
        assert!(streams.told_anew().is_empty());
        let message = ChatMessage {
            id: MessageId(1),
            person: PersonId::from_key(&[1; 32]),
            name: "Dewi".into(),
            at: RoomTime(0),
            text: Some("hello".into()),
        };
        streams.fold(&[told(ChatEvent::Said { message: message.clone() })]);
        let anew = |messages| vec![Arc::new(told(ChatEvent::Opened { messages }))];
        assert_eq!(streams.told_anew(), anew(vec![message]));
        streams.fold(&[told(ChatEvent::TakenBack { id: MessageId(1) })]);
        assert_eq!(streams.told_anew(), anew(Vec::new()));
    }
}
