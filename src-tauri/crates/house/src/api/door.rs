//! The door of a room: who can be called in, calling them, and asking to come in.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomId,
    api::ChannelTell,
    door::{CallablePerson, Called, Knock, Knocked},
};

use super::{
    ApiState, Refused,
    extract::{Authenticated, Confidential, InRoom, JsonBody},
};
use crate::authenticator::Session;

/// Who is around in the house, wants to be called, and is not in this room; at most 200, by name. Where they are is not
/// said. For whoever may call people into the room.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{room}/callable",
    params(("room" = String, Path)),
    responses(
        (status = 200, body = Vec<CallablePerson>),
        (status = 409, body = Refusal, description = "`not_in_room`")
    ),
    security(("session" = []))
)]
pub async fn callable(
    State(state): State<Arc<ApiState>>,
    Confidential(session): Confidential,
    InRoom(room): InRoom,
) -> Result<Json<Vec<CallablePerson>>, Refused> {
    Ok(Json(state.rooms.callable(session, &room, names_of(&state.authenticator.callable_sessions())).await?))
}

/// Asks to come into a locked room, again every two seconds while one waits; whoever has not done so for fifteen
/// seconds waits no longer. `letIn`: the room can be joined now.
#[utoipa::path(
    post,
    path = "/api/v1/rooms/{room}/door",
    params(("room" = String, Path)),
    request_body = Knock,
    responses((status = 200, body = Knocked)),
    security(("session" = []))
)]
pub async fn knock(
    State(state): State<Arc<ApiState>>,
    Authenticated(session): Authenticated,
    InRoom(room): InRoom,
    JsonBody(knock): JsonBody<Knock>,
) -> Result<Json<Knocked>, Refused> {
    Ok(Json(Knocked { door: state.rooms.knock(session, &room, knock.waits).await? }))
}

/// Calls somebody in. That they are not around is said to whoever may call people in, and to nobody else.
pub async fn ping(state: &ApiState, session: Arc<Session>, room: &RoomId, person: PersonId) -> Result<(), Refused> {
    let theirs = state.authenticator.callable_sessions_of(&person);
    let found = state.rooms.callable(session.clone(), room, names_of(&theirs)).await?;
    if found.is_empty() {
        return Err(Code::NotCallable.into());
    }
    let by = session.name.clone();
    state.rooms.command(session, room, Command::Ping { person }).await?;
    state.recent_calls.count(&person)?;
    let called = Called { by, card: (*state.rooms.card(room)?).clone() };
    for session in theirs {
        session.say(ChannelTell::Called(Box::new(called.clone())));
    }
    Ok(())
}

/// Each person once, by the name of the latest sign-in.
fn names_of(sessions: &[Arc<Session>]) -> BTreeMap<PersonId, String> {
    let mut latest: BTreeMap<PersonId, &Session> = BTreeMap::new();
    for session in sessions {
        let kept = latest.entry(session.person).or_insert(session);
        if kept.id < session.id {
            *kept = session;
        }
    }
    latest.into_iter().map(|(person, session)| (person, session.name.clone())).collect()
}
