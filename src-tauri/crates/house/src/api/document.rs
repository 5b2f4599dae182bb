//! The OpenAPI document of the API (<https://spec.openapis.org/oas/v3.1.0>), made from the handlers themselves.
//!
//! What holds for many routes or shapes at once is added here: the refusals any route may answer with, and the limits
//! of ids and texts.

use std::sync::LazyLock;

use axum::Json;
use serambi_protocol::{
    Code, Envelope, Refusal,
    api::{ChannelSay, ChannelTell},
    id::ROOM_ID_CHARACTERS,
    limits::{NAME_CHARACTERS, TITLE_CHARACTERS},
};
use serde_json::{Map, Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{channel, door, extract::Anonymous, rooms, sign_in};

/// Base64url without padding of 32 bytes.
const KEY_PATTERN: &str = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$";
/// Base64url without padding of 64 bytes.
const SIGNATURE_PATTERN: &str = "^[A-Za-z0-9_-]{85}[AQgw]$";
/// [`serambi_protocol::id::ROOM_ALPHABET`].
const ROOM_PATTERN: &str = "^[2-9A-HJ-NP-Za-km-z]{10}$";

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
        door::knock,
        door::callable,
        rooms::media,
        rooms::command,
        rooms::statistics,
        channel::events,
        openapi,
    ),
    components(schemas(ChannelSay, ChannelTell, Envelope, Refusal)),
    modifiers(&BearerSession)
)]
struct Handlers;

/// The largest whole number that every reader of JSON takes as it is (RFC 8259 section 6).
const LARGEST_IN_JSON: u64 = (1 << 53) - 1;

struct BearerSession;

impl Modify for BearerSession {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("session", SecurityScheme::Http(scheme));
    }
}

/// The document, made once.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
    &DOCUMENT
}

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    responses((status = 200, body = std::collections::BTreeMap<String, serde_json::Value>))
)]
pub async fn openapi(_: Anonymous) -> Json<&'static Value> {
    Json(document())
}

fn make() -> Value {
    // The document is plain data; a test sees that it is written.
    let mut document = serde_json::to_value(Handlers::openapi()).unwrap_or_default();
    document["openapi"] = json!("3.1.0");
    document["components"]["schemas"]["Code"] = code_schema();
    for (shape, field, limits) in limits_of_fields() {
        let schema = match field {
            "" => &mut document["components"]["schemas"][shape],
            field => &mut document["components"]["schemas"][shape]["properties"][field],
        };
        extend(schema, limits);
    }
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, methods) in paths {
            methods.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(|it| complete(path, it));
        }
    }
    document
}

/// Codes as they stand on the wire.
fn code_schema() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let description = "Why something was refused or failed. The text is stable.";
    json!({ "type": "string", "enum": codes, "description": description })
}

/// Limits of a shape that is a text, or of one field of a shape.
fn limits_of_fields() -> [(&'static str, &'static str, Value); 10] {
    let key = || json!({ "pattern": KEY_PATTERN, "minLength": 43, "maxLength": 43 });
    [
        ("PersonId", "", key()),
        ("RoomId", "", room_limits()),
        ("MessageId", "", json!({ "maximum": LARGEST_IN_JSON })),
        ("HouseInfo", "pin", key()),
        ("Challenge", "challenge", key()),
        ("Challenge", "pin", key()),
        ("SignIn", "challenge", key()),
        ("SignIn", "signature", json!({ "pattern": SIGNATURE_PATTERN, "minLength": 86, "maxLength": 86 })),
        ("SignIn", "name", json!({ "minLength": 1, "maxLength": NAME_CHARACTERS })),
        ("StartRoom", "title", json!({ "maxLength": TITLE_CHARACTERS })),
    ]
}

fn room_limits() -> Value {
    json!({ "pattern": ROOM_PATTERN, "minLength": ROOM_ID_CHARACTERS, "maxLength": ROOM_ID_CHARACTERS })
}

/// Adds to one operation what follows from its path, its parameters and its security.
fn complete(path: &str, operation: &mut Value) {
    let mut refusals = vec![
        (400, "`bad_request`, and what is wrong with a name, a title or a message"),
        (403, "`origin_refused`, `not_allowed`, `blocked`"),
        (429, "`rate_limited`, `chat_too_fast`, `reacted_recently`; `Retry-After` says when to ask again"),
        (500, "`internal`"),
    ];
    if !operation["security"].is_null() {
        refusals.push((401, "`session_expired`: sign in again"));
    }
    if path.contains("{room}") {
        refusals.push((404, "`room_not_found`, `person_not_here`, `message_gone`"));
        refusals.push((410, "`room_ended`"));
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
            if parameter["name"] == "room" {
                parameter["description"] = json!("The room's id");
                extend(&mut parameter["schema"], room_limits());
            }
        }
    }
    if let Some(answers) = operation["responses"].as_object_mut() {
        for (status, description) in refusals {
            answers.entry(status.to_string()).or_insert_with(|| refusal(status, description));
        }
    }
}

fn refusal(status: u16, description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Refusal" });
    let mut answer = json!({ "description": description, "content": { "application/json": { "schema": schema } } });
    if status == 429 {
        let seconds = json!({ "type": "integer", "minimum": 1 });
        answer["headers"] = json!({ "Retry-After": { "description": "Seconds", "schema": seconds, "required": true } });
    }
    answer
}

fn extend(schema: &mut Value, more: Value) {
    if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
        schema.extend(more);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Known failure: the document said `BadRequest` where the wire says `bad_request`.
    #[test]
    fn codes_stand_in_the_document_as_on_the_wire() {
        let codes = document()["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(codes.contains(&json!("bad_request")), "{codes:?}");
    }

    #[test]
    fn every_limit_finds_the_shape_it_is_meant_for() {
        for (shape, field, limits) in limits_of_fields() {
            let schema = &document()["components"]["schemas"][shape];
            let schema = if field.is_empty() { schema } else { &schema["properties"][field] };
            let (kind, limit) =
                if limits["maximum"].is_null() { ("string", "maxLength") } else { ("integer", "maximum") };
            assert_eq!(schema["type"], kind, "{shape} {field}: {schema}");
            assert_eq!(schema[limit], limits[limit], "{shape} {field}");
        }
    }

    #[test]
    fn a_body_is_required_only_where_none_is_refused() {
        let is_required = |path: &str| document()["paths"][path]["post"]["requestBody"]["required"] == json!(true);
        assert!(!is_required("/api/v1/rooms") && !is_required("/api/v1/rooms/{room}/join"));
        assert!(is_required("/api/v1/challenge") && is_required("/api/v1/session"));
        assert!(is_required("/api/v1/rooms/{room}/commands"));
    }

    #[test]
    fn every_operation_says_what_it_may_refuse_with() {
        for (path, methods) in document()["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap();
                assert!(["400", "403", "429", "500"].iter().all(|code| answers.contains_key(*code)), "{method} {path}");
                assert_eq!(answers.contains_key("410"), path.contains("{room}"), "{method} {path}");
            }
        }
    }
}
