//! When who is told: the stage, and whoever the news is about, at once; the rest of the audience from time to time, all
//! of it together.
//!
//! Telling thousands takes time itself, and whoever waits for a raised hand is not to wait for that. So the audience is
//! told in parts, and whatever else happens in the room happens in between.

use std::{collections::BTreeSet, ops::Bound};

use serambi_protocol::PersonId;

/// Changes within this time after people were told something are told together.
const COALESCE_MS: u64 = 30;
/// In a large room telling takes time itself: each member adds so much to the audience's pause, up to the longest one.
const COALESCE_MICROS_PER_MEMBER: u64 = 50;
const MAX_COALESCE_MS: u64 = 200;
/// People who are told between two other things that happen in the room: some milliseconds for their channels.
pub(super) const PEOPLE_TOLD_AT_ONCE: usize = 128;

/// What one class of people has yet to hear.
#[derive(Debug, Default)]
struct Deadline {
    has_news: bool,
    not_before_ms: u64,
}

impl Deadline {
    fn due_at_ms(&self) -> Option<u64> {
        self.has_news.then_some(self.not_before_ms)
    }

    fn take_if_due(&mut self, now_ms: u64) -> bool {
        let is_due = self.due_at_ms().is_some_and(|at| at <= now_ms);
        self.has_news &= !is_due;
        is_due
    }
}

/// The deadlines of one room.
#[derive(Debug, Default)]
pub(super) struct TellingTimes {
    stage: Deadline,
    /// Are told with the stage: who did something, and whom something was done to.
    concerned: BTreeSet<PersonId>,
    audience: Deadline,
    /// The audience is being told; the next part begins there.
    next_part: Option<Bound<PersonId>>,
}

impl TellingTimes {
    pub(super) fn has_news(&mut self) {
        self.stage.has_news = true;
        self.audience.has_news = true;
    }

    /// There is news for this person in particular.
    pub(super) fn has_news_for(&mut self, person: &PersonId) {
        self.stage.has_news = true;
        self.concerned.insert(*person);
    }

    pub(super) fn due_at_ms(&self) -> Option<u64> {
        if self.is_telling_audience() {
            return Some(0);
        }
        [self.stage.due_at_ms(), self.audience.due_at_ms()].into_iter().flatten().min()
    }

    /// Is there a part of the audience that has not heard yet what another part has?
    pub(super) fn is_telling_audience(&self) -> bool {
        self.next_part.is_some()
    }

    /// If it is time to tell the stage: who is told with it.
    pub(super) fn take_stage(&mut self, now_ms: u64) -> Option<BTreeSet<PersonId>> {
        self.stage.take_if_due(now_ms).then(|| {
            self.stage.not_before_ms = now_ms + COALESCE_MS;
            std::mem::take(&mut self.concerned)
        })
    }

    /// If it is time to tell a part of the audience: behind whom it begins.
    pub(super) fn take_part_of_audience(&mut self, now_ms: u64) -> Option<Bound<PersonId>> {
        self.next_part.take().or_else(|| self.audience.take_if_due(now_ms).then_some(Bound::Unbounded))
    }

    /// A part of the audience was told. Where there is more of it, `last` is the last one of that part; else its pause
    /// begins, which depends on how many `members` the room has.
    pub(super) fn told_part_of_audience(&mut self, last: Option<PersonId>, members: usize, now_ms: u64) {
        self.next_part = last.map(Bound::Excluded);
        let crowd_ms = members as u64 * COALESCE_MICROS_PER_MEMBER / 1_000;
        self.audience.not_before_ms = now_ms + (COALESCE_MS + crowd_ms).min(MAX_COALESCE_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROWD: usize = 3_000;

    fn person(number: u8) -> PersonId {
        PersonId::from_key(&[number; 32])
    }

    /// All of the audience, however many parts that takes.
    fn tell_audience(times: &mut TellingTimes, now_ms: u64) {
        assert!(times.take_part_of_audience(now_ms).is_some());
        times.told_part_of_audience(None, CROWD, now_ms);
    }

    #[test]
    fn first_news_is_told_at_once_to_everybody() {
        let mut times = TellingTimes::default();
        assert_eq!(times.due_at_ms(), None);
        times.has_news();
        assert_eq!(times.due_at_ms(), Some(0));
        assert!(times.take_stage(0).is_some() && times.take_part_of_audience(0).is_some());
    }

    /// Known failure: where fifty a second come and go, a moderator waited as long for a raised hand as three thousand
    /// listeners for the new count.
    #[test]
    fn in_a_large_room_news_reaches_the_stage_within_30_ms_and_the_audience_within_200() {
        let mut times = TellingTimes::default();
        times.has_news();
        times.take_stage(1_000);
        tell_audience(&mut times, 1_000);
        let mut told = (Vec::new(), Vec::new());
        for now_ms in 1_001..1_700 {
            times.has_news();
            if times.take_stage(now_ms).is_some() {
                told.0.push(now_ms);
            }
            if times.take_part_of_audience(now_ms).is_some() {
                times.told_part_of_audience(None, CROWD, now_ms);
                told.1.push(now_ms);
            }
        }
        assert_eq!(told.0, (1..24).map(|times| 1_000 + 30 * times).collect::<Vec<_>>());
        assert_eq!(told.1, [1_180, 1_360, 1_540]);
    }

    #[test]
    fn whoever_the_news_is_about_hears_it_with_the_stage_and_once() {
        let mut times = TellingTimes::default();
        times.has_news();
        times.take_stage(0);
        tell_audience(&mut times, 0);
        times.has_news();
        times.has_news_for(&person(7));
        assert_eq!(times.due_at_ms(), Some(30));
        assert_eq!(times.take_stage(29), None);
        assert_eq!(times.take_stage(30), Some(BTreeSet::from([person(7)])));
        times.has_news();
        assert_eq!(times.take_stage(60), Some(BTreeSet::new()));
    }

    #[test]
    fn an_audience_in_parts_is_told_part_by_part_and_what_happens_meanwhile_after_a_pause() {
        let mut times = TellingTimes::default();
        times.has_news();
        times.take_stage(0);
        assert_eq!(times.take_part_of_audience(0), Some(Bound::Unbounded));
        times.told_part_of_audience(Some(person(3)), CROWD, 0);
        assert!(times.is_telling_audience());
        times.has_news();
        assert_eq!(times.due_at_ms(), Some(0), "the next part does not wait");
        assert_eq!(times.take_part_of_audience(5), Some(Bound::Excluded(person(3))));
        times.told_part_of_audience(None, CROWD, 5);
        assert!(!times.is_telling_audience());
        assert_eq!(times.take_part_of_audience(184), None);
        assert_eq!(times.take_part_of_audience(185), Some(Bound::Unbounded));
    }
}
