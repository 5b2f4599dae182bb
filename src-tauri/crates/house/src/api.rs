//! `/api/v1`: what a house answers over HTTP. Refusals are [`serambi_protocol::Refusal`]s, whatever goes wrong.

mod channel;
mod document;
mod door;
mod extract;
mod request_limits;
mod rooms;
mod sign_in;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serambi_protocol::{Code, Refusal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "reach")]
pub use extract::bearer;
pub use request_limits::RequestLimits;

use crate::{
    authenticator::Authenticator, clock::Clock, media::embedded::Embedded, rate::OverLimit, reached::Reached,
    recent_calls::RecentCalls, registry::RoomRegistry, storage::PersonRepository,
};

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
    /// Where the house is reached, as in its link.
    pub addresses: watch::Receiver<Vec<String>>,
    /// The same, with how it is known there.
    pub reached: Reached,
    /// The house is closing.
    pub stop: CancellationToken,
    /// How often networks and people ask.
    pub limits: RequestLimits,
    /// How often people were called into rooms.
    pub recent_calls: RecentCalls,
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
        ("post", "/api/v1/rooms/{room}/door", post(door::knock)),
        ("get", "/api/v1/rooms/{room}/callable", get(door::callable)),
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
pub struct Refused {
    refusal: Refusal,
    /// With 429: when to try again, at least a second.
    retry_after: Duration,
}

impl Refused {
    /// A refusal after which the same request may succeed at a known time.
    pub fn after(refusal: Refusal, retry_after: Duration) -> Self {
        Self { refusal, retry_after: retry_after.max(Duration::from_secs(1)) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let retry_after = Duration::from_millis(refusal.again_in_ms.unwrap_or(0));
        Self::after(refusal, retry_after)
    }
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        Refusal::from(code).into()
    }
}

impl From<OverLimit> for Refused {
    fn from(over: OverLimit) -> Self {
        let ms = u64::try_from(over.retry_after.as_millis()).unwrap_or(u64::MAX);
        Refusal::from(Code::RateLimited).again_in_ms(ms).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.refusal)).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = self.retry_after.as_millis().div_ceil(1_000);
            // RFC 9110 section 10.2.3: whole seconds.
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        response
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
