//! The own end of the way to a host: which address of this computer speaks to it, and when that one is gone and another
//! has come: a cable after a Wi-Fi, a telephone's hot spot after both. The decision is pure.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use serambi_protocol::limits::HOUSE_PORT;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the interfaces are listed. A list costs some 50 µs.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Stands for a host whose name is not resolved here: an address of nobody (RFC 5737), to which a default route leads.
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What has become of the way since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathChange {
    /// The address in use is gone and another leads there: whatever was bound to the old one is dead.
    Moved,
    /// There is one more address; the one in use is still there.
    Grown,
}

/// The address in use, and all there are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path {
    source: Option<IpAddr>,
    own: BTreeSet<IpAddr>,
}

impl Path {
    /// Takes what is seen now. While nothing leads there the old address counts: it may come back.
    fn take(&mut self, seen: Self) -> Option<PathChange> {
        let is_gone = self.source.is_none_or(|source| !source.is_loopback() && !seen.own.contains(&source));
        let has_another = seen.source.is_some_and(|source| seen.own.contains(&source));
        let is_more = seen.own.difference(&self.own).next().is_some();
        self.own.clone_from(&seen.own);
        if is_gone && has_another {
            self.source = seen.source;
            return Some(PathChange::Moved);
        }
        (is_more && !is_gone).then_some(PathChange::Grown)
    }
}

/// Follows the way to one host.
#[derive(Debug)]
pub(crate) struct OwnPath {
    host: IpAddr,
    path: Path,
    looks: Interval,
}

impl OwnPath {
    /// Begins with the addresses of now. `host`: a name or an address, IPv6 without brackets.
    pub(crate) fn to(host: &str) -> Self {
        let host = host.parse().unwrap_or(ANYWHERE);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { host, path: see(host), looks }
    }

    /// The next change. May be cancelled: nothing is missed.
    pub(crate) async fn changed(&mut self) -> PathChange {
        loop {
            self.looks.tick().await;
            if let Some(change) = self.path.take(see(self.host)) {
                return change;
            }
        }
    }

    /// Returns once the address in use is another.
    pub(crate) async fn moved(&mut self) {
        while self.changed().await != PathChange::Moved {}
    }
}

fn see(host: IpAddr) -> Path {
    Path { source: source_towards(host), own: own_addresses().into_iter().collect() }
}

/// Addresses of interfaces that are up and have a carrier.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.iter().filter(|interface| interface.is_oper_up()).map(|interface| interface.ip()).collect()
}

/// The address from which this computer would speak to a host. Connecting a UDP socket sends nothing.
pub(crate) fn source_towards(host: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if host.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect((host, HOUSE_PORT)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path(source: &str, own: &[&str]) -> Path {
        Path { source: source.parse().ok(), own: own.iter().map(|ip| ip.parse().unwrap()).collect() }
    }

    const WIFI: &str = "192.168.1.4";
    const CABLE: &str = "192.168.1.5";

    #[test]
    fn whoever_walks_from_one_network_to_another_has_moved_once_the_other_leads_there() {
        let mut way = path(WIFI, &[WIFI]);
        assert_eq!(way.take(path("", &[])), None, "nothing leads there yet");
        assert_eq!(way.take(path(CABLE, &[])), None, "a route over an interface that is down");
        assert_eq!(way.take(path(CABLE, &[CABLE])), Some(PathChange::Moved));
        assert_eq!(way.take(path(CABLE, &[CABLE])), None);
    }

    #[test]
    fn a_cable_beside_a_network_that_works_is_one_address_more_and_no_reason_to_move() {
        let mut way = path(WIFI, &[WIFI]);
        assert_eq!(way.take(path(CABLE, &[WIFI, CABLE])), Some(PathChange::Grown));
        assert_eq!(way.take(path(CABLE, &[CABLE])), Some(PathChange::Moved), "the first one goes");
    }

    #[test]
    fn an_address_that_comes_back_was_never_left() {
        let mut way = path(WIFI, &[WIFI]);
        assert_eq!(way.take(path("", &[])), None);
        let back = way.take(path(WIFI, &[WIFI]));
        assert_eq!(back, Some(PathChange::Grown), "what is bound to it lives; whoever is cut begins anew all the same");
    }

    #[test]
    fn a_computer_that_began_without_a_network_has_moved_when_it_gets_one() {
        assert_eq!(path("", &[]).take(path(WIFI, &[WIFI])), Some(PathChange::Moved));
    }

    #[test]
    fn a_house_on_this_computer_is_reached_whatever_the_networks_do() {
        let mut way = path("127.0.0.1", &["127.0.0.1", WIFI]);
        assert_eq!(way.take(path("127.0.0.1", &["127.0.0.1"])), None);
    }
}
