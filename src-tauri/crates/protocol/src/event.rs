//! What a house tells a client: numbered envelopes with changes of the view and one-off notices.

use serde::{Deserialize, Serialize};

use crate::{
    id::{PersonId, RoomId},
    view::{HandsView, InvitedView, PersonView, RoomTime, RoomView, YouView},
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

/// A change of the view, or a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RoomEvent {
    /// The whole view: on joining, and when what was missed is no longer kept.
    Opened {
        /// The room from now on.
        view: Box<RoomView>,
    },
    /// Something about yourself.
    YouChanged {
        /// The house's clock.
        now: RoomTime,
        /// All of it.
        you: YouView,
    },
    /// Who is on stage, in order.
    StageChanged {
        /// The house's clock.
        now: RoomTime,
        /// All of them.
        stage: Vec<PersonView>,
    },
    /// Listeners came, went or changed; order is kept, new ones stand at the end.
    AudienceChanged {
        /// The house's clock.
        now: RoomTime,
        /// New or different.
        changed: Vec<PersonView>,
        /// No longer listed.
        left: Vec<PersonId>,
        /// All listeners.
        listeners: u32,
    },
    /// The listed audience anew.
    AudienceListed {
        /// The house's clock.
        now: RoomTime,
        /// All that are listed.
        audience: Vec<PersonView>,
        /// All listeners.
        listeners: u32,
    },
    /// Raised hands.
    HandsChanged {
        /// The house's clock.
        now: RoomTime,
        /// All that you may see.
        hands: HandsView,
    },
    /// Invitations (moderators).
    InvitationsChanged {
        /// The house's clock.
        now: RoomTime,
        /// All of them.
        invitations: Vec<InvitedView>,
    },
    /// Something to be told once.
    Notice {
        /// What.
        notice: Notice,
    },
    /// You are no longer in the room. The last event about it.
    Closed {
        /// Why.
        reason: ClosedReason,
    },
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
}
