//! `GET /gate`: counts for whoever runs the gate, on its own computer, and for everybody else what a gate is.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use super::{browser_counters::BrowserReport, browsers::Browsers, counters::Report, relay::Relay};
use crate::network::Peer;

const PAGE: &str = include_str!("page.html");
/// Nothing is loaded, nothing runs: the page is its own text and style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

struct Counted {
    relay: Arc<Relay>,
    browsers: Arc<Browsers>,
    discoveries: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// What whoever runs the gate reads.
#[derive(Serialize)]
struct Counts {
    #[serde(flatten)]
    relay: Report,
    browsers: BrowserReport,
}

/// The page's route.
pub fn router(
    relay: Arc<Relay>,
    browsers: Arc<Browsers>,
    discoveries: impl Fn() -> u64 + Send + Sync + 'static,
) -> Router {
    let counted = Counted { relay, browsers, discoveries: Box::new(discoveries) };
    Router::new().route("/gate", get(show)).with_state(Arc::new(counted))
}

async fn show(State(counted): State<Arc<Counted>>, Extension(peer): Extension<Peer>) -> Response {
    if !peer.is_this_computer() {
        return about();
    }
    let relay = counted.relay.report((counted.discoveries)());
    Json(Counts { relay, browsers: counted.browsers.report() }).into_response()
}

fn about() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_page_says_what_a_gate_sees_and_needs_nothing_from_anywhere() {
        let body = axum::body::to_bytes(about().into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        for words in ["What this gate sees", "What it does not see"] {
            assert!(text.contains(words), "{words}");
        }
        for forbidden in ["<script", "src=", "http://", "https://", "@import", "url("] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
    }
}
