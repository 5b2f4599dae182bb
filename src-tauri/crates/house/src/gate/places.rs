//! How many clients a gate holds: in all, and of one network. Some places are kept for houses, so that a crowd of
//! guests cannot keep a house from coming back.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::admission::Role;
use crate::network::{Network, Peer};

/// Clients of one network: a school of 300 people has one address.
const MAX_PER_NETWORK: usize = 512;
/// The part of all places that guests cannot take.
const KEPT_FOR_HOUSES: usize = 8;

/// Counts who is connected.
#[derive(Clone)]
pub struct Places(Arc<Inside>);

struct Inside {
    max_in_all: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    in_all: usize,
    networks: HashMap<Network, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Nobody else comes in.
    InAll,
    /// Nobody else of the same network does.
    Network,
}

impl Places {
    pub fn new(max_in_all: usize) -> Self {
        Self(Arc::new(Inside { max_in_all, counts: Mutex::default() }))
    }

    /// A place for somebody from there. Behind a reverse proxy on this computer everybody comes from here, so only the
    /// limit for all of them counts here.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take(&self, from: Peer, role: Role) -> Result<Place, Full> {
        let network = Network::from(from.ip);
        let mut counts = self.0.counts.lock();
        if counts.in_all >= self.max_for(role) {
            return Err(Full::InAll);
        }
        let theirs = counts.networks.entry(network).or_default();
        if *theirs >= MAX_PER_NETWORK && !from.is_this_computer() {
            return Err(Full::Network);
        }
        *theirs += 1;
        counts.in_all += 1;
        Ok(Place { places: self.clone(), network })
    }

    /// Places that are taken.
    pub fn taken(&self) -> usize {
        self.0.counts.lock().in_all
    }

    fn max_for(&self, role: Role) -> usize {
        match role {
            Role::House => self.0.max_in_all,
            Role::Guest => self.0.max_in_all - self.0.max_in_all / KEPT_FOR_HOUSES,
        }
    }

    fn give_back(&self, network: Network) {
        let mut counts = self.0.counts.lock();
        counts.in_all = counts.in_all.saturating_sub(1);
        match counts.networks.get_mut(&network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.networks.remove(&network)),
        }
    }
}

/// One client's place, free again when it is dropped.
pub struct Place {
    places: Places,
    network: Network,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.give_back(self.network);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn peer(ip: &str) -> Peer {
        Peer { ip: ip.parse().unwrap() }
    }

    fn fill(places: &Places, from: Peer, role: Role) -> (Vec<Place>, Full) {
        let mut taken = Vec::new();
        loop {
            match places.take(from, role) {
                Ok(place) => taken.push(place),
                Err(full) => return (taken, full),
            }
        }
    }

    #[test]
    fn one_network_cannot_take_every_place_and_gets_back_what_it_leaves() {
        let places = Places::new(10_000);
        let (mut taken, full) = fill(&places, peer("192.0.2.1"), Role::Guest);
        assert_eq!((taken.len(), full), (MAX_PER_NETWORK, Full::Network));
        assert!(places.take(peer("192.0.2.2"), Role::Guest).is_ok());
        taken.pop();
        assert!(places.take(peer("192.0.2.1"), Role::Guest).is_ok());
        drop(taken);
        assert_eq!(places.taken(), 0);
        assert!(places.0.counts.lock().networks.is_empty(), "nothing is kept of who has left");
    }

    #[test]
    fn guests_leave_places_for_houses() {
        let places = Places::new(80);
        let (guests, full) = fill(&places, peer("127.0.0.1"), Role::Guest);
        assert_eq!((guests.len(), full), (70, Full::InAll));
        let (houses, full) = fill(&places, peer("127.0.0.1"), Role::House);
        assert_eq!((houses.len(), full), (10, Full::InAll));
    }

    #[test]
    fn a_network_that_is_refused_is_not_remembered_for_it() {
        let places = Places::new(0);
        assert_eq!(places.take(peer("192.0.2.1"), Role::House).err(), Some(Full::InAll));
        assert!(places.0.counts.lock().networks.is_empty());
    }
}
