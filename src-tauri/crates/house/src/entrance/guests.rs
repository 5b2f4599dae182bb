//! Who is there through passages, and under which addresses the rest of the house knows them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::RwLock;
use serambi_reach::Passage;
use sha2::{Digest, Sha256};

use crate::network::Peer;

/// Passages at the same time: some 95 kB each.
const MAX_GUESTS: usize = 1_000;
/// The network of media addresses: 198.19.0.0/16 (RFC 2544). 198.19.0.x is not given out; the house's own is there.
const MEDIA_NETWORK: [u8; 2] = [198, 19];
const FIRST_HOST: u16 = 256;
/// The first byte of an address for the listener: locally assigned (RFC 4193).
const LOCAL: u8 = 0xfd;
const PASSAGES: u8 = 0x5e;

/// Everybody. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct Guests {
    inside: Arc<RwLock<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    by_media_ip: HashMap<Ipv4Addr, Passage>,
    next_host: u16,
}

/// A guest, on the list until dropped.
#[derive(Debug)]
pub struct Guest {
    guests: Guests,
    media_ip: Ipv4Addr,
    peer: Peer,
}

impl Guests {
    /// Puts a guest on the list; none: there are too many.
    pub fn enter(&self, passage: Passage) -> Option<Guest> {
        let peer = Peer { ip: listener_ip(&passage.other_end()).into() };
        let mut inside = self.inside.write();
        if inside.by_media_ip.len() >= MAX_GUESTS {
            return None;
        }
        let media_ip = inside.free_media_ip();
        inside.by_media_ip.insert(media_ip, passage);
        Some(Guest { guests: self.clone(), media_ip, peer })
    }

    /// The passage of the guest who has this media address.
    pub fn at(&self, media_ip: IpAddr) -> Option<Passage> {
        let IpAddr::V4(ip) = media_ip else { return None };
        self.inside.read().by_media_ip.get(&ip).cloned()
    }
}

impl Inside {
    /// The next in turn, so that what is on its way to somebody who left reaches nobody else. There are far more than
    /// guests.
    fn free_media_ip(&mut self) -> Ipv4Addr {
        loop {
            self.next_host = self.next_host.checked_add(1).unwrap_or(FIRST_HOST).max(FIRST_HOST);
            let [third, fourth] = self.next_host.to_be_bytes();
            let [first, second] = MEDIA_NETWORK;
            let ip = Ipv4Addr::new(first, second, third, fourth);
            if !self.by_media_ip.contains_key(&ip) {
                return ip;
            }
        }
    }
}

impl Guest {
    /// The address of all its sockets for media.
    pub const fn media_ip(&self) -> Ipv4Addr {
        self.media_ip
    }

    /// What the listener knows it by.
    pub const fn peer(&self) -> Peer {
        self.peer
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.inside.write().by_media_ip.remove(&self.media_ip);
    }
}

/// How limits and logs know a browser that the gate with this key brings: by what the gate lets stand for the browser's
/// network. A gate that lies lies about its own browsers alone.
pub fn browser_at(gate: &[u8; 32], network: &[u8; 16]) -> Peer {
    let digest: [u8; 32] = Sha256::new().chain_update(gate).chain_update(network).finalize().into();
    Peer { ip: listener_ip(&digest).into() }
}

/// An address for limits and logs that is the same for one guest's key and says nothing about the guest.
fn listener_ip(key: &[u8; 32]) -> Ipv6Addr {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let mut octets = [0; 16];
    octets.iter_mut().zip(digest).for_each(|(octet, byte)| *octet = byte);
    [octets[0], octets[1]] = [LOCAL, PASSAGES];
    octets.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain HTTP, keepers' counters and limits trust this computer: a passage ended on loopback once.
    #[test]
    fn no_guest_of_a_passage_is_this_computer_and_each_is_another_network() {
        let addresses: Vec<Peer> = (0..=255).map(|byte| Peer { ip: listener_ip(&[byte; 32]).into() }).collect();
        assert!(addresses.iter().all(|peer| !peer.is_this_computer()));
        let networks: std::collections::HashSet<_> =
            addresses.iter().map(|peer| crate::network::Network::from(peer.ip)).collect();
        assert_eq!(networks.len(), addresses.len());
    }

    #[test]
    fn no_browser_of_a_gate_is_this_computer_and_each_network_behind_a_gate_is_another() {
        let browsers =
            (0..=255).flat_map(|byte| [browser_at(&[1; 32], &[byte; 16]), browser_at(&[2; 32], &[byte; 16])]);
        let browsers: Vec<Peer> = browsers.collect();
        assert!(browsers.iter().all(|peer| !peer.is_this_computer()));
        let networks: std::collections::HashSet<_> =
            browsers.iter().map(|peer| crate::network::Network::from(peer.ip)).collect();
        assert_eq!(networks.len(), browsers.len());
    }

    #[test]
    fn media_addresses_go_round_and_never_meet_the_houses_own() {
        let mut inside = Inside::default();
        let given: std::collections::HashSet<Ipv4Addr> =
            (FIRST_HOST..=u16::MAX).map(|_| inside.free_media_ip()).collect();
        assert_eq!(given.len(), usize::from(u16::MAX - FIRST_HOST) + 1);
        assert!(given.iter().all(|ip| ip.octets().starts_with(&MEDIA_NETWORK) && ip.octets()[2] != 0));
        assert!(given.contains(&inside.free_media_ip()), "and round again");
    }
}
