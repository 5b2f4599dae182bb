//! Identifiers: a person is their public key (32 bytes), a room is a random word of ten characters. Both are `Copy`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

/// A person: their Ed25519 public key. In text: base64url without padding, 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "types", derive(specta::Type), specta(type = String))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[A-Za-z0-9_-]{43}$"))]
pub struct PersonId([u8; PERSON_ID_BYTES]);

/// An Ed25519 public key (RFC 8032 section 5.1.5).
pub const PERSON_ID_BYTES: usize = 32;
/// Characters of a person's id that tell people apart in a log.
const SHORT_CHARACTERS: usize = 8;

impl PersonId {
    /// The id of the holder of this public key.
    pub const fn from_key(key: &[u8; PERSON_ID_BYTES]) -> Self {
        Self(*key)
    }

    /// The public key.
    pub const fn key(&self) -> &[u8; PERSON_ID_BYTES] {
        &self.0
    }

    /// The first characters of the text form, for logs.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(SHORT_CHARACTERS);
        text
    }
}

impl TryFrom<String> for PersonId {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl std::str::FromStr for PersonId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let key = bytes.and_then(|bytes| <[u8; PERSON_ID_BYTES]>::try_from(bytes).ok());
        key.map(Self).ok_or_else(|| Refusal::new(Code::BadRequest, "not a person's public key"))
    }
}

impl From<PersonId> for String {
    fn from(id: PersonId) -> String {
        id.to_string()
    }
}

impl std::fmt::Display for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Debug for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonId({})", self.short())
    }
}

/// Letters and digits without look-alikes (no 0 O 1 I l).
pub const ROOM_ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Characters in a room id: 57^10, some 58 bits.
pub const ROOM_ID_CHARACTERS: usize = 10;

/// A room: ten characters of [`ROOM_ALPHABET`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "types", derive(specta::Type), specta(type = String))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, min_length = 10, max_length = 10))]
pub struct RoomId([u8; ROOM_ID_CHARACTERS]);

impl RoomId {
    /// An id from ten random bytes (the small bias of the remainder does not matter: ids are not secrets).
    pub fn from_random(bytes: [u8; ROOM_ID_CHARACTERS]) -> Self {
        Self(bytes.map(|byte| ROOM_ALPHABET[usize::from(byte) % ROOM_ALPHABET.len()]))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        // Every constructor admits characters of the alphabet only, which are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl TryFrom<String> for RoomId {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl std::str::FromStr for RoomId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::new(Code::RoomNotFound, "not a room id");
        let characters: [u8; ROOM_ID_CHARACTERS] = text.as_bytes().try_into().map_err(|_| refusal())?;
        let known = characters.iter().all(|character| ROOM_ALPHABET.contains(character));
        if known { Ok(Self(characters)) } else { Err(refusal()) }
    }
}

impl From<RoomId> for String {
    fn from(id: RoomId) -> String {
        id.as_str().to_owned()
    }
}

impl std::fmt::Display for RoomId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for RoomId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoomId({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_person_is_their_public_key_and_nothing_else() {
        let id = PersonId::from_key(&[7; 32]);
        assert_eq!(id.to_string().len(), 43);
        assert_eq!(id.key(), &[7; 32]);
        assert_eq!(id.short(), "BwcHBwcH");
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
