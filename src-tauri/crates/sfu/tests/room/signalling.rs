//! The signalling door: who is let in over HTTP and WebSocket, and what is said first.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::signal_response::Message as Response;
use livekit_protocol::{LeaveRequest, SignalRequest, SignalResponse, signal_request};
use livekit_token::VideoGrants;
use prost::Message as _;
use serambi_sfu::Sfu;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::ServiceExt;

use crate::service::{start, start_with_room, token};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

fn guest() -> VideoGrants {
    VideoGrants { room_join: true, room: "r".into(), can_publish: Some(false), ..VideoGrants::default() }
}

async fn get(sfu: &Sfu, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = sfu.router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn serve(sfu: &Sfu) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = sfu.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("ws://{address}")
}

async fn next(socket: &mut Socket) -> Option<Response> {
    loop {
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap()?;
        match frame.ok()? {
            Frame::Binary(bytes) => return SignalResponse::decode(bytes.as_ref()).unwrap().message,
            Frame::Text(text) => return serde_json::from_str::<SignalResponse>(&text).unwrap().message,
            Frame::Close(_) => return None,
            _ => {}
        }
    }
}

async fn say(socket: &mut Socket, message: signal_request::Message) {
    let request = SignalRequest { message: Some(message) };
    socket.send(Frame::Binary(request.encode_to_vec().into())).await.unwrap();
}

#[tokio::test]
async fn validate_says_what_the_websocket_would() {
    let sfu = start_with_room();
    let good = token("ani", guest());
    assert_eq!(get(&sfu, &format!("/rtc/validate?access_token={good}")).await, (StatusCode::OK, "success".into()));
    assert_eq!(get(&sfu, &format!("//rtc/validate?access_token={good}")).await.0, StatusCode::OK);
    assert_eq!(get(&sfu, "/rtc/validate").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(&sfu, "/rtc/validate?access_token=x.y.z").await.0, StatusCode::UNAUTHORIZED);
    let no_join = token("ani", VideoGrants { room: "r".into(), ..VideoGrants::default() });
    assert_eq!(get(&sfu, &format!("/rtc/validate?access_token={no_join}")).await.0, StatusCode::UNAUTHORIZED);
}

/// The status and the words of a LiveKit server that does not create rooms by itself.
#[tokio::test]
async fn a_room_that_does_not_exist_is_said_so() {
    let sfu = start();
    let url = serve(&sfu).await;
    let pass = token("ani", guest());
    let expected = (StatusCode::NOT_FOUND, "requested room does not exist".to_owned());
    assert_eq!(get(&sfu, &format!("/rtc/validate?access_token={pass}")).await, expected);
    let Err(Error::Http(response)) = connect_async(format!("{url}/rtc?access_token={pass}")).await else {
        panic!("let in")
    };
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.into_body().as_deref(), Some(expected.1.as_bytes()));
}

#[tokio::test]
async fn one_connection_signalling_is_not_there() {
    let sfu = start_with_room();
    for path in ["/rtc/v1", "/rtc/v1/validate", "/rtc"] {
        let (status, text) = get(&sfu, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        // Clients read this phrase as "v1 is there, the room is not".
        assert!(!text.contains("requested room does not exist"));
    }
}

#[tokio::test]
async fn join_token_and_offer_come_in_this_order_and_leave_ends_it() {
    let sfu = start_with_room();
    let url = serve(&sfu).await;
    let good = token("ani", guest());
    let (mut socket, _) = connect_async(format!("{url}/rtc?access_token={good}&protocol=17")).await.unwrap();
    let Some(Response::Join(join)) = next(&mut socket).await else { panic!("no join") };
    assert_eq!(join.participant.unwrap().identity, "ani");
    let Some(Response::RefreshToken(fresh)) = next(&mut socket).await else { panic!("no token") };
    assert_eq!(get(&sfu, &format!("/rtc/validate?access_token={fresh}")).await.0, StatusCode::OK);
    assert!(matches!(next(&mut socket).await, Some(Response::Offer(_))));
    let numbers = sfu.room_statistics("r").await.unwrap();
    assert!(!numbers.participants["ani"].may_publish);

    say(&mut socket, signal_request::Message::Leave(LeaveRequest::default())).await;
    assert!(next(&mut socket).await.is_none());
    assert!(sfu.room_statistics("r").await.unwrap().participants.is_empty());
}

#[tokio::test]
async fn a_bad_token_is_refused_before_the_upgrade() {
    let sfu = start_with_room();
    let url = serve(&sfu).await;
    let Err(Error::Http(response)) = connect_async(format!("{url}/rtc?access_token=nonsense")).await else {
        panic!("let in")
    };
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_token_may_stand_in_the_header() {
    let sfu = start_with_room();
    let request = Request::get("/rtc/validate")
        .header(header::AUTHORIZATION, format!("Bearer {}", token("ani", guest())))
        .body(Body::empty())
        .unwrap();
    assert_eq!(sfu.router().oneshot(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn whoever_writes_json_is_answered_in_json() {
    let sfu = start_with_room();
    let url = serve(&sfu).await;
    let good = token("ani", guest());
    let (mut socket, _) = connect_async(format!("{url}/rtc?access_token={good}")).await.unwrap();
    let ping = r#"{"pingReq": {"timestamp": "42", "rtt": "0"}}"#;
    socket.send(Frame::Text(ping.into())).await.unwrap();
    loop {
        match tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() {
            Frame::Text(text) => {
                let response: SignalResponse = serde_json::from_str(&text).unwrap();
                if let Some(Response::PongResp(pong)) = response.message {
                    assert_eq!(pong.last_ping_timestamp, 42);
                    return;
                }
            }
            // What was said before the first text.
            Frame::Binary(_) | Frame::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nonsense_closes_the_connection_and_harms_nobody() {
    let sfu = start_with_room();
    let url = serve(&sfu).await;
    for frame in [Frame::Binary(vec![0xff; 64].into()), Frame::Text("{".into()), Frame::Text("[]".into())] {
        let (mut socket, _) = connect_async(format!("{url}/rtc?access_token={}", token("eve", guest()))).await.unwrap();
        socket.send(frame).await.unwrap();
        while next(&mut socket).await.is_some() {}
    }
    let (mut socket, _) = connect_async(format!("{url}/rtc?access_token={}", token("ani", guest()))).await.unwrap();
    assert!(matches!(next(&mut socket).await, Some(Response::Join(_))));
}

#[tokio::test]
async fn a_flood_of_messages_closes_the_connection() {
    let sfu = start_with_room();
    let url = serve(&sfu).await;
    let (mut socket, _) = connect_async(format!("{url}/rtc?access_token={}", token("eve", guest()))).await.unwrap();
    let ping = SignalRequest { message: Some(signal_request::Message::Ping(1)) }.encode_to_vec();
    for _ in 0..20_000 {
        // The server may have hung up already.
        if socket.feed(Frame::Binary(ping.clone().into())).await.is_err() {
            break;
        }
    }
    let _ = socket.flush().await;
    while next(&mut socket).await.is_some() {}
}

#[tokio::test]
async fn a_session_ends_when_the_last_handle_is_dropped() {
    let sfu = start_with_room();
    let url = serve(&sfu).await;
    let (mut socket, _) = connect_async(format!("{url}/rtc?access_token={}", token("ani", guest()))).await.unwrap();
    assert!(matches!(next(&mut socket).await, Some(Response::Join(_))));
    drop(sfu);
    loop {
        match next(&mut socket).await {
            Some(Response::Leave(leave)) => {
                assert_eq!(leave.reason, livekit_protocol::DisconnectReason::ServerShutdown as i32);
            }
            Some(_) => {}
            None => return,
        }
    }
}
