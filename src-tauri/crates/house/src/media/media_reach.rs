//! The addresses at which media is reached, followed while a house is open: cables are plugged in, tunnels come and go,
//! leases end, and the name of an outside address begins to mean another one.

use std::{net::IpAddr, time::Duration};

use serambi_sfu::{MediaAddresses, OutsideMedia};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::embedded::Embedded;
use crate::{addresses, outside_address::OutsideAddress};

/// How often the interfaces are listed: within this time a new network has sound. A list costs some 50 µs.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often an outside name is asked for.
const RESOLVE_AGAIN: Duration = Duration::from_secs(60);

/// What a house listens on, and how it is seen from outside.
#[derive(Clone, Debug)]
pub struct MediaReach {
    listen: IpAddr,
    outside: Option<OutsideAddress>,
}

impl MediaReach {
    pub fn new(listen: IpAddr, outside: Option<OutsideAddress>) -> Self {
        Self { listen, outside }
    }

    /// The addresses of now.
    pub async fn addresses(&self) -> MediaAddresses {
        let outside = self.resolve().await;
        self.with_outside(outside)
    }

    /// Tells the media server whenever they are others than `told`. Runs until it is dropped.
    pub async fn follow(&self, embedded: &Embedded, mut told: MediaAddresses) {
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut outside, mut resolved) = (told.outside.clone(), Instant::now());
        loop {
            looks.tick().await;
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

    fn with_outside(&self, outside: Vec<OutsideMedia>) -> MediaAddresses {
        MediaAddresses { interfaces: addresses::for_media(self.listen), outside }
    }

    async fn resolve(&self) -> Vec<OutsideMedia> {
        match &self.outside {
            Some(outside) => outside.for_media().await,
            None => Vec::new(),
        }
    }
}
