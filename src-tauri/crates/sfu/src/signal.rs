//! Signalling over WebSocket, LiveKit's "v0": `/rtc`, and the checks in front of it.

use std::collections::HashMap;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message as Frame, WebSocketUpgrade};
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use livekit_protocol::{SignalRequest, SignalResponse};
use livekit_token::Claims;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower_http::cors::{Any, CorsLayer};
use tracing::debug;

use crate::core::{ConnectionId, Detour, Join, Refusal, Resume};
use crate::media_thread::{Admission, Request, SIGNALS_WAITING};
use crate::sfu::{MediaEnded, MediaLink};
use crate::token::{self, TokenRefusal};

/// One signalling message, as on a stock server.
const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// What is read at once, and what is written at once, in bytes: each client keeps as much as long as it is here, and
/// says little after its join. The WebSocket's own default is 128 KiB.
const BUFFER_BYTES: usize = 4 * 1024;

/// How often we ping on the WebSocket level, as a stock server does.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// A connection on which nothing comes for so long, not even an answer to a ping, is dead. Quiet ones are not:
/// LiveKit's Go SDK sends nothing by itself.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// One message may take so long to leave. A client that does not read is not waited for.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// How long what was said last may take to leave before the socket is closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Messages a client may send in one second. A join with its candidates takes some tens.
const MESSAGES_PER_SECOND: u32 = 200;

/// Browsers may come from anywhere: the token is what admits.
pub(crate) fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any).max_age(Duration::from_secs(86_400))
}

/// Routes under `/rtc`. A doubled slash is what users type who end the address with one.
pub(crate) fn router(link: MediaLink) -> Router {
    Router::new()
        .route("/rtc", get(open))
        .route("//rtc", get(open))
        .route("/rtc/validate", get(validate))
        .route("//rtc/validate", get(validate))
        // One-connection signalling is not there: clients fall back when they read 404.
        .route("/rtc/v1", get(not_found))
        .route("/rtc/v1/validate", get(not_found))
        .layer(cors())
        .with_state(link)
}

/// Why a client is not let in.
enum Rejection {
    Token(TokenRefusal),
    Core(Refusal),
    BadQuery(&'static str),
    NoUpgrade,
    Ended,
}

impl From<MediaEnded> for Rejection {
    fn from(_: MediaEnded) -> Self {
        Self::Ended
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Token(refusal) => (StatusCode::UNAUTHORIZED, refusal.to_string()),
            Self::Core(Refusal::TokenRevoked) => (StatusCode::UNAUTHORIZED, "token has been revoked".to_owned()),
            // This very phrase: without it clients take 404 for a server without this path.
            Self::Core(refusal @ Refusal::NotFound(_)) => (StatusCode::NOT_FOUND, refusal.to_string()),
            Self::Core(Refusal::RoomFull) => (StatusCode::TOO_MANY_REQUESTS, "room is full".to_owned()),
            Self::Core(refusal) => (StatusCode::BAD_REQUEST, refusal.to_string()),
            Self::BadQuery(what) => (StatusCode::BAD_REQUEST, what.to_owned()),
            Self::NoUpgrade => (StatusCode::NOT_FOUND, "not found".to_owned()),
            Self::Ended => (StatusCode::SERVICE_UNAVAILABLE, "the media server has ended".to_owned()),
        };
        (status, text).into_response()
    }
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not found").into_response()
}

/// The same checks as for the WebSocket, for clients whose socket failed and who want to know why.
async fn validate(
    State(link): State<MediaLink>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<&'static str, Rejection> {
    if let Admission::Join(join) = admission(&link, &query, &headers, None)? {
        link.ask(|reply| Request::Check { join, reply }).await?.map_err(Rejection::Core)?;
    }
    Ok("success")
}

async fn open(
    State(link): State<MediaLink>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    detour: Option<Extension<Detour>>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Rejection> {
    let upgrade = upgrade.map_err(|_| Rejection::NoUpgrade)?;
    let detour = detour.map(|Extension(detour)| detour);
    let admission = admission(&link, &query, &headers, detour)?;
    // Everything is decided before the upgrade, and nothing is said on the socket before `join`.
    let (outlet, responses) = mpsc::channel(SIGNALS_WAITING);
    let connection = link.ask(|reply| Request::Connect { admission, outlet, reply }).await?.map_err(Rejection::Core)?;
    let guard = ConnectionGuard { connection, link };
    let upgrade = upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES).on_upgrade(move |socket| {
        let (sender, receiver) = socket.split();
        converse(sender, receiver, guard, responses)
    }))
}

/// Tells the media thread that a connection is gone, however it went.
struct ConnectionGuard {
    connection: ConnectionId,
    link: MediaLink,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.link.send_detached(Request::SignalLost(self.connection));
    }
}

/// How a client writes: binary protobuf, or the JSON form of it. It is answered in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Binary,
    Json,
}

async fn converse<E>(
    mut sender: impl Sink<Frame> + Unpin,
    mut receiver: impl Stream<Item = Result<Frame, E>> + Unpin,
    guard: ConnectionGuard,
    mut responses: mpsc::Receiver<SignalResponse>,
) {
    let mut encoding = Encoding::Binary;
    let mut pings = tokio::time::interval(PING_INTERVAL);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut messages = 0;
    let mut heard = Instant::now();
    loop {
        let going_on = tokio::select! {
            response = responses.recv() => match response.map(|response| frame_of(&response, encoding)) {
                Some(Some(frame)) => send(&mut sender, frame).await,
                Some(None) => true,
                None => false,
            },
            frame = receiver.next() => {
                heard = Instant::now();
                match frame.and_then(Result::ok).and_then(read) {
                    Some(Heard::Request(..)) if messages == MESSAGES_PER_SECOND => false,
                    Some(Heard::Request(request, used)) => {
                        messages += 1;
                        encoding = used;
                        guard.link.send(Request::Signal(guard.connection, request)).await.is_ok()
                    }
                    Some(Heard::Life) => true,
                    None => false,
                }
            }
            _ = seconds.tick() => {
                messages = 0;
                true
            }
            _ = pings.tick() => {
                heard.elapsed() < MAX_SILENCE && send(&mut sender, Frame::Ping(Default::default())).await
            }
        };
        if !going_on {
            break;
        }
    }
    // A close frame after the last word; whoever does not take it is left alone.
    let _ = tokio::time::timeout(CLOSE_PATIENCE, sender.close()).await;
}

/// False: the client does not read, or the connection is gone.
async fn send(sender: &mut (impl Sink<Frame> + Unpin), frame: Frame) -> bool {
    tokio::time::timeout(SEND_LIMIT, sender.send(frame)).await.is_ok_and(|sent| sent.is_ok())
}

/// `None`: it has no form in this encoding.
fn frame_of(response: &SignalResponse, encoding: Encoding) -> Option<Frame> {
    match encoding {
        Encoding::Binary => Some(Frame::Binary(response.encode_to_vec().into())),
        Encoding::Json => match serde_json::to_string(response) {
            Ok(text) => Some(Frame::Text(text.into())),
            Err(error) => {
                debug!(%error, "response has no JSON form");
                None
            }
        },
    }
}

/// What a frame says.
enum Heard {
    Request(Box<SignalRequest>, Encoding),
    /// The far end is there; nothing more.
    Life,
}

/// `None`: the client closes, or speaks nonsense.
fn read(frame: Frame) -> Option<Heard> {
    match frame {
        Frame::Binary(bytes) => {
            let request = SignalRequest::decode(bytes.as_ref()).ok()?;
            Some(Heard::Request(Box::new(request), Encoding::Binary))
        }
        Frame::Text(text) => Some(Heard::Request(serde_json::from_str(text.as_str()).ok()?, Encoding::Json)),
        Frame::Ping(_) | Frame::Pong(_) => Some(Heard::Life),
        Frame::Close(_) => None,
    }
}

/// Reads token and query. Unknown parameters are ignored.
fn admission(
    link: &MediaLink,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    detour: Option<Detour>,
) -> Result<Admission, Rejection> {
    let claims = link.tokens.verify(&token_of(query, headers)).map_err(Rejection::Token)?;
    if !claims.video.room_join {
        return Err(Rejection::Token(TokenRefusal::Permission));
    }
    if claims.sub.is_empty() {
        return Err(Rejection::BadQuery("identity is missing"));
    }
    if claims.video.room.is_empty() {
        return Err(Rejection::BadQuery("room name is missing"));
    }
    if flag(query, "reconnect", false) {
        return Ok(Admission::Resume(Resume {
            room: claims.video.room,
            identity: claims.sub,
            sid: query.get("sid").cloned().unwrap_or_default(),
            detour,
        }));
    }
    join(query, claims, detour).map(|join| Admission::Join(Box::new(join)))
}

fn join(query: &HashMap<String, String>, claims: Claims, detour: Option<Detour>) -> Result<Join, Rejection> {
    let permission = token::permission(&claims.video);
    let mut attributes = claims.attributes;
    if let Some(given) = query.get("attributes").filter(|text| !text.is_empty()) {
        if !permission.can_update_metadata {
            return Err(Rejection::Token(TokenRefusal::Permission));
        }
        let given = attributes_of(given).ok_or(Rejection::BadQuery("attributes do not decode"))?;
        attributes.extend(given.into_iter().filter(|(_, value)| !value.is_empty()));
    }
    let is_safari = query.get("browser").is_some_and(|browser| browser.to_ascii_lowercase().contains("safari"));
    Ok(Join {
        room: claims.video.room,
        identity: claims.sub,
        name: claims.name,
        metadata: claims.metadata,
        attributes,
        permission,
        issued: i64::try_from(claims.nbf).unwrap_or(i64::MAX),
        kind: token::kind(&claims.kind),
        protocol: query.get("protocol").and_then(|number| number.parse().ok()).unwrap_or_default(),
        auto_subscribe: flag(query, "auto_subscribe", true),
        reuses_sections: !is_safari,
        detour,
    })
}

/// Header for programs, query for browsers, which cannot set headers on a WebSocket.
fn token_of(query: &HashMap<String, String>, headers: &HeaderMap) -> String {
    bearer(headers).or_else(|| query.get("access_token").cloned()).unwrap_or_default()
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

fn flag(query: &HashMap<String, String>, name: &str, default: bool) -> bool {
    match query.get(name).map(String::as_str) {
        Some("1" | "true") => true,
        Some("0" | "false") => false,
        _ => default,
    }
}

/// base64url of a JSON object, padded or not.
fn attributes_of(text: &str) -> Option<HashMap<String, String>> {
    let bytes = BASE64_URL_SAFE.decode(text).or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(text)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::convert::Infallible;

    use futures_util::{sink, stream};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::token::Tokens;

    /// A client at the other end of a conversation; simulated time only.
    struct FarEnd {
        /// What the server says; a full queue is a client that does not read.
        heard: mpsc::Receiver<Frame>,
        says: mpsc::Sender<Frame>,
        responses: mpsc::Sender<SignalResponse>,
        requests: mpsc::Receiver<Request>,
        _media: mpsc::Sender<Request>,
        conversation: JoinHandle<()>,
    }

    fn connect() -> FarEnd {
        let (media, requests) = mpsc::channel(64);
        let tokens = Tokens::new("house".into(), "0123456789abcdef0123456789abcdef".into()).unwrap();
        let link = MediaLink::new(media.downgrade(), tokens);
        let guard = ConnectionGuard { connection: ConnectionId(1), link };
        let (to_client, heard) = mpsc::channel(1);
        let (says, from_client) = mpsc::channel(1);
        let (responses, inbox) = mpsc::channel(SIGNALS_WAITING);
        let sender = sink::unfold(to_client, |to_client: mpsc::Sender<Frame>, frame| async move {
            to_client.send(frame).await.map(|()| to_client)
        });
        let receiver = stream::unfold(from_client, |mut from_client: mpsc::Receiver<Frame>| async move {
            let frame = from_client.recv().await?;
            Some((Ok::<_, Infallible>(frame), from_client))
        });
        let conversation = tokio::spawn(converse(Box::pin(sender), Box::pin(receiver), guard, inbox));
        FarEnd { heard, says, responses, requests, _media: media, conversation }
    }

    /// LiveKit's Go SDK sends no signalling pings: such clients were once cut off every 20 s.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_only_answers_pings_stays() {
        let mut client = connect();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(600) {
            let Some(Frame::Ping(data)) = client.heard.recv().await else { panic!("cut off") };
            client.says.send(Frame::Pong(data)).await.unwrap();
        }
        assert!(!client.conversation.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_comes_back_is_ended_after_a_minute() {
        let mut client = connect();
        let began = Instant::now();
        while client.heard.recv().await.is_some() {}
        assert!((MAX_SILENCE..MAX_SILENCE + PING_INTERVAL).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert!(matches!(client.requests.recv().await, Some(Request::SignalLost(ConnectionId(1)))));
    }

    /// It was once waited for until TCP gave up, a quarter of an hour later.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_let_go_after_ten_seconds() {
        let mut client = connect();
        let began = Instant::now();
        // The first fills what is between us; pings meet the same.
        (0..8).for_each(|_| client.responses.try_send(SignalResponse::default()).unwrap());
        assert!(matches!(client.requests.recv().await, Some(Request::SignalLost(ConnectionId(1)))));
        assert!(began.elapsed() <= SEND_LIMIT + CLOSE_PATIENCE, "{:?}", began.elapsed());
    }
}
