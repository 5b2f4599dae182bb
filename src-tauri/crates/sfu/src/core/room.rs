//! A media room: who is in it, and what is told about it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use livekit_protocol::{ParticipantInfo, ParticipantPermission, Room as RoomInfo};

use super::Refusal;
use super::limits::{DEPARTURE_SECONDS, EMPTY_ROOM_SECONDS, MAX_VERDICTS, SEAT_KEPT};
use super::presence::enabled_codecs;
use super::transport::ParticipantId;

/// A room inside the core. Never re-used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoomId(pub(crate) u64);

/// How a room is made when a participant or the house asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomOptions {
    /// Seconds a room without a first guest stays; 0 takes the default of 300.
    pub empty_timeout: u32,
    /// Seconds a room stays when the last one has left; 0 takes the default of 20.
    pub departure_timeout: u32,
    /// 0: any number.
    pub max_participants: u32,
    /// Free text shown to everybody.
    pub metadata: String,
}

/// The last decision about a person. It outlives the person's presence, because passes do: a
/// speaker who was sent back to the audience could otherwise come again with the speaker's pass.
/// Whoever makes passes and decisions numbers both in one order, in seconds; no clock is read here.
#[derive(Debug, Clone)]
struct Verdict {
    /// Passes issued until then are older than the decision.
    at: i64,
    /// `None`: removed, and older passes are void.
    permission: Option<ParticipantPermission>,
}

/// The decisions about the people of one room, until the room ends. Bounded: beyond
/// [`MAX_VERDICTS`] the oldest decision is forgotten, and with it every pass that is as old.
#[derive(Debug, Default)]
struct Verdicts {
    by_identity: HashMap<String, Verdict>,
    /// Passes issued until then are void for people of whom nothing is remembered.
    floor: Option<i64>,
}

impl Verdicts {
    fn remember(&mut self, at: i64, identity: &str, permission: Option<ParticipantPermission>) {
        // A removal for the past does not shorten an earlier one.
        let earlier = self.by_identity.get(identity).map(|verdict| verdict.at);
        let at = earlier.map_or(at, |earlier| earlier.max(at));
        self.by_identity.insert(identity.to_owned(), Verdict { at, permission });
        if self.by_identity.len() > MAX_VERDICTS {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.by_identity.iter().min_by_key(|(_, verdict)| verdict.at);
        let Some((identity, at)) = oldest.map(|(identity, verdict)| (identity.clone(), verdict.at)) else {
            return;
        };
        self.by_identity.remove(&identity);
        self.floor = self.floor.max(Some(at));
    }

    fn judge(
        &self,
        identity: &str,
        issued: i64,
        pass: ParticipantPermission,
    ) -> Result<ParticipantPermission, Refusal> {
        match self.by_identity.get(identity) {
            Some(verdict) if issued <= verdict.at => match &verdict.permission {
                Some(permission) => Ok(narrow(pass, permission)),
                None => Err(Refusal::TokenRevoked),
            },
            Some(_) => Ok(pass),
            None if self.floor.is_some_and(|floor| issued <= floor) => Err(Refusal::TokenRevoked),
            None => Ok(pass),
        }
    }
}

pub(crate) struct Room {
    pub(crate) sid: String,
    pub(crate) name: String,
    pub(crate) metadata: String,
    pub(crate) created_ms: i64,
    empty_timeout: u32,
    departure_timeout: u32,
    pub(crate) max_participants: u32,
    /// In the order of arrival.
    pub(crate) members: BTreeSet<ParticipantId>,
    pub(crate) identities: HashMap<String, ParticipantId>,
    /// Who left lately: somebody who resumes is told.
    departures: VecDeque<(Instant, ParticipantInfo)>,
    verdicts: Verdicts,
    /// Since when nobody is here.
    pub(crate) empty_since: Option<Instant>,
    visited: bool,
}

impl Room {
    pub(crate) fn new(sid: String, name: String, created_ms: i64, now: Instant, options: RoomOptions) -> Self {
        let or_default = |seconds: u32, default| if seconds == 0 { default } else { seconds };
        Self {
            sid,
            name,
            metadata: options.metadata,
            created_ms,
            empty_timeout: or_default(options.empty_timeout, EMPTY_ROOM_SECONDS),
            departure_timeout: or_default(options.departure_timeout, DEPARTURE_SECONDS),
            max_participants: options.max_participants,
            members: BTreeSet::new(),
            identities: HashMap::new(),
            departures: VecDeque::new(),
            verdicts: Verdicts::default(),
            empty_since: Some(now),
            visited: false,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        let limit = self.max_participants as usize;
        limit > 0 && self.members.len() >= limit
    }

    pub(crate) fn remember_verdict(&mut self, at: i64, identity: &str, permission: Option<ParticipantPermission>) {
        self.verdicts.remember(at, identity, permission);
    }

    /// What a pass issued at `issued` is worth here now: an older one can only narrow the last decision.
    pub(crate) fn judge(
        &self,
        identity: &str,
        issued: i64,
        token: ParticipantPermission,
    ) -> Result<ParticipantPermission, Refusal> {
        self.verdicts.judge(identity, issued, token)
    }

    pub(crate) fn enter(&mut self, id: ParticipantId, identity: &str) {
        self.members.insert(id);
        self.identities.insert(identity.to_owned(), id);
        self.empty_since = None;
        self.visited = true;
    }

    pub(crate) fn exit(&mut self, now: Instant, id: ParticipantId, identity: &str) {
        self.members.remove(&id);
        if self.identities.get(identity) == Some(&id) {
            self.identities.remove(identity);
        }
        if self.members.is_empty() {
            self.empty_since = Some(now);
        }
    }

    /// When an empty room is to be closed.
    pub(crate) fn closes_at(&self) -> Option<Instant> {
        let seconds = if self.visited { self.departure_timeout } else { self.empty_timeout };
        Some(self.empty_since? + Duration::from_secs(seconds.into()))
    }

    pub(crate) fn remember_departure(&mut self, now: Instant, info: ParticipantInfo) {
        self.departures.retain(|(when, _)| now.saturating_duration_since(*when) <= SEAT_KEPT);
        self.departures.push_back((now, info));
    }

    pub(crate) fn departures_since(&self, since: Instant) -> Vec<ParticipantInfo> {
        self.departures.iter().filter(|(when, _)| *when >= since).map(|(_, info)| info.clone()).collect()
    }

    pub(crate) fn info(&self, participants: u32, publishers: u32) -> RoomInfo {
        RoomInfo {
            sid: self.sid.clone(),
            name: self.name.clone(),
            empty_timeout: self.empty_timeout,
            departure_timeout: self.departure_timeout,
            max_participants: self.max_participants,
            creation_time: self.created_ms / 1000,
            creation_time_ms: self.created_ms,
            enabled_codecs: enabled_codecs(),
            metadata: self.metadata.clone(),
            num_participants: participants,
            num_publishers: publishers,
            ..RoomInfo::default()
        }
    }
}

fn narrow(token: ParticipantPermission, house: &ParticipantPermission) -> ParticipantPermission {
    let both = |ours: &[i32], theirs: &[i32]| -> Vec<i32> {
        match (ours.is_empty(), theirs.is_empty()) {
            (true, _) => theirs.to_vec(),
            (_, true) => ours.to_vec(),
            _ => ours.iter().copied().filter(|source| theirs.contains(source)).collect(),
        }
    };
    let sources = both(&token.can_publish_sources, &house.can_publish_sources);
    // Two lists without a common source leave nothing, and an empty list would mean everything.
    let nothing_left = sources.is_empty() && !token.can_publish_sources.is_empty();
    ParticipantPermission {
        can_subscribe: token.can_subscribe && house.can_subscribe,
        can_publish: token.can_publish && house.can_publish && !nothing_left,
        can_publish_data: token.can_publish_data && house.can_publish_data,
        can_publish_sources: sources,
        can_update_metadata: token.can_update_metadata && house.can_update_metadata,
        ..token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaker() -> ParticipantPermission {
        ParticipantPermission { can_publish: true, can_subscribe: true, ..ParticipantPermission::default() }
    }

    /// Beyond the limit, removals were once not remembered at all.
    #[test]
    fn a_removal_beyond_the_memory_still_voids_every_pass_of_its_time() {
        let mut verdicts = Verdicts::default();
        (0..=MAX_VERDICTS as i64).for_each(|at| verdicts.remember(at, &format!("guest {at}"), None));
        assert_eq!(verdicts.by_identity.len(), MAX_VERDICTS);
        for at in [0, 1, MAX_VERDICTS as i64] {
            assert_eq!(verdicts.judge(&format!("guest {at}"), at, speaker()), Err(Refusal::TokenRevoked), "{at}");
        }
        assert_eq!(verdicts.judge("guest 0", 1, speaker()), Ok(speaker()), "a newer pass");
    }

    #[test]
    fn a_second_removal_that_names_an_earlier_time_frees_no_pass() {
        let mut verdicts = Verdicts::default();
        verdicts.remember(100, "ani", None);
        verdicts.remember(50, "ani", None);
        assert_eq!(verdicts.judge("ani", 100, speaker()), Err(Refusal::TokenRevoked));
    }
}
