//! What a house tells a client: numbered envelopes with changes of topics, and streams of notices, chat and reactions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    chat::ChatEvent,
    door::KnockView,
    fold::ListPatch,
    id::RoomId,
    reaction::Reacted,
    view::{Counts, HandView, InvitedView, PersonView, Rights, RoomRecord, RoomTime, RoomView, YouView},
};

/// One message of the house channel. `seq` grows by one; a client that comes back says the last it has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Envelope {
    /// Counts from 1 for each session.
    pub seq: u64,
    /// Which room it is about.
    pub room: RoomId,
    /// What happened.
    pub event: RoomEvent,
}

/// What happened in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RoomEvent {
    /// The whole view: when what was missed is no longer kept.
    Opened {
        /// The room from now on.
        view: Box<RoomView>,
    },
    /// Changes that belong together.
    Changed {
        /// The house's clock.
        now: RoomTime,
        /// To be folded in this order. Shared between all whom they concern.
        changes: Vec<Arc<TopicChange>>,
    },
    /// You are no longer in the room. The last event about it.
    Closed {
        /// Why.
        reason: ClosedReason,
    },
    /// From a newer house.
    #[serde(other)]
    #[cfg_attr(feature = "types", specta(skip))]
    Unknown,
}

impl RoomEvent {
    /// Things to be told once, in order.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        let changes = match self {
            Self::Changed { changes, .. } => changes.as_slice(),
            Self::Opened { .. } | Self::Closed { .. } | Self::Unknown => &[],
        };
        changes.iter().flat_map(|change| match &**change {
            TopicChange::Notices { stream } => stream.as_slice(),
            _ => &[],
        })
    }
}

/// A change of one topic: a record replaced whole, a keyed list patched, or entries appended to a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "topic", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TopicChange {
    /// What the room is called and how it is set.
    Room {
        /// All of it.
        record: RoomRecord,
    },
    /// How many there are.
    Counts {
        /// All of it.
        record: Counts,
    },
    /// Yourself.
    You {
        /// All of it.
        record: Box<YouView>,
    },
    /// What your role may do.
    Rights {
        /// All of it.
        record: Rights,
    },
    /// Who is on stage.
    Stage {
        /// The difference.
        list: ListPatch<PersonView>,
    },
    /// The listed audience.
    Audience {
        /// The difference.
        list: ListPatch<PersonView>,
    },
    /// The hand queue.
    Hands {
        /// The difference.
        list: ListPatch<HandView>,
    },
    /// Invitations (moderators).
    Invitations {
        /// The difference.
        list: ListPatch<InvitedView>,
    },
    /// Who asks to come in (moderators).
    Door {
        /// The difference.
        list: ListPatch<KnockView>,
    },
    /// Things to be told once.
    Notices {
        /// The new ones, in order.
        stream: Vec<Notice>,
    },
    /// What people write.
    Chat {
        /// What is new, in order.
        stream: Vec<ChatEvent>,
    },
    /// What people show without a word.
    Reactions {
        /// What is new, in order.
        stream: Vec<Reacted>,
    },
    /// From a newer house.
    #[serde(other)]
    #[cfg_attr(feature = "types", specta(skip))]
    Unknown,
}

/// Told once, in words and to a screen reader; never part of the view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Notice {
    /// Moderators: a hand went up (at most one such notice every 3 s; the count is exact).
    HandRaised {
        /// Display name.
        name: String,
        /// Hands that are up.
        count: u32,
    },
    /// "{by} invited you to speak."
    Invited {
        /// Display name.
        by: String,
    },
    /// "It's your turn."
    YourTurn,
    /// The invitation was taken back.
    InvitationCancelled,
    /// Moderators: "{name}: maybe later."
    SaidLater {
        /// Display name.
        name: String,
    },
    /// Moderators: "No answer".
    NoAnswer {
        /// Display name.
        name: String,
    },
    /// Moderators: "{name} is at the door."
    AtTheDoor {
        /// Display name.
        name: String,
        /// People who wait there.
        count: u32,
    },
    /// The stage filled up before you could join it; you keep your place in line.
    StageFull,
    /// "You're on stage, muted."
    OnStage,
    /// "{name} joined the stage": to the others.
    JoinedStage {
        /// Display name.
        name: String,
    },
    /// "Your hand was lowered."
    HandDismissed,
    /// "Nobody is on stage. Would you like to run the room?"
    StageOffered,
    /// "Your turn has passed. Raise your hand again when you like."
    TurnPassed,
    /// "{by} muted you."
    MutedBy {
        /// Display name.
        by: String,
    },
    /// "You were moved to the audience."
    MovedToAudience,
    /// You are a moderator now.
    YouAreModerator,
    /// You are no longer a moderator.
    YouAreNotModerator,
    /// "You are now the host."
    YouAreHost,
    /// "{name} is now the host."
    NewHost {
        /// Display name.
        name: String,
    },
    /// From a newer house.
    #[serde(other)]
    #[cfg_attr(feature = "types", specta(skip))]
    Unknown,
}

/// Why a person is no longer in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ClosedReason {
    /// You left.
    Left,
    /// "The room has ended."
    Ended,
    /// "You were removed from this room."
    Removed,
    /// Your connection was lost for too long.
    Lost,
    /// You joined again from another place.
    Replaced,
    /// The room's program failed; the house goes on.
    Failed,
}
