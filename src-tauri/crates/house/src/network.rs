//! Where a request comes from, how it travelled, and the network that limits count it by.

use std::net::{IpAddr, Ipv4Addr};

/// Who is at the other end of a connection; handlers find it among a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address. Behind a reverse proxy that is the proxy's.
    pub ip: IpAddr,
}

impl Peer {
    /// A peer on this computer, which a limit per network must not hit: it may be a proxy for many.
    pub fn is_this_computer(self) -> bool {
        self.ip.is_loopback()
    }
}

/// How a request travelled; handlers find it among a request's extensions.
///
/// Plain HTTP within a private network is for listening guests, because no browser trusts a house's own certificate
/// without a warning, and at home a link should simply open. Whoever shares that network can read along and change what
/// passes: the page itself, a session's key, the pass for the sound. So nothing is done over it that such a reader
/// could misuse in somebody's name:
/// * a session opened over it never comes on stage, raises no hand and starts no room, however it is used later
///   ([`crate::authenticator::Session::is_confidential`]), so a stolen key listens and leaves, and no more;
/// * a session opened over TLS is not accepted over it, so that none is shown by accident;
/// * a person who is on stage cannot join over it: the seat would follow the stolen key;
/// * keys of the house, statistics and orders to the media server are not taken ([`Self::reaches`]).
///
/// What remains is that a reader hears what the guest hears. The page says so in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS, from anywhere. A page by another name does not get this far: the certificate is not made for it.
    Tls,
    /// Plain HTTP within this computer.
    ThisComputer,
    /// Plain HTTP from a private network, to this address of the house.
    PrivateNetwork {
        /// The house's end of the connection.
        at: IpAddr,
    },
    /// Within the passage of a gate, at which the TLS of somebody's browser ends. The gate can read and change what
    /// passes; its page says so, and whoever goes on trusts it. A house is reached this way only through the gates that
    /// its keeper named.
    #[cfg_attr(not(feature = "reach"), expect(dead_code, reason = "without passages nobody comes this way"))]
    Gate,
}

/// What gates forward: the two interfaces that know who asks. The page is the gate's own.
const OPEN_TO_GATES: &[&str] = &["/api/v1/", "/rtc"];
/// What is served over plain HTTP to other computers: the page besides.
const OPEN_TO_PRIVATE_NETWORKS: &[&str] = &["/r/", "/assets/", "/api/v1/", "/rtc"];

impl Transport {
    /// The scheme of an address that leads here this way.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Tls | Self::Gate => "https",
            Self::ThisComputer | Self::PrivateNetwork { .. } => "http",
        }
    }

    /// Nobody on the way could read it but a gate that both ends trust.
    pub const fn is_confidential(self) -> bool {
        !matches!(self, Self::PrivateNetwork { .. })
    }

    /// Is there anything at this path for whoever comes this way?
    pub fn reaches(self, path: &str) -> bool {
        let begins_with_one_of = |open: &[&str]| open.iter().any(|beginning| path.starts_with(beginning));
        match self {
            Self::Tls | Self::ThisComputer => true,
            Self::PrivateNetwork { .. } => path == "/" || begins_with_one_of(OPEN_TO_PRIVATE_NETWORKS),
            Self::Gate => begins_with_one_of(OPEN_TO_GATES),
        }
    }
}

/// An address that only a network of its own uses: RFC 1918, 169.254/16 (RFC 3927), fc00::/7 (RFC 4193), fe80::/10
/// (RFC 4291). Nobody comes from one through the internet.
pub const fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// What a limit per address counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// One IPv4 address: a household, an office, a school, or a provider's shared address.
    V4(Ipv4Addr),
    /// The upper 64 bits of an IPv6 address: what a provider gives a household at least (RFC 6177).
    V6(u64),
}

impl From<IpAddr> for Network {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn network(ip: &str) -> Network {
        ip.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn private_networks_are_those_that_no_router_passes_on() {
        for ip in ["10.1.2.3", "172.16.0.1", "172.31.255.1", "192.168.0.7", "169.254.1.1", "fd00::1", "fe80::1"] {
            assert!(is_private(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["172.32.0.1", "100.64.0.1", "8.8.8.8", "192.169.0.1", "2001:db8::1", "fec0::1", "0.0.0.0", "::"] {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn over_plain_http_others_reach_the_page_and_the_api_and_nothing_that_is_added_later() {
        let near = Transport::PrivateNetwork { at: [192, 168, 1, 20].into() };
        for path in ["/", "/r/aB3dE5gH7k", "/assets/a-1.js", "/api/v1/rooms", "/rtc", "/rtc/validate"] {
            assert!(near.reaches(path), "{path}");
        }
        for path in ["/twirp/livekit.RoomService/ListRooms", "/metrics", "/relay", "//rtc", "", "/index.html"] {
            assert!(!near.reaches(path), "{path}");
            assert!(Transport::Tls.reaches(path) && Transport::ThisComputer.reaches(path));
        }
    }

    #[test]
    fn a_gate_reaches_what_a_page_needs_and_neither_orders_nor_counters_nor_another_gate() {
        for path in ["/api/v1/rooms", "/api/v1/events", "/rtc", "/rtc/validate"] {
            assert!(Transport::Gate.reaches(path), "{path}");
        }
        for path in
            ["/", "/r/aB3dE5gH7k", "/twirp/livekit.RoomService/ListRooms", "/relay", "/gate", "/h/x/api/v1/rooms"]
        {
            assert!(!Transport::Gate.reaches(path), "{path}");
        }
    }

    #[test]
    fn all_addresses_of_a_household_are_one_network() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
