//! A room as one person may see it, and the difference between two such views.

use serde::{Deserialize, Serialize};

use crate::{
    command::HandScope,
    event::RoomEvent,
    id::{PersonId, RoomId},
};

/// Milliseconds since the room was started, by the clock of the house.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "types", derive(specta::Type), specta(type = f64))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomTime(pub u64);

impl RoomTime {
    /// This much later.
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`, zero if that is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a person is in a room. Stage = host + moderators + speakers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// The one person the room belongs to.
    Host,
    /// May run the room.
    Moderator,
    /// May send voice.
    Speaker,
    /// Sends no voice at all.
    Listener,
}

impl Role {
    /// May this role send voice?
    pub const fn is_on_stage(self) -> bool {
        !matches!(self, Role::Listener)
    }

    /// May this role invite, mute and move people?
    pub const fn may_moderate(self) -> bool {
        matches!(self, Role::Host | Role::Moderator)
    }
}

/// One person as the others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonView {
    /// Who.
    pub id: PersonId,
    /// Their display name.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// Always true for listeners.
    pub muted: bool,
    /// The connection is lost; seat, role and hand are kept for a while.
    pub away: bool,
    /// A hand is up. Only moderators, and the person, are told.
    pub hand: bool,
}

/// One entry of the hand queue, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HandView {
    /// Whose hand.
    pub person: PersonId,
    /// Their display name.
    pub name: String,
    /// When it went up.
    pub raised_at: RoomTime,
}

/// The hand queue as one person may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HandsView {
    /// Who may raise a hand.
    pub scope: HandScope,
    /// How many are up; 0 for listeners, who see only their own place.
    pub count: u32,
    /// The whole queue for those on stage; empty for listeners.
    pub queue: Vec<HandView>,
}

/// How an invitation stands, for moderators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum InvitationState {
    /// Waiting for an answer.
    Open,
    /// "Maybe later."
    Later,
    /// It ran out.
    NoAnswer,
}

/// An invitation as moderators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitedView {
    /// The listener.
    pub person: PersonId,
    /// Their display name.
    pub name: String,
    /// How it stands.
    pub state: InvitationState,
}

/// An invitation as the invited person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationView {
    /// The moderator's display name.
    pub by: String,
    /// It answers a raised hand: "It's your turn."
    pub answers_hand: bool,
    /// When it runs out.
    pub until: RoomTime,
}

/// What a room is to the person who looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct YouView {
    /// Who you are.
    pub id: PersonId,
    /// What you are here.
    pub role: Role,
    /// What the others see of your microphone.
    pub muted: bool,
    /// Your place in line, 1 is next; none without a raised hand.
    pub place: Option<u32>,
    /// Your hand cannot go up before this time (after a dismissal).
    pub hand_blocked_until: Option<RoomTime>,
    /// An open invitation to the stage.
    pub invitation: Option<InvitationView>,
    /// If you leave now, this person will run the room (host and last moderator only; display name).
    pub successor: Option<String>,
}

/// A room as one person may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomView {
    /// Which room.
    pub id: RoomId,
    /// Its title; empty: shown as "{host}'s room".
    pub title: String,
    /// The host's display name (of the last host, while there is none).
    pub host: String,
    /// When this view was made: the base for every other time in it.
    pub now: RoomTime,
    /// You.
    pub you: YouView,
    /// Host first, then moderators by when they became one, then speakers by when they came on stage.
    pub stage: Vec<PersonView>,
    /// The first [`crate::limits::AUDIENCE_LISTED`] listeners, by when they came in.
    pub audience: Vec<PersonView>,
    /// All listeners.
    pub listeners: u32,
    /// Places on stage.
    pub stage_limit: u32,
    /// Raised hands.
    pub hands: HandsView,
    /// Invitations; moderators only.
    pub invitations: Vec<InvitedView>,
    /// Nobody is on stage: the room ends at this time unless somebody comes back.
    pub ends_at: Option<RoomTime>,
}

impl RoomView {
    /// The events that turn this view into `next`; empty if only `now` differs.
    pub fn changes_to(&self, next: &RoomView) -> Vec<RoomEvent> {
        let mut changes = Vec::new();
        let now = next.now;
        if (&self.id, &self.title, &self.host, self.stage_limit, self.ends_at)
            != (&next.id, &next.title, &next.host, next.stage_limit, next.ends_at)
        {
            return vec![RoomEvent::Opened { view: Box::new(next.clone()) }];
        }
        if self.you != next.you {
            changes.push(RoomEvent::YouChanged { now, you: next.you.clone() });
        }
        if self.stage != next.stage {
            changes.push(RoomEvent::StageChanged { now, stage: next.stage.clone() });
        }
        if self.audience != next.audience || self.listeners != next.listeners {
            changes.push(self.audience_change(next));
        }
        if self.hands != next.hands {
            changes.push(RoomEvent::HandsChanged { now, hands: next.hands.clone() });
        }
        if self.invitations != next.invitations {
            changes.push(RoomEvent::InvitationsChanged { now, invitations: next.invitations.clone() });
        }
        changes
    }

    /// The audience keeps its order, so what changed is who left, who is new at the end, and who looks different.
    fn audience_change(&self, next: &RoomView) -> RoomEvent {
        let changed: Vec<PersonView> =
            next.audience.iter().filter(|person| !self.audience.contains(person)).cloned().collect();
        let left = self
            .audience
            .iter()
            .filter(|old| !next.audience.iter().any(|person| person.id == old.id))
            .map(|old| old.id.clone())
            .collect();
        let event = RoomEvent::AudienceChanged { now: next.now, changed, left, listeners: next.listeners };
        let mut folded = self.clone();
        folded.apply(&event);
        if folded.audience == next.audience {
            event
        } else {
            // Somebody came in between (a kept seat): send the list itself rather than describe the shuffle.
            RoomEvent::AudienceListed { now: next.now, audience: next.audience.clone(), listeners: next.listeners }
        }
    }

    /// Folds one event into this view.
    pub fn apply(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::Opened { view } => *self = (**view).clone(),
            RoomEvent::YouChanged { now, you } => {
                self.now = *now;
                self.you = you.clone();
            }
            RoomEvent::StageChanged { now, stage } => {
                self.now = *now;
                self.stage = stage.clone();
            }
            RoomEvent::AudienceChanged { now, changed, left, listeners } => {
                self.now = *now;
                self.listeners = *listeners;
                self.audience.retain(|person| !left.contains(&person.id));
                for person in changed {
                    match self.audience.iter_mut().find(|old| old.id == person.id) {
                        Some(old) => *old = person.clone(),
                        None => self.audience.push(person.clone()),
                    }
                }
            }
            RoomEvent::AudienceListed { now, audience, listeners } => {
                self.now = *now;
                self.audience = audience.clone();
                self.listeners = *listeners;
            }
            RoomEvent::HandsChanged { now, hands } => {
                self.now = *now;
                self.hands = hands.clone();
            }
            RoomEvent::InvitationsChanged { now, invitations } => {
                self.now = *now;
                self.invitations = invitations.clone();
            }
            RoomEvent::Notice { .. } | RoomEvent::Closed { .. } => {}
        }
    }
}
