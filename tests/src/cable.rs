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
    to: Ipv4Addr,
    state: Mutex<LaneState>,
}

#[derive(Default)]
struct LaneState {
    path: Option<(Path, Instant)>,
    /// In the order in which they came.
    offered: Vec<Offered>,
}

impl Lane {
    /// A lane to this address that loses nothing and delays nothing.
    pub fn new(to: Ipv4Addr) -> Self {
        Self { to, state: Mutex::default() }
    }

    /// From now on UDP meets this fate.
    pub fn impair(&self, condition: Condition, seed: u64) {
        self.lock().path = Some((Path::new(condition, seed), Instant::now()));
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

    /// What is not for the other end (multicast, IPv6, the world) ends here; what is not UDP passes unharmed.
    fn fate(&self, packet: &[u8], now: Instant) -> Fate {
        if datagram::destination(packet) != Some(self.to) {
            return Fate::Lost;
        }
        let datagram = Carried::of(packet);
        let mut state = self.lock();
        let fate = match &mut state.path {
            Some((path, began)) if datagram.is_some() => path.fate(now.saturating_duration_since(*began)),
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
