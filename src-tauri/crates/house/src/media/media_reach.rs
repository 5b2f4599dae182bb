//! The addresses at which media is reached, followed while a house is open: cables are plugged in, tunnels come and go,
//! leases end, and the name of an outside address begins to mean another one.

use std::{net::SocketAddr, time::Duration};

use serambi_sfu::{MediaAddresses, OutsideMedia};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::embedded::Embedded;
use crate::{addresses, port_mapping::PortMapping, reached::Reached};

/// How often the interfaces are listed: within this time a new network has sound. A list costs some 50 µs.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often an outside name is asked for.
const RESOLVE_AGAIN: Duration = Duration::from_secs(60);

/// What a house listens on, and how it is seen from outside. Framed streams come in at its own TCP port.
#[derive(Clone)]
pub struct MediaReach {
    reached: Reached,
}

impl MediaReach {
    pub fn new(reached: Reached) -> Self {
        Self { reached }
    }

    /// The addresses of now.
    pub async fn addresses(&self) -> MediaAddresses {
        let outside = self.resolve().await;
        self.with_outside(outside)
    }

    /// Tells the media server whenever they are others than `told`. Runs until it is dropped.
    pub async fn follow(mut self, embedded: &Embedded, mut told: MediaAddresses) {
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut outside, mut resolved) = (self.resolve().await, Instant::now());
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = changed(self.reached.mapping.as_mut()) => {}
            }
            if resolved.elapsed() >= RESOLVE_AGAIN {
                (outside, resolved) = (self.resolve().await, Instant::now());
            }
            let addresses = self.with_outside(outside.clone());
            if addresses == told {
                continue;
            }
            match embedded.move_to(addresses.clone()) {
                Ok(()) => told = addresses,
                // It is asked again at the next look.
                Err(error) => tracing::warn!(%error, "the media server was not told of new addresses"),
            }
        }
    }

    /// What is known not to lead here is left out: nobody is sent to a stranger.
    fn with_outside(&self, named: Vec<OutsideMedia>) -> MediaAddresses {
        let Reached { listen, mapping, .. } = &self.reached;
        let mut outside = if self.is_refuted() { Vec::new() } else { named };
        let mut streams = self.streams(&outside);
        if let Some(mapping) = mapping.as_ref().map(|mapping| *mapping.borrow())
            && !mapping.in_link().is_some_and(|address| self.reached.tests.borrow().refute(&address))
        {
            outside.extend(mapping.for_media());
            streams.extend(mapping.for_streams());
        }
        MediaAddresses { interfaces: addresses::for_media(*listen), outside, streams }
    }

    fn is_refuted(&self) -> bool {
        let Reached { outside, port, tests, .. } = &self.reached;
        outside.as_ref().is_some_and(|outside| tests.borrow().refute(&outside.in_link(*port)))
    }

    /// Those of a link: each client connects to every one of them.
    fn streams(&self, named: &[OutsideMedia]) -> Vec<SocketAddr> {
        let Reached { listen, outside, port, .. } = &self.reached;
        let here = addresses::in_link(*listen);
        let is_anywhere_else = here.iter().any(|ip| !ip.is_loopback());
        let here = here.into_iter().filter(|ip| !is_anywhere_else || !ip.is_loopback());
        let outside_port = outside.as_ref().map_or(*port, |outside| outside.tcp_port(*port));
        let here = here.map(|ip| SocketAddr::new(ip, *port));
        here.chain(named.iter().map(|place| SocketAddr::new(place.ip, outside_port))).collect()
    }

    async fn resolve(&self) -> Vec<OutsideMedia> {
        match &self.reached.outside {
            Some(outside) => outside.for_media().await,
            None => Vec::new(),
        }
    }
}

/// Another state of the router; never if there is none to come.
async fn changed(mapping: Option<&mut watch::Receiver<PortMapping>>) {
    let Some(mapping) = mapping else { return std::future::pending().await };
    if mapping.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serambi_protocol::Code;

    use super::*;
    use crate::outside_test::{OutsideTest, OutsideTests};

    #[tokio::test]
    async fn media_comes_in_at_the_outside_address_and_at_the_routers_unless_they_lead_elsewhere() {
        let mapped = PortMapping::Mapped { tcp: "8.8.4.1:1".parse().unwrap(), udp: "8.8.4.1:2".parse().unwrap() };
        let (state, mapping) = watch::channel(PortMapping::Asking);
        let (told, tests) = watch::channel(OutsideTests::default());
        let outside = Some("203.0.113.7:443:9000".parse().unwrap());
        let listen = "127.0.0.1".parse().unwrap();
        let reach =
            MediaReach::new(Reached { listen, outside, mapping: Some(mapping), port: 7410, tests, domain: None });
        let outside = OutsideMedia { ip: "203.0.113.7".parse().unwrap(), port: Some(9000) };
        assert_eq!(reach.addresses().await.outside, [outside]);
        state.send_replace(mapped);
        let router = OutsideMedia { ip: "8.8.4.1".parse().unwrap(), port: Some(2) };
        let addresses = reach.addresses().await;
        assert_eq!(addresses.outside, [outside, router]);
        let streams = ["127.0.0.1:7410", "203.0.113.7:443", "8.8.4.1:1"].map(|at| at.parse().unwrap());
        assert_eq!(addresses.streams, streams);
        let failed = |address: &str| (address.to_owned(), OutsideTest::Failed(Code::OutsideNotTheOne));
        told.send_replace([failed("8.8.4.1:1")].into_iter().collect());
        assert_eq!(reach.addresses().await.outside, [outside]);
        told.send_replace([failed("203.0.113.7:443")].into_iter().collect());
        let addresses = reach.addresses().await;
        assert_eq!((addresses.outside, addresses.streams), (vec![router], vec![streams[0], streams[2]]));
    }
}
