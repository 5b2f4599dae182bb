//! Doors as they are where passages are built in.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc, time::Duration};

use parking_lot::Mutex as SyncMutex;
use serambi_protocol::{
    Refusal,
    link::{HouseKey, PassageAddress},
};
use serambi_reach::{GuestEndpoint, Passage, Way};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{Mutex, OnceCell},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub(crate) use super::packets::DoorPackets;
use super::{
    PassageWay,
    packets::{Packets, carry_arrivals},
};
use crate::house_tls::Authorities;

/// After `accept` failed for want of file handles: how long until the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// All doors of this program. Clones are the same doors; the guest's key behind them lives as long as they do.
#[derive(Clone, Debug, Default)]
pub struct Doors {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    authorities: Authorities,
    endpoint: OnceCell<GuestEndpoint>,
    /// One place for each house, so that two who need a door at the same time get the same one.
    places: SyncMutex<HashMap<HouseKey, Place>>,
}

type Place = Arc<Mutex<Option<Arc<Door>>>>;

impl Doors {
    /// None yet; houses known by name are to have certificates of these authorities.
    pub fn trusting(authorities: Authorities) -> Self {
        Self { inner: Arc::new(Inner { authorities, ..Inner::default() }) }
    }

    /// Whose certificates are believed of houses known by name.
    pub(crate) fn authorities(&self) -> &Authorities {
        &self.inner.authorities
    }

    /// The door to that house: the one that is open, or a new one.
    ///
    /// # Errors
    /// `house_unreachable`: no gate leads there. `link_wrong`: the link's key is none.
    pub(crate) async fn open(&self, to: &PassageAddress) -> Result<Arc<Door>, Refusal> {
        let place = self.inner.places.lock().entry(to.key.clone()).or_default().clone();
        let mut place = place.lock().await;
        if let Some(door) = place.as_ref().filter(|door| !door.passage.is_closed()) {
            return Ok(door.clone());
        }
        let endpoint = self.inner.endpoint.get_or_try_init(GuestEndpoint::open).await.map_err(refusal)?;
        let passage = endpoint.open_passage(to).await.map_err(refusal)?;
        let door = Arc::new(Door::open(passage).await?);
        *place = Some(door.clone());
        Ok(door)
    }

    /// Closes all doors for good.
    pub async fn close(&self) {
        if let Some(endpoint) = self.inner.endpoint.get() {
            endpoint.close().await;
        }
        let places: Vec<Place> = self.inner.places.lock().drain().map(|(_, place)| place).collect();
        for place in places {
            if let Some(door) = place.lock().await.take() {
                door.close().await;
            }
        }
    }
}

fn refusal(error: serambi_reach::ReachError) -> Refusal {
    Refusal::new(error.code(), error.to_string())
}

/// The local end of one passage. It closes with the last clone of its [`Arc`].
#[derive(Debug)]
pub(crate) struct Door {
    passage: Passage,
    address: String,
    packets: Arc<Packets>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Door {
    async fn open(passage: Passage) -> Result<Self, Refusal> {
        let failed = |error: std::io::Error| Refusal::new(serambi_protocol::Code::Internal, error.to_string());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?.to_string();
        let packets = Arc::new(Packets::new(passage.clone()));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(take_connections(listener, passage.clone(), tasks.clone(), stop.clone()));
        tasks.spawn(carry_arrivals(passage.clone(), packets.clone(), stop.clone()));
        let door = Self { passage, address, packets, tasks, _stop_on_drop: stop.clone().drop_guard(), stop };
        tracing::info!(way = ?door.passage.way(), "a passage to the house");
        Ok(door)
    }

    /// `host:port` of its TCP end.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A UDP socket at the other side of the door.
    pub(crate) fn bind(self: &Arc<Self>) -> DoorPackets {
        DoorPackets::new(self.packets.clone())
    }

    /// How its packets go at the moment: a passage begins at the gate.
    pub(crate) fn way(&self) -> PassageWay {
        match self.passage.way() {
            Some(Way::Direct) => PassageWay::Direct,
            Some(Way::Gate) | None => PassageWay::Gate,
        }
    }

    async fn close(&self) {
        self.stop.cancel();
        self.passage.close();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.passage.close();
    }
}

/// Makes a stream of every connection, until the passage ends or the door closes.
async fn take_connections(listener: TcpListener, passage: Passage, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            () = passage.closed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((connection, _)) => drop(tasks.spawn(carry(connection, passage.clone(), stop.clone()))),
            Err(error) => {
                tracing::warn!(%error, "a door could not take a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn carry(mut connection: TcpStream, passage: Passage, stop: CancellationToken) {
    let carried = async {
        connection.set_nodelay(true)?;
        let mut stream = passage.open_stream().await.map_err(std::io::Error::other)?;
        copy_bidirectional(&mut connection, &mut stream).await
    };
    tokio::select! {
        () = stop.cancelled() => {}
        ended = carried => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection through a door ended badly");
            }
        }
    }
}
