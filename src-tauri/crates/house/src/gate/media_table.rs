//! Whose packets the gate's media port has before it: which house a browser's socket belongs to, and which number
//! stands for it there. Pure: time is an argument.
//!
//! A browser begins with an ICE check whose user name begins with the tag of its house
//! ([`HouseKey::media_tag`](serambi_protocol::link::HouseKey::media_tag)). Until the house has answered one, and it
//! answers those alone whose integrity is right, its place is soon free again.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    time::{Duration, Instant},
};

use serambi_protocol::link::MEDIA_TAG_CHARACTERS;
use serambi_sfu::binding_request_fragment;

use super::frame::ClientKey;
use crate::network::Network;

/// Sockets of browsers at the same time. Each person has two, and one more for each of their networks.
const MAX_SOCKETS: usize = 8_192;
/// Those of one network: a school of 300 people has one address.
const MAX_PER_NETWORK: usize = 2_048;
/// Browsers check every 5 s at most (RFC 7675); what says nothing for so long is gone.
const FORGET_AFTER: Duration = Duration::from_secs(30);
/// The same for what no house has answered.
const FORGET_UNANSWERED_AFTER: Duration = Duration::from_secs(5);
/// An address that spoke within this time cannot be taken over by a check for another house.
const HELD: Duration = Duration::from_secs(5);

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The house.
    pub house: ClientKey,
    /// The number of the browser's socket in the passage to that house.
    pub socket: u16,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    to: Destination,
    heard: Instant,
    is_answered: bool,
}

impl Place {
    fn is_over(&self, now: Instant) -> bool {
        let limit = if self.is_answered { FORGET_AFTER } else { FORGET_UNANSWERED_AFTER };
        now.saturating_duration_since(self.heard) >= limit
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct MediaTable {
    houses: HashMap<String, ClientKey>,
    places: HashMap<SocketAddr, Place>,
    sockets: HashMap<(ClientKey, u16), SocketAddr>,
    networks: HashMap<Network, usize>,
    next_socket: u16,
}

impl MediaTable {
    /// Packets with this tag go to that house from now on.
    pub fn open(&mut self, tag: String, house: ClientKey) {
        self.houses.insert(tag, house);
    }

    /// Nothing goes to that house any more.
    pub fn close(&mut self, house: &ClientKey) {
        self.houses.retain(|_, listed| listed != house);
        self.forget(|place| place.to.house == *house);
    }

    /// Where a packet from there goes; none: nobody knows, or there are too many.
    pub fn route(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> Option<Destination> {
        let named = match binding_request_fragment(packet) {
            Some(name) => Some(*self.houses.get(name.get(..MEDIA_TAG_CHARACTERS)?)?),
            None => None,
        };
        if let Some(place) = self.places.get_mut(&from) {
            let is_another = named.is_some_and(|house| house != place.to.house);
            if !is_another {
                place.heard = now;
                return Some(place.to);
            }
            if now.saturating_duration_since(place.heard) < HELD {
                return None;
            }
            self.forget_one(&from);
        }
        self.enter(now, from, named?)
    }

    /// The browser behind a number of a house's passage, to which that house sends something.
    pub fn answer(&mut self, house: &ClientKey, socket: u16) -> Option<SocketAddr> {
        let at = *self.sockets.get(&(*house, socket))?;
        if let Some(place) = self.places.get_mut(&at) {
            place.is_answered = true;
        }
        Some(at)
    }

    /// Frees the places of those who have been silent for too long.
    pub fn forget_silent(&mut self, now: Instant) {
        self.forget(|place| place.is_over(now));
    }

    /// Sockets of now.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    fn enter(&mut self, now: Instant, from: SocketAddr, house: ClientKey) -> Option<Destination> {
        let network = Network::from(from.ip());
        let is_full = |table: &Self| {
            let theirs = table.networks.get(&network).copied().unwrap_or_default();
            table.places.len() >= MAX_SOCKETS || theirs >= MAX_PER_NETWORK
        };
        if is_full(self) {
            self.forget_silent(now);
            if is_full(self) {
                return None;
            }
        }
        let to = Destination { house, socket: self.free_socket(house) };
        self.places.insert(from, Place { to, heard: now, is_answered: false });
        self.sockets.insert((house, to.socket), from);
        *self.networks.entry(network).or_default() += 1;
        Some(to)
    }

    /// The next in turn, so that what is on its way to a browser that left reaches no other. There are far more than
    /// places.
    fn free_socket(&mut self, house: ClientKey) -> u16 {
        loop {
            self.next_socket = self.next_socket.wrapping_add(1);
            if !self.sockets.contains_key(&(house, self.next_socket)) {
                return self.next_socket;
            }
        }
    }

    fn forget(&mut self, is_over: impl Fn(&Place) -> bool) {
        let over: Vec<SocketAddr> =
            self.places.iter().filter(|(_, place)| is_over(place)).map(|(from, _)| *from).collect();
        over.iter().for_each(|from| self.forget_one(from));
    }

    fn forget_one(&mut self, from: &SocketAddr) {
        let Some(Place { to, .. }) = self.places.remove(from) else { return };
        self.sockets.remove(&(to.house, to.socket));
        if let Entry::Occupied(mut theirs) = self.networks.entry(Network::from(from.ip())) {
            *theirs.get_mut() -= 1;
            if *theirs.get() == 0 {
                theirs.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serambi_protocol::link::HouseKey;

    const PORCH: ClientKey = [1; 32];
    const SCHOOL: ClientKey = [2; 32];
    const VOICE: [u8; 40] = [0x80; 40];

    fn tag(house: ClientKey) -> String {
        HouseKey::from_bytes(house).media_tag()
    }

    /// A binding request (RFC 8489) with a user name alone.
    fn check(house: ClientKey) -> Vec<u8> {
        let name = format!("{}rest:browser", tag(house));
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend([9; 12]);
        request.extend([0, 6, 0, name.len() as u8]);
        request.extend(name.bytes());
        request.resize(request.len().next_multiple_of(4), 0);
        request
    }

    fn browser(number: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], number))
    }

    fn table() -> MediaTable {
        let mut table = MediaTable::default();
        table.open(tag(PORCH), PORCH);
        table.open(tag(SCHOOL), SCHOOL);
        table
    }

    #[test]
    fn a_check_says_which_house_and_everything_after_it_goes_there_and_back() {
        let (mut table, now) = (table(), Instant::now());
        assert_eq!(table.route(now, browser(1), &VOICE), None, "before any check");
        let to = table.route(now, browser(1), &check(PORCH)).unwrap();
        assert_eq!(to.house, PORCH);
        assert_eq!(table.route(now, browser(1), &VOICE), Some(to));
        assert_eq!(table.answer(&PORCH, to.socket), Some(browser(1)));
        assert_eq!(table.answer(&SCHOOL, to.socket), None, "another house does not send to it");
        let other = table.route(now, browser(2), &check(SCHOOL)).unwrap();
        assert_eq!(other.house, SCHOOL);
    }

    #[test]
    fn a_house_that_is_not_here_or_has_gone_gets_nothing() {
        let (mut table, now) = (table(), Instant::now());
        assert_eq!(table.route(now, browser(1), &check([7; 32])), None);
        let to = table.route(now, browser(1), &check(PORCH)).unwrap();
        table.close(&PORCH);
        assert_eq!(table.route(now, browser(1), &VOICE), None);
        assert_eq!(table.route(now, browser(1), &check(PORCH)), None);
        assert_eq!(table.answer(&PORCH, to.socket), None);
        assert_eq!(table.len(), 0);
        assert!(table.networks.is_empty() && table.sockets.is_empty());
    }

    #[test]
    fn an_address_in_use_is_not_taken_over_by_a_check_for_another_house() {
        let (mut table, now) = (table(), Instant::now());
        table.route(now, browser(1), &check(PORCH));
        assert_eq!(table.route(now, browser(1), &check(SCHOOL)), None);
        let moved = table.route(now + HELD, browser(1), &check(SCHOOL)).unwrap();
        assert_eq!(moved.house, SCHOOL);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn the_silent_are_forgotten_and_those_whom_no_house_answers_sooner() {
        let (mut table, now) = (table(), Instant::now());
        let to = table.route(now, browser(1), &check(PORCH)).unwrap();
        table.route(now, browser(2), &check(PORCH));
        table.answer(&PORCH, to.socket);
        table.forget_silent(now + FORGET_UNANSWERED_AFTER);
        assert_eq!(table.len(), 1);
        table.route(now + FORGET_UNANSWERED_AFTER, browser(1), &VOICE);
        table.forget_silent(now + FORGET_AFTER);
        assert_eq!(table.len(), 1, "it spoke meanwhile");
        table.forget_silent(now + FORGET_UNANSWERED_AFTER + FORGET_AFTER);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn one_network_cannot_take_every_place_and_places_are_free_again_in_seconds() {
        let (mut table, now) = (table(), Instant::now());
        let came = |table: &mut MediaTable, at: Instant| {
            (1..=4_000).filter(|number| table.route(at, browser(*number), &check(PORCH)).is_some()).count()
        };
        assert_eq!(came(&mut table, now), MAX_PER_NETWORK);
        let elsewhere = "198.51.100.1:9".parse().unwrap();
        assert!(table.route(now, elsewhere, &check(PORCH)).is_some());
        assert!(table.route(now + FORGET_UNANSWERED_AFTER, browser(5_000), &check(PORCH)).is_some());
        assert_eq!(table.len(), 1, "nobody had been answered");
    }

    #[test]
    fn there_is_an_end_to_the_table() {
        let (mut table, now) = (table(), Instant::now());
        for number in 0..20_000_u32 {
            let [_, third, fourth, _] = (number << 8).to_be_bytes();
            table.route(now, SocketAddr::from(([10, 0, third, fourth], 1)), &check(PORCH));
        }
        assert_eq!(table.len(), MAX_SOCKETS);
        assert_eq!(table.sockets.len(), MAX_SOCKETS);
    }

    proptest! {
        #[test]
        fn what_is_no_check_is_never_routed_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(table().route(Instant::now(), browser(1), &bytes), None);
        }

        #[test]
        fn numbers_and_addresses_stay_a_pair_whoever_comes_and_goes(
            steps in prop::collection::vec((0..40_u16, any::<bool>(), 0..8_u64), 0..200)
        ) {
            let (mut table, mut now) = (table(), Instant::now());
            for (number, is_school, seconds) in steps {
                now += Duration::from_secs(seconds);
                let house = if is_school { SCHOOL } else { PORCH };
                if let Some(to) = table.route(now, browser(number), &check(house)) {
                    prop_assert_eq!(to.house, house);
                    prop_assert_eq!(table.answer(&house, to.socket), Some(browser(number)));
                }
                if seconds == 7 {
                    table.forget_silent(now);
                }
                prop_assert_eq!(table.sockets.len(), table.places.len());
                prop_assert_eq!(table.networks.values().sum::<usize>(), table.places.len());
            }
        }
    }
}
