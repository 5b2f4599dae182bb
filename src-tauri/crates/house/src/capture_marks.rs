//! When the voices of a room were made: the newest mark of each speaker, passed on to everybody in one word. Pure: time
//! is an argument.

use std::collections::BTreeMap;

use serambi_protocol::{
    Code, PersonId, Refusal,
    measurement::{CaptureMark, HouseTime, VoiceMark},
};

/// Marks within this time are passed on together.
const TOGETHER_MS: u64 = 1_000;
/// A mark waits at least this long: on its other way the packet it speaks of has come through by then.
const SETTLING_MS: u64 = 200;

/// The marks of one room that have not been passed on.
#[derive(Default)]
pub struct CaptureMarks {
    waiting: BTreeMap<PersonId, CaptureMark>,
    told_at_ms: Option<u64>,
    tell_at_ms: Option<u64>,
}

impl CaptureMarks {
    /// Takes a speaker's mark in place of the last one.
    ///
    /// # Errors
    /// `bad_request` if it is not of the last seconds, or of no possible microphone.
    pub fn take(&mut self, speaker: &PersonId, mark: CaptureMark, now: HouseTime, now_ms: u64) -> Result<(), Refusal> {
        if !mark.is_plausible(now) {
            return Err(Refusal::new(Code::BadRequest, "a mark of no possible moment"));
        }
        self.waiting.insert(*speaker, mark);
        let after_the_last = self.told_at_ms.map_or(0, |told| told.saturating_add(TOGETHER_MS));
        self.tell_at_ms.get_or_insert(after_the_last.max(now_ms.saturating_add(SETTLING_MS)));
        Ok(())
    }

    /// Somebody has left.
    pub fn forget(&mut self, person: &PersonId) {
        self.waiting.remove(person);
    }

    /// When there is something to pass on.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.tell_at_ms
    }

    /// What to pass on, once it is time.
    pub fn due(&mut self, now_ms: u64) -> Vec<VoiceMark> {
        if self.tell_at_ms.is_none_or(|at| now_ms < at) {
            return Vec::new();
        }
        self.tell_at_ms = None;
        self.told_at_ms = Some(now_ms);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting.map(|(person, mark)| VoiceMark { person, mark, passage: None }).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn person(number: u8) -> PersonId {
        PersonId::from_key(&[number; 32])
    }

    fn mark(now_ms: u64) -> CaptureMark {
        let now = HouseTime(now_ms as i64 * 1_000);
        CaptureMark { timestamp: 7, captured: now.plus_micros(-45_000), sent: now.plus_micros(-15_000) }
    }

    fn take(marks: &mut CaptureMarks, who: u8, now_ms: u64) {
        marks.take(&person(who), mark(now_ms), HouseTime(now_ms as i64 * 1_000), now_ms).unwrap();
    }

    #[test]
    fn marks_are_passed_on_together_and_the_newest_of_each_counts() {
        let mut marks = CaptureMarks::default();
        take(&mut marks, 1, 1_000);
        take(&mut marks, 2, 1_050);
        take(&mut marks, 1, 1_100);
        assert_eq!(marks.next_deadline_ms(), Some(1_200));
        assert!(marks.due(1_199).is_empty());
        let told = marks.due(1_200);
        assert_eq!(told.iter().map(|told| &told.person).collect::<Vec<_>>().len(), 2);
        assert!(told.iter().any(|told| told.person == person(1) && told.mark == mark(1_100)));
        take(&mut marks, 1, 1_300);
        assert_eq!(marks.next_deadline_ms(), Some(2_200));
        marks.forget(&person(1));
        assert!(marks.due(2_200).is_empty());
        assert_eq!(marks.next_deadline_ms(), None);
    }

    #[test]
    fn a_mark_of_no_possible_moment_is_refused() {
        let (mut marks, now) = (CaptureMarks::default(), HouseTime(60_000_000));
        let good = mark(60_000);
        for odd in [
            CaptureMark { sent: good.captured.plus_micros(-1), ..good },
            CaptureMark { captured: HouseTime(0), ..good },
            CaptureMark { captured: HouseTime(i64::MIN), ..good },
            CaptureMark { timestamp: 0, captured: HouseTime(i64::MAX), sent: HouseTime(i64::MAX) },
            CaptureMark { timestamp: 0, captured: HouseTime(-5), sent: HouseTime(-5) },
        ] {
            assert_eq!(marks.take(&person(1), odd, now, 60_000).unwrap_err().code, Code::BadRequest);
        }
        assert_eq!(marks.next_deadline_ms(), None);
    }

    proptest! {
        #[test]
        fn a_room_is_told_at_most_once_a_second_and_nothing_waits_for_longer(
            steps in vec((0..12_u8, 0..700_u64), 1..200)
        ) {
            let (mut marks, mut now, mut told_at) = (CaptureMarks::default(), 10_000, None::<u64>);
            for (who, wait_ms) in steps {
                take(&mut marks, who, now);
                let due = marks.next_deadline_ms().unwrap();
                prop_assert!(due <= now + TOGETHER_MS + SETTLING_MS);
                now += wait_ms;
                if !marks.due(now).is_empty() {
                    prop_assert!(told_at.is_none_or(|at| now - at >= TOGETHER_MS));
                    told_at = Some(now);
                }
            }
        }
    }
}
