//! Who is still there: signs of life on both halves of everybody's connection, told to the rules.

use std::sync::Arc;

use serambi_protocol::{PersonId, limits::UNVISITED_ROOM_MS, view::RoomTime};

use super::RoomActor;
use crate::{authenticator::Session, media::permission_reconciler::SeenParticipant};

/// How often everybody's connection is looked at.
pub(super) const LOOK_EVERY_MS: u64 = 1_000;
/// A channel that closed for less than this was never gone.
const CHANNEL_AGAIN_MS: u64 = 2_000;
/// A client pings every two seconds; an open channel that is silent for longer is counted as lost.
const CHANNEL_SILENT_MS: u64 = 4_000;
/// Somebody who came in and has opened no channel after this time has none.
const CHANNEL_FIRST_MS: u64 = 10_000;

/// The house channel of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    /// Never open since this person came in, at that time.
    NotYet {
        since_ms: u64,
    },
    Open,
    Closed {
        since_ms: u64,
    },
}

/// The two halves of one member's connection, as far as the house sees them.
#[derive(Debug)]
pub(super) struct Link {
    channel: Channel,
    /// The rules were told that it is lost.
    is_lost: bool,
    /// When the media server last said that the sound lives; none if it never did, or the loss was told.
    sound_at_ms: Option<u64>,
}

impl Link {
    pub(super) fn new(session: &Session, now_ms: u64) -> Self {
        let channel = if session.mailbox.is_read() { Channel::Open } else { Channel::NotYet { since_ms: now_ms } };
        Self { channel, is_lost: false, sound_at_ms: None }
    }

    pub(super) fn is_attached(&self) -> bool {
        self.channel == Channel::Open
    }

    /// Since when nothing came over the channel, if that is long enough to count.
    fn silent_since_ms(&self, session: &Session, now_ms: u64) -> Option<u64> {
        let (since_ms, limit_ms) = match self.channel {
            Channel::NotYet { since_ms } => (since_ms, CHANNEL_FIRST_MS),
            Channel::Closed { since_ms } => (since_ms, CHANNEL_AGAIN_MS),
            Channel::Open => (session.used_at_ms(), CHANNEL_SILENT_MS),
        };
        (now_ms.saturating_sub(since_ms) >= limit_ms).then_some(since_ms)
    }
}

impl RoomActor {
    pub(super) fn attached(&mut self, session: &Arc<Session>) {
        let Ok(member) = self.member(session) else { return };
        member.link.channel = Channel::Open;
        self.was_visited = true;
        self.house_back(&session.person);
    }

    pub(super) fn detached(&mut self, session: &Arc<Session>) {
        let now_ms = self.shared.clock.now_ms();
        let Ok(member) = self.member(session) else { return };
        member.link.channel = Channel::Closed { since_ms: now_ms };
        self.look_at_ms = self.look_at_ms.min(now_ms + CHANNEL_AGAIN_MS);
    }

    pub(super) fn look_at_connections(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        if now_ms < self.look_at_ms {
            return;
        }
        self.look_at_ms = now_ms + LOOK_EVERY_MS;
        if !self.was_visited && now_ms.saturating_sub(self.opened_at_ms) >= UNVISITED_ROOM_MS {
            let outcome = self.room.abandon(self.now());
            return self.take_outcome(outcome);
        }
        let looks = self.members.iter().map(|(person, member)| {
            (*person, member.link.is_lost, member.link.silent_since_ms(&member.session, now_ms))
        });
        let changes: Vec<_> = looks.filter(|(_, was_lost, since)| *was_lost != since.is_some()).collect();
        for (person, _, since_ms) in changes {
            match since_ms {
                Some(since_ms) => self.house_lost(&person, since_ms),
                None => self.house_back(&person),
            }
        }
    }

    fn house_lost(&mut self, person: &PersonId, since_ms: u64) {
        if let Some(member) = self.members.get_mut(person) {
            member.link.is_lost = true;
        }
        tracing::debug!(person = person.short(), "the house channel is silent");
        let outcome = self.room.house_lost(self.now(), person, self.room_time(since_ms));
        self.take_outcome(outcome);
    }

    fn house_back(&mut self, person: &PersonId) {
        match self.members.get_mut(person) {
            Some(member) if member.link.is_lost => member.link.is_lost = false,
            _ => return,
        }
        let outcome = self.room.house_back(self.now(), person);
        self.take_outcome(outcome);
    }

    /// The media server says whose sound lives. Of somebody whom it never named nothing is known.
    pub(super) fn take_signs_of_sound(&mut self, people: &[SeenParticipant]) {
        let now_ms = self.shared.clock.now_ms();
        let mut alive: Vec<PersonId> = people.iter().filter(|seen| seen.alive).map(|seen| seen.person).collect();
        alive.sort_unstable();
        let mut back = Vec::new();
        let mut lost = Vec::new();
        for (person, member) in &mut self.members {
            match (alive.binary_search(person).is_ok(), member.link.sound_at_ms) {
                (true, before) => {
                    member.link.sound_at_ms = Some(now_ms);
                    back.extend(before.is_none().then_some(*person));
                }
                (false, Some(since_ms)) => {
                    member.link.sound_at_ms = None;
                    lost.push((*person, since_ms));
                }
                (false, None) => {}
            }
        }
        self.was_visited |= !back.is_empty();
        for person in back {
            let outcome = self.room.sound_back(self.now(), &person);
            self.take_outcome(outcome);
        }
        for (person, since_ms) in lost {
            tracing::debug!(person = person.short(), "the sound is silent");
            let outcome = self.room.sound_lost(self.now(), &person, self.room_time(since_ms));
            self.take_outcome(outcome);
        }
    }

    fn room_time(&self, at_ms: u64) -> RoomTime {
        self.resumed_at.after(at_ms.saturating_sub(self.opened_at_ms))
    }
}
