//! The OpenAPI document of the API (<https://spec.openapis.org/oas/v3.1.0>), made from the handlers themselves.

use axum::Json;
use serambi_protocol::{
    Envelope,
    api::{ChannelSay, ChannelTell},
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{channel, rooms, sign_in};

#[derive(OpenApi)]
#[openapi(
    info(title = "Serambi house", description = "Drop-in voice rooms: asking a house, and being told by it."),
    paths(
        sign_in::house,
        sign_in::challenge,
        sign_in::sign_in,
        sign_in::take_keys,
        rooms::list,
        rooms::start,
        rooms::look,
        rooms::join,
        rooms::media,
        rooms::command,
        rooms::statistics,
        channel::events,
        openapi,
    ),
    components(schemas(ChannelSay, ChannelTell, Envelope)),
    modifiers(&BearerSession)
)]
struct Document;

struct BearerSession;

impl Modify for BearerSession {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("session", SecurityScheme::Http(scheme));
    }
}

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, body = serde_json::Value)))]
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
