//! One direction of a cable that runs through this program: it counts what it carries, loses some, and delays some.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{Read, Write},
    net::Ipv4Addr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    datagram::{self, Carried},
    path_condition::{Condition, Fate, Path},
};

/// How often it looks whether it should end.
const LOOK: Duration = Duration::from_millis(100);
/// Of a TUN interface in Linux (1500), with room to spare.
const LARGEST_PACKET_BYTES: usize = 4_096;

/// An IP packet that was offered to one direction.
#[derive(Clone, Copy, Debug)]
pub struct Offered {
    at: Instant,
    /// All of it, from its IP header on.
    pub bytes: usize,
    /// What it carries, if it is UDP.
    pub datagram: Option<Carried>,
    /// It never arrived.
    pub is_lost: bool,
}

/// A packet that is due, its number among those that are due at once, and its bytes.
type Waiting = Reverse<(Instant, u64, Vec<u8>)>;

/// One direction of the cable.
pub struct Lane {
    /// The only address it leads to; none: it leads to the world.
    to: Option<Ipv4Addr>,
    state: Mutex<LaneState>,
}

#[derive(Default)]
struct LaneState {
    path: Option<(Path, Instant)>,
    /// All packets meet their fate, TCP included.
    is_for_all: bool,
    tcp_is_cut: bool,
    /// In the order in which they came.
    offered: Vec<Offered>,
}

impl Lane {
    /// A lane to this address that loses nothing and delays nothing.
    pub fn new(to: Ipv4Addr) -> Self {
        Self { to: Some(to), state: Mutex::default() }
    }

    /// One through which every IPv4 packet goes.
    pub fn to_the_world() -> Self {
        Self { to: None, state: Mutex::default() }
    }

    /// Whatever impairs it is for all that it carries.
    pub fn impair_tcp_as_well(&self) {
        self.lock().is_for_all = true;
    }

    /// From now on UDP, and media over TCP, meets this fate.
    pub fn impair(&self, condition: Condition, seed: u64) {
        self.lock().path = Some((Path::new(condition, seed), Instant::now()));
    }

    /// From now on no TCP segment arrives, or all do again.
    pub fn cut_tcp(&self, is_cut: bool) {
        self.lock().tcp_is_cut = is_cut;
    }

    /// What was offered between two moments.
    pub fn offered(&self, from: Instant, to: Instant) -> Vec<Offered> {
        let state = self.lock();
        let until = |moment: Instant| state.offered.partition_point(|packet| packet.at <= moment);
        state.offered.get(until(from)..until(to)).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries packets until told to end. The number keeps packets that are due at once in their order.
    pub fn carry(&self, mut from: &File, mut to: &File, ended: &AtomicBool) {
        let mut waiting: BinaryHeap<Waiting> = BinaryHeap::new();
        let mut buffer = [0; LARGEST_PACKET_BYTES];
        let mut number = 0_u64;
        while !ended.load(Ordering::Relaxed) {
            let now = Instant::now();
            while waiting.peek().is_some_and(|Reverse((due, _, _))| *due <= now) {
                if let Some(Reverse((_, _, packet))) = waiting.pop() {
                    send(&mut to, &packet);
                }
            }
            let pause =
                waiting.peek().map_or(LOOK, |Reverse((due, _, _))| due.saturating_duration_since(now).min(LOOK));
            if !is_readable_within(from, pause) {
                continue;
            }
            let Ok(length) = from.read(&mut buffer) else { continue };
            let packet = &buffer[..length];
            let arrived = Instant::now();
            match self.fate(packet, arrived) {
                Fate::Lost => {}
                Fate::Delayed(Duration::ZERO) => send(&mut to, packet),
                Fate::Delayed(time) => {
                    number += 1;
                    waiting.push(Reverse((arrived + time, number, packet.to_vec())));
                }
            }
        }
    }

    /// What is not for the other end (multicast, IPv6, the world) ends here; what is neither UDP nor TCP passes.
    fn fate(&self, packet: &[u8], now: Instant) -> Fate {
        let destination = datagram::destination(packet);
        if destination.is_none() || self.to.is_some_and(|to| destination != Some(to)) {
            return Fate::Lost;
        }
        let datagram = Carried::of(packet);
        let is_media = datagram.is_some() || datagram::is_framed_media(packet);
        let mut guard = self.lock();
        let state = &mut *guard;
        let fate = match &mut state.path {
            Some((path, began)) if is_media || state.is_for_all => path.fate(now.saturating_duration_since(*began)),
            _ if state.tcp_is_cut && datagram::is_tcp(packet) => Fate::Lost,
            _ => Fate::Delayed(Duration::ZERO),
        };
        state.offered.push(Offered { at: now, bytes: packet.len(), datagram, is_lost: fate == Fate::Lost });
        fate
    }
}

/// A full queue loses a packet, as a router's does.
fn send(to: &mut &File, packet: &[u8]) {
    let _ = to.write(packet);
}

fn is_readable_within(file: &File, time: Duration) -> bool {
    let mut watched = [PollFd::new(file, PollFlags::IN)];
    let pause = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    poll(&mut watched, Some(&pause)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path_condition::Loss;

    /// An IPv4 packet to 10.0.0.`to` with 100 bytes behind its header.
    fn packet(protocol: u8, to: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, to];
        bytes.extend([0; 100]);
        bytes
    }

    #[test]
    fn everything_for_the_other_end_is_counted_lost_or_not_and_only_udp_is_lost() {
        let (udp, tcp) = (packet(17, 2), packet(6, 2));
        let lane = Lane::new(Ipv4Addr::new(10, 0, 0, 2));
        lane.impair(Condition { loss: Loss::Random { share: 1.0 }, jitter: None }, 1);
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        assert_eq!(lane.fate(&udp, at(1)), Fate::Lost);
        assert_eq!(lane.fate(&tcp, at(2)), Fate::Delayed(Duration::ZERO));
        assert_eq!(lane.fate(&packet(17, 3), at(3)), Fate::Lost);
        assert_eq!(lane.fate(&udp, at(20)), Fate::Lost);
        let counted = |from: u64, to: u64| -> Vec<(usize, Option<usize>, bool)> {
            let of = |one: Offered| (one.bytes, one.datagram.map(|carried| carried.bytes), one.is_lost);
            lane.offered(at(from), at(to)).into_iter().map(of).collect()
        };
        assert_eq!(counted(0, 10), [(120, Some(92), true), (120, None, false)]);
        assert_eq!(counted(2, 20), [(120, Some(92), true)]);
        assert_eq!(counted(20, 0), []);
    }

    /// A host whose sound was cut went on over TCP.
    #[test]
    fn media_over_tcp_meets_the_fate_of_udp_and_tls_passes() {
        let segment = |payload: &[u8]| {
            let mut tcp_header = [0; 20];
            tcp_header[12] = 0x50;
            let mut packet = packet(6, 2)[..20].to_vec();
            packet.extend(tcp_header);
            packet.extend(payload);
            packet
        };
        let lane = Lane::new(Ipv4Addr::new(10, 0, 0, 2));
        lane.impair(Condition { loss: Loss::Random { share: 1.0 }, jitter: None }, 1);
        let passes = |payload: &[u8]| lane.fate(&segment(payload), Instant::now()) != Fate::Lost;
        for media in [&[0, 3, 0x80, 111, 0][..], &[0, 2, 0x00, 0x01], &[0, 2, 22, 254]] {
            assert!(!passes(media), "{media:?}");
        }
        for other in [&[0x16, 3, 1, 0][..], b"GET /", &[0x17, 3, 3, 0], &[]] {
            assert!(passes(other), "{other:?}");
        }
    }

    #[test]
    fn tcp_can_be_cut_and_mended_while_udp_passes() {
        let (udp, tcp) = (packet(17, 2), packet(6, 2));
        let lane = Lane::new(Ipv4Addr::new(10, 0, 0, 2));
        let passes = |packet: &[u8]| lane.fate(packet, Instant::now()) != Fate::Lost;
        lane.cut_tcp(true);
        assert!(!passes(&tcp) && passes(&udp));
        lane.cut_tcp(false);
        assert!(passes(&tcp) && passes(&udp));
    }
    #[test]
    fn a_lane_to_the_world_carries_to_every_address_and_what_impairs_it_may_be_for_tcp_too() {
        let lane = Lane::to_the_world();
        let fate = |packet: &[u8]| lane.fate(packet, Instant::now());
        let (tcp, to_another) = (packet(6, 2), packet(17, 3));
        assert_eq!([fate(&tcp), fate(&to_another)], [Fate::Delayed(Duration::ZERO); 2]);
        lane.impair(Condition::CUT, 1);
        assert_eq!([fate(&tcp), fate(&to_another)], [Fate::Delayed(Duration::ZERO), Fate::Lost]);
        lane.impair_tcp_as_well();
        assert_eq!([fate(&tcp), fate(&to_another)], [Fate::Lost; 2]);
    }
}
