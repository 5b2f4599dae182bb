//! A RoomService that writes down what it is asked, and answers as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use livekit_protocol as lk;
use livekit_token::TokenVerifier;
use prost::Message;
use serambi_house::MediaServer;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::visitor::LIMIT;

pub const KEY: &str = "key-of-a-test";
pub const SECRET: &str = "a secret of more than thirty-two bytes";

/// What was asked, in few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Permit { identity: String, may_publish: bool, hidden: bool },
    Mute { identity: String, track: String },
    Remove { identity: String },
    Delete { room: String },
}

struct Inside {
    calls: watch::Sender<Vec<Call>>,
    /// Whom `ListParticipants` lists.
    listed: Mutex<Vec<lk::ParticipantInfo>>,
    /// Errors to answer changes with, before it all works.
    errors: Mutex<VecDeque<&'static str>>,
    /// Passes issued until then are void, by the last removal.
    revoked_until: Mutex<i64>,
    /// One permit lets one `UpdateParticipant` through.
    gate: Semaphore,
}

#[derive(Clone)]
pub struct FakeMedia {
    inside: Arc<Inside>,
    port: u16,
}

impl FakeMedia {
    pub async fn open() -> Self {
        let inside = Arc::new(Inside {
            calls: watch::Sender::default(),
            listed: Mutex::default(),
            errors: Mutex::default(),
            revoked_until: Mutex::default(),
            gate: Semaphore::new(1_000),
        });
        let router = Router::new().route("/twirp/livekit.RoomService/{method}", post(serve)).with_state(inside.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inside, port }
    }

    pub fn server(&self) -> MediaServer {
        MediaServer::LiveKit {
            url: "ws://media.test".into(),
            api_url: format!("http://127.0.0.1:{}/", self.port),
            key: KEY.into(),
            secret: SECRET.into(),
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.inside.calls.borrow().clone()
    }

    pub fn revoked_until(&self) -> i64 {
        *self.inside.revoked_until.lock().unwrap()
    }

    pub fn fail_with(&self, errors: &[&'static str]) {
        self.inside.errors.lock().unwrap().extend(errors);
    }

    pub fn list(&self, identity: &str, may_publish: bool) {
        let permission = lk::ParticipantPermission { can_publish: may_publish, ..Default::default() };
        let info =
            lk::ParticipantInfo { identity: identity.into(), permission: Some(permission), ..Default::default() };
        self.inside.listed.lock().unwrap().push(info);
    }

    /// From now on changes of permission wait.
    pub fn hold(&self) {
        self.inside.gate.forget_permits(1_000);
    }

    /// Lets those that wait and all that follow through.
    pub fn release(&self) {
        self.inside.gate.add_permits(1_000);
    }

    /// Waits until that is asked.
    pub async fn is_asked(&self, what: &str, wanted: &Call) {
        let mut calls = self.inside.calls.subscribe();
        let asked = timeout(LIMIT, calls.wait_for(|calls| calls.contains(wanted))).await.is_ok();
        assert!(asked, "was never asked {what}, but {:?}", self.calls());
    }
}

async fn serve(
    State(inside): State<Arc<Inside>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let claims = TokenVerifier::with_api_key(KEY, SECRET).verify(token).unwrap();
    assert!(claims.video.room_admin && claims.video.room_create && !claims.video.room_join);
    let is_change = !method.starts_with("List") && !method.starts_with("Get") && method != "CreateRoom";
    if let Some(code) = is_change.then(|| inside.errors.lock().unwrap().pop_front()).flatten() {
        return refuse(code);
    }
    let note = |call| inside.calls.send_modify(|calls| calls.push(call));
    match method.as_str() {
        "UpdateParticipant" => {
            let asked = lk::UpdateParticipantRequest::decode(body).unwrap();
            let permission = asked.permission.unwrap();
            assert!(permission.can_subscribe && !permission.can_publish_data, "every field is said");
            assert_eq!(claims.video.room, asked.room);
            let permit = Call::Permit {
                identity: asked.identity,
                may_publish: permission.can_publish,
                hidden: permission.hidden,
            };
            note(permit);
            let _through = inside.gate.acquire().await.unwrap();
            answer(&lk::ParticipantInfo::default())
        }
        "GetParticipant" => {
            let asked = lk::RoomParticipantIdentity::decode(body).unwrap();
            let track = |sid: &str, muted| lk::TrackInfo { sid: sid.into(), muted, ..Default::default() };
            let tracks = vec![track("TR_open", false), track("TR_muted", true)];
            answer(&lk::ParticipantInfo { identity: asked.identity, tracks, ..Default::default() })
        }
        "MutePublishedTrack" => {
            let asked = lk::MuteRoomTrackRequest::decode(body).unwrap();
            assert!(asked.muted, "nobody is ever unmuted");
            note(Call::Mute { identity: asked.identity, track: asked.track_sid });
            answer(&lk::MuteRoomTrackResponse::default())
        }
        "RemoveParticipant" => {
            let asked = lk::RoomParticipantIdentity::decode(body).unwrap();
            *inside.revoked_until.lock().unwrap() = asked.revoke_token_ts;
            note(Call::Remove { identity: asked.identity });
            answer(&lk::RemoveParticipantResponse::default())
        }
        "DeleteRoom" => {
            note(Call::Delete { room: lk::DeleteRoomRequest::decode(body).unwrap().room });
            answer(&lk::DeleteRoomResponse::default())
        }
        "CreateRoom" => answer(&lk::Room::default()),
        "ListParticipants" => {
            let participants = inside.listed.lock().unwrap().clone();
            answer(&lk::ListParticipantsResponse { participants })
        }
        other => panic!("{other} was not expected"),
    }
}

fn answer(message: &impl Message) -> Response {
    ([(header::CONTENT_TYPE, "application/protobuf")], message.encode_to_vec()).into_response()
}

fn refuse(code: &str) -> Response {
    let status = if code == "not_found" { StatusCode::NOT_FOUND } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(serde_json::json!({ "code": code, "msg": "as told" }))).into_response()
}
