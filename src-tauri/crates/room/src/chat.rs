//! What was written in a room: the last messages, and how soon somebody may write again.

use std::collections::BTreeMap;

use serambi_protocol::{
    PersonId,
    chat::{ChatMessage, MessageId},
    limits::{CHAT_KEPT, CHAT_SHOWN, ROOM_SAYS_AT_ONCE, ROOM_SAYS_EVERY_MS, SAY_AT_ONCE, SAY_EVERY_MS},
    view::RoomTime,
};
use serde::{Deserialize, Serialize};

/// The chat of one room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chat {
    messages: BTreeMap<MessageId, ChatMessage>,
    /// The id of the last message that was ever written, 0 before the first.
    last: MessageId,
    /// Of those who wrote a moment ago.
    paces: BTreeMap<PersonId, Pace>,
    /// Of everybody together.
    pace: Pace,
}

/// When all that was written would have been, had each message taken its whole interval (a bucket that leaks).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pace(RoomTime);

impl Pace {
    /// How long until the next may be written, ms; none: it may be now.
    fn wait_ms(self, now: RoomTime, every_ms: u64, at_once: u64) -> Option<u64> {
        let over_ms = self.0.since(now).saturating_sub(every_ms * (at_once - 1));
        (over_ms > 0).then_some(over_ms)
    }

    fn count(&mut self, now: RoomTime, every_ms: u64) {
        self.0 = self.0.max(now).after(every_ms);
    }
}

impl Chat {
    /// How long until this person may write again, ms; none: they may now.
    pub(crate) fn wait_ms(&self, now: RoomTime, person: &PersonId) -> Option<u64> {
        let own = self.paces.get(person).copied().unwrap_or_default().wait_ms(now, SAY_EVERY_MS, SAY_AT_ONCE);
        own.max(self.pace.wait_ms(now, ROOM_SAYS_EVERY_MS, ROOM_SAYS_AT_ONCE))
    }

    /// Writes a message down, and forgets the oldest of too many.
    pub(crate) fn say(&mut self, now: RoomTime, person: &PersonId, name: String, text: String) -> ChatMessage {
        self.pace.count(now, ROOM_SAYS_EVERY_MS);
        self.paces.retain(|_, pace| pace.0 > now);
        self.paces.entry(*person).or_default().count(now, SAY_EVERY_MS);
        self.last = MessageId(self.last.0 + 1);
        let message = ChatMessage { id: self.last, person: *person, name, at: now, text: Some(text) };
        self.messages.insert(self.last, message.clone());
        while self.messages.len() > CHAT_KEPT {
            self.messages.pop_first();
        }
        message
    }

    /// A message that is there and was not removed.
    pub(crate) fn find(&self, id: MessageId) -> Option<&ChatMessage> {
        self.messages.get(&id).filter(|message| message.text.is_some())
    }

    /// Nothing is left of it.
    pub(crate) fn take_back(&mut self, id: MessageId) {
        self.messages.remove(&id);
    }

    /// Its text is gone.
    pub(crate) fn remove(&mut self, id: MessageId) {
        if let Some(message) = self.messages.get_mut(&id) {
            message.text = None;
        }
    }

    /// Nobody has written anything yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.last == MessageId::default()
    }

    /// What somebody who comes in is told, oldest first.
    pub(crate) fn newest(&self) -> Vec<ChatMessage> {
        let first = self.messages.len().saturating_sub(CHAT_SHOWN);
        self.messages.values().skip(first).cloned().collect()
    }

    /// Everything but the messages, which are rows of their own on a disk.
    pub(crate) fn without_messages(&self) -> Self {
        Self { messages: BTreeMap::new(), last: self.last, paces: self.paces.clone(), pace: self.pace }
    }

    pub(crate) fn restore(&mut self, messages: impl IntoIterator<Item = ChatMessage>) {
        self.messages.extend(messages.into_iter().map(|message| (message.id, message)));
    }

    /// The messages that are not what they were in `before`; none: it is gone.
    pub(crate) fn changed_since(&self, before: &Self) -> BTreeMap<MessageId, Option<ChatMessage>> {
        let gone = before.messages.keys().filter(|id| !self.messages.contains_key(id)).map(|id| (*id, None));
        let is_new = |(id, message): &(&MessageId, &ChatMessage)| before.messages.get(id) != Some(message);
        let new = self.messages.iter().filter(is_new).map(|(id, message)| (*id, Some(message.clone())));
        gone.chain(new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: u8) -> PersonId {
        PersonId::from_key(&[number; 32])
    }

    /// Writes at that time if it may, and says whether it did.
    fn writes(chat: &mut Chat, number: u8, at: u64) -> bool {
        let may = chat.wait_ms(RoomTime(at), &person(number)).is_none();
        if may {
            let _ = chat.say(RoomTime(at), &person(number), String::new(), String::new());
        }
        may
    }

    #[test]
    fn one_person_writes_five_at_a_time_and_then_one_a_second() {
        let mut chat = Chat::default();
        let written = |chat: &mut Chat, at| (0..20).filter(|_| writes(chat, 1, at)).count();
        assert_eq!(written(&mut chat, 10_000), 5);
        assert_eq!(chat.wait_ms(RoomTime(10_000), &person(1)), Some(1_000));
        assert_eq!(chat.wait_ms(RoomTime(10_400), &person(1)), Some(600));
        assert_eq!(written(&mut chat, 10_999), 0);
        assert_eq!(written(&mut chat, 11_000), 1);
        assert_eq!(written(&mut chat, 13_000), 2);
        assert_eq!(written(&mut chat, 60_000), 5);
        assert!(writes(&mut chat, 2, 60_000), "of others it says nothing");
    }

    #[test]
    fn everybody_together_writes_forty_at_a_time_and_then_twenty_a_second() {
        let mut chat = Chat::default();
        let written = |chat: &mut Chat, at| (0..200).filter(|number| writes(chat, *number, at)).count();
        assert_eq!(written(&mut chat, 10_000), 40);
        assert_eq!(written(&mut chat, 11_000), 20);
        assert!(chat.paces.len() <= 60, "whoever is silent is forgotten");
    }

    #[test]
    fn ids_go_on_after_the_last_message_was_taken_back() {
        let mut chat = Chat::default();
        let say = |chat: &mut Chat, at| chat.say(RoomTime(at), &person(1), String::new(), String::new()).id;
        let first = say(&mut chat, 1);
        chat.take_back(first);
        assert_eq!(say(&mut chat, 2), MessageId(2));
        assert_eq!(chat.newest().len(), 1);
    }
}
