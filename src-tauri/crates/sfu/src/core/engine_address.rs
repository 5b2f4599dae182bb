//! Addresses as the ICE engine is told them. It takes no IPv4 link-local address for a candidate (`is` 0.12.0,
//! `candidate.rs`, `is_valid_ip`), and two computers on a cable of their own have no others. So 169.254.x.y is
//! 198.18.x.y to the engine, which is nobody's address outside of a laboratory (RFC 2544).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// As the engine takes it.
pub(crate) fn to_engine(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_link_local() => with_beginning(address, ip, [198, 18]),
        _ => address,
    }
}

/// As the network has it.
pub(crate) fn from_engine(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.octets().starts_with(&[198, 18]) => with_beginning(address, ip, [169, 254]),
        _ => address,
    }
}

fn with_beginning(address: SocketAddr, ip: Ipv4Addr, [first, second]: [u8; 2]) -> SocketAddr {
    let [_, _, third, fourth] = ip.octets();
    SocketAddr::from(([first, second, third, fourth], address.port()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use str0m::Candidate;
    use str0m::net::Protocol;

    /// Two laptops on a cable joined each other's rooms and heard nothing.
    #[test]
    fn the_engine_takes_an_address_of_a_cable_without_a_router_and_gives_it_back() {
        let cable: SocketAddr = "169.254.7.1:7411".parse().unwrap();
        assert!(Candidate::host(cable, Protocol::Udp).is_err(), "the engine has learned it: this file can go");
        assert!(Candidate::host(to_engine(cable), Protocol::Udp).is_ok());
        assert_eq!(from_engine(to_engine(cable)), cable);
        for other in ["192.168.1.2:1", "[2001:db8::1]:1", "198.51.100.7:1"].map(|text| text.parse().unwrap()) {
            assert_eq!((to_engine(other), from_engine(other)), (other, other));
        }
    }
}
