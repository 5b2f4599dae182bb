//! Rooms: cards, starting, joining, commands.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serambi_protocol::{
    Code, Command, Refusal,
    api::{JoinRoom, Joined, MediaGrant, RoomCard, StartRoom},
};

use super::{
    ApiState, Refused,
    extract::{Authenticated, InRoom, JsonBody},
};

/// All open rooms, as they can be seen from outside.
#[utoipa::path(get, path = "/api/v1/rooms", responses((status = 200, body = Vec<RoomCard>)))]
pub async fn list(State(state): State<Arc<ApiState>>) -> Json<Vec<Arc<RoomCard>>> {
    Json(state.rooms.cards())
}

/// One room, as it can be seen from outside. `room_ended` if it was and is no more.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{room}",
    params(("room" = String, Path, description = "The room's id, ten characters")),
    responses((status = 200, body = RoomCard), (status = "default", body = Refusal))
)]
pub async fn look(State(state): State<Arc<ApiState>>, InRoom(room): InRoom) -> Result<Json<Arc<RoomCard>>, Refused> {
    Ok(Json(state.rooms.card(&room)?))
}

/// Starts a room; the caller is its host, alone on stage, muted.
#[utoipa::path(
    post,
    path = "/api/v1/rooms",
    request_body = StartRoom,
    responses((status = 200, body = Joined), (status = "default", body = Refusal)),
    security(("session" = []))
)]
pub async fn start(
    State(state): State<Arc<ApiState>>,
    Authenticated(session): Authenticated,
    JsonBody(request): JsonBody<StartRoom>,
) -> Result<Json<Joined>, Refused> {
    Ok(Json(state.rooms.start(session, &request).await?))
}

/// Comes into a room, usually as a listener. Joining again gives the same seat to the session that asks.
#[utoipa::path(
    post,
    path = "/api/v1/rooms/{room}/join",
    params(("room" = String, Path, description = "The room's id, ten characters")),
    request_body = JoinRoom,
    responses((status = 200, body = Joined), (status = "default", body = Refusal)),
    security(("session" = []))
)]
pub async fn join(
    State(state): State<Arc<ApiState>>,
    Authenticated(session): Authenticated,
    InRoom(room): InRoom,
    JsonBody(request): JsonBody<JoinRoom>,
) -> Result<Json<Joined>, Refused> {
    Ok(Json(state.rooms.join(session, &room, &request).await?))
}

/// A fresh grant for the room's media, after the media connection was lost for good.
#[utoipa::path(
    post,
    path = "/api/v1/rooms/{room}/media",
    params(("room" = String, Path, description = "The room's id, ten characters")),
    responses((status = 200, body = MediaGrant), (status = "default", body = Refusal)),
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
    params(("room" = String, Path, description = "The room's id, ten characters")),
    request_body = Command,
    responses((status = 204), (status = "default", body = Refusal)),
    security(("session" = []))
)]
pub async fn command(
    State(state): State<Arc<ApiState>>,
    Authenticated(session): Authenticated,
    InRoom(room): InRoom,
    JsonBody(command): JsonBody<Command>,
) -> Result<StatusCode, Refused> {
    state.rooms.command(session, &room, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the embedded media server counted in this room, packets refused included. For the host.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{room}/statistics",
    params(("room" = String, Path, description = "The room's id, ten characters")),
    responses((status = 200, body = serde_json::Value), (status = "default", body = Refusal)),
    security(("session" = []))
)]
pub async fn statistics(
    State(state): State<Arc<ApiState>>,
    Authenticated(session): Authenticated,
    InRoom(room): InRoom,
) -> Result<Json<serde_json::Value>, Refused> {
    state.rooms.check_host(session, &room).await?;
    let unknown = |detail: &str| Refusal::new(Code::MediaFailed, detail);
    let embedded = state.embedded.as_ref().ok_or_else(|| unknown("another program carries the sound"))?;
    let counted = embedded.statistics(&room).await?;
    Ok(Json(counted.ok_or_else(|| unknown("no sound in this room yet"))?))
}
