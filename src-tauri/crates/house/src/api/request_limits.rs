//! How often one network and one person may ask for what costs a house something.
//!
//! A school of 300 people behind one address gets in at once; a machine that tries does not get far.

use serambi_protocol::PersonId;

use crate::{
    clock::Clock,
    network::{Network, Peer},
    rate::{KeyedLimit, Limit, OverLimit, Rate},
};

/// What anybody may see, and challenges: a client asks at every address of a house at once, up to eight of them.
const LOOKUPS: Rates = Rates { network: Rate::per_second(3_000, 100), proxy: Rate::per_second(20_000, 2_000) };
/// Signatures that are verified.
const SIGN_INS: Rates = Rates { network: Rate::per_second(600, 20), proxy: Rate::per_second(5_000, 500) };
const JOINS: Rates = Rates { network: Rate::per_second(900, 30), proxy: Rate::per_second(5_000, 500) };
const STARTS: Rates = Rates { network: Rate::per_minute(20, 20), proxy: Rate::per_minute(200, 60) };
const JOINS_OF_PERSON: Rate = Rate::per_second(30, 1);
const STARTS_OF_PERSON: Rate = Rate::per_minute(10, 10);
/// Networks, and people, whose requests are counted at the same time.
const MAX_KEYS: usize = 10_000;

/// The limits of one kind of request.
#[derive(Clone, Copy)]
struct Rates {
    /// Each network by itself.
    network: Rate,
    /// Everybody on this computer together, among them everybody behind a reverse proxy here.
    proxy: Rate,
}

/// Counts requests by network and by person.
#[derive(Debug)]
pub struct RequestLimits {
    lookups: NetworkLimit,
    sign_ins: NetworkLimit,
    joins: NetworkLimit,
    starts: NetworkLimit,
    joins_of_person: KeyedLimit<PersonId>,
    starts_of_person: KeyedLimit<PersonId>,
}

impl RequestLimits {
    /// Nothing was asked yet.
    pub fn new(clock: &Clock) -> Self {
        let network = |rates| NetworkLimit::new(rates, clock);
        Self {
            lookups: network(LOOKUPS),
            sign_ins: network(SIGN_INS),
            joins: network(JOINS),
            starts: network(STARTS),
            joins_of_person: KeyedLimit::new(JOINS_OF_PERSON, MAX_KEYS, clock),
            starts_of_person: KeyedLimit::new(STARTS_OF_PERSON, MAX_KEYS, clock),
        }
    }

    /// One look at the house or its rooms, or one challenge.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn look_up(&self, from: Peer) -> Result<(), OverLimit> {
        self.lookups.check(from)
    }

    /// One answer to a challenge.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn sign_in(&self, from: Peer) -> Result<(), OverLimit> {
        self.sign_ins.check(from)
    }

    /// One person joins a room.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn join(&self, from: Peer, person: &PersonId) -> Result<(), OverLimit> {
        self.joins_of_person.check(*person)?;
        self.joins.check(from)
    }

    /// One person starts a room.
    ///
    /// # Errors
    /// [`OverLimit`].
    pub fn start(&self, from: Peer, person: &PersonId) -> Result<(), OverLimit> {
        self.starts_of_person.check(*person)?;
        self.starts.check(from)
    }
}

/// One limit for every network, and one for everybody on this computer.
#[derive(Debug)]
struct NetworkLimit {
    networks: KeyedLimit<Network>,
    this_computer: Limit,
}

impl NetworkLimit {
    fn new(rates: Rates, clock: &Clock) -> Self {
        let networks = KeyedLimit::new(rates.network, MAX_KEYS, clock);
        Self { networks, this_computer: Limit::new(rates.proxy, clock) }
    }

    fn check(&self, from: Peer) -> Result<(), OverLimit> {
        if from.is_this_computer() { self.this_computer.check() } else { self.networks.check(from.ip.into()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn peer(ip: &str) -> Peer {
        Peer { ip: ip.parse().unwrap() }
    }

    fn person(number: u32) -> PersonId {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        PersonId::from_key(&key)
    }

    /// Known failure: of 120 guests behind one address 35 did not get in.
    #[test]
    fn three_hundred_people_behind_one_address_get_in_within_the_same_second() {
        let limits = RequestLimits::new(&Clock::default());
        let school = peer("192.0.2.1");
        for number in 0..300 {
            (0..8).for_each(|_| limits.look_up(school).unwrap());
            limits.sign_in(school).unwrap();
            limits.join(school, &person(number)).unwrap();
        }
    }

    #[test]
    fn one_network_cannot_ask_without_end_whatever_address_it_takes_and_no_other_waits_for_it() {
        let limits = RequestLimits::new(&Clock::default());
        let refused =
            (0..10_000_u32).filter(|n| limits.sign_in(peer(&format!("2001:db8:1:2::{:x}", n + 1))).is_err()).count();
        assert!(refused > 5_000, "{refused}");
        assert_eq!(limits.sign_in(peer("2001:db8:1:3::1")), Ok(()));
        assert_eq!(limits.sign_in(peer("192.0.2.1")), Ok(()));
    }

    #[test]
    fn people_behind_a_proxy_on_this_computer_share_one_wide_limit() {
        let limits = RequestLimits::new(&Clock::default());
        let allowed = |ip| (0..10_000).filter(|_| limits.sign_in(peer(ip)).is_ok()).count();
        let (first, second) = (allowed("127.0.0.1"), allowed("127.0.0.2"));
        assert!(first >= 5_000 && second < 5_000, "{first} {second}");
    }

    /// Known failure: 999 rooms in 6 s.
    #[test]
    fn one_address_starts_some_rooms_a_minute_and_one_person_fewer() {
        let clock = Clock::default();
        let limits = RequestLimits::new(&clock);
        let school = peer("192.0.2.1");
        let started = |people: u32| (0..500).filter(|n| limits.start(school, &person(n % people)).is_ok()).count();
        assert_eq!(started(1), 10);
        assert_eq!(started(500), 10, "twenty for the whole address");
        clock.skip_ms(60_000);
        assert_eq!(started(500), 20);
    }
}
