//! Port mapping: asks the router, by PCP, NAT-PMP or UPnP, to pass the house's two ports on, and follows what it says.
//!
//! Only when asked to: the question tells the router, and whoever else answers UPnP on this network, that a house is
//! here. The ports outside may be others than inside; UPnP gives any.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    num::NonZeroU16,
    time::Duration,
};

use portmapper::{Client, Config, ProbeOutput, Protocol};
use serambi_sfu::OutsideMedia;
use tokio::{
    sync::watch,
    time::{Instant, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a router may take to give both ports, once it has said that it gives some.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long looking for a router may take; each protocol waits a second or less.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// How often a router that gave nothing is asked again: somebody may have allowed it since.
const ASK_AGAIN: Duration = Duration::from_secs(300);
/// How often it is looked whether another router leads outside.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long taking the mappings back may take when the house closes.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);
/// An address outside every network at home (RFC 5737). Nothing is sent there: the system is asked for the way.
const OUTSIDE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9));

/// Whether the router passes the house's ports on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortMapping {
    /// It has not answered yet.
    Asking,
    /// It does, from these addresses outside.
    Mapped {
        /// Signalling and API.
        tcp: SocketAddr,
        /// Media.
        udp: SocketAddr,
    },
    /// It does not: none is there, it does not want to, or its own outside is not the internet.
    Refused,
}

impl PortMapping {
    /// `host:port` for a link.
    pub fn in_link(&self) -> Option<String> {
        match self {
            Self::Mapped { tcp, .. } => Some(tcp.to_string()),
            Self::Asking | Self::Refused => None,
        }
    }

    /// Where media over TCP comes in.
    pub fn for_streams(&self) -> Option<SocketAddr> {
        match self {
            Self::Mapped { tcp, .. } => Some(*tcp),
            Self::Asking | Self::Refused => None,
        }
    }

    /// Where media comes in.
    pub fn for_media(&self) -> Option<OutsideMedia> {
        match self {
            Self::Mapped { udp, .. } => Some(OutsideMedia { ip: udp.ip(), port: Some(udp.port()) }),
            Self::Asking | Self::Refused => None,
        }
    }
}

/// The house's ports inside.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub tcp: NonZeroU16,
    pub udp: NonZeroU16,
}

/// Keeps both ports mapped and `state` right until `stop`; then the router forgets them.
pub async fn keep_mapped(ports: Ports, state: watch::Sender<PortMapping>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let way_out = find_way_out();
        let mappings = Mappings::new();
        tokio::select! {
            () = stop.cancelled() => {}
            () = mappings.follow(ports, &state) => {}
            () = another_way_out(way_out) => tracing::info!("another network: its router is asked for ports"),
        }
        mappings.release().await;
    }
    state.send_replace(PortMapping::Refused);
}

/// One conversation with a router for each port.
struct Mappings {
    tcp: Client,
    udp: Client,
}

impl Mappings {
    fn new() -> Self {
        let client = |protocol| Client::new(Config { protocol, ..Config::default() });
        Self { tcp: client(Protocol::Tcp), udp: client(Protocol::Udp) }
    }

    /// Asks for both ports and tells `state` what comes of it. Runs until it is dropped.
    async fn follow(&self, ports: Ports, state: &watch::Sender<PortMapping>) {
        let is_anybody_there = self.probe().await;
        self.tcp.update_local_port(ports.tcp);
        self.udp.update_local_port(ports.udp);
        let (mut tcp, mut udp) = (self.tcp.watch_external_address(), self.udp.watch_external_address());
        let mut next_question = Instant::now() + if is_anybody_there { ANSWER_LIMIT } else { Duration::ZERO };
        loop {
            match read(*tcp.borrow_and_update(), *udp.borrow_and_update()) {
                Some(answer) => {
                    tell(state, answer);
                    next_question = Instant::now() + ASK_AGAIN;
                }
                // A mapping ran out; it is asked for anew without us.
                None if matches!(*state.borrow(), PortMapping::Mapped { .. }) => {
                    next_question = next_question.min(Instant::now() + ANSWER_LIMIT);
                }
                None => {}
            }
            tokio::select! {
                Ok(()) = tcp.changed() => {}
                Ok(()) = udp.changed() => {}
                () = sleep_until(next_question) => {
                    if read(*tcp.borrow(), *udp.borrow()).is_none() {
                        tell(state, PortMapping::Refused);
                        self.ask_again().await;
                    }
                    next_question = Instant::now() + ASK_AGAIN;
                }
            }
        }
    }

    /// Does anybody here give ports? With the answer the best protocol is chosen; unasked it would be UPnP.
    async fn probe(&self) -> bool {
        let found = |answer| matches!(answer, Ok(Ok(Ok(ProbeOutput { upnp, pcp, nat_pmp }))) if upnp || pcp || nat_pmp);
        let probe = |client: &Client| timeout(PROBE_LIMIT, client.probe());
        let (tcp, udp) = tokio::join!(probe(&self.tcp), probe(&self.udp));
        found(tcp) && found(udp)
    }

    async fn ask_again(&self) {
        if self.probe().await {
            self.tcp.procure_mapping();
            self.udp.procure_mapping();
        }
    }

    /// Takes both back.
    async fn release(self) {
        self.tcp.deactivate();
        self.udp.deactivate();
        // Questions are answered in order: after this answer the mappings are gone. A router that has left does not
        // keep a house from closing.
        let answered = timeout(RELEASE_LIMIT, async { tokio::join!(self.tcp.probe(), self.udp.probe()) });
        if answered.await.is_err() {
            tracing::debug!("the router did not say that it forgot the house's ports");
        }
    }
}

/// Both ports, or nothing: a house with signalling alone lets people join and hear nothing.
fn read(tcp: Option<SocketAddrV4>, udp: Option<SocketAddrV4>) -> Option<PortMapping> {
    match (tcp, udp) {
        (Some(tcp), Some(udp)) if is_public(*tcp.ip()) && is_public(*udp.ip()) => {
            Some(PortMapping::Mapped { tcp: tcp.into(), udp: udp.into() })
        }
        (Some(_), Some(_)) => Some(PortMapping::Refused),
        _ => None,
    }
}

fn tell(state: &watch::Sender<PortMapping>, now: PortMapping) {
    let is_new = state.send_if_modified(|told| std::mem::replace(told, now) != now);
    match now {
        PortMapping::Mapped { tcp, udp } if is_new => tracing::info!(%tcp, %udp, "the router passes the ports on"),
        PortMapping::Refused if is_new => tracing::info!("no router passes the ports on"),
        _ => {}
    }
}

/// Can the internet send to it? A router behind another one has an address of the other's network, or one that its
/// provider shares among many (RFC 1918, RFC 6598).
pub fn is_public(ip: Ipv4Addr) -> bool {
    let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    !(is_shared || ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.octets()[0] == 0)
}

/// This computer's address towards the internet; none while nothing leads there.
fn find_way_out() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(OUTSIDE).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

async fn another_way_out(than: Option<IpAddr>) {
    let mut looks = interval(LOOK_AGAIN);
    while find_way_out() == than {
        looks.tick().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(text: &str) -> Option<SocketAddrV4> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_house_is_mapped_with_both_ports_and_each_has_its_own_outside() {
        let mapped = read(address("8.8.4.1:42117"), address("8.8.4.1:61115")).unwrap();
        assert_eq!(mapped.in_link().unwrap(), "8.8.4.1:42117");
        let media = OutsideMedia { ip: "8.8.4.1".parse().unwrap(), port: Some(61115) };
        assert_eq!(mapped.for_media(), Some(media));
        assert_eq!(read(address("8.8.4.1:42117"), None), None);
        assert_eq!(read(None, address("8.8.4.1:61115")), None);
    }

    #[test]
    fn a_router_behind_another_one_leads_nowhere() {
        for inside in ["192.168.1.2:7410", "10.0.0.9:7410", "100.64.0.1:7410", "100.127.3.4:1", "0.0.0.0:7410"] {
            assert_eq!(read(address(inside), address(inside)), Some(PortMapping::Refused), "{inside}");
            assert_eq!(PortMapping::Refused.in_link(), None);
        }
        for outside in ["100.63.0.1:1", "100.128.0.1:1", "11.0.0.1:1"] {
            assert_ne!(read(address(outside), address(outside)), Some(PortMapping::Refused), "{outside}");
        }
    }
}
