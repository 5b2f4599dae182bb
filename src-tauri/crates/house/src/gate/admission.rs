//! Who may be a house at a gate: whoever has its token, certain keys, or anybody. All others are guests.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serambi_protocol::link::HouseKey;
use sha2::{Digest, Sha256};

use super::frame::ClientKey;
use crate::{error::HouseError, storage::Storage};

const TOKEN: &str = "gate_token";
/// Randomness of a token.
const TOKEN_BYTES: usize = 24;

/// Which houses a gate leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdmittedHouses {
    /// Those with the gate's token, and these keys without it.
    WithToken {
        /// Keys that need no token.
        also: Vec<HouseKey>,
    },
    /// Any key may be a house, so anybody may send to anybody.
    Any,
}

impl Default for AdmittedHouses {
    fn default() -> Self {
        Self::WithToken { also: Vec::new() }
    }
}

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Send to anybody.
    House,
    /// Send to houses.
    Guest,
}

/// The token belongs to another gate, or to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongToken;

/// Tells houses from guests.
pub struct Admission {
    token_digest: [u8; 32],
    keys: HashSet<ClientKey>,
    is_for_any: bool,
}

impl Admission {
    pub fn new(token: &str, houses: &AdmittedHouses) -> Self {
        let (keys, is_for_any) = match houses {
            AdmittedHouses::WithToken { also } => (also.iter().map(|key| *key.as_bytes()).collect(), false),
            AdmittedHouses::Any => (HashSet::new(), true),
        };
        Self { token_digest: Sha256::digest(token).into(), keys, is_for_any }
    }

    /// The role of whoever has proved to hold `key` and presents this token.
    ///
    /// # Errors
    /// [`WrongToken`] from somebody who would be a house with the right one.
    pub fn role(&self, key: &ClientKey, token: Option<&str>) -> Result<Role, WrongToken> {
        if self.is_for_any || self.keys.contains(key) || self.is_token(token) {
            return Ok(Role::House);
        }
        if token.is_some() { Err(WrongToken) } else { Ok(Role::Guest) }
    }

    /// May anybody be a house?
    pub const fn is_for_any(&self) -> bool {
        self.is_for_any
    }

    /// Is it this gate's token? By digest: how long a comparison takes tells nothing about it.
    pub fn is_token(&self, token: Option<&str>) -> bool {
        token.is_some_and(|token| self.token_digest == <[u8; 32]>::from(Sha256::digest(token)))
    }
}

/// The token kept in `storage`; at the first start a new one.
///
/// # Errors
/// `profile_broken`.
pub async fn load_or_make_token(storage: &Storage) -> Result<String, HouseError> {
    if let Some(kept) = storage.settings().read(TOKEN).await? {
        return String::from_utf8(kept).map_err(|_| HouseError::Storage("the gate's token is damaged".into()));
    }
    let made = URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_BYTES]>());
    storage.settings().write(vec![(TOKEN, made.clone().into_bytes())]).await?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: ClientKey = [1; 32];

    #[test]
    fn a_house_is_whoever_has_the_token_and_a_wrong_one_makes_no_guest() {
        let admission = Admission::new("right", &AdmittedHouses::default());
        assert_eq!(admission.role(&KEY, Some("right")), Ok(Role::House));
        assert_eq!(admission.role(&KEY, None), Ok(Role::Guest));
        for wrong in ["", "wrong", "right "] {
            assert_eq!(admission.role(&KEY, Some(wrong)), Err(WrongToken), "{wrong:?}");
        }
    }

    #[test]
    fn keys_that_are_named_need_no_token_and_others_still_do() {
        let also = vec![HouseKey::from_bytes(KEY)];
        let admission = Admission::new("right", &AdmittedHouses::WithToken { also });
        assert_eq!(admission.role(&KEY, None), Ok(Role::House));
        assert_eq!(admission.role(&KEY, Some("of another gate")), Ok(Role::House));
        assert_eq!(admission.role(&[2; 32], None), Ok(Role::Guest));
        assert_eq!(admission.role(&[2; 32], Some("right")), Ok(Role::House));
    }

    #[test]
    fn a_gate_for_any_house_asks_for_no_token() {
        let admission = Admission::new("right", &AdmittedHouses::Any);
        assert_eq!(admission.role(&KEY, None), Ok(Role::House));
        assert_eq!(admission.role(&KEY, Some("wrong")), Ok(Role::House));
    }

    #[tokio::test]
    async fn a_gate_keeps_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        let first = load_or_make_token(&storage).await.unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(load_or_make_token(&storage).await.unwrap(), first);
    }
}
