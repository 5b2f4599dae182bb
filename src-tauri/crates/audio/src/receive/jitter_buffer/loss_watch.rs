//! Which frames that were not here in time are lost, and which are only late: a running share of the lost ones.

use std::collections::VecDeque;

use serambi_codec::clock::Moment;

/// A frame that has not come so long after its turn is lost, microseconds: beyond any jitter worth waiting out.
const MAX_LATE_MICROS: i64 = 250_000;

/// Weight of one frame in the running share: a memory of 100 frames.
const WEIGHT: f32 = 0.01;

/// Frames that are waited for at most, and late ones that are remembered: bounds on memory.
const MAX_AWAITED: usize = 100;
const MAX_REMEMBERED: usize = 32;

/// The watch over one remote voice's frames.
#[derive(Clone, Debug, Default)]
pub(super) struct LossWatch {
    share: f32,
    /// Sequence number and turn of frames that were not here, oldest first.
    awaited: VecDeque<(i64, Moment)>,
    /// Frames that came after their turn, but before a later one's made them missing.
    came: VecDeque<i64>,
}

impl LossWatch {
    /// A frame was not here when its turn came; a later one's has come.
    pub(super) fn note_missing(&mut self, sequence: i64, now: Moment) {
        if self.came.contains(&sequence) {
            return;
        }
        self.awaited.push_back((sequence, now));
        if self.awaited.len() > MAX_AWAITED {
            self.give_up_oldest();
        }
    }

    /// A frame came after its turn.
    pub(super) fn note_late(&mut self, sequence: i64) {
        let awaited = self.awaited.len();
        self.awaited.retain(|(awaited, _)| *awaited != sequence);
        if self.awaited.len() < awaited {
            return;
        }
        if self.came.len() == MAX_REMEMBERED {
            self.came.pop_front();
        }
        self.came.push_back(sequence);
    }

    /// A frame was here when its turn came.
    pub(super) fn note_played(&mut self, now: Moment) {
        while self.awaited.front().is_some_and(|(_, turn)| now.micros_since(*turn) > MAX_LATE_MICROS) {
            self.give_up_oldest();
        }
        self.count(0.0);
    }

    /// Share of the last 100 frames or so that never came, 0 ..= 1.
    pub(super) fn share(&self) -> f32 {
        self.share
    }

    fn give_up_oldest(&mut self) {
        if self.awaited.pop_front().is_some() {
            self.count(1.0);
        }
    }

    fn count(&mut self, lost: f32) {
        self.share += (lost - self.share) * WEIGHT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_that_never_comes_is_a_loss_of_a_tenth() {
        let mut watch = LossWatch::default();
        for n in 0..1_000 {
            let now = Moment::from_millis(n * 20);
            if n % 10 == 3 { watch.note_missing(n, now) } else { watch.note_played(now) }
        }
        assert!((watch.share() - 0.1).abs() < 0.01, "{}", watch.share());
    }

    /// Once a path with much jitter and no loss was taken for one with loss each time two late frames were due at once.
    #[test]
    fn frames_that_come_late_are_no_loss_however_many_are_awaited_at_once() {
        let mut watch = LossWatch::default();
        for n in 0..1_000 {
            let now = Moment::from_millis(n * 20);
            if n % 10 < 3 {
                watch.note_missing(n, now)
            } else {
                watch.note_played(now)
            }
            if n % 10 == 9 {
                (n - 9..n - 6).for_each(|late| watch.note_late(late));
            }
            assert_eq!(watch.share(), 0.0);
        }
    }

    /// Once each frame that came a little late was lost: it came before the next one was played, and that was too early
    /// to be told.
    #[test]
    fn a_frame_that_comes_after_its_turn_and_before_the_next_one_is_no_loss() {
        let mut watch = LossWatch::default();
        for n in 0..1_000 {
            if n % 10 == 3 {
                watch.note_late(n);
            }
            if n % 10 == 4 {
                watch.note_missing(n - 1, Moment::from_millis(n * 20));
            }
            watch.note_played(Moment::from_millis(n * 20));
        }
        assert_eq!(watch.share(), 0.0);
    }
}
