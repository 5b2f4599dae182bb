//! Puts the wrapping 16-bit sequence numbers and 32-bit timestamps of one stream on endless lines, and spots what
//! cannot belong to it.

use serambi_codec::clock::{Moment, micros_to_samples, samples_to_micros};

/// How far a packet may lie from where the clock expects it and still belong to the stream, microseconds. Wider than
/// any delay that speech is worth playing after.
const PLAUSIBLE_MICROS: i64 = 5_000_000;

/// So many packets in a row that fit each other but not the stream are a new stream (a sender that started again;
/// compare the probation of RFC 3550 appendix A.1).
const NEW_STREAM_PACKETS: u32 = 3;

/// A stream that was heard of this recently is no old one, microseconds: what does not fit it is then a replay from the
/// far past or from elsewhere, however many packets it has.
const STREAM_ALIVE_MICROS: i64 = 50_000;

/// A jump of this many sequence numbers is a new numbering, not a loss.
const MAX_SEQUENCE_JUMP: i64 = 3_000;

/// Where a packet lies on the stream's endless lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Sequence number without wrap-around.
    pub sequence: i64,
    /// Media time in samples without wrap-around.
    pub sample: i64,
}

/// What the timeline says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It belongs to the stream.
    Known(Place),
    /// It was there before.
    Duplicate,
    /// It does not fit, and nothing yet says that a new stream began.
    Stray,
    /// A new stream began: everything known about the old one is void.
    NewStream(Place),
}

#[derive(Clone, Copy, Debug)]
struct Stray {
    sequence: u16,
    sample: i64,
    arrival: Moment,
    in_a_row: u32,
}

/// The lines of one stream.
#[derive(Clone, Debug, Default)]
pub struct PacketTimeline {
    /// The newest packet by media time, and when it came.
    newest: Option<(Place, Moment)>,
    /// Bit n: sequence number `newest_sequence - n` was seen.
    seen: u128,
    newest_sequence: i64,
    stray: Option<Stray>,
}

impl PacketTimeline {
    /// Finds the place of a packet that arrived at `arrival`.
    pub fn place(&mut self, sequence: u16, timestamp: u32, arrival: Moment) -> Placement {
        let Some((newest, newest_arrival)) = self.newest else {
            return Placement::NewStream(self.begin(sequence, i64::from(timestamp), arrival));
        };
        let expected = newest.sample + micros_to_samples(arrival.micros_since(newest_arrival));
        let sample = expected + i64::from(timestamp.wrapping_sub(expected as u32) as i32);
        if samples_to_micros((sample - expected).abs()) > PLAUSIBLE_MICROS {
            let is_alive = arrival.micros_since(newest_arrival) < STREAM_ALIVE_MICROS;
            return self.judge_stray(sequence, sample, arrival, is_alive);
        }
        self.stray = None;
        let sequence = self.endless(sequence);
        if !self.mark_seen(sequence) {
            return Placement::Duplicate;
        }
        let place = Place { sequence, sample };
        if sample > newest.sample {
            self.newest = Some((place, arrival));
        }
        Placement::Known(place)
    }

    /// Finds the number of a packet without sound, which says nothing about media time: padding repeats an old
    /// timestamp. `None` if there is no stream yet, if it was there before, or if it is too far away to belong to the
    /// stream.
    pub fn place_padding(&mut self, sequence: u16) -> Option<i64> {
        self.newest?;
        let sequence = self.endless(sequence);
        let is_near = (sequence - self.newest_sequence).abs() <= MAX_SEQUENCE_JUMP;
        (is_near && self.mark_seen(sequence)).then_some(sequence)
    }

    /// The number without wrap-around that lies nearest to the newest one.
    fn endless(&self, sequence: u16) -> i64 {
        self.newest_sequence + i64::from(sequence.wrapping_sub(self.newest_sequence as u16) as i16)
    }

    fn begin(&mut self, sequence: u16, sample: i64, arrival: Moment) -> Place {
        let place = Place { sequence: i64::from(sequence), sample };
        *self = Self { newest: Some((place, arrival)), seen: 1, newest_sequence: place.sequence, stray: None };
        place
    }

    fn judge_stray(&mut self, sequence: u16, sample: i64, arrival: Moment, is_alive: bool) -> Placement {
        let in_a_row = match self.stray {
            Some(last) if follows(last, sequence, sample, arrival) => last.in_a_row + 1,
            _ => 1,
        };
        if in_a_row >= NEW_STREAM_PACKETS && !is_alive {
            return Placement::NewStream(self.begin(sequence, sample, arrival));
        }
        self.stray = Some(Stray { sequence, sample, arrival, in_a_row });
        Placement::Stray
    }

    /// Marks `sequence` as seen; false if it was, or if it is too old to tell.
    fn mark_seen(&mut self, sequence: i64) -> bool {
        let ahead = sequence - self.newest_sequence;
        if ahead > 0 {
            self.seen = u32::try_from(ahead).ok().and_then(|ahead| self.seen.checked_shl(ahead)).unwrap_or(0) | 1;
            self.newest_sequence = sequence;
            return true;
        }
        if ahead < -MAX_SEQUENCE_JUMP {
            self.seen = 1;
            self.newest_sequence = sequence;
            return true;
        }
        let Some(bit) = u32::try_from(-ahead).ok().and_then(|behind| 1_u128.checked_shl(behind)) else {
            return false;
        };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

fn follows(last: Stray, sequence: u16, sample: i64, arrival: Moment) -> bool {
    let expected = last.sample + micros_to_samples(arrival.micros_since(last.arrival));
    let next = sequence.wrapping_sub(last.sequence);
    (1..=8).contains(&next) && samples_to_micros((sample - expected).abs()) <= PLAUSIBLE_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(placement: Placement) -> Place {
        match placement {
            Placement::Known(place) | Placement::NewStream(place) => place,
            other => unreachable!("not placed: {other:?}"),
        }
    }

    #[test]
    fn both_numbers_wrap_without_a_jump() {
        let mut timeline = PacketTimeline::default();
        let first = known(timeline.place(65_530, u32::MAX - 2_000, Moment::from_millis(0)));
        for n in 1..20_u16 {
            let timestamp = (u32::MAX - 2_000).wrapping_add(u32::from(n) * 960);
            let place =
                known(timeline.place(65_530_u16.wrapping_add(n), timestamp, Moment::from_millis(i64::from(n) * 20)));
            assert_eq!(place.sequence, first.sequence + i64::from(n));
            assert_eq!(place.sample, first.sample + i64::from(n) * 960);
        }
    }

    #[test]
    fn a_mute_of_twenty_hours_is_a_pause() {
        let mut timeline = PacketTimeline::default();
        let first = known(timeline.place(1, 0, Moment::from_millis(0)));
        let hours = 20 * 3_600;
        let timestamp = (hours * 48_000_i64) as u32;
        let place = known(timeline.place(2, timestamp, Moment::from_millis(hours * 1_000)));
        assert_eq!(place.sequence, first.sequence + 1);
        assert_eq!(place.sample, first.sample + hours * 48_000);
    }

    #[test]
    fn one_packet_with_an_absurd_timestamp_is_a_stray() {
        let mut timeline = PacketTimeline::default();
        timeline.place(1, 0, Moment::from_millis(0));
        assert_eq!(timeline.place(2, 900_000_000, Moment::from_millis(20)), Placement::Stray);
        assert!(matches!(timeline.place(2, 960, Moment::from_millis(20)), Placement::Known(_)));
    }

    #[test]
    fn a_sender_that_starts_again_is_followed_at_its_third_packet() {
        let mut timeline = PacketTimeline::default();
        timeline.place(1, 0, Moment::from_millis(0));
        assert_eq!(timeline.place(900, 900_000_000, Moment::from_millis(20)), Placement::Stray);
        assert_eq!(timeline.place(901, 900_000_960, Moment::from_millis(40)), Placement::Stray);
        assert!(matches!(timeline.place(902, 900_001_920, Moment::from_millis(60)), Placement::NewStream(_)));
        assert!(matches!(timeline.place(903, 900_002_880, Moment::from_millis(80)), Placement::Known(_)));
    }

    #[test]
    fn a_replay_from_the_far_past_does_not_take_the_place_of_a_stream_that_goes_on() {
        let mut timeline = PacketTimeline::default();
        for n in 0..1_000_u16 {
            let now = i64::from(n) * 20;
            assert!(!matches!(timeline.place(n, u32::from(n) * 960, Moment::from_millis(now)), Placement::Stray));
            for old in (0..20).map(|old| n.saturating_sub(600) + old).take_while(|_| n > 700) {
                let placement = timeline.place(old, u32::from(old) * 960, Moment::from_millis(now + 5));
                assert_eq!(placement, Placement::Stray, "{old} at {n}");
            }
        }
    }

    #[test]
    fn padding_is_numbered_by_the_stream_and_moves_no_media_time() {
        let mut timeline = PacketTimeline::default();
        assert_eq!(timeline.place_padding(65_535), None);
        let first = known(timeline.place(65_535, 0, Moment::from_millis(0)));
        assert_eq!(timeline.place_padding(0), Some(first.sequence + 1));
        assert_eq!(timeline.place_padding(0), None);
        assert_eq!(timeline.place_padding(30_000), None);
        let next = known(timeline.place(1, 960, Moment::from_millis(20)));
        assert_eq!((next.sequence, next.sample), (first.sequence + 2, first.sample + 960));
    }

    #[test]
    fn a_packet_that_was_there_is_a_duplicate() {
        let mut timeline = PacketTimeline::default();
        for n in 0..10 {
            timeline.place(n, u32::from(n) * 960, Moment::from_millis(i64::from(n) * 20));
        }
        assert_eq!(timeline.place(4, 4 * 960, Moment::from_millis(201)), Placement::Duplicate);
    }
}
