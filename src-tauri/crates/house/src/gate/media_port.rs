//! The gate's one UDP port for the media of browsers: each packet goes to the house it is meant for, as a datagram of
//! the gate's passage there, and back.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serambi_reach::Passage;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::UdpSocket,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    browser_counters::BrowserCounters,
    frame::ClientKey,
    media_table::{Destination, MediaTable},
    traffic::byte_rate,
};
use crate::{
    clock::Clock,
    error::HouseError,
    network::Network,
    rate::{KeyedLimit, Limit, Rate},
};

/// Larger than any packet of a browser.
const PACKET_BYTES: usize = 2_048;
/// How often the silent are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(5);
/// What the system may keep of what came in at once, in bytes: 0.1 s of a thousand voices.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;
/// Networks whose bytes are counted at the same time.
const MAX_NETWORKS: usize = 10_000;

/// An open port. Clones are the same one.
#[derive(Clone)]
pub struct MediaPort {
    inside: Arc<Inside>,
}

struct Inside {
    socket: UdpSocket,
    port: u16,
    /// The socket takes both families and names IPv4 addresses in the form of the other one.
    is_mapped: bool,
    table: Mutex<MediaTable>,
    houses: Mutex<HashMap<ClientKey, House>>,
    rate: Rate,
    networks: KeyedLimit<Network>,
    clock: Clock,
    counters: Arc<BrowserCounters>,
}

/// A house to which packets go.
#[derive(Clone)]
struct House {
    passage: Passage,
    limits: Arc<Limits>,
}

/// What may go to a house and come from it, in bytes.
struct Limits {
    to: Limit,
    from: Limit,
}

impl MediaPort {
    /// Opens this port and no other: houses tell browsers of it. 0: any. An unspecified address of either family stands
    /// for both. Each network, and each house in each direction, may send so many bytes per second.
    ///
    /// # Errors
    /// `port_taken`.
    pub fn open(
        listen: IpAddr,
        port: u16,
        bytes_per_second: NonZeroU32,
        clock: &Clock,
        counters: Arc<BrowserCounters>,
    ) -> Result<Self, HouseError> {
        let (socket, is_mapped) =
            bind(listen, port).map_err(|error| HouseError::GatePort { port, reason: error.to_string() })?;
        let port = socket.local_addr().map_or(port, |address| address.port());
        let rate = byte_rate(bytes_per_second);
        let networks = KeyedLimit::new(rate, MAX_NETWORKS, clock);
        let (table, houses, clock) = (Mutex::default(), Mutex::default(), clock.clone());
        Ok(Self {
            inside: Arc::new(Inside { socket, port, is_mapped, table, houses, rate, networks, clock, counters }),
        })
    }

    /// The port in use.
    pub fn port(&self) -> u16 {
        self.inside.port
    }

    /// Sockets of browsers that are known.
    pub fn browsers(&self) -> usize {
        self.inside.table.lock().len()
    }

    /// From now on packets with this tag go to that house, by this passage.
    pub fn open_house(&self, tag: String, house: ClientKey, passage: Passage) {
        let limit = || Limit::new(self.inside.rate, &self.inside.clock);
        let limits = Arc::new(Limits { to: limit(), from: limit() });
        self.inside.houses.lock().insert(house, House { passage, limits });
        self.inside.table.lock().open(tag, house);
    }

    /// Nothing goes by this passage any more; a newer one to the same house is left alone.
    pub fn close_house(&self, house: &ClientKey, passage: &Passage) {
        let mut houses = self.inside.houses.lock();
        if houses.get(house).is_some_and(|open| open.passage.is_same(passage)) {
            houses.remove(house);
            self.inside.table.lock().close(house);
        }
    }

    /// Sends what a house has for one of its browsers. What a full socket does not take is lost, as on any network.
    pub fn send(&self, house: &ClientKey, socket: u16, packet: &[u8]) {
        let inside = &self.inside;
        let may = inside.houses.lock().get(house).is_some_and(|open| open.limits.from.check_many(packet.len()).is_ok());
        let browser = may.then(|| inside.table.lock().answer(house, socket)).flatten();
        let sent = browser.is_some_and(|to| inside.socket.try_send_to(packet, self.outside(to)).is_ok());
        if sent { inside.counters.sent(packet.len()) } else { inside.counters.dropped() }
    }

    /// Takes what browsers send, until `stop`.
    pub async fn serve(self, stop: CancellationToken) {
        let mut packet = vec![0; PACKET_BYTES];
        let mut forgets = interval(FORGET_EVERY);
        forgets.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                came = self.inside.socket.recv_from(&mut packet) => {
                    // Windows reports an earlier send that nobody took; the socket is fine.
                    let Ok((length, from)) = came else { continue };
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    self.take(from, packet.get(..length).unwrap_or_default());
                }
                _ = forgets.tick() => self.inside.table.lock().forget_silent(Instant::now()),
            }
        }
    }

    fn take(&self, from: SocketAddr, packet: &[u8]) {
        if self.pass_on(from, packet) {
            self.inside.counters.received(packet.len())
        } else {
            self.inside.counters.dropped()
        }
    }

    fn pass_on(&self, from: SocketAddr, packet: &[u8]) -> bool {
        let inside = &self.inside;
        if inside.networks.check_many(from.ip().into(), packet.len()).is_err() {
            return false;
        }
        let Some(Destination { house, socket }) = inside.table.lock().route(Instant::now(), from, packet) else {
            return false;
        };
        let Some(House { passage, limits }) = inside.houses.lock().get(&house).cloned() else { return false };
        limits.to.check_many(packet.len()).is_ok() && passage.send(socket, packet)
    }

    fn outside(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.inside.is_mapped => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            _ => to,
        }
    }
}

/// True: of both families.
fn bind(listen: IpAddr, port: u16) -> io::Result<(UdpSocket, bool)> {
    if !listen.is_unspecified() {
        return Ok((bind_one(listen, port)?, false));
    }
    match bind_one(Ipv6Addr::UNSPECIFIED.into(), port) {
        Ok(socket) => Ok((socket, true)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // A system without IPv6.
        Err(_) => Ok((bind_one(Ipv4Addr::UNSPECIFIED.into(), port)?, false)),
    }
}

fn bind_one(listen: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(listen, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if listen.is_ipv6() {
        socket.set_only_v6(!listen.is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES) {
        tracing::debug!(%error, "the receive buffer of the port for browsers");
    }
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
