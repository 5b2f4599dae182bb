//! Where a request comes from, and the network that limits count it by.

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
    fn all_addresses_of_a_household_are_one_network() {
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
