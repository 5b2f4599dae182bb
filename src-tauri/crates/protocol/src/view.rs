//! A room as one person may see it: a handful of topics, each a record that is replaced whole or a keyed list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    act::{Act, ActOnRoles, RefusedAct},
    code::Code,
    command::HandScope,
    door::KnockView,
    event::{RoomEvent, TopicChange},
    fold::{Entry, ListPatch},
    id::{PersonId, RoomId},
    switch::Switches,
};

/// Milliseconds since the room was started, by the clock of the house.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(specta::Type), specta(type = u32))]
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
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Host, Self::Moderator, Self::Speaker, Self::Listener];

    /// May this role send voice?
    pub const fn is_on_stage(self) -> bool {
        !matches!(self, Role::Listener)
    }

    /// May this role invite, mute and move people?
    pub const fn may_moderate(self) -> bool {
        matches!(self, Role::Host | Role::Moderator)
    }
}

/// How somebody's connection looks to the others. A seat has two halves: the house channel and the sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PersonConnection {
    /// As it should be.
    #[default]
    Good,
    /// One half or both are silent for some seconds.
    Weak,
    /// The sound is silent for longer, the house channel is not.
    NoSound,
    /// Both are silent for longer; seat, role and hand are kept for a while.
    Away,
}

impl PersonConnection {
    /// Can this person hear and be heard?
    pub const fn has_sound(self) -> bool {
        matches!(self, Self::Good | Self::Weak)
    }
}

/// One person as the others see them. Keyed list `stage`: host first, then moderators by when they became one, then
/// speakers by when they came on stage. Keyed list `audience`: by when they came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonView {
    /// Who.
    pub id: PersonId,
    /// Its place in the list, ascending.
    #[cfg_attr(feature = "types", specta(type = u32))]
    pub rank: u64,
    /// Their display name.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// Always true for listeners.
    pub muted: bool,
    /// How their connection is.
    pub connection: PersonConnection,
}

/// One entry of the hand queue. Keyed list `hands`, oldest first; empty for listeners, who see only their own place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HandView {
    /// Whose hand.
    pub id: PersonId,
    /// Its place in the list, ascending.
    #[cfg_attr(feature = "types", specta(type = u32))]
    pub rank: u64,
    /// Their display name.
    pub name: String,
    /// When it went up.
    pub raised_at: RoomTime,
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

/// An invitation as moderators see it. Keyed list `invitations`, in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitedView {
    /// The listener.
    pub id: PersonId,
    /// Its place in the list, ascending.
    #[cfg_attr(feature = "types", specta(type = u32))]
    pub rank: u64,
    /// Their display name.
    pub name: String,
    /// How it stands.
    pub state: InvitationState,
    /// Why this person cannot be invited (again) now; none: they can.
    pub refused: Option<Code>,
    /// When that changes by itself.
    pub until: RoomTime,
}

/// Why somebody is invited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum InvitationKind {
    /// "{by} invited you to speak."
    Invited,
    /// It answers a raised hand, or leads back onto an empty stage: "It's your turn."
    YourTurn,
    /// "Nobody is on stage. Would you like to run the room?"
    RunRoom,
}

/// An invitation as the invited person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationView {
    /// The moderator's display name.
    pub by: String,
    /// Why.
    pub kind: InvitationKind,
    /// When it runs out.
    pub until: RoomTime,
}

/// What a room is to the person who looks at it. Record `you`, the only topic that is made for each person.
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
    /// What you may do with yourself now.
    #[serde(deserialize_with = "crate::known_entries::deserialize")]
    #[cfg_attr(feature = "types", specta(type = Vec<Act>))]
    pub may: Vec<Act>,
    /// What your role allows and you cannot do now.
    #[serde(deserialize_with = "crate::known_entries::deserialize")]
    #[cfg_attr(feature = "types", specta(type = Vec<RefusedAct>))]
    pub refused: Vec<RefusedAct>,
    /// Leaving leaves the room to somebody: ask to whom, or whether it is to end.
    pub leaving_asks: bool,
    /// If you leave now, this person will run the room (host and last moderator only; display name).
    pub successor: Option<String>,
}

/// What the room is called and how it is set. Record `room`, alike for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomRecord {
    /// Which room.
    pub id: RoomId,
    /// Its title; empty: shown as "{host}'s room".
    pub title: String,
    /// The host's display name (of the last host, while there is none).
    pub host: String,
    /// Places on stage that can be taken: without those kept for hosts who dropped out and may come back.
    pub stage_limit: u32,
    /// What is switched on.
    #[serde(default)]
    pub switches: Switches,
    /// Who may raise a hand.
    pub hand_scope: HandScope,
    /// Nobody is on stage: the room ends at this time unless somebody comes back.
    pub ends_at: Option<RoomTime>,
}

/// How many there are. Record `counts`, alike for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counts {
    /// All listeners, also those whom `audience` does not list.
    pub listeners: u32,
}

/// What a role may do. Record `rights`, alike for everybody of one role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rights {
    /// Acts on the room as a whole.
    #[serde(deserialize_with = "crate::known_entries::deserialize")]
    #[cfg_attr(feature = "types", specta(type = Vec<Act>))]
    pub may: Vec<Act>,
    /// Acts on other people, by their role.
    #[serde(deserialize_with = "crate::known_entries::deserialize")]
    #[cfg_attr(feature = "types", specta(type = Vec<ActOnRoles>))]
    pub on: Vec<ActOnRoles>,
    /// The switches that this role may turn.
    #[serde(default)]
    pub switches: Switches,
    /// Why nobody can be invited to the stage now, though this role may invite.
    pub invite_refused: Option<Code>,
}

impl Rights {
    /// May the reader do this to somebody else of that role?
    pub fn may_on(&self, act: Act, role: Role) -> bool {
        self.on.iter().any(|entry| entry.act == act && entry.roles.contains(&role))
    }
}

/// The topics that are alike for everybody of one role: made once for each role, not once for each person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleView {
    /// Record `room`.
    pub room: RoomRecord,
    /// Record `counts`.
    pub counts: Counts,
    /// Record `rights`.
    pub rights: Rights,
    /// Keyed list `stage`.
    pub stage: Vec<PersonView>,
    /// Keyed list `audience`.
    pub audience: Vec<PersonView>,
    /// Keyed list `hands`.
    pub hands: Vec<HandView>,
    /// Keyed list `invitations`.
    pub invitations: Vec<InvitedView>,
    /// Keyed list `door`.
    pub door: Vec<KnockView>,
}

impl RoleView {
    /// The changes that turn this view into `next`.
    pub fn changes_to(&self, next: &Self) -> Vec<Arc<TopicChange>> {
        let records = [
            (self.room != next.room).then(|| TopicChange::Room { record: next.room.clone() }),
            (self.counts != next.counts).then_some(TopicChange::Counts { record: next.counts }),
            (self.rights != next.rights).then(|| TopicChange::Rights { record: next.rights.clone() }),
        ];
        let lists = [
            ListPatch::between(&self.stage, &next.stage).map(|list| TopicChange::Stage { list }),
            ListPatch::between(&self.audience, &next.audience).map(|list| TopicChange::Audience { list }),
            ListPatch::between(&self.hands, &next.hands).map(|list| TopicChange::Hands { list }),
            ListPatch::between(&self.invitations, &next.invitations).map(|list| TopicChange::Invitations { list }),
            ListPatch::between(&self.door, &next.door).map(|list| TopicChange::Door { list }),
        ];
        records.into_iter().chain(lists).flatten().map(Arc::new).collect()
    }
}

/// A room as one person may see it: every topic in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomView {
    /// When this view was made, or last changed: the base for every other time in it.
    pub now: RoomTime,
    /// What it is called and how it is set.
    pub room: RoomRecord,
    /// How many there are.
    pub counts: Counts,
    /// You.
    pub you: YouView,
    /// What your role may do.
    pub rights: Rights,
    /// Everybody on stage.
    pub stage: Vec<PersonView>,
    /// The first [`crate::limits::AUDIENCE_LISTED`] listeners.
    pub audience: Vec<PersonView>,
    /// The hand queue, as far as you may see it.
    pub hands: Vec<HandView>,
    /// Invitations; moderators only.
    pub invitations: Vec<InvitedView>,
    /// Who asks to come in; moderators only.
    #[serde(default)]
    pub door: Vec<KnockView>,
}

impl RoomView {
    /// What is alike for everybody of a role, and what is one person's own.
    pub fn new(now: RoomTime, you: YouView, shared: RoleView) -> Self {
        let RoleView { room, counts, rights, stage, audience, hands, invitations, door } = shared;
        Self { now, room, counts, you, rights, stage, audience, hands, invitations, door }
    }

    /// Folds one change into this view. Streams and topics of a newer house leave it as it is.
    pub fn apply(&mut self, change: &TopicChange) {
        match change {
            TopicChange::Room { record } => self.room = record.clone(),
            TopicChange::Counts { record } => self.counts = *record,
            TopicChange::You { record } => self.you = (**record).clone(),
            TopicChange::Rights { record } => self.rights = record.clone(),
            TopicChange::Stage { list } => list.apply(&mut self.stage),
            TopicChange::Audience { list } => list.apply(&mut self.audience),
            TopicChange::Hands { list } => list.apply(&mut self.hands),
            TopicChange::Invitations { list } => list.apply(&mut self.invitations),
            TopicChange::Door { list } => list.apply(&mut self.door),
            TopicChange::Notices { .. } | TopicChange::Chat { .. } | TopicChange::Reactions { .. } => {}
            TopicChange::Unknown => {}
        }
    }

    /// Folds what happened in the room into this view.
    pub fn fold(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::Opened { view } => *self = (**view).clone(),
            RoomEvent::Changed { now, changes } => {
                self.now = *now;
                changes.iter().for_each(|change| self.apply(change));
            }
            RoomEvent::Closed { .. } | RoomEvent::Unknown => {}
        }
    }

    /// May the reader do this, with nobody else concerned?
    pub fn may(&self, act: Act) -> bool {
        self.you.may.contains(&act) || self.rights.may.contains(&act)
    }
}

impl Entry for PersonView {
    fn key(&self) -> PersonId {
        self.id
    }

    fn rank(&self) -> u64 {
        self.rank
    }
}

impl Entry for HandView {
    fn key(&self) -> PersonId {
        self.id
    }

    fn rank(&self) -> u64 {
        self.rank
    }
}

impl Entry for InvitedView {
    fn key(&self) -> PersonId {
        self.id
    }

    fn rank(&self) -> u64 {
        self.rank
    }
}
