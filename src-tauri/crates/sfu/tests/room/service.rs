//! RoomService over HTTP, as server SDKs speak it: JSON and protobuf.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use livekit_protocol as proto;
use livekit_token::{AccessToken, VideoGrants};
use prost::Message;
use serambi_sfu::{MediaAddresses, RoomOptions, Sfu, SfuConfig};
use serde_json::{Value, json};
use tower::ServiceExt;

pub const KEY: &str = "house";
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub fn start() -> Sfu {
    Sfu::start(SfuConfig {
        api_key: KEY.into(),
        api_secret: SECRET.into(),
        udp_bind: "127.0.0.1:0".parse().unwrap(),
        addresses: MediaAddresses::default(),
        tunnels: Vec::new(),
    })
    .unwrap()
}

/// The same with the room `r`.
pub fn start_with_room() -> Sfu {
    let sfu = start();
    sfu.create_room("r", RoomOptions::default()).unwrap();
    sfu
}

pub fn token(identity: &str, video: VideoGrants) -> String {
    AccessToken::with_api_key(KEY, SECRET)
        .with_identity(identity)
        .with_ttl(Duration::from_secs(60))
        .with_grants(video)
        .to_jwt()
        .unwrap()
}

fn admin() -> VideoGrants {
    VideoGrants { room_create: true, room_list: true, room_admin: true, room: "r".into(), ..VideoGrants::default() }
}

async fn post(sfu: &Sfu, method: &str, grants: VideoGrants, kind: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let request = Request::post(format!("/twirp/livekit.RoomService/{method}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", token("", grants)))
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(body))
        .unwrap();
    let response = sfu.router().oneshot(request).await.unwrap();
    let status = response.status();
    (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

async fn ask(sfu: &Sfu, method: &str, body: Value) -> (StatusCode, Value) {
    let (status, body) = post(sfu, method, admin(), "application/json", body.to_string().into()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_room_is_created_listed_and_deleted() {
    let sfu = start();
    let (status, room) = ask(&sfu, "CreateRoom", json!({"name": "r", "empty_timeout": 60, "metadata": "m"})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(room["sid"].as_str().unwrap().starts_with("RM_"));
    assert_eq!(room["metadata"], "m");
    // Creating it again finds it.
    let (_, again) = ask(&sfu, "CreateRoom", json!({"name": "r"})).await;
    assert_eq!(again["sid"], room["sid"]);

    let (_, rooms) = ask(&sfu, "ListRooms", json!({})).await;
    assert_eq!(rooms["rooms"].as_array().unwrap().len(), 1);
    let (_, rooms) = ask(&sfu, "ListRooms", json!({"names": ["other"]})).await;
    assert!(rooms["rooms"].as_array().is_none_or(Vec::is_empty));

    let (_, room) = ask(&sfu, "UpdateRoomMetadata", json!({"room": "r", "metadata": "new"})).await;
    assert_eq!(room["metadata"], "new");
    assert_eq!(ask(&sfu, "DeleteRoom", json!({"room": "r"})).await.0, StatusCode::OK);
    let (status, error) = ask(&sfu, "ListParticipants", json!({"room": "r"})).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    assert!(sfu.room_statistics("r").await.is_none());
}

#[tokio::test]
async fn protobuf_is_answered_with_protobuf() {
    let sfu = start();
    let request = proto::CreateRoomRequest { name: "r".into(), ..Default::default() };
    let (status, body) = post(&sfu, "CreateRoom", admin(), "application/protobuf", request.encode_to_vec()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(proto::Room::decode(body.as_slice()).unwrap().name, "r");
}

#[tokio::test]
async fn a_token_without_the_grant_is_unauthenticated() {
    let sfu = start();
    ask(&sfu, "CreateRoom", json!({"name": "r"})).await;
    let elsewhere = VideoGrants { room_admin: true, room: "elsewhere".into(), ..VideoGrants::default() };
    let guest = VideoGrants { room_join: false, ..VideoGrants::default() };
    for (method, grants, body) in [
        ("CreateRoom", guest.clone(), json!({"name": "r"})),
        ("ListRooms", guest.clone(), json!({})),
        ("DeleteRoom", guest, json!({"room": "r"})),
        ("ListParticipants", elsewhere.clone(), json!({"room": "r"})),
        ("RemoveParticipant", elsewhere.clone(), json!({"room": "r", "identity": "ani"})),
        ("MutePublishedTrack", elsewhere.clone(), json!({"room": "r", "identity": "ani"})),
        ("UpdateParticipant", elsewhere.clone(), json!({"room": "r", "identity": "ani"})),
        ("UpdateSubscriptions", elsewhere.clone(), json!({"room": "r", "identity": "ani"})),
        ("GetParticipant", elsewhere.clone(), json!({"room": "r", "identity": "ani"})),
        ("SendData", elsewhere.clone(), json!({"room": "r"})),
        ("UpdateRoomMetadata", elsewhere, json!({"room": "r"})),
    ] {
        let (status, body) = post(&sfu, method, grants, "application/json", body.to_string().into()).await;
        let error: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &error["code"]), (StatusCode::UNAUTHORIZED, &json!("unauthenticated")), "{method}");
    }
}

#[tokio::test]
async fn a_request_without_a_token_is_unauthenticated() {
    let sfu = start();
    let request = Request::post("/twirp/livekit.RoomService/ListRooms")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from("{}"))
        .unwrap();
    let response = sfu.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nonsense_is_a_clear_error() {
    let sfu = start();
    let (status, error) = ask(&sfu, "CreateRoom", json!({"name": ""})).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_argument")));
    let (status, error) = ask(&sfu, "CreateRoom", json!({"name": "x".repeat(300)})).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_argument")));
    let (status, error) = ask(&sfu, "FlyToTheMoon", json!({})).await;
    assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("bad_route")));
    for kind in ["application/json", "application/protobuf"] {
        let (status, body) = post(&sfu, "CreateRoom", admin(), kind, vec![0xff; 50]).await;
        let error: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("malformed")), "{kind}");
    }
    let (status, _) = post(&sfu, "CreateRoom", admin(), "text/plain", Vec::new()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn people_who_are_not_there_cannot_be_moderated() {
    let sfu = start();
    ask(&sfu, "CreateRoom", json!({"name": "r"})).await;
    for method in ["GetParticipant", "RemoveParticipant", "MutePublishedTrack", "UpdateParticipant"] {
        let (status, error) = ask(&sfu, method, json!({"room": "r", "identity": "nobody"})).await;
        assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{method}");
    }
}

#[tokio::test]
async fn browsers_may_ask_from_anywhere() {
    let sfu = start();
    let request = Request::options("/twirp/livekit.RoomService/ListRooms")
        .header(header::ORIGIN, "https://example.org")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .body(Body::empty())
        .unwrap();
    let response = sfu.router().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(response.headers()[header::ACCESS_CONTROL_MAX_AGE], "86400");
}

#[tokio::test]
async fn a_closed_server_says_so() {
    let sfu = start();
    let router = sfu.router();
    sfu.close().await;
    sfu.close().await;
    let request = Request::post("/twirp/livekit.RoomService/ListRooms")
        .header(header::AUTHORIZATION, format!("Bearer {}", token("", admin())))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from("{}"))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
