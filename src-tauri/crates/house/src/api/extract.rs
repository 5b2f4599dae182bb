//! Extractors of a request's parts: body, session, sender and room, each with a refusal when it cannot be read.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use serambi_protocol::{Code, Refusal, RoomId, limits::BODY_BYTES};
use serde::de::DeserializeOwned;

use super::{ApiState, Refused};
use crate::{
    authenticator::Session,
    network::{Peer, Transport},
};

/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// A JSON body. None at all is read as `{}`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<ApiState>> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Arc<ApiState>) -> Result<Self, Refused> {
        let bad = |detail: String| Refused::from(Refusal::new(Code::BadRequest, detail));
        let reading = axum::body::to_bytes(request.into_body(), BODY_BYTES);
        let bytes: Bytes = match tokio::time::timeout(BODY_LIMIT, reading).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return Err(bad(error.to_string())),
            Err(_) => return Err(bad("the body takes too long".into())),
        };
        let json: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(json).map(Self).map_err(|error| bad(error.to_string()))
    }
}

/// Whoever holds the session in `Authorization: Bearer`.
pub struct Authenticated(pub Arc<Session>);

impl FromRequestParts<Arc<ApiState>> for Authenticated {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Refused> {
        let Travelled(transport) = Travelled::from_request_parts(parts, state).await?;
        let key = bearer(&parts.headers).ok_or(Code::SessionExpired)?;
        recognise(state, key, transport).map(Self)
    }
}

/// Who holds this key, counted as one request.
pub fn recognise(state: &ApiState, key: &str, transport: Transport) -> Result<Arc<Session>, Refused> {
    let session = state.authenticator.recognise(key)?;
    session.check_rate()?;
    if session.is_confidential && !transport.is_confidential() {
        return Err(Refusal::new(Code::NotSecure, "a session of TLS over plain HTTP").into());
    }
    Ok(session)
}

/// The same, whose session nobody else can have read on its way.
pub struct Confidential(pub Arc<Session>);

impl FromRequestParts<Arc<ApiState>> for Confidential {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Refused> {
        let Authenticated(session) = Authenticated::from_request_parts(parts, state).await?;
        if session.is_confidential { Ok(Self(session)) } else { Err(Code::NotSecure.into()) }
    }
}

/// How the request came.
pub struct Travelled(pub Transport);

impl FromRequestParts<Arc<ApiState>> for Travelled {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<ApiState>) -> Result<Self, Refused> {
        let transport = parts.extensions.get::<Transport>().copied();
        transport.map(Self).ok_or_else(|| Refusal::new(Code::Internal, "a request by no way").into())
    }
}

/// The other end of the connection.
pub struct Sender(pub Peer);

impl FromRequestParts<Arc<ApiState>> for Sender {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<ApiState>) -> Result<Self, Refused> {
        let peer = parts.extensions.get::<Peer>().copied();
        peer.map(Self).ok_or_else(|| Refusal::new(Code::Internal, "a request from nowhere").into())
    }
}

/// Anybody who looks something up, with or without a session; their network counts.
pub struct Anonymous;

impl FromRequestParts<Arc<ApiState>> for Anonymous {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Refused> {
        let Sender(peer) = Sender::from_request_parts(parts, state).await?;
        state.limits.look_up(peer)?;
        Ok(Self)
    }
}

/// The room in the path.
pub struct InRoom(pub RoomId);

impl FromRequestParts<Arc<ApiState>> for InRoom {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::new(Code::BadRequest, error.to_string()))?;
        Ok(Self(RoomId::try_from(text)?))
    }
}

/// The key in `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
