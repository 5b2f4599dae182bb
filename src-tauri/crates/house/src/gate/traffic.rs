//! What one client may send through a gate: so many bytes per second, and as a guest to houses only.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use parking_lot::RwLock;

use super::{
    admission::Role,
    counters::{Counters, Dropped},
    frame::{ClientKey, Frame, MAX_FRAME_BYTES},
};
use crate::{
    clock::Clock,
    rate::{Limit, Rate},
};

/// The limit of a client that sends `bytes_per_second`, as much of it in one burst but at least one frame.
pub fn byte_rate(bytes_per_second: NonZeroU32) -> Rate {
    let per_second = bytes_per_second.get();
    Rate::per_second(per_second.max(MAX_FRAME_BYTES as u32), per_second)
}

/// The keys of the houses that are connected, each as often as it is.
#[derive(Clone, Default)]
pub struct Houses(Arc<RwLock<HashMap<ClientKey, usize>>>);

impl Houses {
    /// How many keys.
    pub fn count(&self) -> usize {
        self.0.read().len()
    }

    /// Is this a house that is connected?
    pub fn contains(&self, key: &ClientKey) -> bool {
        self.0.read().contains_key(key)
    }

    fn enter(&self, key: ClientKey) -> HouseHere {
        let mut houses = self.0.write();
        let connections = houses.entry(key).or_default();
        *connections += 1;
        if *connections > 1 {
            // A connection that its house has lost already, or a copy of its folder: guests find the newest.
            tracing::info!("a house is connected twice");
        }
        drop(houses);
        HouseHere { houses: self.clone(), key }
    }
}

/// One connection of a house; when the last one is dropped it is gone.
struct HouseHere {
    houses: Houses,
    key: ClientKey,
}

impl Drop for HouseHere {
    fn drop(&mut self) {
        let mut houses = self.houses.0.write();
        match houses.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(houses.remove(&self.key)),
        }
    }
}

/// Decides about one client's frames and counts them.
pub struct Traffic {
    limit: Limit,
    houses: Houses,
    counters: Arc<Counters>,
    /// None: it is a guest.
    house: Option<HouseHere>,
}

impl Traffic {
    /// The traffic of a client that has just come in.
    pub fn new(
        key: ClientKey,
        role: Role,
        rate: Rate,
        clock: &Clock,
        houses: &Houses,
        counters: Arc<Counters>,
    ) -> Self {
        let house = (role == Role::House).then(|| houses.enter(key));
        Self { limit: Limit::new(rate, clock), houses: houses.clone(), counters, house }
    }

    /// Does this frame of the client go on? Datagrams that do not are lost, as on any network: their sender has its own
    /// means against that, and keeping them would delay those that come after.
    pub fn passes(&self, bytes: &[u8]) -> bool {
        let frame = Frame::read(bytes);
        let datagrams = if let Frame::Datagrams { count, .. } = frame { count } else { 1 };
        let fault = self.fault(&frame, bytes.len());
        match fault {
            Some(why) => self.counters.dropped(why, datagrams),
            None if frame != Frame::Control => self.counters.received(bytes.len(), datagrams),
            None => {}
        }
        fault.is_none()
    }

    /// Counts a frame on its way to the client.
    pub fn sends(&self, bytes: &[u8]) {
        if let Frame::Datagrams { count, .. } = Frame::read(bytes) {
            self.counters.sent(bytes.len(), count);
        }
    }

    fn fault(&self, frame: &Frame, bytes: usize) -> Option<Dropped> {
        if self.limit.check_many(bytes).is_err() {
            return Some(Dropped::OverRate);
        }
        match frame {
            Frame::Malformed => Some(Dropped::Malformed),
            Frame::Datagrams { peer, .. } if self.house.is_none() && !self.houses.contains(peer) => {
                Some(Dropped::ToNoHouse)
            }
            Frame::Datagrams { .. } | Frame::Control => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOUSE: ClientKey = [1; 32];
    const GUEST: ClientKey = [2; 32];
    const OTHER_GUEST: ClientKey = [3; 32];

    struct Gate {
        clock: Clock,
        houses: Houses,
        counters: Arc<Counters>,
        rate: Rate,
    }

    impl Gate {
        fn new(bytes_per_second: u32) -> Self {
            let rate = byte_rate(NonZeroU32::new(bytes_per_second).unwrap());
            Self { clock: Clock::default(), houses: Houses::default(), counters: Arc::default(), rate }
        }

        fn enter(&self, key: ClientKey, role: Role) -> Traffic {
            Traffic::new(key, role, self.rate, &self.clock, &self.houses, self.counters.clone())
        }

        fn report(&self) -> serde_json::Value {
            serde_json::to_value(self.counters.report(0, self.houses.count(), 0, 0)).unwrap()
        }
    }

    fn datagram(to: ClientKey, bytes: usize) -> Vec<u8> {
        [&[4], &to[..], &vec![0; bytes]].concat()
    }

    #[test]
    fn guests_reach_houses_and_houses_reach_everybody_but_guests_not_each_other() {
        let gate = Gate::new(1_000_000);
        let (house, guest) = (gate.enter(HOUSE, Role::House), gate.enter(GUEST, Role::Guest));
        let _other = gate.enter(OTHER_GUEST, Role::Guest);
        assert!(guest.passes(&datagram(HOUSE, 100)));
        assert!(house.passes(&datagram(GUEST, 100)));
        assert!(!guest.passes(&datagram(OTHER_GUEST, 100)));
        assert!(!guest.passes(&datagram([4; 32], 100)));
        let report = gate.report();
        assert_eq!(report["dropped"]["toNoHouse"], 2);
        assert_eq!((&report["datagramsIn"], &report["bytesIn"]), (&2.into(), &266.into()));
    }

    #[test]
    fn a_house_that_is_gone_is_no_house_any_more_and_one_with_two_connections_is_gone_with_the_second() {
        let gate = Gate::new(1_000_000);
        let guest = gate.enter(GUEST, Role::Guest);
        let (first, second) = (gate.enter(HOUSE, Role::House), gate.enter(HOUSE, Role::House));
        assert_eq!(gate.houses.count(), 1);
        drop(first);
        assert!(guest.passes(&datagram(HOUSE, 1)));
        drop(second);
        assert!(!guest.passes(&datagram(HOUSE, 1)));
        assert_eq!(gate.houses.count(), 0);
    }

    #[test]
    fn a_destination_in_a_form_that_only_the_relay_reads_does_not_pass() {
        let gate = Gate::new(1_000_000);
        let guest = gate.enter(GUEST, Role::Guest);
        let hidden = [&[0x40][..], &datagram(OTHER_GUEST, 100)].concat();
        assert!(!guest.passes(&hidden));
        assert_eq!(gate.report()["dropped"]["malformed"], 1);
    }

    #[test]
    fn more_bytes_than_allowed_are_dropped_and_a_second_later_there_is_room_again() {
        let gate = Gate::new(100_000);
        let house = gate.enter(HOUSE, Role::House);
        let passed = || (0..1_000).filter(|_| house.passes(&datagram(GUEST, 1_000 - 33))).count();
        assert_eq!(passed(), 100);
        assert_eq!(gate.report()["dropped"]["overRate"], 900);
        gate.clock.skip_ms(500);
        assert!((50..=55).contains(&passed()));
        let other = gate.enter(GUEST, Role::House);
        assert!(other.passes(&datagram(HOUSE, 1_000)), "each client has its own limit");
    }

    #[test]
    fn the_largest_frame_passes_at_the_smallest_rate() {
        let gate = Gate::new(1);
        let house = gate.enter(HOUSE, Role::House);
        assert!(house.passes(&datagram(GUEST, MAX_FRAME_BYTES - 33)));
        assert!(!house.passes(&datagram(GUEST, 1)));
    }
}
