//! Rewriting the numbers of a track's packets ("munging"), and the silence that ends an utterance.
//!
//! A track has one [`SequenceMunger`]: it joins the stretches between mutes into one unbroken
//! numbering. A receiver has one [`ReceiverNumbering`]: it starts that numbering anew for the
//! receiver, because a receiver of SRTP cannot know the rollover count of a stream it joins late.

use std::collections::VecDeque;
use std::sync::Arc;

use super::sdp_offer::OPUS;
use super::transport::OutgoingPacket;

/// An Opus packet of digital silence: 20 ms, CELT, mono (RFC 6716 section 3.1, code 0).
pub(crate) const SILENT_FRAME: [u8; 3] = [0xf8, 0xff, 0xfe];

/// 120 ms: a decoder fades out instead of concealing what never comes. Measured at a stock client:
/// silent 99 ms after the mute with them, 200 to 294 ms without.
pub(crate) const SILENT_FRAMES: u32 = 6;

/// 20 ms at 48 kHz.
const SILENT_FRAME_TICKS: u32 = 960;

/// Where each receiver's numbering begins: far from 0, so that late packets of the first moment
/// do not wrap below it, and far below 65,536.
const FIRST_SEQUENCE: u64 = 1_000;

/// A packet of a track in the track's own unbroken numbering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackPacket {
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
}

/// Numbers as they came from the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IncomingNumbers {
    /// Extended sequence number.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
}

/// Where the track's numbering stands against the client's.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    incoming_sequence: u64,
    outgoing_sequence: u64,
    /// Outgoing minus incoming timestamp.
    timestamp_offset: u32,
}

/// Numbers without sound that are remembered per stretch; older ones are settled, and packets from before them are
/// dropped as too late. Half a second of one padding packet per packet of sound.
const MAX_SKIPPED: usize = 25;

/// A track's numbering. Pure: only numbers in and out.
#[derive(Debug, Default)]
pub(crate) struct SequenceMunger {
    anchor: Option<Anchor>,
    /// Incoming numbers since the anchor that carried no sound, in growing order: later packets close up.
    skipped: VecDeque<u64>,
    /// Highest outgoing sequence number and its timestamp.
    last: Option<(u64, u32)>,
    highest_incoming: Option<u64>,
    received: u64,
    /// Sequence numbers that should have come by now.
    expected: u64,
}

impl SequenceMunger {
    /// Gives a packet its outgoing numbers. `None`: older than the last mute.
    pub(crate) fn forward(&mut self, numbers: IncomingNumbers) -> Option<(u64, u32)> {
        let anchor = match self.anchor {
            Some(anchor) => anchor,
            None => self.begin(numbers),
        };
        self.count(numbers.sequence);
        let ahead = numbers.sequence.checked_sub(anchor.incoming_sequence)?;
        let closed_up = self.skipped.partition_point(|skipped| *skipped < numbers.sequence) as u64;
        let sequence = anchor.outgoing_sequence + ahead.checked_sub(closed_up)?;
        let timestamp = numbers.timestamp.wrapping_add(anchor.timestamp_offset);
        if self.last.is_none_or(|(last, _)| sequence > last) {
            self.last = Some((sequence, timestamp));
        }
        Some((sequence, timestamp))
    }

    /// Takes a number that carries nothing out of the numbering. One that comes after its successors leaves its hole.
    pub(crate) fn skip(&mut self, sequence: u64) {
        let Some(anchor) = self.anchor else {
            return;
        };
        let is_newest = self.highest_incoming.is_some_and(|highest| sequence > highest);
        self.count(sequence);
        if !is_newest || sequence < anchor.incoming_sequence {
            return;
        }
        self.skipped.push_back(sequence);
        if self.skipped.len() > MAX_SKIPPED
            && let Some(oldest) = self.skipped.pop_front()
        {
            let ahead = oldest + 1 - anchor.incoming_sequence;
            let outgoing_sequence = anchor.outgoing_sequence + ahead - 1;
            self.anchor = Some(Anchor { incoming_sequence: oldest + 1, outgoing_sequence, ..anchor });
        }
    }

    /// The silent frames after the last packet. The next packet starts a new stretch.
    pub(crate) fn silence(&mut self) -> Vec<(u64, u32)> {
        self.anchor = None;
        let Some((sequence, timestamp)) = self.last else {
            return Vec::new();
        };
        let frames: Vec<(u64, u32)> = (1..=SILENT_FRAMES)
            .map(|n| {
                let ticks = n * SILENT_FRAME_TICKS;
                (sequence + u64::from(n), timestamp.wrapping_add(ticks))
            })
            .collect();
        self.last = frames.last().copied();
        frames
    }

    /// Packets of the client that never came, as far as can be told now.
    pub(crate) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// The client sends under a new SSRC: its numbers begin anew, ours go on.
    pub(crate) fn source_changed(&mut self) {
        self.anchor = None;
        self.highest_incoming = None;
    }

    fn begin(&mut self, numbers: IncomingNumbers) -> Anchor {
        self.skipped.clear();
        let anchor = match self.last {
            None => Anchor { incoming_sequence: numbers.sequence, outgoing_sequence: 0, timestamp_offset: 0 },
            // A client whose clock stood still while muted would step back behind our silence.
            Some((sequence, timestamp)) => {
                let step = numbers.timestamp.wrapping_sub(timestamp) as i32;
                let timestamp_offset = if step > 0 {
                    0
                } else {
                    timestamp.wrapping_add(SILENT_FRAME_TICKS).wrapping_sub(numbers.timestamp)
                };
                Anchor { incoming_sequence: numbers.sequence, outgoing_sequence: sequence + 1, timestamp_offset }
            }
        };
        self.highest_incoming = None;
        self.anchor = Some(anchor);
        anchor
    }

    fn count(&mut self, sequence: u64) {
        self.received += 1;
        match self.highest_incoming {
            None => self.expected += 1,
            Some(highest) => self.expected += sequence.saturating_sub(highest),
        }
        self.highest_incoming = self.highest_incoming.max(Some(sequence));
    }
}

/// One receiver's numbering of one track. It has no gap where the receiver paused: after one of 2^15 packets the
/// receiver would guess a wrong rollover count and could decrypt nothing any more (RFC 3711 section 3.3.1).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReceiverNumbering {
    /// A number of the track and what the receiver gets for it, since the beginning or the last pause.
    anchor: Option<(u64, u64)>,
    /// The highest number given out.
    last: Option<u64>,
}

impl ReceiverNumbering {
    /// The receiver gets nothing for now; the next packet follows the last one.
    pub(crate) fn pause(&mut self) {
        self.anchor = None;
    }

    /// `None`: the packet is older than the first one this receiver got, or than the last pause.
    pub(crate) fn packet(&mut self, packet: &TrackPacket) -> Option<OutgoingPacket> {
        let next = self.last.map_or(FIRST_SEQUENCE, |last| last + 1);
        let (incoming, outgoing) = *self.anchor.get_or_insert((packet.sequence, next));
        let sequence = outgoing + packet.sequence.checked_sub(incoming)?;
        self.last = self.last.max(Some(sequence));
        Some(OutgoingPacket {
            payload_type: OPUS,
            sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: Arc::clone(&packet.payload),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn numbers(sequence: u64, timestamp: u32) -> IncomingNumbers {
        IncomingNumbers { sequence, timestamp }
    }

    #[test]
    fn a_lost_packet_leaves_its_gap() {
        let mut munger = SequenceMunger::default();
        assert_eq!(munger.forward(numbers(500, 0)), Some((0, 0)));
        assert_eq!(munger.forward(numbers(502, 1920)), Some((2, 1920)));
        assert_eq!(munger.lost(), 1);
        assert_eq!(munger.forward(numbers(501, 960)), Some((1, 960)));
        assert_eq!(munger.lost(), 0);
    }

    #[test]
    fn a_muted_gap_closes_and_silence_is_numbered() {
        let mut munger = SequenceMunger::default();
        munger.forward(numbers(500, 0));
        let silence = munger.silence();
        assert_eq!(silence.first(), Some(&(1, 960)));
        assert_eq!(silence.last(), Some(&(6, 5760)));
        assert_eq!(munger.forward(numbers(900, 400_000)), Some((7, 400_000)));
        assert_eq!(munger.lost(), 0);
    }

    #[test]
    fn a_clock_that_stood_still_does_not_step_back() {
        let mut munger = SequenceMunger::default();
        munger.forward(numbers(1, 1_000));
        munger.silence();
        let (_, timestamp) = munger.forward(numbers(2, 1_960)).unwrap();
        assert_eq!(timestamp, 1_000 + 7 * 960);
        assert_eq!(munger.forward(numbers(3, 2_920)).unwrap().1, timestamp + 960);
    }

    #[test]
    fn a_packet_from_before_the_mute_is_not_forwarded_after_it() {
        let mut munger = SequenceMunger::default();
        munger.forward(numbers(10, 0));
        munger.silence();
        munger.forward(numbers(20, 50_000));
        assert_eq!(munger.forward(numbers(11, 960)), None);
    }

    #[test]
    fn timestamps_cross_the_end_of_their_range() {
        let mut munger = SequenceMunger::default();
        munger.forward(numbers(1, u32::MAX - 100));
        let silence = munger.silence();
        assert_eq!(silence[0].1, (u32::MAX - 100).wrapping_add(960));
    }

    #[test]
    fn padding_leaves_no_hole_and_is_no_loss() {
        let mut munger = SequenceMunger::default();
        munger.forward(numbers(500, 0));
        munger.skip(501);
        assert_eq!(munger.forward(numbers(502, 960)), Some((1, 960)));
        munger.skip(503);
        munger.skip(504);
        // 505 is overtaken by 506.
        assert_eq!(munger.forward(numbers(506, 2_880)), Some((3, 2_880)));
        assert_eq!(munger.forward(numbers(505, 1_920)), Some((2, 1_920)));
        assert_eq!(munger.lost(), 0);
    }

    #[test]
    fn padding_that_comes_late_moves_no_number_that_was_given_out() {
        let mut munger = SequenceMunger::default();
        munger.forward(numbers(500, 0));
        assert_eq!(munger.forward(numbers(502, 960)), Some((2, 960)));
        munger.skip(501);
        assert_eq!(munger.forward(numbers(503, 1_920)), Some((3, 1_920)));
        assert_eq!(munger.lost(), 0);
    }

    #[test]
    fn any_amount_of_padding_closes_up() {
        let mut munger = SequenceMunger::default();
        for n in 0..1_000u64 {
            assert_eq!(munger.forward(numbers(2 * n, 0)).unwrap().0, n);
            munger.skip(2 * n + 1);
        }
        assert_eq!(munger.skipped.len(), MAX_SKIPPED);
    }

    fn packet(sequence: u64) -> TrackPacket {
        TrackPacket { sequence, timestamp: 0, marker: false, payload: Arc::from([1u8].as_slice()) }
    }

    #[test]
    fn a_receiver_that_paused_goes_on_where_it_stopped() {
        let mut receiver = ReceiverNumbering::default();
        receiver.packet(&packet(0));
        assert_eq!(receiver.packet(&packet(1)).unwrap().sequence, 1_001);
        receiver.pause();
        assert_eq!(receiver.packet(&packet(40_000)).unwrap().sequence, 1_002);
        assert!(receiver.packet(&packet(39_999)).is_none());
    }

    #[test]
    fn each_receiver_starts_at_a_thousand() {
        let mut receiver = ReceiverNumbering::default();
        assert_eq!(receiver.packet(&packet(70_000)).unwrap().sequence, 1_000);
        assert_eq!(receiver.packet(&packet(70_002)).unwrap().sequence, 1_002);
        assert!(receiver.packet(&packet(69_999)).is_none());
    }
}
