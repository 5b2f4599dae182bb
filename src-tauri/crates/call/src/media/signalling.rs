//! LiveKit's signalling as we use it: its options, its messages, and a WebSocket client that knows pinned houses.
//!
//! `livekit-signaling` has no TLS setting and takes one process-wide WebSocket client, of which the first registration
//! counts. So ours is registered once and picks the pin by the host and port of the address.

use std::{
    collections::HashMap,
    sync::{Arc, Once, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use livekit_net::{
    Header, HttpClient, HttpMethod, HttpResponse, TransportError, WsClient, WsConnectResult, WsConnection,
};
use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, DisconnectReason, LeaveRequest, MuteTrackRequest, SessionDescription,
    SignalTarget, TrackSource, TrackType, TrickleRequest, leave_request, signal_request::Message as Request,
};
use livekit_signaling::SignalOptions;
use parking_lot::Mutex;
use serambi_protocol::Refusal;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::connection::Direction;
use crate::{
    house_client::HouseConnections,
    house_tls,
    websocket::{self, OpenError, WebSocket},
};

/// The newest version that a stock server of today speaks; with 18 reliable messages of others did not arrive.
const PROTOCOL_VERSION: u32 = 17;
/// A connection on which the house has just answered does so again, or leads nowhere any more.
const JUST_USED_LIMIT: Duration = Duration::from_millis(1_500);
/// The house is near or it is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How we present ourselves.
pub(super) fn options() -> SignalOptions {
    let mut options = SignalOptions::default();
    options.single_peer_connection = false;
    options.region_failover = false;
    options.protocol_version = PROTOCOL_VERSION;
    // We strip no packet trailers and speak no stream RPC.
    options.client_capabilities = Vec::new();
    options.client_protocol = 0;
    options.connect_timeout = CONNECT_TIMEOUT;
    options
}

pub(super) fn target(direction: Direction) -> SignalTarget {
    match direction {
        Direction::Publish => SignalTarget::Publisher,
        Direction::Subscribe => SignalTarget::Subscriber,
    }
}

/// Asks for a muted microphone track. Redundancy is inside our Opus packets, so RED is off. Always announced as stereo,
/// which it is while music is sent: a browser decodes to as many channels as it was told of beforehand, and mono then
/// is the same on both.
#[expect(deprecated, reason = "older servers know only the deprecated field")]
pub(super) fn add_track(cid: &str) -> Request {
    Request::AddTrack(AddTrackRequest {
        cid: cid.to_owned(),
        name: "voice".to_owned(),
        r#type: TrackType::Audio as i32,
        source: TrackSource::Microphone as i32,
        muted: true,
        disable_red: true,
        stereo: true,
        audio_features: vec![AudioTrackFeature::TfStereo as i32],
        ..Default::default()
    })
}

pub(super) fn mute(sid: &str, muted: bool) -> Request {
    Request::Mute(MuteTrackRequest { sid: sid.to_owned(), muted })
}

pub(super) fn candidate(direction: Direction, json: String) -> Request {
    Request::Trickle(TrickleRequest { candidate_init: json, target: target(direction) as i32, r#final: false })
}

pub(super) fn leave() -> Request {
    Request::Leave(LeaveRequest {
        reason: DisconnectReason::ClientInitiated as i32,
        action: leave_request::Action::Disconnect as i32,
        ..Default::default()
    })
}

/// `kind` is `offer` or `answer`; an answer repeats the number of its offer.
pub(super) fn description(kind: &str, sdp: String, id: u32) -> SessionDescription {
    SessionDescription { r#type: kind.to_owned(), sdp, id, ..Default::default() }
}

/// A house that sessions trust.
struct Pinned {
    tls: Arc<rustls::ClientConfig>,
    /// For the first connection of a session: the house has just answered on one of these. Later there may be another
    /// network, on which they lead nowhere.
    just_used: Option<reqwest::Client>,
    sessions: usize,
}

/// By the `host:port` of the house.
type Pins = Mutex<HashMap<String, Pinned>>;

fn pins() -> &'static Pins {
    static PINS: OnceLock<Pins> = OnceLock::new();
    PINS.get_or_init(Pins::default)
}

/// As long as this lives, signalling to its `host:port` trusts one house only.
#[derive(Debug)]
pub(super) struct PinGuard {
    address: String,
}

/// Trusts this house and no other at this `host:port`. A house with a new certificate replaces the old one.
pub(super) fn pin(address: &str, house: HouseConnections) -> PinGuard {
    let HouseConnections { tls, http } = house;
    let mut pins = pins().lock();
    let sessions = pins.get(address).map_or(0, |pinned| pinned.sessions) + 1;
    pins.insert(address.to_owned(), Pinned { tls, just_used: Some(http), sessions });
    PinGuard { address: address.to_owned() }
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        let mut pins = pins().lock();
        if let Some(pinned) = pins.get_mut(&self.address) {
            pinned.sessions -= 1;
            if pinned.sessions == 0 {
                pins.remove(&self.address);
            }
        }
    }
}

/// Registers our clients; only the first call does anything.
pub(super) fn register_clients() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        livekit_net::set_ws_client(Arc::new(SignallingClient));
        livekit_net::set_http_client(Arc::new(NoHttp));
    });
}

/// Pinned where a house's certificate is known; anything else by the rules of the public web.
struct SignallingClient;

impl SignallingClient {
    fn tls_for(url: &str, address: &str) -> Result<Option<Arc<rustls::ClientConfig>>, Refusal> {
        if !url.starts_with("wss:") {
            return Ok(None);
        }
        let pinned = pins().lock().get(address).map(|pinned| pinned.tls.clone());
        pinned.map_or_else(house_tls::public_web_config, Ok).map(Some)
    }

    /// On the connection on which the house has just answered, or else on a new one.
    async fn open(url: &str, address: &str, headers: Vec<Header>) -> Result<WebSocket, OpenError> {
        let headers = || headers.iter().map(|header| (header.name.clone(), header.value.clone()));
        let just_used = pins().lock().get_mut(address).and_then(|pinned| pinned.just_used.take());
        if let Some(http) = just_used {
            match timeout(JUST_USED_LIMIT, websocket::open_on(&http, url, address, headers())).await {
                Ok(Ok(socket)) => return Ok(socket),
                Ok(Err(OpenError::Status(status))) => return Err(OpenError::Status(status)),
                Ok(Err(error)) => tracing::debug!(%error, "signalling takes a connection of its own"),
                Err(_) => tracing::debug!("signalling takes a connection of its own: no answer"),
            }
        }
        websocket::open(url, address, Self::tls_for(url, address)?, headers()).await
    }
}

#[async_trait]
impl WsClient for SignallingClient {
    async fn connect(
        &self,
        url: String,
        headers: Vec<Header>,
        timeout_ms: u64,
    ) -> Result<WsConnectResult, TransportError> {
        let address = websocket::host_and_port(&url)
            .ok_or_else(|| TransportError::Connection("not a WebSocket address".to_owned()))?;
        let opening = Self::open(&url, &address, headers);
        let socket = match timeout(Duration::from_millis(timeout_ms), opening).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(OpenError::Status(status))) => return Err(TransportError::Http { status }),
            Ok(Err(error)) => return Err(TransportError::Connection(error.to_string())),
            Err(_) => return Err(TransportError::Timeout),
        };
        let (writer, reader) = socket.split();
        Ok(WsConnectResult {
            connection: Arc::new(SignallingConnection { writer: writer.into(), reader: reader.into() }),
        })
    }
}

struct SignallingConnection {
    writer: tokio::sync::Mutex<SplitSink<WebSocket, Message>>,
    reader: tokio::sync::Mutex<SplitStream<WebSocket>>,
}

#[async_trait]
impl WsConnection for SignallingConnection {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        let sent = self.writer.lock().await.send(Message::binary(frame)).await;
        sent.map_err(|error| TransportError::Connection(error.to_string()))
    }

    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut reader = self.reader.lock().await;
        loop {
            match reader.next().await {
                Some(Ok(Message::Binary(frame))) => return Ok(Some(frame.to_vec())),
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                // Pings are answered by the socket itself; signalling sends no text.
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "the signalling socket broke");
                    return Ok(None);
                }
            }
        }
    }

    async fn close(&self) {
        if let Err(error) = self.writer.lock().await.close().await {
            tracing::trace!(%error, "closing the signalling socket");
        }
    }
}

/// The crate would ask `/rtc/validate` why a connection failed, over an unpinned connection and with the token.
/// Without an answer it reports the first error, which is all we need.
struct NoHttp;

#[async_trait]
impl HttpClient for NoHttp {
    async fn request(
        &self,
        _method: HttpMethod,
        _url: String,
        _headers: Vec<Header>,
        _body: Option<Vec<u8>>,
    ) -> Result<HttpResponse, TransportError> {
        Err(TransportError::Other("not asked".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serambi_protocol::link::{HouseProof, Pin};

    use crate::{house_client::http_client, house_tls::Authorities};

    // Before, a certificate was trusted for as long as the program ran.
    #[test]
    fn a_certificate_is_trusted_as_long_as_a_session_with_its_house_lasts() {
        let house = HouseProof::Pin(Pin::from_digest(&[1; 32]));
        let connections = || {
            let tls = house_tls::client_config(&house, &Authorities::default()).unwrap();
            HouseConnections { http: http_client(&tls).unwrap(), tls }
        };
        let is_pinned = || pins().lock().contains_key("198.51.100.7:1");
        let first = pin("198.51.100.7:1", connections());
        let second = pin("198.51.100.7:1", connections());
        drop(first);
        assert!(is_pinned());
        drop(second);
        assert!(!is_pinned());
    }

    #[test]
    fn a_server_of_the_public_web_is_known_by_its_authority_and_one_in_the_clear_by_nothing() {
        assert!(SignallingClient::tls_for("wss://cluster.example/rtc", "cluster.example:443").unwrap().is_some());
        assert!(SignallingClient::tls_for("ws://127.0.0.1:7880/rtc", "127.0.0.1:7880").unwrap().is_none());
    }
}
