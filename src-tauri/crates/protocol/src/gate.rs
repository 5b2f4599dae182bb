//! What a gate says of itself to whoever asks: how it leads browsers to its houses.
//!
//! A house asks its gates over the TLS that their links pin, so it knows that a passage under this key is the gate's
//! own and which port its guests in browsers are to be told of.

use serde::{Deserialize, Serialize};

use crate::link::{HouseKey, Pin};

/// Where a gate says it.
pub const DESCRIPTION_PATH: &str = "/gate/description";
/// Where the pages of a gate's houses begin: `/h/KEY/`, `/h/KEY/r/ROOM`.
pub const HOUSES_PATH: &str = "/h";

/// A gate's way for browsers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateDescription {
    /// The key (of the same kind as a house's) under which the gate opens passages for browsers. New for each run.
    pub forwarder: HouseKey,
    /// The UDP port at which it takes their media.
    pub media_port: u16,
    /// Its certificate's fingerprint; none: a certificate of the public web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_description_is_written_as_houses_and_pages_read_it() {
        let description = GateDescription {
            forwarder: HouseKey::from_bytes([7; 32]),
            media_port: 7413,
            pin: Some(Pin::from_digest(&[9; 32])),
        };
        let json = serde_json::to_string(&description).unwrap();
        let expected = concat!(
            r#"{"forwarder":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","mediaPort":7413,"#,
            r#""pin":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"}"#,
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<GateDescription>(&json).unwrap(), description);
        let of_the_public_web = expected.split(r#","pin""#).next().unwrap().to_owned() + "}";
        assert_eq!(serde_json::from_str::<GateDescription>(&of_the_public_web).unwrap().pin, None);
    }

    #[test]
    fn a_tag_is_made_of_characters_that_an_ice_user_name_may_have() {
        let tag = HouseKey::from_bytes(std::array::from_fn(|index| (index as u8).wrapping_mul(37))).media_tag();
        assert_eq!(tag, "00254a6f94b9de03284d");
        assert_eq!(tag.len(), crate::link::MEDIA_TAG_CHARACTERS);
    }
}
