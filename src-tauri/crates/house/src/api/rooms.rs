//! Rooms: cards, starting, joining, commands.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serambi_protocol::{
    Code, Command, Refusal,
    api::{JoinRoom, Joined, MediaGrant, RoomCard, StartRoom},
};

use super::{
    ApiState, Refused, door,
    extract::{Anonymous, Authenticated, Confidential, InRoom, JsonBody, Sender},
};

/// All open rooms, as they can be seen from outside.
#[utoipa::path(get, path = "/api/v1/rooms", responses((status = 200, body = Vec<RoomCard>)))]
pub async fn list(State(state): State<Arc<ApiState>>, _: Anonymous) -> Json<Vec<Arc<RoomCard>>> {
    Json(state.rooms.cards())
}

/// One room, as it can be seen from outside.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{room}",
    params(("room" = String, Path)),
    responses((status = 200, body = RoomCard))
)]
pub async fn look(
    State(state): State<Arc<ApiState>>,
    _: Anonymous,
    InRoom(room): InRoom,
) -> Result<Json<Arc<RoomCard>>, Refused> {
    Ok(Json(state.rooms.card(&room)?))
}

/// Starts a room; the caller is its host, alone on stage, muted.
#[utoipa::path(
    post,
    path = "/api/v1/rooms",
    request_body = Option<StartRoom>,
    responses(
        (status = 200, body = Joined),
        (status = 409, body = Refusal, description = "`on_stage_elsewhere`, `too_many_rooms`")
    ),
    security(("session" = []))
)]
pub async fn start(
    State(state): State<Arc<ApiState>>,
    Sender(peer): Sender,
    Confidential(session): Confidential,
    JsonBody(request): JsonBody<StartRoom>,
) -> Result<Json<Joined>, Refused> {
    state.limits.start(peer, &session.person)?;
    Ok(Json(state.rooms.start(session, &request).await?))
}

/// Comes into a room, usually as a listener. Joining again gives the same seat to the session that asks.
#[utoipa::path(
    post,
    path = "/api/v1/rooms/{room}/join",
    params(("room" = String, Path)),
    request_body = Option<JoinRoom>,
    responses((status = 200, body = Joined), (status = 409, body = Refusal, description = "`on_stage_elsewhere`")),
    security(("session" = []))
)]
pub async fn join(
    State(state): State<Arc<ApiState>>,
    Sender(peer): Sender,
    Authenticated(session): Authenticated,
    InRoom(room): InRoom,
    JsonBody(request): JsonBody<JoinRoom>,
) -> Result<Json<Joined>, Refused> {
    state.limits.join(peer, &session.person)?;
    Ok(Json(state.rooms.join(session, &room, &request).await?))
}

/// A fresh grant for the room's media, after the media connection was lost for good.
#[utoipa::path(
    post,
    path = "/api/v1/rooms/{room}/media",
    params(("room" = String, Path)),
    responses((status = 200, body = MediaGrant), (status = 409, body = Refusal, description = "`not_in_room`")),
    security(("session" = []))
)]
pub async fn media(
    State(state): State<Arc<ApiState>>,
    Authenticated(session): Authenticated,
    InRoom(room): InRoom,
) -> Result<Json<MediaGrant>, Refused> {
    Ok(Json(state.rooms.grant(session, &room).await?))
}

/// One command of one person. 204: carried out. One that leads on stage is answered when voice may be sent.
#[utoipa::path(
    post,
    path = "/api/v1/rooms/{room}/commands",
    params(("room" = String, Path)),
    request_body = Command,
    responses(
        (status = 204, description = "Carried out"),
        (status = 409, body = Refusal, description = "`not_in_room`, or what stands in the way inside the room"),
        (status = 503, body = Refusal, description = "`media_failed`: the media server did not let the voice in")
    ),
    security(("session" = []))
)]
pub async fn command(
    State(state): State<Arc<ApiState>>,
    Authenticated(session): Authenticated,
    InRoom(room): InRoom,
    JsonBody(command): JsonBody<Command>,
) -> Result<StatusCode, Refused> {
    if !session.is_confidential && !is_for_guests(&command) {
        return Err(Code::NotSecure.into());
    }
    match command {
        Command::Ping { person } => door::ping(&state, session, &room, person).await?,
        command => state.rooms.command(session, &room, command).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What whoever has read a session's key on its way may do with it: see [`crate::network::Transport`].
const fn is_for_guests(command: &Command) -> bool {
    matches!(command, Command::LowerHand | Command::DeclineInvitation | Command::Leave)
}

/// What the embedded media server counted in this room, packets refused included. For the host. An empty object while
/// nobody has sent or received sound, and if another media server carries it.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{room}/statistics",
    params(("room" = String, Path)),
    responses(
        (status = 200, body = std::collections::BTreeMap<String, serde_json::Value>),
        (status = 409, body = Refusal, description = "`not_in_room`")
    ),
    security(("session" = []))
)]
pub async fn statistics(
    State(state): State<Arc<ApiState>>,
    Confidential(session): Confidential,
    InRoom(room): InRoom,
) -> Result<Json<serde_json::Value>, Refused> {
    state.rooms.check_host(session, &room).await?;
    let counted = match &state.embedded {
        Some(embedded) => embedded.statistics(&room).await?,
        None => None,
    };
    Ok(Json(counted.unwrap_or_else(|| serde_json::json!({}))))
}
