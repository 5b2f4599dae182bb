//! The addresses at which media is reached, followed while a house is open: cables are plugged in, tunnels come and go,
//! leases end, and the name of an outside address begins to mean another one.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serambi_sfu::{MediaAddresses, OutsideMedia};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::embedded::Embedded;
use crate::{addresses, outside_address::OutsideAddress, port_mapping::PortMapping};

/// How often the interfaces are listed: within this time a new network has sound. A list costs some 50 µs.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often an outside name is asked for.
const RESOLVE_AGAIN: Duration = Duration::from_secs(60);

/// What a house listens on, and how it is seen from outside.
#[derive(Clone, Debug)]
pub struct MediaReach {
    listen: IpAddr,
    outside: Option<OutsideAddress>,
    /// What the router does, if it was asked.
    mapping: Option<watch::Receiver<PortMapping>>,
    /// The house's own TCP port, at which framed streams come in as well.
    tcp_port: u16,
}

impl MediaReach {
    pub fn new(
        listen: IpAddr,
        outside: Option<OutsideAddress>,
        mapping: Option<watch::Receiver<PortMapping>>,
        tcp_port: u16,
    ) -> Self {
        Self { listen, outside, mapping, tcp_port }
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
                () = changed(self.mapping.as_mut()) => {}
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

    fn with_outside(&self, mut outside: Vec<OutsideMedia>) -> MediaAddresses {
        let mut streams = self.streams(&outside);
        if let Some(mapping) = &self.mapping {
            outside.extend(mapping.borrow().for_media());
            streams.extend(mapping.borrow().for_streams());
        }
        MediaAddresses { interfaces: addresses::for_media(self.listen), outside, streams }
    }

    /// Those of a link: each client connects to every one of them.
    fn streams(&self, outside: &[OutsideMedia]) -> Vec<SocketAddr> {
        let here = addresses::in_link(self.listen);
        let is_anywhere_else = here.iter().any(|ip| !ip.is_loopback());
        let here = here.into_iter().filter(|ip| !is_anywhere_else || !ip.is_loopback());
        let outside_port = self.outside.as_ref().map_or(self.tcp_port, |outside| outside.tcp_port(self.tcp_port));
        let here = here.map(|ip| SocketAddr::new(ip, self.tcp_port));
        here.chain(outside.iter().map(|place| SocketAddr::new(place.ip, outside_port))).collect()
    }

    async fn resolve(&self) -> Vec<OutsideMedia> {
        match &self.outside {
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
    use super::*;

    #[tokio::test]
    async fn media_comes_in_at_the_outside_address_and_at_the_routers() {
        let mapped = PortMapping::Mapped { tcp: "8.8.4.1:1".parse().unwrap(), udp: "8.8.4.1:2".parse().unwrap() };
        let (state, mapping) = watch::channel(PortMapping::Asking);
        let listen = "127.0.0.1".parse().unwrap();
        let reach = MediaReach::new(listen, Some("203.0.113.7:443:9000".parse().unwrap()), Some(mapping), 7410);
        let outside = OutsideMedia { ip: "203.0.113.7".parse().unwrap(), port: Some(9000) };
        assert_eq!(reach.addresses().await.outside, [outside]);
        state.send_replace(mapped);
        let router = OutsideMedia { ip: "8.8.4.1".parse().unwrap(), port: Some(2) };
        let addresses = reach.addresses().await;
        assert_eq!(addresses.outside, [outside, router]);
        let streams = ["127.0.0.1:7410", "203.0.113.7:443", "8.8.4.1:1"].map(|at| at.parse().unwrap());
        assert_eq!(addresses.streams, streams);
    }
}
