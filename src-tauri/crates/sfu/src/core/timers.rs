//! What is to be looked at when. Timers are never cancelled: the one who is woken checks whether
//! there is still something to do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::room::RoomId;
use super::transport::{ParticipantId, TransportKey};

/// Reasons to wake up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A peer connection wants to retransmit, report or give up.
    Transport(TransportKey),
    /// Changes of subscriptions have waited long enough for others to share the offer.
    Negotiate(ParticipantId),
    /// An offer should have been answered by now.
    Answer(ParticipantId),
    /// A seat whose signalling is lost has been kept long enough.
    Seat(ParticipantId),
    /// Media should be up by now.
    Join(ParticipantId),
    /// A fresh token is due.
    Token(ParticipantId),
    /// An empty room may close.
    Room(RoomId),
}

/// All timers of a house.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }
}
