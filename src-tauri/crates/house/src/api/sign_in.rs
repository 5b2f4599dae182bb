//! What a house is, and signing in.

use std::sync::Arc;

use axum::{Json, extract::State};
use serambi_protocol::{
    Refusal,
    api::{Challenge, ChallengeAsked, HouseInfo, Session, SignIn},
};

use super::{
    ApiState, Refused,
    extract::{Anonymous, JsonBody},
};

/// What this house is. Anybody may ask.
#[utoipa::path(get, path = "/api/v1/house", responses((status = 200, body = HouseInfo)))]
pub async fn house(State(state): State<Arc<ApiState>>) -> Result<Json<HouseInfo>, Refused> {
    let rooms = state.porch.cards().await?.len();
    Ok(Json(HouseInfo {
        pin: state.pin.clone(),
        name: state.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        rooms: u32::try_from(rooms).unwrap_or(u32::MAX),
    }))
}

/// Something to sign, within 30 seconds, once.
#[utoipa::path(
    post,
    path = "/api/v1/challenge",
    request_body = ChallengeAsked,
    responses((status = 200, body = Challenge), (status = "default", body = Refusal))
)]
pub async fn challenge(
    State(state): State<Arc<ApiState>>,
    _: Anonymous,
    JsonBody(asked): JsonBody<ChallengeAsked>,
) -> Json<Challenge> {
    Json(state.authenticator.challenge(asked.person))
}

/// A session for whoever signed the challenge. Its key goes into `Authorization: Bearer` of what follows.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    request_body = SignIn,
    responses((status = 200, body = Session), (status = "default", body = Refusal))
)]
pub async fn sign_in(
    State(state): State<Arc<ApiState>>,
    _: Anonymous,
    JsonBody(answer): JsonBody<SignIn>,
) -> Result<Json<Session>, Refused> {
    Ok(Json(state.authenticator.sign_in(&answer)?))
}
