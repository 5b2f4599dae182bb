//! RoomService over HTTP (Twirp): what the house asks, as protobuf or JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use livekit_protocol as proto;
use livekit_token::VideoGrants;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::core::{Command, Refusal, Reply, RoomOptions};
use crate::media_thread::Request;
use crate::sfu::{MediaEnded, MediaLink};
use crate::signal::{bearer, cors};

/// One request body, as on a stock server.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

pub(crate) fn router(link: MediaLink) -> Router {
    Router::new()
        .route("/twirp/livekit.RoomService/{method}", post(serve))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(cors())
        .with_state(link)
}

/// A Twirp error: code, HTTP status, text.
#[derive(Debug)]
struct TwirpError {
    status: StatusCode,
    code: &'static str,
    text: String,
}

impl TwirpError {
    fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into() }
    }

    /// A missing permission is reported like a missing token: that is what clients know.
    fn unauthenticated() -> Self {
        let status = StatusCode::UNAUTHORIZED;
        Self::new(status, "unauthenticated", "permissions denied")
    }

    fn malformed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", text)
    }
}

impl From<MediaEnded> for TwirpError {
    fn from(_: MediaEnded) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "the media server has ended")
    }
}

impl From<Refusal> for TwirpError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NotFound(_) => StatusCode::NOT_FOUND,
            Refusal::InvalidArgument(_) => StatusCode::BAD_REQUEST,
            Refusal::RemoteUnmute => StatusCode::PRECONDITION_FAILED,
            Refusal::TokenRevoked => StatusCode::UNAUTHORIZED,
            Refusal::RoomFull => StatusCode::TOO_MANY_REQUESTS,
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "code": self.code, "msg": self.text });
        (self.status, axum::Json(body)).into_response()
    }
}

/// How a body is written; the answer is written the same way.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, TwirpError> {
        let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match value.split(';').next().unwrap_or_default().trim() {
            "application/protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            _ => Err(TwirpError::new(
                StatusCode::NOT_FOUND,
                "bad_route",
                "content type must be application/json or application/protobuf",
            )),
        }
    }

    fn read<T: Message + Default + DeserializeOwned>(self, body: &Bytes) -> Result<T, TwirpError> {
        match self {
            Self::Protobuf => T::decode(body.as_ref()).map_err(|error| TwirpError::malformed(error.to_string())),
            Self::Json => serde_json::from_slice(body).map_err(|error| TwirpError::malformed(error.to_string())),
        }
    }

    fn write<T: Message + Serialize>(self, message: &T) -> Response {
        match self {
            Self::Protobuf => {
                let kind = [(header::CONTENT_TYPE, "application/protobuf")];
                (kind, message.encode_to_vec()).into_response()
            }
            Self::Json => axum::Json(message).into_response(),
        }
    }
}

/// What a token must allow for a method.
enum Needs<'a> {
    Create,
    List,
    Admin(&'a str),
}

impl Needs<'_> {
    fn met_by(&self, grants: &VideoGrants) -> bool {
        match self {
            Self::Create => grants.room_create,
            Self::List => grants.room_list,
            Self::Admin(room) => grants.room_admin && grants.room == *room && !room.is_empty(),
        }
    }
}

/// A request on its way: who asks, how it is written, what it says.
struct Call<'a> {
    link: &'a MediaLink,
    grants: VideoGrants,
    /// `nbf` of the caller's token, in seconds: the place of the call in the order of tokens and decisions.
    issued: i64,
    encoding: Encoding,
    body: &'a Bytes,
}

impl Call<'_> {
    fn read<T: Message + Default + DeserializeOwned>(&self) -> Result<T, TwirpError> {
        self.encoding.read(self.body)
    }

    async fn command(&self, needs: Needs<'_>, command: Command) -> Result<Reply, TwirpError> {
        if !needs.met_by(&self.grants) {
            return Err(TwirpError::unauthenticated());
        }
        let ask = |reply| Request::Command { command, reply };
        Ok(self.link.ask(ask).await??)
    }

    fn answer(&self, reply: Reply, empty: impl FnOnce(Encoding) -> Response) -> Response {
        match reply {
            Reply::Done => empty(self.encoding),
            Reply::Room(room) => self.encoding.write(&*room),
            Reply::Rooms(rooms) => self.encoding.write(&proto::ListRoomsResponse { rooms }),
            Reply::Participant(info) => self.encoding.write(&*info),
            Reply::Participants(participants) => self.encoding.write(&proto::ListParticipantsResponse { participants }),
            Reply::Track(info) => self.encoding.write(&proto::MuteRoomTrackResponse { track: Some(*info) }),
        }
    }
}

async fn serve(
    State(link): State<MediaLink>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TwirpError> {
    let encoding = Encoding::of(&headers)?;
    let claims =
        link.tokens.verify(&bearer(&headers).unwrap_or_default()).map_err(|_| TwirpError::unauthenticated())?;
    let issued = i64::try_from(claims.nbf).unwrap_or(i64::MAX);
    let call = Call { link: &link, grants: claims.video, issued, encoding, body: &body };
    match method.as_str() {
        "CreateRoom" => create_room(&call).await,
        "ListRooms" => list_rooms(&call).await,
        "DeleteRoom" => delete_room(&call).await,
        "ListParticipants" => list_participants(&call).await,
        "GetParticipant" => get_participant(&call).await,
        "RemoveParticipant" => remove_participant(&call).await,
        "MutePublishedTrack" => mute_track(&call).await,
        "UpdateParticipant" => update_participant(&call).await,
        "UpdateSubscriptions" => update_subscriptions(&call).await,
        "SendData" => send_data(&call).await,
        "UpdateRoomMetadata" => update_room_metadata(&call).await,
        _ => Err(TwirpError::new(StatusCode::NOT_FOUND, "bad_route", "no such method")),
    }
}

async fn create_room(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::CreateRoomRequest = call.read()?;
    let command = Command::CreateRoom {
        name: request.name,
        options: RoomOptions {
            empty_timeout: request.empty_timeout,
            departure_timeout: request.departure_timeout,
            max_participants: request.max_participants,
            metadata: request.metadata,
        },
    };
    let reply = call.command(Needs::Create, command).await?;
    Ok(call.answer(reply, nothing::<proto::Room>))
}

async fn list_rooms(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::ListRoomsRequest = call.read()?;
    let command = Command::ListRooms { names: request.names };
    let reply = call.command(Needs::List, command).await?;
    Ok(call.answer(reply, nothing::<proto::ListRoomsResponse>))
}

async fn delete_room(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::DeleteRoomRequest = call.read()?;
    let command = Command::DeleteRoom { room: request.room };
    let reply = call.command(Needs::Create, command).await?;
    Ok(call.answer(reply, nothing::<proto::DeleteRoomResponse>))
}

async fn list_participants(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::ListParticipantsRequest = call.read()?;
    let room = request.room;
    let command = Command::ListParticipants { room: room.clone() };
    let reply = call.command(Needs::Admin(&room), command).await?;
    Ok(call.answer(reply, nothing::<proto::ListParticipantsResponse>))
}

async fn get_participant(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::RoomParticipantIdentity = call.read()?;
    let room = request.room;
    let command = Command::GetParticipant { room: room.clone(), identity: request.identity };
    let reply = call.command(Needs::Admin(&room), command).await?;
    Ok(call.answer(reply, nothing::<proto::ParticipantInfo>))
}

async fn remove_participant(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::RoomParticipantIdentity = call.read()?;
    let room = request.room;
    let command = Command::RemoveParticipant {
        room: room.clone(),
        identity: request.identity,
        revoke_until: request.revoke_token_ts,
    };
    let reply = call.command(Needs::Admin(&room), command).await?;
    Ok(call.answer(reply, nothing::<proto::RemoveParticipantResponse>))
}

async fn mute_track(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::MuteRoomTrackRequest = call.read()?;
    let room = request.room;
    let command = Command::MuteTrack {
        room: room.clone(),
        identity: request.identity,
        track_sid: request.track_sid,
        muted: request.muted,
    };
    let reply = call.command(Needs::Admin(&room), command).await?;
    Ok(call.answer(reply, nothing::<proto::MuteRoomTrackResponse>))
}

async fn update_participant(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateParticipantRequest = call.read()?;
    let room = request.room;
    let command = Command::UpdateParticipant {
        room: room.clone(),
        identity: request.identity,
        permission: request.permission,
        decided_at: call.issued.max(unix_seconds()),
        name: request.name,
        metadata: request.metadata,
        attributes: request.attributes,
    };
    let reply = call.command(Needs::Admin(&room), command).await?;
    Ok(call.answer(reply, nothing::<proto::ParticipantInfo>))
}

async fn update_subscriptions(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateSubscriptionsRequest = call.read()?;
    let room = request.room;
    let of_participants = request.participant_tracks.into_iter();
    let mut track_sids = request.track_sids;
    track_sids.extend(of_participants.flat_map(|tracks| tracks.track_sids));
    let command = Command::UpdateSubscriptions {
        room: room.clone(),
        identity: request.identity,
        track_sids,
        subscribe: request.subscribe,
    };
    let reply = call.command(Needs::Admin(&room), command).await?;
    Ok(call.answer(reply, nothing::<proto::UpdateSubscriptionsResponse>))
}

async fn send_data(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::SendDataRequest = call.read()?;
    let room = request.room.clone();
    let command = Command::SendData(Box::new(request));
    let reply = call.command(Needs::Admin(&room), command).await?;
    Ok(call.answer(reply, nothing::<proto::SendDataResponse>))
}

async fn update_room_metadata(call: &Call<'_>) -> Result<Response, TwirpError> {
    let request: proto::UpdateRoomMetadataRequest = call.read()?;
    let room = request.room;
    let command = Command::UpdateRoomMetadata { room: room.clone(), metadata: request.metadata };
    let reply = call.command(Needs::Admin(&room), command).await?;
    Ok(call.answer(reply, nothing::<proto::Room>))
}

/// A caller's token can be hours old; what it asks for is decided now.
fn unix_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// The empty message of a kind.
fn nothing<T: Message + Serialize + Default>(encoding: Encoding) -> Response {
    encoding.write(&T::default())
}
