//! Tokens for the media server: what a person may do there, and the house's own right to change it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use livekit_token::{AccessToken, AccessTokenError, Claims, VideoGrants};
use serambi_protocol::{Code, PersonId, Refusal, RoomId};

use super::pass_order::{DecidedAt, PassOrder};

/// A grant is used within seconds; afterwards the media server itself keeps renewing it.
const GRANT_LIFE: Duration = Duration::from_secs(10 * 60);
/// The house makes a token for each call of its own.
const OWN_LIFE: Duration = Duration::from_secs(60);
/// Bytes of randomness in the embedded server's secret.
const SECRET_BYTES: usize = 32;

/// An API key and its secret, and the order in which passes and decisions were made with them.
#[derive(Clone)]
pub struct Keys {
    /// The key's name.
    pub key: String,
    /// The secret that signs (HS256).
    pub secret: String,
    order: PassOrder,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a person may do in the media room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Send voice.
    pub may_publish: bool,
    /// Not shown to others: a listener who never came on stage.
    pub hidden: bool,
}

impl Keys {
    /// A new pair, for the embedded server: it lives as long as the program.
    pub fn random() -> Self {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let name: [u8; 9] = rand::random();
        let secret: [u8; SECRET_BYTES] = rand::random();
        Self {
            key: format!("API{}", URL_SAFE_NO_PAD.encode(name)),
            secret: URL_SAFE_NO_PAD.encode(secret),
            order: PassOrder::for_embedded_server(),
        }
    }

    /// The pair of a media server elsewhere.
    pub fn new(key: String, secret: String) -> Self {
        Self { key, secret, order: PassOrder::for_server_elsewhere() }
    }

    /// A decision about a person is made now: the time until which their passes are older than it.
    pub(super) fn decide(&self, person: &PersonId) -> DecidedAt {
        self.order.decide(person, unix_seconds())
    }

    /// A token with which `person` joins `room`'s media. Every grant is said aloud: some default to *yes*.
    ///
    /// # Errors
    /// `internal`.
    pub fn grant(&self, room: &RoomId, person: &PersonId, name: &str, standing: Standing) -> Result<String, Refusal> {
        let grants = VideoGrants {
            room_join: true,
            room: room.to_string(),
            can_publish: Some(standing.may_publish),
            can_subscribe: Some(true),
            can_publish_data: Some(false),
            can_update_own_metadata: Some(false),
            hidden: standing.hidden,
            ..VideoGrants::default()
        };
        let token = AccessToken::with_api_key(&self.key, &self.secret)
            .with_ttl(GRANT_LIFE)
            .with_identity(&person.to_string())
            .with_name(name)
            .with_grants(grants);
        let not_before = self.order.issue(person, unix_seconds());
        self.sign(token, Some(not_before)).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
    }

    /// A token for the house's own calls about one room, as old as the decision it carries out. Never given to a
    /// client.
    pub(super) fn own(&self, room: &RoomId, decided_at: Option<DecidedAt>) -> Result<String, AccessTokenError> {
        let grants = VideoGrants {
            room_admin: true,
            room_create: true,
            room: room.to_string(),
            can_publish: Some(false),
            can_subscribe: Some(false),
            ..VideoGrants::default()
        };
        let token = AccessToken::with_api_key(&self.key, &self.secret).with_ttl(OWN_LIFE).with_grants(grants);
        self.sign(token, decided_at.map(|decided| decided.0))
    }

    /// Signs a token. The library always writes the time of now into `nbf`.
    fn sign(&self, token: AccessToken, not_before: Option<i64>) -> Result<String, AccessTokenError> {
        let signed = token.to_jwt()?;
        let Some(not_before) = not_before.and_then(|seconds| usize::try_from(seconds).ok()) else {
            return Ok(signed);
        };
        let claims = Claims { nbf: not_before, ..Claims::from_unverified(&signed)? };
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
    }
}

fn unix_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use livekit_token::TokenVerifier;

    #[test]
    fn a_listeners_token_says_in_so_many_words_that_they_may_not_publish() {
        let keys = Keys::random();
        let (room, person) = (RoomId::from_random([4; 10]), PersonId::from_key(&[3; 32]));
        let token = keys.grant(&room, &person, "Sari", Standing { may_publish: false, hidden: true }).unwrap();
        let claims = TokenVerifier::with_api_key(&keys.key, &keys.secret).verify(&token).unwrap();
        assert_eq!((claims.sub.as_str(), claims.name.as_str()), (person.to_string().as_str(), "Sari"));
        assert_eq!(claims.video.room, room.to_string());
        assert_eq!(claims.video.can_publish, Some(false));
        assert_eq!(claims.video.can_publish_data, Some(false));
        assert_eq!(claims.video.can_subscribe, Some(true));
        assert!(claims.video.hidden && claims.video.room_join && !claims.video.room_admin);
        assert!(claims.exp - claims.nbf <= GRANT_LIFE.as_secs() as usize + 1);
    }

    /// Within one second, the time of a token alone does not say which came first.
    #[test]
    fn a_pass_made_after_a_removal_is_newer_and_one_made_before_is_not() {
        let keys = Keys::random();
        let (room, person) = (RoomId::from_random([4; 10]), PersonId::from_key(&[3; 32]));
        let not_before = |keys: &Keys| {
            let token = keys.grant(&room, &person, "Sari", Standing { may_publish: false, hidden: true }).unwrap();
            TokenVerifier::with_api_key(&keys.key, &keys.secret).verify(&token).unwrap().nbf
        };
        let before = not_before(&keys);
        let removed = usize::try_from(keys.clone().decide(&person).0).unwrap();
        let after = not_before(&keys);
        assert!(before <= removed && removed < after, "{before} {removed} {after}");
    }

    #[test]
    fn two_houses_never_have_the_same_keys_and_a_log_does_not_show_them() {
        let (one, other) = (Keys::random(), Keys::random());
        assert_ne!(one.secret, other.secret);
        assert!(one.secret.len() >= 32);
        assert!(!format!("{one:?}").contains(&one.secret));
    }
}
