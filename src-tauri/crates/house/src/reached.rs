//! Where a house is reached and how it is known there: what its links say, and which of its addresses somebody outside
//! can try.

use std::net::{IpAddr, SocketAddr};

use serambi_protocol::{
    DomainName,
    link::{HouseAddress, HouseProof, PassageAddress, Pin},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    addresses,
    domain::Domain,
    media::media_reach::LOOK_AGAIN,
    outside_address::OutsideAddress,
    outside_test::{Claim, OutsideTests},
    port_mapping::{self, PortMapping},
};

/// What a link follows from.
#[derive(Clone)]
pub struct Reached {
    pub listen: IpAddr,
    pub outside: Option<OutsideAddress>,
    /// What the router does, if it was asked.
    pub mapping: Option<watch::Receiver<PortMapping>>,
    /// The house's TCP port.
    pub port: u16,
    pub tests: watch::Receiver<OutsideTests>,
    pub domain: Option<Domain>,
}

impl Reached {
    /// `host:port` each. The interfaces are looked at anew each time. An address outside that is known not to lead here
    /// is left out.
    pub fn addresses(&self) -> Vec<String> {
        let outside = self.outside.iter().map(|outside| outside.in_link(self.port));
        let mapped = self.mapping.iter().filter_map(|mapping| mapping.borrow().in_link());
        let here = addresses::with_port(&addresses::in_link(self.listen), self.port);
        let tests = self.tests.borrow();
        outside.chain(mapped).filter(|address| !tests.refute(address)).chain(here).collect()
    }

    /// The domain, while guests are shown a certificate for it.
    pub fn certified_name(&self) -> Option<&DomainName> {
        self.domain.as_ref().filter(|domain| domain.is_certified()).map(|domain| &domain.name)
    }

    /// By the domain alone while there is a certificate for it, no good for any other address; else by the pin.
    pub fn address(&self, pin: &Pin, passage: Option<PassageAddress>) -> HouseAddress {
        match self.certified_name() {
            Some(name) => {
                let port = self.outside.as_ref().map_or(self.port, |outside| outside.tcp_port(self.port));
                HouseAddress::by_name(name.clone(), port)
            }
            None => HouseAddress { addresses: self.addresses(), proof: HouseProof::Pin(pin.clone()), passage },
        }
    }

    /// What somebody outside can try: the address that was named, the router's, and public ones of this computer.
    /// `media`: the UDP port of the media server, if it is in this house.
    #[cfg_attr(not(feature = "reach"), expect(dead_code, reason = "nobody outside can be asked"))]
    pub fn claims(&self, media: Option<u16>) -> Vec<Claim> {
        let claim = |host: String, tcp: u16, udp: Option<u16>, address: String| Claim { address, host, tcp, udp };
        let outside = self.outside.iter().map(|outside| {
            let udp = media.map(|inside| outside.udp_port(inside));
            claim(outside.host().to_owned(), outside.tcp_port(self.port), udp, outside.in_link(self.port))
        });
        let mapped = self.mapping.iter().filter_map(|mapping| match *mapping.borrow() {
            PortMapping::Mapped { tcp, udp } => {
                Some(claim(tcp.ip().to_string(), tcp.port(), media.map(|_| udp.port()), tcp.to_string()))
            }
            PortMapping::Asking | PortMapping::Refused => None,
        });
        let here = addresses::in_link(self.listen).into_iter().filter(is_public);
        let here = here.map(|ip| claim(ip.to_string(), self.port, media, SocketAddr::new(ip, self.port).to_string()));
        outside.chain(mapped).chain(here).collect()
    }

    /// Tells the addresses of now whenever they change, until the house closes.
    pub async fn follow(self, told: watch::Sender<Vec<String>>, stop: CancellationToken) {
        while timeout(LOOK_AGAIN, stop.cancelled()).await.is_err() {
            let addresses = self.addresses();
            told.send_if_modified(|told| {
                let is_news = *told != addresses;
                *told = addresses;
                is_news
            });
        }
    }
}

/// IPv6 addresses are public as a rule, and routers at home let nobody in to them unasked (RFC 6092).
fn is_public(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if port_mapping::is_public(*ip))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serambi_protocol::{Code, link::Link};

    use super::*;
    use crate::{clock::Clock, domain::DomainState, outside_test::OutsideTest};

    const INSIDE: &str = "192.168.1.20";

    fn reached(
        outside: Option<&str>,
        mapping: Option<PortMapping>,
        listen: &str,
    ) -> (Reached, watch::Sender<OutsideTests>) {
        let (told, tests) = watch::channel(OutsideTests::default());
        let mapping = mapping.map(|mapping| watch::channel(mapping).1);
        let outside = outside.map(|outside| outside.parse().unwrap());
        (Reached { listen: listen.parse().unwrap(), outside, mapping, port: 7410, tests, domain: None }, told)
    }

    fn mapped() -> PortMapping {
        PortMapping::Mapped { tcp: "8.8.4.1:42117".parse().unwrap(), udp: "8.8.4.1:61115".parse().unwrap() }
    }

    fn link(reached: &Reached) -> String {
        Link { house: reached.address(&Pin::from_digest(&[1; 32]), None), room: None }.to_string()
    }

    #[test]
    fn an_address_that_failed_the_test_is_not_offered_and_the_others_are() {
        let (reached, told) = reached(Some("rooms.example:443:9000"), Some(mapped()), INSIDE);
        assert_eq!(reached.addresses(), ["rooms.example:443", "8.8.4.1:42117", "192.168.1.20:7410"]);
        let failed = ("8.8.4.1:42117".to_owned(), OutsideTest::Failed(Code::OutsideNotTheOne));
        told.send_replace([failed].into_iter().collect());
        assert_eq!(reached.addresses(), ["rooms.example:443", "192.168.1.20:7410"]);
    }

    #[test]
    fn what_is_tried_are_the_ports_outside() {
        let (reached, _told) = reached(Some("rooms.example:443:9000"), Some(mapped()), INSIDE);
        let tried: Vec<_> =
            reached.claims(Some(7411)).into_iter().map(|claim| (claim.host, claim.tcp, claim.udp)).collect();
        let expected = [("rooms.example", 443, Some(9000)), ("8.8.4.1", 42117, Some(61115))];
        assert_eq!(tried, expected.map(|(host, tcp, udp)| (host.to_owned(), tcp, udp)));
        assert!(reached.claims(None).iter().all(|claim| claim.udp.is_none()), "another server carries the media");
    }

    #[test]
    fn a_public_address_of_this_computer_is_tried_and_a_private_one_is_not() {
        let (public, _told) = reached(None, None, "203.0.2.7");
        let expected = Claim { address: "203.0.2.7:7410".into(), host: "203.0.2.7".into(), tcp: 7410, udp: Some(7411) };
        assert_eq!(public.claims(Some(7411)), [expected]);
        for private in [INSIDE, "127.0.0.1", "100.64.0.2", "fd00::1", "2001:db8::1"] {
            assert_eq!(reached(None, None, private).0.claims(Some(7411)), [], "{private}");
        }
    }

    #[test]
    fn a_link_is_by_name_while_the_certificate_is_valid_and_by_pin_before_and_after() {
        let (state, told) = watch::channel(DomainState::default());
        let clock = Clock::default();
        let domain = Domain { name: "rooms.example".parse().unwrap(), state: Some(told), clock: clock.clone() };
        let (reached, _told) = reached(Some("rooms.example"), None, "127.0.0.1");
        let reached = Reached { port: 443, domain: Some(domain), ..reached };
        assert!(link(&reached).starts_with("serambi://rooms.example:443?pin="));
        state.send_replace(DomainState { valid_until_ms: Some(clock.unix_ms() + 60_000), trouble: None });
        assert_eq!(link(&reached), "serambi://rooms.example:443");
        clock.skip_ms(60_000);
        assert!(link(&reached).starts_with("serambi://rooms.example:443?pin="), "it was not renewed");
    }

    #[test]
    fn behind_a_reverse_proxy_a_link_is_by_name_and_the_proxys_port() {
        let domain = Domain { name: "rooms.example".parse().unwrap(), state: None, clock: Clock::default() };
        let (reached, _told) = reached(Some("rooms.example:443"), None, "127.0.0.1");
        assert_eq!(link(&Reached { domain: Some(domain), ..reached }), "serambi://rooms.example:443");
    }
}
