//! LiveKit's RoomService over HTTP: the four calls a house makes and the two it asks with.
//!
//! The wire is Twirp with protobuf bodies: `POST /twirp/livekit.RoomService/<Method>`; an error is a JSON object
//! with `code` and `msg` (<https://twitchtv.github.io/twirp/docs/spec_v7.html>).

use std::{sync::Arc, time::Duration};

use livekit_protocol as lk;
use prost::Message;
use serambi_protocol::{PersonId, RoomId};

use super::keys::{Keys, Standing};
use crate::error::HouseError;

/// One call, connecting included. A media server on the other side of the world answers in a tenth of that.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// An unused connection is closed before the other side does (our own after 30 s), so no call meets a closed door.
const IDLE_LIMIT: Duration = Duration::from_secs(20);
/// The longest answer that is read, in bytes: a list of some thousand people.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no such room, person or track (any more, or yet).
    #[error("not found: {0}")]
    NotFound(String),
    /// The media server understood and said no: asking again is no use.
    #[error("refused: {0}")]
    Refused(String),
    /// It did not answer, or not sensibly: it may next time.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

#[derive(serde::Deserialize)]
struct TwirpError {
    code: String,
    #[serde(default)]
    msg: String,
}

/// Calls one media server.
#[derive(Clone, Debug)]
pub struct RoomService {
    http: reqwest::Client,
    /// Without a slash at the end.
    base: String,
    keys: Keys,
}

impl RoomService {
    /// A client for the server at `base` (`http://…` or `https://…`).
    ///
    /// # Errors
    /// `media_failed` if the address is none.
    pub fn new(base: &str, keys: Keys) -> Result<Self, HouseError> {
        let wrong = |error: &dyn std::fmt::Display| HouseError::Media(format!("{base}: {error}"));
        reqwest::Url::parse(base).map_err(|error| wrong(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .no_proxy()
            .timeout(CALL_LIMIT)
            .pool_idle_timeout(IDLE_LIMIT)
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), keys })
    }

    /// Changes what a person may do. The whole record is replaced, so every field is said.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_standing(&self, room: &RoomId, person: &PersonId, standing: Standing) -> Result<(), CallError> {
        let permission = lk::ParticipantPermission {
            can_subscribe: true,
            can_publish: standing.may_publish,
            can_publish_data: false,
            hidden: standing.hidden,
            can_update_metadata: false,
            ..lk::ParticipantPermission::default()
        };
        let request = lk::UpdateParticipantRequest {
            room: room.to_string(),
            identity: person.to_string(),
            permission: Some(permission),
            ..lk::UpdateParticipantRequest::default()
        };
        self.call::<lk::ParticipantInfo>("UpdateParticipant", room, &request).await.map(drop)
    }

    /// Mutes every track a person publishes.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn mute(&self, room: &RoomId, person: &PersonId) -> Result<(), CallError> {
        let who: lk::ParticipantInfo = self.call("GetParticipant", room, &identity(room, person)).await?;
        for track in who.tracks.into_iter().filter(|track| !track.muted) {
            let request = lk::MuteRoomTrackRequest {
                room: room.to_string(),
                identity: person.to_string(),
                track_sid: track.sid,
                muted: true,
            };
            self.call::<lk::MuteRoomTrackResponse>("MutePublishedTrack", room, &request).await?;
        }
        Ok(())
    }

    /// Puts a person out of the media room.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remove(&self, room: &RoomId, person: &PersonId) -> Result<(), CallError> {
        self.call::<lk::RemoveParticipantResponse>("RemoveParticipant", room, &identity(room, person)).await.map(drop)
    }

    /// Ends a media room for everybody.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete_room(&self, room: &RoomId) -> Result<(), CallError> {
        let request = lk::DeleteRoomRequest { room: room.to_string() };
        self.call::<lk::DeleteRoomResponse>("DeleteRoom", room, &request).await.map(drop)
    }

    /// Who is in a media room.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list(&self, room: &RoomId) -> Result<Vec<lk::ParticipantInfo>, CallError> {
        let request = lk::ListParticipantsRequest { room: room.to_string() };
        let answer: lk::ListParticipantsResponse = self.call("ListParticipants", room, &request).await?;
        Ok(answer.participants)
    }

    async fn call<A: Message + Default>(
        &self,
        method: &str,
        room: &RoomId,
        request: &impl Message,
    ) -> Result<A, CallError> {
        let no_answer = |error: reqwest::Error| CallError::NoAnswer(error.without_url().to_string());
        let token = self.keys.own(room).map_err(|error| CallError::Refused(error.to_string()))?;
        let response = self
            .http
            .post(format!("{}/twirp/livekit.RoomService/{method}", self.base))
            .bearer_auth(token)
            .header(reqwest::header::CONTENT_TYPE, "application/protobuf")
            .body(request.encode_to_vec())
            .send()
            .await
            .map_err(no_answer)?;
        let status = response.status();
        let body = read_limited(response).await?;
        if status.is_success() {
            A::decode(body.as_slice()).map_err(|error| CallError::NoAnswer(error.to_string()))
        } else {
            Err(read_error(status, &body))
        }
    }
}

fn identity(room: &RoomId, person: &PersonId) -> lk::RoomParticipantIdentity {
    lk::RoomParticipantIdentity {
        room: room.to_string(),
        identity: person.to_string(),
        ..lk::RoomParticipantIdentity::default()
    }
}

async fn read_limited(mut response: reqwest::Response) -> Result<Vec<u8>, CallError> {
    let no_answer = |error: reqwest::Error| CallError::NoAnswer(error.without_url().to_string());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(CallError::NoAnswer("the answer does not end".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn read_error(status: reqwest::StatusCode, body: &[u8]) -> CallError {
    let error: Option<TwirpError> = serde_json::from_slice(body).ok();
    let detail = error.as_ref().map_or_else(|| status.to_string(), |error| format!("{}: {}", error.code, error.msg));
    match error.map(|error| error.code).as_deref() {
        Some("not_found") => CallError::NotFound(detail),
        Some("unavailable" | "deadline_exceeded" | "internal" | "unknown" | "resource_exhausted") | None => {
            CallError::NoAnswer(detail)
        }
        Some(_) => CallError::Refused(detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    #[test]
    fn what_is_missing_what_is_refused_and_what_may_work_next_time_are_told_apart() {
        let read = |status, body: &str| read_error(status, body.as_bytes());
        let missing = read(StatusCode::NOT_FOUND, r#"{"code":"not_found","msg":"participant does not exist"}"#);
        assert!(matches!(missing, CallError::NotFound(_)));
        let refused = read(StatusCode::UNAUTHORIZED, r#"{"code":"unauthenticated","msg":"no"}"#);
        assert!(matches!(refused, CallError::Refused(_)));
        let busy = read(StatusCode::SERVICE_UNAVAILABLE, r#"{"code":"unavailable"}"#);
        assert!(matches!(busy, CallError::NoAnswer(_)));
        assert!(matches!(read(StatusCode::BAD_GATEWAY, "<html>"), CallError::NoAnswer(_)));
    }
}
