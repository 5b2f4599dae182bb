//! LiveKit's RoomService, over HTTP or inside this program: the five calls a house makes and the two it asks with.
//!
//! The wire is Twirp with protobuf bodies: `POST /twirp/livekit.RoomService/<Method>`; an error is a JSON object
//! with `code` and `msg` (<https://twitchtv.github.io/twirp/docs/spec_v7.html>).

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode, header},
};
use livekit_protocol as lk;
use prost::Message;
use serambi_protocol::{PersonId, RoomId};
use tower::ServiceExt;

use super::{
    embedded::Embedded,
    keys::{Keys, Standing},
    pass_order::DecidedAt,
};
use crate::error::HouseError;

/// One call, connecting included. A media server on the other side of the world answers in a tenth of that.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// An unused connection is closed before the other side does (our own after 30 s), so no call meets a closed door.
const IDLE_LIMIT: Duration = Duration::from_secs(20);
/// An empty media room stays until its house ends it; if the house cannot, for so long.
pub(super) const EMPTY_ROOM_SECONDS: u32 = 24 * 60 * 60;
/// The longest answer that is read, in bytes: a list of some thousand people.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// How bodies are written.
const PROTOBUF: &str = "application/protobuf";

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

/// The way to a media server.
#[derive(Clone, Debug)]
enum Route {
    Http {
        client: reqwest::Client,
        /// Without a slash at the end.
        base: String,
    },
    /// The same requests, handed to the server inside this program: somebody can be removed also when no further file
    /// or socket can be opened.
    Embedded { server: Embedded, router: Router },
}

/// Calls one media server.
#[derive(Clone, Debug)]
pub struct RoomService {
    route: Route,
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
        let client = reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .no_proxy()
            .timeout(CALL_LIMIT)
            .pool_idle_timeout(IDLE_LIMIT)
            .build()
            .map_err(|error| wrong(&error))?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { route: Route::Http { client, base }, keys })
    }

    /// A client for the server inside this program.
    pub fn embedded(server: Embedded, keys: Keys) -> Self {
        let router = server.router();
        Self { route: Route::Embedded { server, router }, keys }
    }

    /// The server, if it is part of this program.
    pub fn embedded_server(&self) -> Option<&Embedded> {
        match &self.route {
            Route::Http { .. } => None,
            Route::Embedded { server, .. } => Some(server),
        }
    }

    /// What orders a decision about a person against their passes.
    pub fn decide(&self, person: &PersonId) -> DecidedAt {
        self.keys.decide(person)
    }

    /// Creates a media room, or finds it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_room(&self, room: &RoomId) -> Result<(), CallError> {
        let request = lk::CreateRoomRequest {
            name: room.to_string(),
            empty_timeout: EMPTY_ROOM_SECONDS,
            departure_timeout: EMPTY_ROOM_SECONDS,
            ..lk::CreateRoomRequest::default()
        };
        self.call::<lk::Room>("CreateRoom", room, None, &request).await.map(drop)
    }

    /// Changes what a person may do, and what their passes of before `decided_at` are worth. The whole record is
    /// replaced, so every field is said.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_standing(
        &self,
        room: &RoomId,
        person: &PersonId,
        standing: Standing,
        decided_at: DecidedAt,
    ) -> Result<(), CallError> {
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
        self.call::<lk::ParticipantInfo>("UpdateParticipant", room, Some(decided_at), &request).await.map(drop)
    }

    /// Mutes every track a person publishes.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn mute(&self, room: &RoomId, person: &PersonId) -> Result<(), CallError> {
        let who: lk::ParticipantInfo = self.call("GetParticipant", room, None, &identity(room, person)).await?;
        for track in who.tracks.into_iter().filter(|track| !track.muted) {
            let request = lk::MuteRoomTrackRequest {
                room: room.to_string(),
                identity: person.to_string(),
                track_sid: track.sid,
                muted: true,
            };
            self.call::<lk::MuteRoomTrackResponse>("MutePublishedTrack", room, None, &request).await?;
        }
        Ok(())
    }

    /// Puts a person out of the media room, and voids their passes of before `decided_at`. (A stock LiveKit server
    /// takes those again; the reconciler puts their owner out again.)
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remove(&self, room: &RoomId, person: &PersonId, decided_at: DecidedAt) -> Result<(), CallError> {
        let request = lk::RoomParticipantIdentity { revoke_token_ts: decided_at.0, ..identity(room, person) };
        let removed = self.call::<lk::RemoveParticipantResponse>("RemoveParticipant", room, Some(decided_at), &request);
        removed.await.map(drop)
    }

    /// Ends a media room for everybody.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete_room(&self, room: &RoomId) -> Result<(), CallError> {
        let request = lk::DeleteRoomRequest { room: room.to_string() };
        self.call::<lk::DeleteRoomResponse>("DeleteRoom", room, None, &request).await.map(drop)
    }

    /// Who is in a media room.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list(&self, room: &RoomId) -> Result<Vec<lk::ParticipantInfo>, CallError> {
        let request = lk::ListParticipantsRequest { room: room.to_string() };
        let answer: lk::ListParticipantsResponse = self.call("ListParticipants", room, None, &request).await?;
        Ok(answer.participants)
    }

    async fn call<A: Message + Default>(
        &self,
        method: &str,
        room: &RoomId,
        decided_at: Option<DecidedAt>,
        request: &impl Message,
    ) -> Result<A, CallError> {
        let token = self.keys.own(room, decided_at).map_err(|error| CallError::Refused(error.to_string()))?;
        let path = format!("/twirp/livekit.RoomService/{method}");
        let body = request.encode_to_vec();
        let (status, body) = match &self.route {
            Route::Http { client, base } => post(client, format!("{base}{path}"), &token, body).await?,
            Route::Embedded { router, .. } => hand_over(router.clone(), &path, &token, body).await?,
        };
        if status.is_success() {
            A::decode(body.as_ref()).map_err(|error| CallError::NoAnswer(error.to_string()))
        } else {
            Err(read_error(status, &body))
        }
    }
}

async fn post(
    client: &reqwest::Client,
    url: String,
    token: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), CallError> {
    let no_answer = |error: reqwest::Error| CallError::NoAnswer(error.without_url().to_string());
    let request = client.post(url).bearer_auth(token).header(header::CONTENT_TYPE, PROTOBUF).body(body);
    let response = request.send().await.map_err(no_answer)?;
    let status = response.status();
    Ok((status, read_limited(response).await?))
}

async fn hand_over(router: Router, path: &str, token: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes), CallError> {
    let request = Request::post(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, PROTOBUF)
        .body(Body::from(body))
        .map_err(|error| CallError::Refused(error.to_string()))?;
    let answered = async {
        let response = match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, ANSWER_BYTES).await;
        body.map(|body| (head.status, body)).map_err(|error| CallError::NoAnswer(error.to_string()))
    };
    let answered = tokio::time::timeout(CALL_LIMIT, answered).await;
    answered.map_err(|_| CallError::NoAnswer("the media server inside this program is too slow".into()))?
}

fn identity(room: &RoomId, person: &PersonId) -> lk::RoomParticipantIdentity {
    lk::RoomParticipantIdentity {
        room: room.to_string(),
        identity: person.to_string(),
        ..lk::RoomParticipantIdentity::default()
    }
}

async fn read_limited(mut response: reqwest::Response) -> Result<Bytes, CallError> {
    let no_answer = |error: reqwest::Error| CallError::NoAnswer(error.without_url().to_string());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(CallError::NoAnswer("the answer does not end".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

fn read_error(status: StatusCode, body: &[u8]) -> CallError {
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
