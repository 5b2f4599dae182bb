//! `/api/v1`: what a house answers over HTTP. Refusals are [`serambi_protocol::Refusal`]s, whatever goes wrong.

mod channel;
mod document;
mod extract;
mod rooms;
mod sign_in;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serambi_protocol::{Code, Refusal};
use tokio_util::sync::CancellationToken;

use crate::{
    authenticator::Authenticator,
    clock::Clock,
    listener::Peer,
    media::embedded::Embedded,
    rate::{Bucket, Rate},
    registry::RoomRegistry,
    storage::PersonRepository,
};

/// Sign-ins from one address: a family behind one router, not a machine that tries.
const STRANGER_RATE: Rate = Rate { burst: 100, per_second: 10 };
/// Addresses remembered for that.
const STRANGERS_KEPT: usize = 10_000;

/// What the handlers share.
pub struct ApiState {
    /// The house's name.
    pub name: String,
    /// Its fingerprint, as text.
    pub pin: String,
    /// Its time.
    pub clock: Clock,
    /// Knows who is who.
    pub authenticator: Authenticator,
    /// Owns the rooms.
    pub rooms: RoomRegistry,
    /// Everybody the house has seen.
    pub people: PersonRepository,
    /// The embedded media server, if that is the one used.
    pub embedded: Option<Embedded>,
    /// The house is closing.
    pub stop: CancellationToken,
    /// Who asked without a session, and how often.
    pub anonymous_limiter: AnonymousLimiter,
}

/// Counts requests that come without a session, by address.
#[derive(Default)]
pub struct AnonymousLimiter(Mutex<HashMap<IpAddr, Bucket>>);

impl AnonymousLimiter {
    fn ask(&self, peer: Peer, now_ms: u64) -> Result<(), Refused> {
        if peer.is_this_computer() {
            return Ok(());
        }
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= STRANGERS_KEPT && !buckets.contains_key(&peer.ip) {
            buckets.clear();
        }
        let bucket = buckets.entry(peer.ip).or_insert_with(|| Bucket::full(STRANGER_RATE, now_ms));
        if bucket.take(STRANGER_RATE, now_ms) { Ok(()) } else { Err(Code::RateLimited.into()) }
    }
}

type Route = (&'static str, &'static str, MethodRouter<Arc<ApiState>>);

/// Every route: method, path, handler. The published document lists the same ones, which a test holds it to.
fn routes() -> Vec<Route> {
    vec![
        ("get", "/api/v1/house", get(sign_in::house)),
        ("post", "/api/v1/challenge", post(sign_in::challenge)),
        ("post", "/api/v1/session", post(sign_in::sign_in)),
        ("post", "/api/v1/keeper", post(sign_in::take_keys)),
        ("get", "/api/v1/rooms", get(rooms::list)),
        ("post", "/api/v1/rooms", post(rooms::start)),
        ("get", "/api/v1/rooms/{room}", get(rooms::look)),
        ("post", "/api/v1/rooms/{room}/join", post(rooms::join)),
        ("post", "/api/v1/rooms/{room}/media", post(rooms::media)),
        ("post", "/api/v1/rooms/{room}/commands", post(rooms::command)),
        ("get", "/api/v1/rooms/{room}/statistics", get(rooms::statistics)),
        ("get", "/api/v1/events", get(channel::events)),
        ("get", "/api/v1/openapi.json", get(document::openapi)),
    ]
}

/// The API, and a refusal for every other path.
pub fn router(state: Arc<ApiState>) -> Router {
    let api = routes().into_iter().fold(Router::new(), |router, (_, path, handler)| router.route(path, handler));
    api.fallback(nothing_here).method_not_allowed_fallback(not_that_way).with_state(state)
}

async fn nothing_here() -> Response {
    // 404 and not the code's own status: media clients look for it to find out which paths a server has.
    (StatusCode::NOT_FOUND, Json(Refusal::new(Code::BadRequest, "no such path"))).into_response()
}

async fn not_that_way() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, Json(Refusal::new(Code::BadRequest, "not with this method"))).into_response()
}

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refused(pub Refusal);

impl<T: Into<Refusal>> From<T> for Refused {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_published_document_lists_every_route_and_no_other() {
        let document = serde_json::to_value(document::document()).unwrap();
        let listed: BTreeSet<String> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")).collect::<Vec<_>>()
            })
            .collect();
        let served: BTreeSet<String> = routes().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        assert_eq!(listed, served);
        assert!(served.iter().all(|route| route.contains(" /api/v1/")));
    }

    #[test]
    fn every_shape_the_document_refers_to_is_in_it() {
        let document = serde_json::to_value(document::document()).unwrap();
        let text = document.to_string();
        let shapes = document["components"]["schemas"].as_object().unwrap();
        let referred: BTreeSet<&str> =
            text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(referred.len() > 10, "{referred:?}");
        for shape in referred {
            assert!(shapes.contains_key(shape), "{shape} is missing");
        }
    }
}
