//! The handle on a running media server.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use rand::TryRng;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

use crate::core::{Command, CoreConfig, Passage, RoomOptions};
use crate::error::SfuError;
use crate::media_thread::{MediaThread, Request};
use crate::sockets::{self, Bound, MediaAddresses};
use crate::statistics::RoomStatistics;
use crate::token::Tokens;
use crate::tunnel::Tunnel;
use crate::{room_service, signal};

/// Requests waiting for the media thread. A full queue makes signalling clients wait.
const REQUESTS_WAITING: usize = 1024;

/// What a media server is made of.
pub struct SfuConfig {
    /// Issuer of tokens.
    pub api_key: String,
    /// Signs tokens; at least 32 bytes.
    pub api_secret: String,
    /// Where media comes in, for example `0.0.0.0:7881`. If the port is taken, the next free one
    /// of 20 is used; port 0 takes any.
    pub udp_bind: SocketAddr,
    /// Addresses offered to clients.
    pub addresses: MediaAddresses,
    /// How media comes that does not come to `udp_bind`.
    pub tunnels: Vec<Tunnel>,
}

/// A running media server. Clones are handles on the same one; when the last is dropped, or
/// [`Sfu::close`] is called, it says goodbye to everybody and its thread ends.
#[derive(Clone)]
pub struct Sfu {
    requests: mpsc::Sender<Request>,
    tokens: Tokens,
    udp_port: u16,
}

impl Sfu {
    /// Binds the UDP port and starts the media thread.
    ///
    /// # Errors
    /// [`SfuError`]; nothing is left behind.
    pub fn start(config: SfuConfig) -> Result<Sfu, SfuError> {
        let tokens = Tokens::new(config.api_key, config.api_secret)?;
        let bound = sockets::bind(config.udp_bind, config.addresses)?;
        let udp_port = bound.listen.port();
        let core = core_config(&bound, config.tunnels.iter().map(Tunnel::address).collect())?;
        let (requests, inbox) = mpsc::channel(REQUESTS_WAITING);
        let thread = MediaThread::new(bound, config.tunnels, core, tokens.clone(), inbox);
        std::thread::Builder::new()
            .name("serambi-media".to_owned())
            .spawn(move || thread.run())
            .map_err(SfuError::Thread)?;
        info!(udp_port, "media server started");
        Ok(Sfu { requests, tokens, udp_port })
    }

    /// Signalling under `/rtc` and RoomService under `/twirp`. It does not keep the server alive.
    pub fn router(&self) -> Router {
        let link = MediaLink::new(self.requests.downgrade(), self.tokens.clone());
        signal::router(link.clone()).merge(room_service::router(link))
    }

    /// The UDP port in use.
    pub fn udp_port(&self) -> u16 {
        self.udp_port
    }

    /// Offers these addresses from now on, and listens there. Who is connected keeps what they have until they
    /// restart ICE.
    ///
    /// # Errors
    /// [`SfuError::Busy`]; asking again is of use unless the server has been closed.
    pub fn move_to(&self, addresses: MediaAddresses) -> Result<(), SfuError> {
        self.requests.try_send(Request::Move(addresses)).map_err(|_| SfuError::Busy)
    }

    /// Sends this datagram back to whoever sends it, from now on; none: no datagram any more. So that somebody outside
    /// can find out whether the UDP port is reached.
    ///
    /// # Errors
    /// [`SfuError::Busy`]; asking again is of use unless the server has been closed.
    pub fn expect_probe(&self, probe: Option<Vec<u8>>) -> Result<(), SfuError> {
        self.requests.try_send(Request::ExpectProbe(probe)).map_err(|_| SfuError::Busy)
    }

    /// Creates a room, or finds it. Whatever is asked of the server after this call finds the room.
    ///
    /// # Errors
    /// [`SfuError::Busy`]; asking again is of use unless the server has been closed.
    pub fn create_room(&self, name: &str, options: RoomOptions) -> Result<(), SfuError> {
        // Nobody waits for the reply: with a name and options that are taken, there is nothing to refuse.
        let (reply, _) = oneshot::channel();
        let command = Command::CreateRoom { name: name.to_owned(), options };
        self.requests.try_send(Request::Command { command, reply }).map_err(|_| SfuError::Busy)
    }

    /// Numbers of one room; `None` when there is no such room.
    pub async fn room_statistics(&self, room: &str) -> Option<RoomStatistics> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Statistics { room: room.to_owned(), reply };
        self.requests.send(request).await.ok()?;
        answer.await.ok()?
    }

    /// The ways of packets of a room through this server, each named by its sender's identity and the RTP timestamp it
    /// was given there; none for what never came, or came more than some seconds ago.
    pub async fn passages(&self, room: &str, packets: Vec<(String, u32)>) -> Vec<Option<Passage>> {
        let (reply, answer) = oneshot::channel();
        let nothing = vec![None; packets.len()];
        let request = Request::Passages { room: room.to_owned(), packets, reply };
        match self.requests.send(request).await {
            Ok(()) => answer.await.unwrap_or(nothing),
            Err(_closed) => nothing,
        }
    }

    /// Says goodbye to everybody and ends the media thread. Closing twice is no harm.
    pub async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.requests.send(Request::Close { done }).await.is_ok() {
            // An error means that it had ended already.
            let _ = ended.await;
        }
    }
}

/// What HTTP handlers hold of the media server: enough to ask it, not to keep it alive.
#[derive(Clone)]
pub(crate) struct MediaLink {
    requests: mpsc::WeakSender<Request>,
    pub(crate) tokens: Tokens,
}

/// The media server has ended.
pub(crate) struct MediaEnded;

impl MediaLink {
    /// Does not keep the media thread behind `requests` alive.
    pub(crate) fn new(requests: mpsc::WeakSender<Request>, tokens: Tokens) -> Self {
        Self { requests, tokens }
    }

    pub(crate) async fn send(&self, request: Request) -> Result<(), MediaEnded> {
        let requests = self.requests.upgrade().ok_or(MediaEnded)?;
        requests.send(request).await.map_err(|_| MediaEnded)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, MediaEnded> {
        let (reply, answer) = oneshot::channel();
        self.send(request(reply)).await?;
        answer.await.map_err(|_| MediaEnded)
    }

    /// Says that a connection is gone, also from where nothing can be awaited.
    pub(crate) fn send_detached(&self, request: Request) {
        let Some(requests) = self.requests.upgrade() else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(request)) = requests.try_send(request)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let _ = requests.send(request).await;
            });
        }
    }
}

fn core_config(bound: &Bound, unannounced: Vec<SocketAddr>) -> Result<CoreConfig, SfuError> {
    let mut seed = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut seed).map_err(|_| SfuError::Certificate)?;
    let certificate =
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().ok_or(SfuError::Certificate)?;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = i64::try_from(unix.as_millis()).unwrap_or(i64::MAX);
    let (addresses, streams) = (bound.candidates.clone(), bound.streams.clone());
    Ok(CoreConfig { addresses, unannounced, streams, certificate, seed, unix_ms })
}
