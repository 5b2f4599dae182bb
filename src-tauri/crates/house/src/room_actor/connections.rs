//! Who is still there: signs of life on both halves of everybody's connection, told to the rules.
//!
//! The rules count from the last sign of life. So it does not matter for them how late a loss is noticed here, as long
//! as that is before they would show it.

use std::{collections::HashMap, sync::Arc};

use serambi_protocol::{
    PersonId,
    limits::{UNVISITED_ROOM_MS, WEAK_MS},
    view::RoomTime,
};

use super::{Member, RoomActor};
use crate::{authenticator::Session, media::permission_reconciler::SeenParticipant};

/// How often everybody's connection is looked at.
pub(super) const LOOK_EVERY_MS: u64 = 1_000;
/// A channel that closed for less than this was never gone.
const CHANNEL_AGAIN_MS: u64 = 2_000;
/// A client pings every two seconds; an open channel that is silent for longer is counted as lost.
const CHANNEL_SILENT_MS: u64 = WEAK_MS;
/// A media connection sends something every two to three seconds, whatever is said; one that is silent for longer is
/// counted as lost.
const SOUND_SILENT_MS: u64 = WEAK_MS;
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
    /// When something last came over the media connection; none if nothing ever did, or the loss was told.
    sound_at_ms: Option<u64>,
}

/// What the rules are to be told of somebody's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SoundNews {
    Back,
    Lost { since_ms: u64 },
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

    /// The media server was asked when it last heard from this person; none: it does not know them.
    fn take_sign_of_sound(&mut self, heard_at_ms: Option<u64>, now_ms: u64) -> Option<SoundNews> {
        let before = self.sound_at_ms;
        let alive_at_ms = heard_at_ms.filter(|at| now_ms.saturating_sub(*at) < SOUND_SILENT_MS);
        self.sound_at_ms = alive_at_ms;
        match (before, alive_at_ms) {
            (None, Some(_)) => Some(SoundNews::Back),
            (Some(before), None) => Some(SoundNews::Lost { since_ms: heard_at_ms.unwrap_or(before).max(before) }),
            (None, None) | (Some(_), Some(_)) => None,
        }
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

    /// The media server says when it last heard from whom. Of somebody whom it never named nothing is known.
    pub(super) fn take_signs_of_sound(&mut self, people: &[SeenParticipant]) {
        let now_ms = self.shared.clock.now_ms();
        let heard = |seen: &SeenParticipant| Some((seen.person, now_ms.saturating_sub(seen.silent_ms?)));
        let heard_at_ms: HashMap<PersonId, u64> = people.iter().filter_map(heard).collect();
        let news = |(person, member): (&PersonId, &mut Member)| {
            let news = member.link.take_sign_of_sound(heard_at_ms.get(person).copied(), now_ms)?;
            Some((*person, news))
        };
        let news: Vec<(PersonId, SoundNews)> = self.members.iter_mut().filter_map(news).collect();
        for (person, news) in news {
            self.tell_rules_of_sound(&person, news);
        }
    }

    fn tell_rules_of_sound(&mut self, person: &PersonId, news: SoundNews) {
        let outcome = match news {
            SoundNews::Back => {
                self.was_visited = true;
                self.room.sound_back(self.now(), person)
            }
            SoundNews::Lost { since_ms } => {
                tracing::debug!(person = person.short(), "the sound is silent");
                self.room.sound_lost(self.now(), person, self.room_time(since_ms))
            }
        };
        self.take_outcome(outcome);
    }

    fn room_time(&self, at_ms: u64) -> RoomTime {
        self.resumed_at.after(at_ms.saturating_sub(self.opened_at_ms))
    }
}

#[cfg(test)]
mod tests {
    use serambi_protocol::limits::AWAY_MS;

    use super::*;

    /// How often a media server is asked at least.
    const LOOK_MS: u64 = 5_000;

    fn with_sound_at(now_ms: u64) -> Link {
        let mut link = Link { channel: Channel::Open, is_lost: false, sound_at_ms: None };
        assert_eq!(link.take_sign_of_sound(Some(now_ms), now_ms), Some(SoundNews::Back));
        link
    }

    /// Known failure: the loss counted from when the media server last called the sound alive, up to 5 s after the last
    /// packet, so that "no sound" stood there after 14 s.
    #[test]
    fn a_loss_of_sound_counts_from_the_last_packet_and_is_told_before_anybody_is_to_see_it() {
        for first_look_ms in 0..LOOK_MS {
            let mut link = with_sound_at(100_000);
            let looks = (0..3).map(|look| 100_000 + first_look_ms + look * LOOK_MS);
            let told = looks.map(|at| (at, link.take_sign_of_sound(Some(100_000), at)));
            let told: Vec<_> = told.filter_map(|(at, news)| Some((at, news?))).collect();
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].1, SoundNews::Lost { since_ms: 100_000 });
            assert!(told[0].0 < 100_000 + AWAY_MS, "{told:?}");
        }
    }

    #[test]
    fn a_stall_of_less_than_four_seconds_is_no_loss() {
        let mut link = with_sound_at(100_000);
        assert_eq!(link.take_sign_of_sound(Some(100_000), 103_999), None);
        assert_eq!(link.take_sign_of_sound(Some(103_999), 104_100), None);
        assert_eq!(link.take_sign_of_sound(Some(103_999), 107_998), None);
    }

    #[test]
    fn whom_the_media_server_no_longer_knows_lost_their_sound_when_it_was_last_heard() {
        let mut link = with_sound_at(100_000);
        assert_eq!(link.take_sign_of_sound(None, 101_000), Some(SoundNews::Lost { since_ms: 100_000 }));
        assert_eq!(link.take_sign_of_sound(None, 103_000), None);
        assert_eq!(link.take_sign_of_sound(Some(104_900), 105_000), Some(SoundNews::Back));
    }

    #[test]
    fn of_somebody_without_sound_nothing_is_said() {
        let mut link = Link { channel: Channel::Open, is_lost: false, sound_at_ms: None };
        assert_eq!(link.take_sign_of_sound(None, 100_000), None);
        assert_eq!(link.take_sign_of_sound(Some(90_000), 100_000), None);
    }
}
