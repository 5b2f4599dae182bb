//! Access tokens: who comes, into which room, with which permissions.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, errors::ErrorKind};
use livekit_protocol::{ParticipantPermission, TrackSource, participant_info};
use livekit_token::{AccessToken, AccessTokenError, Claims, TokenVerifier, VideoGrants};
use thiserror::Error;

use crate::core::TokenGrants;
use crate::error::SfuError;

/// A refreshed token is good for this long at least, as on a stock server.
const SHORTEST_LIFE: Duration = Duration::from_secs(600);

/// HS256 is no stronger than its secret (RFC 7518 section 3.2 asks for 256 bits).
const SHORTEST_SECRET_BYTES: usize = 32;

/// The pair printed in LiveKit's documentation: everybody knows it.
const DEVELOPMENT_KEY: &str = "devkey";
const DEVELOPMENT_SECRET: &str = "secret";

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum TokenRefusal {
    #[error("no token")]
    Missing,
    #[error("token is not valid")]
    Invalid,
    #[error("token does not allow this")]
    Permission,
}

/// Checks and makes tokens with one key pair.
#[derive(Clone)]
pub(crate) struct Tokens {
    key: String,
    secret: String,
}

impl Tokens {
    pub(crate) fn new(key: String, secret: String) -> Result<Self, SfuError> {
        let known = key == DEVELOPMENT_KEY || secret == DEVELOPMENT_SECRET;
        if known || key.is_empty() || secret.len() < SHORTEST_SECRET_BYTES {
            return Err(SfuError::WeakKey);
        }
        Ok(Self { key, secret })
    }

    /// HS256 with our secret, our issuer, not expired.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, TokenRefusal> {
        if token.is_empty() {
            return Err(TokenRefusal::Missing);
        }
        let claims = match TokenVerifier::with_api_key(&self.key, &self.secret).verify(token) {
            Ok(claims) => claims,
            // `nbf` is the order of passes and decisions, and ahead of a clock that was set back. It is looked at last:
            // by then the signature fits and the token has not expired.
            Err(AccessTokenError::Encoding(error)) if *error.kind() == ErrorKind::ImmatureSignature => {
                Claims::from_unverified(token).map_err(|_| TokenRefusal::Invalid)?
            }
            Err(_) => return Err(TokenRefusal::Invalid),
        };
        // The library lets a token without an issuer pass.
        if claims.iss != self.key {
            return Err(TokenRefusal::Invalid);
        }
        Ok(claims)
    }

    /// A token that says what a participant may do now. It keeps the `nbf` of the token they came with, so that
    /// whatever voids that one voids this one too, however the clock has jumped in between.
    pub(crate) fn refresh(&self, grants: &TokenGrants) -> Option<String> {
        let permission = &grants.permission;
        let video = VideoGrants {
            room_join: true,
            room: grants.room.clone(),
            can_publish: Some(permission.can_publish),
            can_subscribe: Some(permission.can_subscribe),
            can_publish_data: Some(permission.can_publish_data),
            can_publish_sources: permission
                .can_publish_sources
                .iter()
                .filter_map(|source| source_name(*source))
                .map(str::to_owned)
                .collect(),
            can_update_own_metadata: Some(permission.can_update_metadata),
            hidden: permission.hidden,
            ..VideoGrants::default()
        };
        let token = AccessToken::with_api_key(&self.key, &self.secret)
            .with_identity(&grants.identity)
            .with_name(&grants.name)
            .with_metadata(&grants.metadata)
            .with_attributes(&grants.attributes)
            .with_grants(video)
            .with_ttl(SHORTEST_LIFE)
            .to_jwt()
            .ok()?;
        // The library always writes the time of now.
        let claims = Claims { nbf: usize::try_from(grants.issued).ok()?, ..Claims::from_unverified(&token).ok()? };
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).ok()
    }
}

/// The grants of a token as the record the protocol shows. Publishing and listening are allowed
/// unless the token says otherwise: that is the protocol's default.
pub(crate) fn permission(video: &VideoGrants) -> ParticipantPermission {
    ParticipantPermission {
        can_subscribe: video.can_subscribe(),
        can_publish: video.can_publish(),
        can_publish_data: video.can_publish_data(),
        can_publish_sources: video.can_publish_sources.iter().map(|name| source_number(name) as i32).collect(),
        hidden: video.hidden,
        can_update_metadata: video.can_update_own_metadata(),
        ..ParticipantPermission::default()
    }
}

pub(crate) fn kind(name: &str) -> i32 {
    let kind = match name {
        "agent" => participant_info::Kind::Agent,
        "ingress" => participant_info::Kind::Ingress,
        "egress" => participant_info::Kind::Egress,
        "sip" => participant_info::Kind::Sip,
        _ => participant_info::Kind::Standard,
    };
    kind as i32
}

fn source_number(name: &str) -> TrackSource {
    match name {
        "microphone" => TrackSource::Microphone,
        "camera" => TrackSource::Camera,
        "screen_share" => TrackSource::ScreenShare,
        "screen_share_audio" => TrackSource::ScreenShareAudio,
        // Narrows to nothing that can be published rather than to everything.
        _ => TrackSource::Unknown,
    }
}

fn source_name(source: i32) -> Option<&'static str> {
    match TrackSource::try_from(source).ok()? {
        TrackSource::Microphone => Some("microphone"),
        TrackSource::Camera => Some("camera"),
        TrackSource::ScreenShare => Some("screen_share"),
        TrackSource::ScreenShareAudio => Some("screen_share_audio"),
        TrackSource::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    const KEY: &str = "house";
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens() -> Tokens {
        Tokens::new(KEY.into(), SECRET.into()).unwrap()
    }

    fn signed(key: &str, secret: &str, ttl: Duration) -> String {
        AccessToken::with_api_key(key, secret)
            .with_identity("ani")
            .with_ttl(ttl)
            .with_grants(VideoGrants { room_join: true, room: "r".into(), ..VideoGrants::default() })
            .to_jwt()
            .unwrap()
    }

    #[test]
    fn a_token_of_ours_is_accepted() {
        let token = signed(KEY, SECRET, Duration::from_secs(60));
        assert_eq!(tokens().verify(&token).unwrap().sub, "ani");
    }

    #[test]
    fn another_key_or_secret_is_refused() {
        let life = Duration::from_secs(60);
        let other_secret = "fedcba9876543210fedcba9876543210";
        for token in [signed("other", SECRET, life), signed(KEY, other_secret, life)] {
            assert_eq!(tokens().verify(&token).unwrap_err(), TokenRefusal::Invalid);
        }
    }

    #[test]
    fn an_expired_token_is_refused() {
        // `with_ttl` cannot go back in time, so the claim is set by hand.
        let claims = Claims { exp: 1_000_000, iss: KEY.into(), sub: "ani".into(), ..Claims::default() };
        let token = hs256(&serde_json::to_value(&claims).unwrap());
        assert_eq!(tokens().verify(&token).unwrap_err(), TokenRefusal::Invalid);
    }

    #[test]
    fn a_token_without_issuer_is_refused() {
        let token = hs256(&serde_json::json!({"sub": "ani", "exp": 9_999_999_999u64, "nbf": 0}));
        assert_eq!(tokens().verify(&token).unwrap_err(), TokenRefusal::Invalid);
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        let token = signed(KEY, SECRET, Duration::from_secs(60));
        let claims = token.split('.').nth(1).unwrap();
        let header = BASE64_URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let unsigned = format!("{header}.{claims}.");
        assert_eq!(tokens().verify(&unsigned).unwrap_err(), TokenRefusal::Invalid);
        assert_eq!(tokens().verify("").unwrap_err(), TokenRefusal::Missing);
    }

    #[test]
    fn the_public_development_pair_and_short_secrets_are_refused() {
        for (key, secret) in
            [("devkey", "secret"), ("devkey", SECRET), ("house", "secret"), ("house", "short"), ("", SECRET)]
        {
            assert!(Tokens::new(key.into(), secret.into()).is_err());
        }
    }

    #[test]
    fn publishing_is_allowed_unless_the_token_says_otherwise() {
        assert!(permission(&VideoGrants::default()).can_publish);
        let listener = VideoGrants { can_publish: Some(false), ..VideoGrants::default() };
        let listener = permission(&listener);
        assert!(!listener.can_publish && !listener.can_publish_data && listener.can_subscribe);
    }

    #[test]
    fn a_refreshed_token_carries_the_permissions_of_now() {
        let permission = ParticipantPermission {
            can_subscribe: true,
            can_publish_sources: vec![TrackSource::Microphone as i32],
            hidden: true,
            ..ParticipantPermission::default()
        };
        let token = tokens()
            .refresh(&TokenGrants {
                room: "r".into(),
                identity: "ani".into(),
                name: "Ani".into(),
                metadata: String::new(),
                attributes: Default::default(),
                permission: permission.clone(),
                issued: 1_000,
            })
            .unwrap();
        let claims = tokens().verify(&token).unwrap();
        assert_eq!(super::permission(&claims.video), permission);
        assert_eq!(claims.nbf, 1_000, "a refreshed token is as old as the pass it prolongs");
    }

    /// Known failure: after the clock of a house was set back, passes that follow a removal were refused.
    #[test]
    fn a_token_that_is_ahead_of_the_clock_is_accepted_and_one_that_has_expired_too_is_not() {
        let claims = |exp: u64| serde_json::json!({"iss": KEY, "sub": "ani", "exp": exp, "nbf": 9_999_999_000u64});
        assert_eq!(tokens().verify(&hs256(&claims(9_999_999_999))).unwrap().nbf, 9_999_999_000);
        assert_eq!(tokens().verify(&hs256(&claims(1_000_000))).unwrap_err(), TokenRefusal::Invalid);
        let other = serde_json::json!({"iss": "other", "sub": "ani", "exp": 9_999_999_999u64, "nbf": 9_999_999_000u64});
        assert_eq!(tokens().verify(&hs256(&other)).unwrap_err(), TokenRefusal::Invalid);
        let mut forged = hs256(&claims(9_999_999_999));
        forged.pop();
        assert_eq!(tokens().verify(&forged).unwrap_err(), TokenRefusal::Invalid);
    }

    /// A token with any claims at all, signed with our secret: the library only makes good ones.
    fn hs256(claims: &serde_json::Value) -> String {
        let header = BASE64_URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let body = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        let message = format!("{header}.{body}");
        let signature = hmac_sha256(SECRET.as_bytes(), message.as_bytes());
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// RFC 2104, for keys of up to one block.
    fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
        use sha2::{Digest, Sha256};
        let mut block = [0u8; 64];
        block[..key.len()].copy_from_slice(key);
        let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
    }

    #[test]
    fn the_hand_signed_form_is_the_one_the_verifier_takes() {
        let claims = serde_json::json!({"iss": KEY, "sub": "ani", "exp": 9_999_999_999u64, "nbf": 0});
        assert_eq!(tokens().verify(&hs256(&claims)).unwrap().sub, "ani");
    }
}
