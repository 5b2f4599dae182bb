//! Copies of one speaker's frames, each waiting at the media time of its frame, and how far back they have reached of
//! late.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    clock::Moment,
    format::MAX_PACKET_SAMPLES,
    opus_padding::packet::frame_samples,
    redundant_copies::{MAX_OFFSET_UNITS, OFFSET_UNIT_SAMPLES, find_copies},
};

/// Copies held at most: a bound on memory.
const MAX_COPIES: usize = 256;

/// How long an offset counts after a packet carried it, microseconds.
const REACH_MEMORY_MICROS: i64 = 2_000_000;

/// A copy of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedFrame {
    /// Length of its sound in samples at 48 kHz.
    pub samples: usize,
    /// A whole Opus packet.
    pub packet: Bytes,
}

/// The copies of one speaker's frames.
#[derive(Clone, Debug)]
pub struct CopySlots {
    copies: BTreeMap<i64, CopiedFrame>,
    /// When a packet last carried a copy from so many units before it.
    carried_at: [Option<Moment>; MAX_OFFSET_UNITS as usize + 1],
    newest_arrival: Moment,
}

impl Default for CopySlots {
    fn default() -> Self {
        Self {
            copies: BTreeMap::new(),
            carried_at: [None; MAX_OFFSET_UNITS as usize + 1],
            newest_arrival: Moment::default(),
        }
    }
}

impl CopySlots {
    /// Takes the copies out of a packet whose first sample is at media time `sample`, as far as `wanted` says that
    /// somebody could still play the frame at that time. Of two copies of a frame the longer one stays.
    pub fn take_from(&mut self, packet: &Bytes, sample: i64, arrival: Moment, wanted: impl Fn(i64) -> bool) {
        self.newest_arrival = self.newest_arrival.max(arrival);
        for copy in find_copies(packet) {
            self.carried_at[usize::from(copy.offset_units)] = Some(self.newest_arrival);
            let at = sample - copy.offset_samples() as i64;
            if !wanted(at) || self.copies.get(&at).is_some_and(|held| held.packet.len() >= copy.packet.len()) {
                continue;
            }
            let samples = frame_samples(copy.packet[0]);
            self.copies.insert(at, CopiedFrame { samples, packet: copy.packet });
        }
        while self.copies.len() > MAX_COPIES {
            self.copies.pop_first();
        }
    }

    /// The copy of the frame at `sample`.
    pub fn at(&self, sample: i64) -> Option<&CopiedFrame> {
        self.copies.get(&sample)
    }

    /// The media time of the first copy at or after `sample`.
    pub fn first_from(&self, sample: i64) -> Option<i64> {
        self.copies.range(sample..).next().map(|(at, _)| *at)
    }

    /// Drops what lies before `sample`.
    pub fn forget_before(&mut self, sample: i64) {
        self.copies = self.copies.split_off(&sample);
    }

    /// Samples from the farthest frame that packets of the last two seconds repeated to the packets themselves; 0 if
    /// they repeated none.
    pub fn reach_samples(&self) -> usize {
        let recent =
            |at: &Option<Moment>| at.is_some_and(|at| self.newest_arrival.micros_since(at) <= REACH_MEMORY_MICROS);
        let farthest = self.carried_at.iter().rposition(recent).unwrap_or(0);
        (farthest * OFFSET_UNIT_SAMPLES).min(MAX_PACKET_SAMPLES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redundant_copies::{RedundantCopy, attach_copies};

    /// A packet of 20 ms with copies of this offset and length.
    fn packet(copies: &[(u8, usize)]) -> Bytes {
        let packet = |toc: u8, bytes: usize| [vec![toc], vec![0; bytes - 1]].concat();
        let copies: Vec<RedundantCopy> = copies
            .iter()
            .map(|(offset_units, bytes)| RedundantCopy {
                offset_units: *offset_units,
                packet: packet(0x48, *bytes).into(),
            })
            .collect();
        attach_copies(packet(0x68, 60), &copies, 700).into()
    }

    #[test]
    fn copies_wait_at_the_time_of_their_frames() {
        let mut slots = CopySlots::default();
        slots.take_from(&packet(&[(2, 20), (6, 21)]), 9_600, Moment::default(), |_| true);
        assert_eq!(slots.at(9_600 - 960).map(|copy| copy.packet.len()), Some(20));
        assert_eq!(slots.at(9_600 - 2_880).map(|copy| (copy.samples, copy.packet.len())), Some((960, 21)));
        slots.forget_before(9_600 - 960);
        assert_eq!(slots.first_from(0), Some(9_600 - 960));
    }

    #[test]
    fn of_two_copies_the_longer_one_stays_and_unwanted_ones_go() {
        let mut slots = CopySlots::default();
        slots.take_from(&packet(&[(2, 20)]), 960, Moment::default(), |_| true);
        slots.take_from(&packet(&[(4, 30)]), 1_920, Moment::default(), |_| true);
        slots.take_from(&packet(&[(6, 25), (2, 25)]), 2_880, Moment::default(), |at| at == 0);
        assert_eq!(slots.at(0).map(|copy| copy.packet.len()), Some(30));
        assert_eq!(slots.at(1_920), None);
    }

    #[test]
    fn the_reach_is_that_of_the_last_two_seconds() {
        let mut slots = CopySlots::default();
        assert_eq!(slots.reach_samples(), 0);
        slots.take_from(&packet(&[(4, 20), (10, 20)]), 0, Moment::from_millis(0), |_| true);
        assert_eq!(slots.reach_samples(), 4_800);
        for at in (0..=2_000).step_by(20) {
            slots.take_from(&packet(&[(2, 20)]), at * 48, Moment::from_millis(at), |_| true);
        }
        assert_eq!(slots.reach_samples(), 4_800);
        slots.take_from(&packet(&[(2, 20)]), 96_960, Moment::from_millis(2_020), |_| true);
        assert_eq!(slots.reach_samples(), 960);
        slots.take_from(&packet(&[]), 192_960, Moment::from_millis(4_100), |_| true);
        assert_eq!(slots.reach_samples(), 0);
    }

    #[test]
    fn the_number_of_copies_is_bounded() {
        let mut slots = CopySlots::default();
        for n in 0..2_000_i64 {
            slots.take_from(&packet(&[(2, 20)]), n * 960, Moment::from_millis(n), |_| true);
        }
        assert_eq!(slots.copies.len(), MAX_COPIES);
    }
}
