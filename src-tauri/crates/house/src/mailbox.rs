//! The numbered events of one session: kept for a while, so that a client that comes back misses nothing.

use std::collections::VecDeque;

use parking_lot::{Mutex, MutexGuard};
use serambi_protocol::{Envelope, RoomEvent, RoomId, limits::EVENTS_KEPT};
use tokio::sync::watch;

/// What a client that has seen events up to a number has yet to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// These, in order; possibly none.
    Events(Vec<Envelope>),
    /// Some of them are no longer kept (or the number is made up): the client needs the whole view anew.
    Gap,
}

/// The events of one session, oldest first.
#[derive(Debug)]
pub struct Mailbox {
    kept: Mutex<VecDeque<Envelope>>,
    last: watch::Sender<u64>,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { kept: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Mailbox {
    /// The number of the newest event; 0 before the first.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Wakes a reader whenever there is something new.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Does somebody read it right now?
    pub fn is_read(&self) -> bool {
        self.last.receiver_count() > 0
    }

    /// Adds an event and returns its number.
    pub fn post(&self, room: RoomId, event: RoomEvent) -> u64 {
        let mut kept = self.lock();
        let seq = self.last() + 1;
        if kept.len() == EVENTS_KEPT {
            kept.pop_front();
        }
        kept.push_back(Envelope { seq, room, event });
        // Under the lock: a reader that sees the number finds the event.
        self.last.send_replace(seq);
        seq
    }

    /// What came after `seen`.
    pub fn after(&self, seen: u64) -> News {
        let kept = self.lock();
        let first_kept = kept.front().map_or(self.last() + 1, |envelope| envelope.seq);
        if seen > self.last() || seen + 1 < first_kept {
            return News::Gap;
        }
        News::Events(kept.iter().filter(|envelope| envelope.seq > seen).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Envelope>> {
        self.kept.lock()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use serambi_protocol::event::ClosedReason;

    fn post(mailbox: &Mailbox) -> u64 {
        mailbox.post(RoomId::from_random([1; 10]), RoomEvent::Closed { reason: ClosedReason::Left })
    }

    fn numbers(mailbox: &Mailbox, seen: u64) -> Vec<u64> {
        match mailbox.after(seen) {
            News::Events(events) => events.iter().map(|envelope| envelope.seq).collect(),
            News::Gap => panic!("a gap after {seen}"),
        }
    }

    #[test]
    fn events_count_from_one_and_can_be_read_again() {
        let mailbox = Mailbox::default();
        assert_eq!(numbers(&mailbox, 0), [] as [u64; 0]);
        assert_eq!((post(&mailbox), post(&mailbox)), (1, 2));
        assert_eq!(numbers(&mailbox, 0), [1, 2]);
        assert_eq!(numbers(&mailbox, 1), [2]);
        assert_eq!(numbers(&mailbox, 2), [] as [u64; 0]);
        assert_eq!(numbers(&mailbox, 0), [1, 2]);
    }

    #[test]
    fn what_is_no_longer_kept_and_what_never_was_is_a_gap() {
        let mailbox = Mailbox::default();
        for _ in 0..EVENTS_KEPT + 10 {
            post(&mailbox);
        }
        assert_eq!(mailbox.after(9), News::Gap);
        assert_eq!(numbers(&mailbox, 10).len(), EVENTS_KEPT);
        assert_eq!(mailbox.after(u64::MAX), News::Gap);
    }
}
