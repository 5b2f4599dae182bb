//! How the rest of a house speaks to a room: messages through a bounded queue, and what it publishes by itself.

use std::{collections::BTreeMap, sync::Arc};

use serambi_protocol::{
    Code, Command, PersonId, Refusal,
    api::{Joined, MediaGrant, RoomCard},
    door::{AtDoor, CallablePerson},
    measurement::{CaptureMark, VoiceHeard},
};
use serambi_room::Room;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{authenticator::Session, registry::Place};

type Answer<T> = oneshot::Sender<Result<T, Refusal>>;

/// What becomes of a room that is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has ended.
    Over,
    /// It goes on when the house is opened again.
    Kept,
}

/// What a room is told or asked.
pub enum Message {
    /// Let somebody in. The answer says where they were before.
    Join { session: Arc<Session>, reply: Answer<(Joined, Option<Place>)> },
    /// Carry out a command.
    Command { session: Arc<Session>, command: Command, reply: Answer<()> },
    /// Somebody outside asks to come in, or no longer.
    Knock { session: Arc<Session>, waits: bool, reply: Answer<AtDoor> },
    /// Who of these people can be called in?
    Callable { session: Arc<Session>, people: BTreeMap<PersonId, String>, reply: Answer<Vec<CallablePerson>> },
    /// Somebody has gone to another room, and was here through that session.
    Depart { person: PersonId, session: u64 },
    /// A fresh grant for the media room.
    Grant { session: Arc<Session>, reply: Answer<MediaGrant> },
    /// Is this the host?
    CheckHost { session: Arc<Session>, reply: Answer<()> },
    /// Post the whole view.
    Reopen { session: Arc<Session>, reply: Answer<()> },
    /// The session's channel is open.
    Attached { session: Arc<Session> },
    /// The session's channel is closed.
    Detached { session: Arc<Session> },
    /// What a listener hears and misses.
    Report { session: Arc<Session>, voices: Vec<VoiceHeard> },
    /// When a speaker's voice was made.
    Mark { session: Arc<Session>, mark: CaptureMark },
    /// The house closes.
    Close { ending: Ending },
    /// Panics, as a broken rule would.
    #[cfg(test)]
    Fail { on_the_way_out: bool },
}

/// What everybody may know of a room without asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// What can be seen before joining.
    pub card: Arc<RoomCard>,
    /// Connected people.
    pub people: usize,
}

impl Published {
    pub(super) fn of(room: &Room, people: usize) -> Self {
        Self { card: Arc::new(room.card()), people }
    }
}

/// A handle to a room's actor.
#[derive(Clone)]
pub struct RoomHandle {
    messages: mpsc::Sender<Message>,
    published: watch::Receiver<Published>,
}

impl RoomHandle {
    pub(super) fn new(messages: mpsc::Sender<Message>, published: watch::Receiver<Published>) -> Self {
        Self { messages, published }
    }

    /// What the room published last.
    pub fn published(&self) -> Published {
        self.published.borrow().clone()
    }

    /// Tells the room something.
    ///
    /// # Errors
    /// `busy` if more waits than is worked off, `room_ended`.
    pub fn send(&self, message: Message) -> Result<(), Refusal> {
        self.messages.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Code::Busy.into(),
            mpsc::error::TrySendError::Closed(_) => Code::RoomEnded.into(),
        })
    }

    /// Asks the room something.
    ///
    /// # Errors
    /// `busy`, `room_ended`, and what the room refuses.
    pub async fn ask<T>(&self, message: impl FnOnce(Answer<T>) -> Message) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.send(message(reply))?;
        answer.await.map_err(|_| Code::RoomEnded)?
    }
}
