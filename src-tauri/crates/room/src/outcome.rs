//! What follows from one thing that happened in a room, besides the room itself being different.

use serambi_protocol::{Notice, PersonId, chat::ChatEvent, event::ClosedReason};

/// What the media server must know. Whoever carries it out keeps the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaChange {
    /// This person may (or may no longer) send voice. Said whenever somebody comes on stage or goes to the audience.
    MayPublish {
        /// Who.
        person: PersonId,
        /// On stage.
        may: bool,
    },
    /// No voice of this person goes on until they unmute themselves.
    Mute {
        /// Who.
        person: PersonId,
    },
    /// This person is no longer in the room; the right to send voice went with them.
    Remove {
        /// Who.
        person: PersonId,
    },
}

/// What the house has to do now. Everybody's view may have changed as well: compare [`crate::Room::view_for`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// Whom to tell what, once, in this order.
    pub notices: Vec<(PersonId, Notice)>,
    /// What to tell everybody of the chat, in this order.
    pub chat: Vec<ChatEvent>,
    /// Who is no longer in the room, and why.
    pub closed: Vec<(PersonId, ClosedReason)>,
    /// What the media server must know.
    pub media: Vec<MediaChange>,
    /// The room has just ended. The media room goes with it; no [`MediaChange::Remove`] says so person by person.
    pub over: bool,
}

impl Outcome {
    pub(crate) fn tell(&mut self, person: &PersonId, notice: Notice) {
        self.notices.push((*person, notice));
    }

    pub(crate) fn tell_each<'a>(&mut self, people: impl IntoIterator<Item = &'a PersonId>, notice: &Notice) {
        self.notices.extend(people.into_iter().map(|person| (*person, notice.clone())));
    }

    pub(crate) fn close(&mut self, person: &PersonId, reason: ClosedReason) {
        self.closed.push((*person, reason));
    }

    pub(crate) fn may_publish(&mut self, person: &PersonId, may: bool) {
        self.media.push(MediaChange::MayPublish { person: *person, may });
    }

    pub(crate) fn mute(&mut self, person: &PersonId) {
        self.media.push(MediaChange::Mute { person: *person });
    }

    pub(crate) fn remove(&mut self, person: &PersonId) {
        self.media.push(MediaChange::Remove { person: *person });
    }
}
