//! The yes-or-no settings of a room.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use crate::known_entries;

/// One yes-or-no setting of a room; off in a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RoomSwitch {
    /// Nobody new comes in.
    Locked,
    /// Whoever is muted on stage stays so. Moderators are not held.
    StageHeld,
    /// Nobody writes in the chat; what was written stays.
    ChatOff,
    /// Nobody reacts.
    ReactionsOff,
    /// Everybody's voice goes out in long frames. Each listener then takes less upload of the house, and hears
    /// everybody 20 ms later.
    SavesUpload,
}

impl RoomSwitch {
    /// All of them, in the order of the menu.
    pub const ALL: [Self; 5] = [Self::Locked, Self::StageHeld, Self::ChatOff, Self::ReactionsOff, Self::SavesUpload];
}

/// The switches that are on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Switches(BTreeSet<RoomSwitch>);

impl Switches {
    /// Is this one on?
    pub fn is_on(&self, switch: RoomSwitch) -> bool {
        self.0.contains(&switch)
    }

    /// Turns one.
    pub fn set(&mut self, switch: RoomSwitch, on: bool) {
        if on {
            self.0.insert(switch);
        } else {
            self.0.remove(&switch);
        }
    }
}

impl FromIterator<RoomSwitch> for Switches {
    fn from_iter<I: IntoIterator<Item = RoomSwitch>>(switches: I) -> Self {
        Self(switches.into_iter().collect())
    }
}

/// Switches of a newer house are passed over.
impl<'de> Deserialize<'de> for Switches {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        known_entries::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_switch_of_a_newer_house_is_passed_over() {
        let switches: Switches = serde_json::from_str(r#"["locked", "underWater", {"deep": 3}]"#).unwrap();
        assert!(switches.is_on(RoomSwitch::Locked) && !switches.is_on(RoomSwitch::SavesUpload));
        assert_eq!(serde_json::to_string(&switches).unwrap(), r#"["locked"]"#);
    }
}
