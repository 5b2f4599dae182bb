//! What a house is, and signing in.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serambi_protocol::{
    Code, Refusal,
    api::{Challenge, ChallengeAsked, HouseInfo, Session, SignIn, TakeKeys},
};

use super::{
    ApiState, Refused,
    extract::{Anonymous, Confidential, JsonBody, Sender, Travelled},
};

/// What this house can do that not every house can; a client asks for nothing that is not in it.
const FEATURES: [&str; 3] = ["door", "measurements", "topics"];

/// What this house is. Anybody may ask.
#[utoipa::path(get, path = "/api/v1/house", responses((status = 200, body = HouseInfo)))]
pub async fn house(State(state): State<Arc<ApiState>>, _: Anonymous) -> Result<Json<HouseInfo>, Refused> {
    let rooms = state.rooms.len();
    Ok(Json(HouseInfo {
        pin: state.pin.clone(),
        name: state.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        features: FEATURES.map(Into::into).into(),
        rooms: u32::try_from(rooms).unwrap_or(u32::MAX),
        domain: state.reached.certified_name().map(ToString::to_string),
    }))
}

/// Something to sign, within 30 seconds, once.
#[utoipa::path(
    post,
    path = "/api/v1/challenge",
    request_body = ChallengeAsked,
    responses((status = 200, body = Challenge))
)]
pub async fn challenge(
    State(state): State<Arc<ApiState>>,
    _: Anonymous,
    JsonBody(asked): JsonBody<ChallengeAsked>,
) -> Json<Challenge> {
    Json(state.authenticator.challenge(asked.person))
}

/// A session for whoever signed the challenge. Its key goes into `Authorization: Bearer` of what follows. It ends when
/// it was not used for ten minutes by somebody who is in no room and has no channel open.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    request_body = SignIn,
    responses(
        (status = 200, body = Session),
        (status = 401, body = Refusal, description = "`challenge_expired`, `signature_wrong`")
    )
)]
pub async fn sign_in(
    State(state): State<Arc<ApiState>>,
    Sender(peer): Sender,
    Travelled(transport): Travelled,
    JsonBody(answer): JsonBody<SignIn>,
) -> Result<Json<Session>, Refused> {
    state.limits.sign_in(peer)?;
    Ok(Json(state.authenticator.sign_in(&answer, transport.is_confidential())?))
}

/// Takes the keys of this house with the code of a keeper's link, which is used up.
#[utoipa::path(
    post,
    path = "/api/v1/keeper",
    request_body = TakeKeys,
    responses((status = 204), (status = "default", body = Refusal)),
    security(("session" = []))
)]
pub async fn take_keys(
    State(state): State<Arc<ApiState>>,
    Confidential(session): Confidential,
    JsonBody(request): JsonBody<TakeKeys>,
) -> Result<StatusCode, Refused> {
    let taken = state.people.take_keys(&request.code, session.person, state.clock.unix_ms()).await;
    match taken.map_err(|error| Refusal::new(Code::StorageFailed, error.to_string()))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::new(Code::NotAllowed, "no such keeper's link").into()),
    }
}
