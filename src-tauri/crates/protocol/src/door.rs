//! The door of a room: who may be called in, whoever is called, and whoever asks to come in.

use serde::{Deserialize, Serialize};

use crate::{api::RoomCard, code::Code, fold::Entry, id::PersonId, view::RoomTime};

/// Somebody who asks to come in, as moderators see them. Keyed list `door`, in the order in which they asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnockView {
    /// Who.
    pub id: PersonId,
    /// Its place in the list, ascending.
    #[cfg_attr(feature = "types", specta(type = u32))]
    pub rank: u64,
    /// Their display name.
    pub name: String,
    /// Since when.
    pub since: RoomTime,
}

impl Entry for KnockView {
    fn key(&self) -> PersonId {
        self.id
    }

    fn rank(&self) -> u64 {
        self.rank
    }
}

/// `POST /api/v1/rooms/{room}/door`: asks to come in, again and again while one waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Knock {
    /// False: asks no longer.
    pub waits: bool,
}

/// How it stands with somebody outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AtDoor {
    /// Does not ask.
    Outside,
    /// The moderators were told; nobody has answered.
    Waiting,
    /// May come in.
    LetIn,
    /// A moderator said "not now".
    NotNow,
}

/// The answer to a [`Knock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Knocked {
    /// How it stands.
    pub door: AtDoor,
}

/// Somebody who is around in the house and can be called in (`GET /api/v1/rooms/{room}/callable`). Where they are is
/// not said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CallablePerson {
    /// Who.
    pub id: PersonId,
    /// Their display name.
    pub name: String,
    /// Why they cannot be called now; none: they can.
    pub refused: Option<Code>,
}

/// Somebody wants this person in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Called {
    /// Their display name.
    pub by: String,
    /// The room, as it can be seen before joining.
    pub card: RoomCard,
}
