//! The gate's own passages to its houses: one for each house that a browser asks for, opened through the gate's own
//! relay, and closed when nobody has used it for a while.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serambi_protocol::link::{GateAddress, HouseKey, PassageAddress, Pin};
use serambi_reach::{GuestEndpoint, Passage, PassageDatagram, PassageStream, ReachError};
use tokio::time::{interval, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{frame::ClientKey, media_port::MediaPort};

/// How long a stream to a house may take that is there already.
const STREAM_LIMIT: Duration = Duration::from_secs(5);
/// A passage over which nothing was asked and nothing came for so long is closed. The sound of a room with somebody in
/// it is never silent for as long.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// Who holds a passage besides whoever uses it: its slot, and the task that takes its datagrams.
const OWN_HOLDERS: usize = 2;
/// How long saying good-bye to houses may take.
const GOOD_BYE_LIMIT: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Why nothing leads to a house.
#[derive(Debug, thiserror::Error)]
pub enum NoWay {
    /// There is no passage.
    #[error(transparent)]
    Passage(#[from] ReachError),
    /// The house takes no more streams.
    #[error("the house does not take one more connection")]
    Stream,
    /// The gate is closing.
    #[error("the gate is closing")]
    Closing,
}

/// All of them. Clones are the same ones.
#[derive(Clone)]
pub struct HousePassages {
    inside: Arc<Inside>,
}

struct Inside {
    endpoint: GuestEndpoint,
    /// The gate as it reaches itself.
    gate: GateAddress,
    media: MediaPort,
    open: Mutex<HashMap<ClientKey, Arc<Slot>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// One house's. Who finds it locked waits for the same passage.
#[derive(Default)]
struct Slot {
    passage: tokio::sync::Mutex<Option<Used>>,
}

#[derive(Clone)]
struct Used {
    passage: Passage,
    last: Arc<Mutex<Instant>>,
}

impl Used {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.last) <= OWN_HOLDERS && self.last.lock().elapsed() >= IDLE_LIMIT
    }
}

/// Keeps a passage open for as long as it lives, however quiet it is.
#[derive(Clone)]
pub struct InUse {
    _last: Arc<Mutex<Instant>>,
}

impl HousePassages {
    /// None is open yet. The gate reaches itself where it listens, with its own certificate.
    ///
    /// # Errors
    /// [`ReachError::Socket`].
    pub async fn new(
        listening: SocketAddr,
        pin: Pin,
        media: MediaPort,
        stop: CancellationToken,
    ) -> Result<Self, ReachError> {
        let endpoint = GuestEndpoint::open_for_browsers().await?;
        let gate = GateAddress { address: within(listening).to_string(), pin: Some(pin) };
        let (open, tasks) = (Mutex::default(), TaskTracker::new());
        Ok(Self { inside: Arc::new(Inside { endpoint, gate, media, open, stop, tasks }) })
    }

    /// Who the gate is at the other end of its passages.
    pub fn key(&self) -> HouseKey {
        self.inside.endpoint.key()
    }

    /// A connection to that house, and what holds its passage.
    ///
    /// # Errors
    /// [`NoWay`].
    pub async fn connect(&self, house: ClientKey) -> Result<(PassageStream, InUse), NoWay> {
        let used = self.clone().open(house).await?;
        *used.last.lock() = Instant::now();
        let opening = timeout(STREAM_LIMIT, used.passage.open_stream()).await;
        let stream = opening.map_err(|_| NoWay::Stream)?.map_err(|_| NoWay::Stream)?;
        Ok((stream, InUse { _last: used.last }))
    }

    /// Opens the passage for everybody who wants it, although who asked first may be gone before it is there.
    async fn open(self, house: ClientKey) -> Result<Used, NoWay> {
        let (stop, tasks) = (self.inside.stop.clone(), self.inside.tasks.clone());
        let opening = async move { stop.run_until_cancelled(self.passage_to(house)).await };
        tasks.spawn(opening).await.ok().flatten().ok_or(NoWay::Closing)?
    }

    async fn passage_to(&self, house: ClientKey) -> Result<Used, NoWay> {
        let slot = self.inside.open.lock().entry(house).or_default().clone();
        let mut place = slot.passage.lock().await;
        if let Some(used) = place.as_ref().filter(|used| !used.passage.is_closed()) {
            return Ok(used.clone());
        }
        let to = PassageAddress { key: HouseKey::from_bytes(house), gates: vec![self.inside.gate.clone()] };
        let opened = self.inside.endpoint.open_passage(&to).await;
        if opened.is_err() {
            // Houses come and go: nothing is kept of one that is not reached.
            self.inside.open.lock().remove(&house);
        }
        let passage = opened?;
        let used = Used { passage, last: Arc::new(Mutex::new(Instant::now())) };
        *place = Some(used.clone());
        self.inside.media.open_house(to.key.media_tag(), house, used.passage.clone());
        self.inside.tasks.spawn(self.clone().hold(house, used.clone()));
        Ok(used)
    }

    /// Takes a house's datagrams until its passage ends, or nobody has needed it for a while.
    async fn hold(self, house: ClientKey, used: Used) {
        let mut looks = interval(LOOK_AGAIN);
        loop {
            tokio::select! {
                () = self.inside.stop.cancelled() => break,
                datagram = used.passage.receive() => match datagram {
                    Ok(PassageDatagram { socket, packet }) => {
                        *used.last.lock() = Instant::now();
                        self.inside.media.send(&house, socket, &packet);
                    }
                    Err(_closed) => break,
                },
                _ = looks.tick() => if used.is_idle() { break },
            }
        }
        used.passage.close();
        self.inside.media.close_house(&house, &used.passage);
        let mut open = self.inside.open.lock();
        // A newer one may be on its way.
        if open.get(&house).is_some_and(|slot| slot.passage.try_lock().is_ok_and(|place| is_of(&place, &used))) {
            open.remove(&house);
        }
    }

    /// Ends all of them. `stop` must have been cancelled before.
    pub async fn close(&self) {
        self.inside.tasks.close();
        self.inside.tasks.wait().await;
        if timeout(GOOD_BYE_LIMIT, self.inside.endpoint.close()).await.is_err() {
            tracing::debug!("houses were not told that the gate goes");
        }
    }
}

fn is_of(place: &Option<Used>, used: &Used) -> bool {
    place.as_ref().is_some_and(|now| Arc::ptr_eq(&now.last, &used.last))
}

/// The same socket from within this computer.
fn within(listening: SocketAddr) -> SocketAddr {
    let ip = if listening.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listening.ip() };
    SocketAddr::new(ip, listening.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_gate_reaches_itself_where_it_listens() {
        for (listening, expected) in [
            ("0.0.0.0:7410", "127.0.0.1:7410"),
            ("[::]:7410", "127.0.0.1:7410"),
            ("203.0.113.7:443", "203.0.113.7:443"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ] {
            assert_eq!(within(listening.parse().unwrap()).to_string(), expected);
        }
    }
}
