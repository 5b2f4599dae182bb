//! What a person can ask of the room they are in.
//!
//! There is deliberately no way to say "unmute somebody": [`Command::SetMuted`] speaks of oneself only.

use serde::{Deserialize, Serialize};

use crate::{chat::MessageId, id::PersonId, reaction::Reaction, switch::RoomSwitch};

/// Who may raise a hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum HandScope {
    /// Nobody.
    Off,
    /// Listeners whom at least one person on stage follows.
    Followed,
    /// Any listener.
    #[default]
    Everyone,
}

/// One wish of one person; the house carries it out or refuses with a [`crate::Code`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Command {
    /// Ask to come on stage.
    RaiseHand,
    /// No longer ask.
    LowerHand,
    /// Come on stage, muted; only with an open invitation.
    AcceptInvitation,
    /// "Maybe later".
    DeclineInvitation,
    /// One's own microphone, as it really is: what the others see.
    SetMuted {
        /// True: no voice leaves this machine.
        muted: bool,
    },
    /// Go back to the audience, oneself (no person given) or, as a moderator, somebody else.
    MoveToAudience {
        /// Nobody: oneself.
        person: Option<PersonId>,
    },
    /// Moderators: ask a listener to come on stage.
    Invite {
        /// The listener.
        person: PersonId,
    },
    /// Moderators: take an invitation back.
    CancelInvitation {
        /// The listener.
        person: PersonId,
    },
    /// Moderators: lower somebody's hand.
    DismissHand {
        /// The listener.
        person: PersonId,
    },
    /// Moderators: clear the queue.
    LowerAllHands,
    /// Moderators: who may raise a hand from now on.
    SetHandScope {
        /// The new setting.
        scope: HandScope,
    },
    /// Turn one of the room's switches.
    SetSwitch {
        /// Which.
        switch: RoomSwitch,
        /// To what.
        on: bool,
    },
    /// Moderators: mute one speaker. They can unmute themselves.
    Mute {
        /// The speaker.
        person: PersonId,
    },
    /// Moderators: mute everyone on stage but oneself.
    MuteEveryone,
    /// Moderators: give a speaker the right to run the room.
    MakeModerator {
        /// The speaker.
        person: PersonId,
    },
    /// The host: take that right back.
    TakeModerator {
        /// The moderator.
        person: PersonId,
    },
    /// The host: make somebody on stage host.
    HandOver {
        /// Somebody on stage.
        person: PersonId,
    },
    /// Moderators: put somebody out of the room.
    Remove {
        /// Who.
        person: PersonId,
        /// And do not let them back into this room.
        block: bool,
    },
    /// Call somebody in who is around in the house and not in this room. A moderator's call opens the lock, once.
    Ping {
        /// Who.
        person: PersonId,
    },
    /// Moderators: let somebody in who asks to come in.
    LetIn {
        /// Who.
        person: PersonId,
    },
    /// Moderators: not now.
    TurnAway {
        /// Who.
        person: PersonId,
    },
    /// Write one line in the chat.
    Say {
        /// At most [`crate::limits::MESSAGE_CHARACTERS`] characters.
        text: String,
    },
    /// Take back what one wrote oneself, or, as a moderator, remove what somebody wrote.
    DeleteMessage {
        /// Which.
        id: MessageId,
    },
    /// Show something without a word; once in [`crate::limits::REACT_EVERY_MS`].
    React {
        /// What.
        reaction: Reaction,
    },
    /// Leave quietly.
    Leave,
    /// The host (or a moderator while there is no host present): end the room for everyone.
    EndRoom,
}
