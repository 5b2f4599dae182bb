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
    datagram,
    path_condition::{Condition, Fate, Path},
};

/// How often it looks whether it should end.
const LOOK: Duration = Duration::from_millis(100);
/// Of a TUN interface in Linux (1500), with room to spare.
const LARGEST_PACKET_BYTES: usize = 4_096;

/// What went through one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// UDP datagrams that were offered.
    pub datagrams: u64,
    /// Those of them that never arrived.
    pub lost: u64,
    /// Bytes of the offered, IP and UDP headers included.
    pub wire_bytes: u64,
    /// Datagrams with RTP in them.
    pub rtp_packets: u64,
    /// Bytes behind the headers of these, authentication tags included.
    pub rtp_payload_bytes: u64,
}

impl Traffic {
    fn since(self, earlier: Self) -> Self {
        Self {
            datagrams: self.datagrams - earlier.datagrams,
            lost: self.lost - earlier.lost,
            wire_bytes: self.wire_bytes - earlier.wire_bytes,
            rtp_packets: self.rtp_packets - earlier.rtp_packets,
            rtp_payload_bytes: self.rtp_payload_bytes - earlier.rtp_payload_bytes,
        }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            datagrams: self.datagrams + other.datagrams,
            lost: self.lost + other.lost,
            wire_bytes: self.wire_bytes + other.wire_bytes,
            rtp_packets: self.rtp_packets + other.rtp_packets,
            rtp_payload_bytes: self.rtp_payload_bytes + other.rtp_payload_bytes,
        }
    }
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
    /// All traffic until then, with every datagram.
    log: Vec<(Instant, Traffic)>,
}

impl LaneState {
    fn until(&self, moment: Instant) -> Traffic {
        let after = self.log.partition_point(|(then, _)| *then <= moment);
        after.checked_sub(1).and_then(|last| self.log.get(last)).map(|(_, traffic)| *traffic).unwrap_or_default()
    }
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
    pub fn traffic(&self, from: Instant, to: Instant) -> Traffic {
        let state = self.lock();
        state.until(to).since(state.until(from))
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
        let Some(payload) = datagram::udp_payload(packet) else { return Fate::Delayed(Duration::ZERO) };
        let mut state = self.lock();
        let fate = match &mut state.path {
            Some((path, began)) => path.fate(now.saturating_duration_since(*began)),
            None => Fate::Delayed(Duration::ZERO),
        };
        let rtp = datagram::rtp_payload_bytes(payload);
        let one = Traffic {
            datagrams: 1,
            lost: u64::from(fate == Fate::Lost),
            wire_bytes: packet.len() as u64,
            rtp_packets: u64::from(rtp.is_some()),
            rtp_payload_bytes: rtp.unwrap_or(0) as u64,
        };
        let before = state.until(now);
        state.log.push((now, before.and(one)));
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
