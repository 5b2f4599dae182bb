//! The relay of a gate, a WebSocket at `/relay`: each client proves its key, gets its role, and is then forwarded what
//! others send to that key.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
};
use iroh_relay::{
    KeyCache,
    http::ProtocolVersion,
    protos::handshake,
    server::{Access, Metrics, OnDisconnectGuard, client::Config, clients::Clients, streams::RelayedStream},
};
use serambi_protocol::{Code, Refusal};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    admission::{Admission, Role},
    counters::{Counters, Report},
    frame::MAX_FRAME_BYTES,
    places::{Full, Place, Places},
    traffic::{Houses, Traffic, byte_rate},
    websocket::ClientSocket,
};
use crate::{
    api::{Refused, bearer},
    clock::Clock,
    network::Peer,
    rate::Rate,
};

/// How long a client may take to prove its key.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// When to try again if there are too many clients.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Keys whose point on the curve is remembered, some 200 bytes each.
const KEYS_CACHED: usize = 4_096;
/// What is read of a socket at once, in bytes; per client. The library's own default is 128 KiB.
const READ_BYTES: usize = 16 * 1024;
/// What a client that does not read may leave unsent, in bytes, before writing to it waits.
const UNSENT_BYTES: usize = 4 * MAX_FRAME_BYTES;

/// A relay and everybody at it.
pub struct Relay {
    admission: Admission,
    places: Places,
    houses: Houses,
    rate: Rate,
    clock: Clock,
    counters: Arc<Counters>,
    clients: Clients,
    metrics: Arc<Metrics>,
    keys: KeyCache,
    stop: CancellationToken,
    /// Clients that are proving their keys.
    handshakes: TaskTracker,
}

impl Relay {
    /// A relay at which nobody is yet, until `stop`.
    pub fn new(
        admission: Admission,
        max_clients: usize,
        bytes_per_second: NonZeroU32,
        clock: Clock,
        stop: CancellationToken,
    ) -> Self {
        Self {
            admission,
            places: Places::new(max_clients),
            houses: Houses::default(),
            rate: byte_rate(bytes_per_second),
            clock,
            counters: Arc::default(),
            clients: Clients::default(),
            metrics: Arc::default(),
            keys: KeyCache::new(KEYS_CACHED),
            stop,
            handshakes: TaskTracker::new(),
        }
    }

    /// The counts of now; the relay itself does not know how many addresses were told.
    pub fn report(&self, discoveries: u64) -> Report {
        let to_nobody = self.metrics.send_packets_dropped.get();
        self.counters.report(self.places.taken(), self.houses.count(), to_nobody, discoveries)
    }

    /// The houses that are here, as they come and go.
    pub fn houses(&self) -> Houses {
        self.houses.clone()
    }

    /// Says goodbye to everybody. `stop` must have been cancelled before.
    pub async fn close(&self) {
        self.handshakes.close();
        self.handshakes.wait().await;
        self.clients.shutdown().await;
    }

    /// Whether whoever presents this token may be a house here. Keys that need none are not known before a handshake.
    pub fn admits_house(&self, token: Option<&str>) -> bool {
        self.admission.is_token(token) || self.admission.is_for_any()
    }

    /// A place for whoever asks, by the token they present: their key is not known before the handshake.
    fn take_place(&self, peer: Peer, token: Option<&str>) -> Result<Place, Refused> {
        let role = if self.admission.is_token(token) { Role::House } else { Role::Guest };
        self.places.take(peer, role).map_err(|full| {
            self.counters.refused(full);
            match full {
                Full::InAll => Refusal::new(Code::Busy, "the gate is full").into(),
                Full::Network => {
                    let refusal = Refusal::new(Code::RateLimited, "too many clients of your network at this gate");
                    Refused::after(refusal, RETRY_AFTER)
                }
            }
        })
    }

    /// From the handshake until the client is handed to the relay's own task, which owns it then.
    async fn admit(&self, socket: WebSocket, place: Place, token: Option<String>) -> Result<(), handshake::Error> {
        let mut socket = ClientSocket::new(socket, place);
        let proved = handshake::serverside(&mut socket, None).await?;
        let key = *proved.client_key.as_bytes();
        let Ok(role) = self.admission.role(&key, token.as_deref()) else {
            self.counters.refused_token();
            let denied = Access::Deny { reason: Some("the token is not this gate's".into()) };
            return proved.authorize_if(denied, &mut socket).await.map(|_| ());
        };
        let traffic = Traffic::new(key, role, self.rate, &self.clock, &self.houses, self.counters.clone());
        let key = proved.authorize_if(Access::Allow, &mut socket).await?;
        socket.admit(traffic);
        let stream = RelayedStream::new(socket, self.keys.clone());
        let config = Config::new(OnDisconnectGuard::empty(key), stream, ProtocolVersion::V2);
        self.clients.register(config, self.metrics.clone());
        Ok(())
    }
}

/// `GET /relay`.
pub async fn connect(
    State(relay): State<Arc<Relay>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let bad = |detail: String| Refused::from(Refusal::new(Code::BadRequest, detail));
    let upgrade = upgrade.map_err(|error| bad(error.to_string()))?.protocols([ProtocolVersion::V2.to_str()]);
    if upgrade.selected_protocol().is_none() {
        return Err(bad(format!("only {} is spoken here", ProtocolVersion::V2.to_str())));
    }
    let token = bearer(&headers).map(str::to_owned);
    let place = relay.take_place(peer, token.as_deref())?;
    let upgrade = upgrade
        .read_buffer_size(READ_BYTES)
        .max_write_buffer_size(UNSENT_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES);
    let (tracker, serving) = (relay.handshakes.clone(), relay.clone());
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(async move {
            let admitted = timeout(HANDSHAKE_LIMIT, serving.admit(socket, place, token));
            tokio::select! {
                () = serving.stop.cancelled() => {}
                admitted = admitted => match admitted {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a client of the gate was not admitted"),
                    Err(_) => tracing::debug!("a client of the gate took too long to prove its key"),
                },
            }
        })
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::gate::admission::AdmittedHouses;
    use axum::{
        http::{StatusCode, header},
        response::IntoResponse,
    };

    impl Relay {
        pub(in crate::gate) fn for_tests() -> Self {
            relay(8)
        }
    }

    fn relay(max_clients: usize) -> Relay {
        let admission = Admission::new("token", &AdmittedHouses::default());
        Relay::new(admission, max_clients, NonZeroU32::MIN, Clock::default(), CancellationToken::new())
    }

    fn refusal(relay: &Relay, ip: &str) -> Response {
        let peer = Peer { ip: ip.parse().unwrap() };
        let mut places = Vec::new();
        loop {
            match relay.take_place(peer, None) {
                Ok(place) => places.push(place),
                Err(refused) => return refused.into_response(),
            }
        }
    }

    #[test]
    fn too_many_of_one_network_are_told_when_to_come_back_and_others_come_in() {
        let relay = relay(10_000);
        let refused = refusal(&relay, "192.0.2.1");
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "10");
        assert!(relay.take_place(Peer { ip: "192.0.2.2".parse().unwrap() }, None).is_ok());
    }

    #[test]
    fn a_full_gate_still_takes_a_house_with_its_token() {
        let relay = relay(8);
        let here = Peer { ip: "192.0.2.1".parse().unwrap() };
        let _guests: Vec<Place> = (0..7).map(|_| relay.take_place(here, None).ok().unwrap()).collect();
        let refused = relay.take_place(here, Some("of another gate")).err().unwrap().into_response();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(relay.take_place(here, Some("token")).is_ok());
    }
}
