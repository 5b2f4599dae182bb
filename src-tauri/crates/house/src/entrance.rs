//! Where passages enter the house: their streams become connections of the listener, their datagrams come to the media
//! server through its tunnel.
//!
//! Nobody knows where a guest of a passage is: each has an address of its own that is nobody's, and none is ever this
//! computer, whatever way its packets took.
//!
//! A gate comes in by a passage of its own and brings browsers, each stream one of their connections. It is believed to
//! be a gate of this house if its key is the one that the gate itself named.

mod forwarders;
mod guests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serambi_protocol::{
    GateState,
    limits::PASSAGE_MEDIA,
    link::{GateAddress, GateLink, HouseKey, PassageAddress},
};
use serambi_reach::{Arriving, Closed, Gate, HouseEndpoint, Passage, PassageDatagram, PassageStream};
use serambi_sfu::{Detour, Tunnel, TunnelDatagram, TunnelEnd};
use tokio::{
    io::AsyncReadExt,
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    forwarders::Forwarders,
    guests::{Guest, Guests, browser_at},
};
use crate::{error::HouseError, listener::Listener, storage::Storage};

const SEED: &str = "passage_key";
/// Handshakes of guests at the same time; more wait at the system's door.
const ARRIVING: usize = 64;
/// How long a guest that is one too many waits for its refusal: whoever is refused at once comes again at once.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// How long a gate whose key is new may wait until its house has asked who it is.
const GATE_LIMIT: Duration = Duration::from_secs(10);
/// Connections of browsers that one gate may bring at once.
const BROWSERS_STREAMS: u32 = 2_048;
/// How long the first bytes of such a connection may take.
const NETWORK_LIMIT: Duration = Duration::from_secs(10);

/// The media server's end of the tunnel through which all passages' media goes, and the entrance's.
pub fn tunnel() -> (Tunnel, TunnelEnd) {
    Tunnel::new(PASSAGE_MEDIA.into())
}

/// The entrance of one house. Clones are the same one.
#[derive(Clone)]
pub struct Entrance {
    inside: Arc<Inside>,
}

struct Inside {
    seed: [u8; 32],
    guests: Guests,
    forwarders: Forwarders,
    listener: Listener,
    to_media: mpsc::Sender<TunnelDatagram>,
    open: Mutex<Option<Open>>,
    gates: watch::Sender<Vec<(GateAddress, GateState)>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// An endpoint, where it waits, and what ends its tasks.
struct Open {
    endpoint: HouseEndpoint,
    gates: Vec<GateLink>,
    stop: CancellationToken,
}

impl Entrance {
    /// An entrance that no gate leads to yet.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn new(
        storage: &Storage,
        listener: Listener,
        tunnel: TunnelEnd,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Result<Self, HouseError> {
        let seed = load_or_make_seed(storage).await?;
        let guests = Guests::default();
        tasks.spawn(carry_departures(tunnel.departures, guests.clone(), stop.clone()));
        let open = Mutex::new(None);
        let gates = watch::Sender::new(Vec::new());
        let (forwarders, to_media) = (Forwarders::default(), tunnel.arrivals);
        let inside = Inside { seed, guests, forwarders, listener, to_media, open, gates, stop, tasks };
        Ok(Self { inside: Arc::new(inside) })
    }

    /// Waits for guests at these gates from now on, and nowhere else. Guests of the gates before are sent away.
    ///
    /// # Errors
    /// `internal`: no socket. `link_wrong`: an address of a gate.
    pub async fn open(&self, gates: Vec<GateLink>) -> Result<(), HouseError> {
        self.close().await;
        if gates.is_empty() {
            return Ok(());
        }
        let endpoint = HouseEndpoint::open(&self.inside.seed, gates.iter().cloned().map(Gate::from).collect()).await?;
        let stop = self.inside.stop.child_token();
        self.inside.tasks.spawn(self.clone().take_guests(endpoint.clone(), stop.clone()));
        self.inside.tasks.spawn(self.clone().follow_gates(endpoint.clone(), stop.clone()));
        *self.inside.open.lock() = Some(Open { endpoint, gates, stop });
        Ok(())
    }

    /// Waits nowhere any more; all passages have ended when this returns.
    pub async fn close(&self) {
        let open = self.inside.open.lock().take();
        if let Some(Open { endpoint, stop, .. }) = open {
            stop.cancel();
            self.inside.gates.send_replace(Vec::new());
            endpoint.close().await;
        }
    }

    /// What a link says of the way through the gates; none: there is none.
    pub fn address(&self) -> Option<PassageAddress> {
        let open = self.inside.open.lock();
        let endpoint = &open.as_ref()?.endpoint;
        let mut gates = endpoint.gates();
        // A house waits at one gate at a time: a guest should try that one first.
        gates.sort_by_key(|(_, state)| *state != GateState::Connected);
        let key: HouseKey = endpoint.key();
        Some(PassageAddress { key, gates: gates.into_iter().map(|(gate, _)| gate).collect() })
    }

    /// How the house stands with its gates.
    pub fn gates(&self) -> watch::Receiver<Vec<(GateAddress, GateState)>> {
        self.inside.gates.subscribe()
    }

    /// The gate through which guests come at the moment, with what admits the house there.
    pub fn connected_gate(&self) -> Option<GateLink> {
        let open = self.inside.open.lock();
        let told = self.inside.gates.borrow();
        let (connected, _) = told.iter().find(|(_, state)| *state == GateState::Connected)?;
        open.as_ref()?.gates.iter().find(|link| link.gate == *connected).cloned()
    }

    /// Does it wait at any gate?
    pub fn has_gates(&self) -> bool {
        self.inside.open.lock().is_some()
    }

    async fn follow_gates(self, endpoint: HouseEndpoint, stop: CancellationToken) {
        let tell = |gates| {
            self.inside.gates.send_if_modified(|told| {
                // Whoever has closed this endpoint told that it waits nowhere: nothing old comes after that.
                let is_news = !stop.is_cancelled() && *told != gates;
                if is_news {
                    *told = gates;
                }
                is_news
            });
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = endpoint.follow_gates(tell) => {}
        }
    }

    async fn take_guests(self, endpoint: HouseEndpoint, stop: CancellationToken) {
        let mut arriving = JoinSet::new();
        let held = TaskTracker::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                incoming = endpoint.accept(), if arriving.len() < ARRIVING => match incoming {
                    Some(incoming) => drop(arriving.spawn(Arriving::complete(incoming))),
                    None => break,
                },
                Some(arrived) = arriving.join_next() => {
                    if let Ok(Some(passage)) = arrived {
                        held.spawn(self.clone().hold(passage, endpoint.clone(), stop.clone()));
                    }
                }
            }
        }
        arriving.shutdown().await;
        held.close();
        held.wait().await;
    }

    /// Serves one passage until it ends.
    async fn hold(self, passage: Passage, endpoint: HouseEndpoint, stop: CancellationToken) {
        let detour = match passage.is_for_browsers() {
            false => None,
            true => match stop.run_until_cancelled(self.find_detour(&passage, &endpoint)).await.flatten() {
                Some(detour) => Some(detour),
                None => {
                    tracing::warn!("somebody who is no gate of this house brings browsers");
                    return passage.close();
                }
            },
        };
        let Some(guest) = self.inside.guests.enter(passage.clone()) else {
            tracing::warn!("too many passages");
            tokio::time::sleep(FULL_PAUSE).await;
            return passage.close();
        };
        tracing::info!(guest = %guest.peer().ip, way = ?passage.way(), "a passage");
        let streams = TaskTracker::new();
        tokio::select! {
            () = stop.cancelled() => {}
            Closed = self.take_streams(&passage, &guest, detour.as_ref(), &streams) => {}
            Closed = self.take_datagrams(&passage, &guest) => {}
        }
        passage.close();
        streams.close();
        streams.wait().await;
        tracing::info!(guest = %guest.peer().ip, "a passage has ended");
    }

    /// By which detour the media of a gate's browsers comes; none: no gate of this house has the passage's key.
    async fn find_detour(&self, passage: &Passage, endpoint: &HouseEndpoint) -> Option<Detour> {
        let key = passage.other_end();
        let candidates = timeout(GATE_LIMIT, self.inside.forwarders.media_of(&key, endpoint)).await.ok()??;
        passage.allow_streams(BROWSERS_STREAMS);
        Some(Detour { candidates, fragment: endpoint.key().media_tag() })
    }

    async fn take_streams(
        &self,
        passage: &Passage,
        guest: &Guest,
        detour: Option<&Detour>,
        streams: &TaskTracker,
    ) -> Closed {
        loop {
            let stream = match passage.accept_stream().await {
                Ok(stream) => stream,
                Err(closed) => return closed,
            };
            let listener = self.inside.listener.clone();
            match detour {
                None => drop(streams.spawn(listener.serve_stream(stream, guest.peer()))),
                Some(detour) => {
                    drop(streams.spawn(serve_browser(listener, stream, passage.other_end(), detour.clone())));
                }
            }
        }
    }

    async fn take_datagrams(&self, passage: &Passage, guest: &Guest) -> Closed {
        loop {
            let PassageDatagram { socket, packet } = match passage.receive().await {
                Ok(datagram) => datagram,
                Err(closed) => return closed,
            };
            let peer = SocketAddr::new(guest.media_ip().into(), socket);
            let datagram = TunnelDatagram { peer, contents: packet.to_vec() };
            // A full tunnel drops, as a full socket does.
            if self.inside.to_media.try_send(datagram).is_err() {
                tracing::debug!(%peer, "the media server has too much to do");
            }
        }
    }
}

/// Serves one connection of a browser that the gate with this key brings.
async fn serve_browser(listener: Listener, mut stream: PassageStream, gate: [u8; 32], detour: Detour) {
    let mut network = [0; 16];
    match timeout(NETWORK_LIMIT, stream.read_exact(&mut network)).await {
        Ok(Ok(_)) => listener.serve_browser(stream, browser_at(&gate, &network), detour).await,
        Ok(Err(error)) => tracing::debug!(%error, "a gate brought nobody"),
        Err(_) => tracing::debug!("a gate did not say whom it brings"),
    }
}

/// Sends what the media server has for guests, until it ends or the house does.
async fn carry_departures(mut departures: mpsc::Receiver<TunnelDatagram>, guests: Guests, stop: CancellationToken) {
    loop {
        let datagram = tokio::select! {
            () = stop.cancelled() => return,
            datagram = departures.recv() => datagram,
        };
        let Some(TunnelDatagram { peer, contents }) = datagram else { return };
        if let Some(passage) = guests.at(peer.ip()) {
            passage.send(peer.port(), &contents);
        }
    }
}

/// The secret from which the key of the house's passages is made: kept for ever, since links name the key.
async fn load_or_make_seed(storage: &Storage) -> Result<[u8; 32], HouseError> {
    if let Some(kept) = storage.settings().read(SEED).await? {
        return kept.try_into().map_err(|_| HouseError::Storage("the key of its passages is damaged".to_owned()));
    }
    let seed = rand::random::<[u8; 32]>();
    storage.settings().write(vec![(SEED, seed.to_vec())]).await?;
    Ok(seed)
}
