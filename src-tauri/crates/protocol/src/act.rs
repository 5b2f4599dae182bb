//! What can be done in a room, by name: the acts that a view says its reader may do.

use serde::{Deserialize, Serialize};

use crate::{code::Code, view::Role};

/// An act of one person in a room. There is deliberately none that opens somebody else's microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Act {
    /// Raise one's own hand.
    RaiseHand,
    /// Lower one's own hand.
    LowerHand,
    /// Come on stage on an open invitation.
    AcceptInvitation,
    /// Be heard, once unmuted.
    SendVoice,
    /// Go back to the audience oneself.
    StepDown,
    /// Read the whole hand queue. A listener sees only their own place.
    SeeQueue,
    /// Invite a listener to speak, take the invitation back, dismiss a hand.
    Invite,
    /// Clear the hand queue.
    LowerAllHands,
    /// Mute somebody on stage.
    Mute,
    /// Mute everybody on stage whom one may mute.
    MuteEveryone,
    /// Move somebody else to the audience.
    MoveToAudience,
    /// Give a speaker the right to run the room.
    MakeModerator,
    /// Take that right back.
    TakeModerator,
    /// Put somebody out of the room.
    Remove,
    /// Change who may raise a hand.
    SetHandScope,
    /// Write in the chat.
    Say,
    /// React without a word.
    React,
    /// Remove what somebody else wrote.
    RemoveMessages,
    /// Call somebody into the room who is around in the house.
    Ping,
    /// See who asks to come in, and answer.
    AnswerDoor,
    /// Make somebody else on stage host.
    HandOver,
    /// End the room for everyone.
    EndRoom,
}

/// An act on other people, and the roles of those on whom the reader may do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActOnRoles {
    /// What.
    pub act: Act,
    /// On whom, never on oneself.
    pub roles: Vec<Role>,
}

/// An act that the reader's role allows and that cannot be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusedAct {
    /// What.
    pub act: Act,
    /// Why not.
    pub code: Code,
}
