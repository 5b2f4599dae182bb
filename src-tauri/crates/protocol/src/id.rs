//! Names that cannot be mixed up: a person is their public key, a room is a short random word.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

/// A person: their Ed25519 public key, base64url without padding, 43 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "types", derive(specta::Type), specta(type = String))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct PersonId(String);

impl PersonId {
    /// The id of the holder of this public key.
    pub fn from_key(key: &[u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(key))
    }

    /// The public key, 32 bytes.
    pub fn key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        // The constructor admits nothing else, so a failure cannot happen; zeros verify no signature.
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(&self.0)
            && bytes.len() == 32
        {
            key.copy_from_slice(&bytes);
        }
        key
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first characters, enough to tell people apart in a log.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl TryFrom<String> for PersonId {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        match URL_SAFE_NO_PAD.decode(&text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text)),
            _ => Err(Refusal::new(Code::BadRequest, "not a person's public key")),
        }
    }
}

impl From<PersonId> for String {
    fn from(id: PersonId) -> String {
        id.0
    }
}

impl std::fmt::Display for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters and digits without look-alikes (no 0 O 1 I l).
pub const ROOM_ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Characters in a room id: 57^10, some 58 bits.
pub const ROOM_ID_CHARACTERS: usize = 10;

/// A room: ten characters of [`ROOM_ALPHABET`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "types", derive(specta::Type), specta(type = String))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct RoomId(String);

impl RoomId {
    /// An id from ten random bytes (the small bias of the remainder does not matter: ids are not secrets).
    pub fn from_random(bytes: [u8; ROOM_ID_CHARACTERS]) -> Self {
        Self(bytes.iter().map(|byte| ROOM_ALPHABET[usize::from(*byte) % ROOM_ALPHABET.len()] as char).collect())
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RoomId {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        if text.len() == ROOM_ID_CHARACTERS && text.bytes().all(|byte| ROOM_ALPHABET.contains(&byte)) {
            Ok(Self(text))
        } else {
            Err(Refusal::new(Code::RoomNotFound, "not a room id"))
        }
    }
}

impl From<RoomId> for String {
    fn from(id: RoomId) -> String {
        id.0
    }
}

impl std::fmt::Display for RoomId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_person_is_their_public_key_and_nothing_else() {
        let id = PersonId::from_key(&[7; 32]);
        assert_eq!(id.as_str().len(), 43);
        assert_eq!(id.key(), [7; 32]);
        assert_eq!(PersonId::try_from(id.to_string()).unwrap(), id);
        for wrong in ["", "short", &"A".repeat(44), "ü"] {
            assert!(PersonId::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_room_id_has_no_characters_that_look_alike() {
        let id = RoomId::from_random([0, 1, 2, 56, 57, 58, 100, 200, 250, 255]);
        assert_eq!(RoomId::try_from(id.to_string()).unwrap(), id);
        for wrong in ["", "0000000000", "lllllllll1", "abc", "ABCDEFGHJKL"] {
            assert!(RoomId::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
