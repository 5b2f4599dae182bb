//! When a track's latest packets came and went, for whoever wants to know how long they were on their way.

use std::collections::VecDeque;
use std::time::Instant;

/// Packets remembered per track: five seconds of 20 ms, or two and a half of 10 ms.
const KEPT: usize = 256;

/// The way of one packet through this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// RTP timestamp with which it was forwarded; the sender's own, unless the sender's clock had stood still.
    pub timestamp: u32,
    /// When it was taken from the socket.
    pub arrived: Instant,
    /// When everything that it caused had been handed to the sockets.
    pub forwarded: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    incoming_timestamp: u32,
    timestamp: u32,
    arrived: Instant,
    forwarded: Option<Instant>,
}

/// The latest packets of one track.
#[derive(Debug, Default)]
pub(crate) struct PassageLog {
    recent: VecDeque<Entry>,
}

impl PassageLog {
    /// A packet has been forwarded, and waits to be sent.
    pub(crate) fn note(&mut self, incoming_timestamp: u32, timestamp: u32, arrived: Instant) {
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(Entry { incoming_timestamp, timestamp, arrived, forwarded: None });
    }

    /// Everything that waited has been sent.
    pub(crate) fn note_sent(&mut self, now: Instant) {
        let waiting = self.recent.iter_mut().rev().take_while(|entry| entry.forwarded.is_none());
        waiting.for_each(|entry| entry.forwarded = Some(now));
    }

    /// The way of the packet that its sender gave this timestamp.
    pub(crate) fn find(&self, incoming_timestamp: u32) -> Option<Passage> {
        let entry = self.recent.iter().rev().find(|entry| entry.incoming_timestamp == incoming_timestamp)?;
        Some(Passage { timestamp: entry.timestamp, arrived: entry.arrived, forwarded: entry.forwarded? })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_packet_is_found_once_it_was_sent_and_until_many_more_have_come() {
        let (mut log, start) = (PassageLog::default(), Instant::now());
        let later = start + Duration::from_millis(1);
        log.note(960, 1_960, start);
        assert_eq!(log.find(960), None);
        log.note_sent(later);
        log.note_sent(later + Duration::from_secs(1));
        let passage = Passage { timestamp: 1_960, arrived: start, forwarded: later };
        assert_eq!(log.find(960), Some(passage));
        assert_eq!(log.find(1_960), None);
        (2..=KEPT as u32 + 1).for_each(|n| log.note(n * 960, n * 960, start));
        assert_eq!(log.find(960), None);
    }
}
