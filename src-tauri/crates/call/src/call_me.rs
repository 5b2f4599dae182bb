//! When others in a house may call this person into their rooms.

use serde::{Deserialize, Serialize};

/// Being called takes a connection to the house, so it is chosen where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum CallMe {
    /// Never.
    Never,
    /// While this person is in another room of that house: the connection is there anyway.
    #[default]
    InRoom,
    /// Whenever the app runs: the saved houses and the own one are kept connected to.
    Always,
}
