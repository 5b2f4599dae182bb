//! Reactions in a room: how soon somebody may react again, and what was shown since everybody was told last.

use std::collections::BTreeMap;

use serambi_protocol::{
    PersonId,
    limits::{REACT_EVERY_MS, REACTIONS_TOLD_EVERY_MS},
    reaction::{Reacted, Reaction},
    view::RoomTime,
};

/// The reactions of one room. They are over when they are told, and on no disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reactions {
    /// Until when those who reacted a moment ago wait.
    waits: BTreeMap<PersonId, RoomTime>,
    audience: BTreeMap<Reaction, u32>,
    stage: BTreeMap<PersonId, Reaction>,
    /// Nobody is told before this time.
    not_before: RoomTime,
}

/// Two rooms that differ in their reactions alone are the same room: one that was saved and read again has none.
impl PartialEq for Reactions {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reactions {}

impl Reactions {
    /// How long until this person may react again, ms; none: they may now.
    pub(crate) fn wait_ms(&self, now: RoomTime, person: &PersonId) -> Option<u64> {
        self.waits.get(person).map(|until| until.since(now)).filter(|wait_ms| *wait_ms > 0)
    }

    pub(crate) fn add(&mut self, now: RoomTime, person: &PersonId, is_on_stage: bool, reaction: Reaction) {
        self.waits.insert(*person, now.after(REACT_EVERY_MS));
        if is_on_stage {
            self.stage.insert(*person, reaction);
        } else {
            *self.audience.entry(reaction).or_default() += 1;
        }
    }

    /// When everybody is to be told; none: there is nothing.
    pub(crate) fn due(&self) -> Option<RoomTime> {
        let is_empty = self.audience.is_empty() && self.stage.is_empty();
        (!is_empty).then_some(self.not_before)
    }

    /// All of it in one, if it is time.
    pub(crate) fn take(&mut self, now: RoomTime) -> Option<Reacted> {
        self.due().filter(|due| *due <= now)?;
        let reacted = Reacted::new(&self.audience, &self.stage);
        self.audience.clear();
        self.stage.clear();
        self.not_before = now.after(REACTIONS_TOLD_EVERY_MS);
        self.waits.retain(|_, until| *until > now);
        Some(reacted)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn person(number: u16) -> PersonId {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_le_bytes());
        PersonId::from_key(&key)
    }

    /// Reacts at that time if that person may, and says whether they did.
    fn reacts(reactions: &mut Reactions, number: u16, at: u64) -> bool {
        let may = reactions.wait_ms(RoomTime(at), &person(number)).is_none();
        if may {
            reactions.add(RoomTime(at), &person(number), false, Reaction::Clap);
        }
        may
    }

    #[test]
    fn one_person_reacts_once_a_second_and_is_told_how_long_to_wait() {
        let mut reactions = Reactions::default();
        assert!(reacts(&mut reactions, 1, 10_000));
        assert_eq!(reactions.wait_ms(RoomTime(10_300), &person(1)), Some(700));
        assert!(!reacts(&mut reactions, 1, 10_999) && reacts(&mut reactions, 2, 10_999));
        assert!(reacts(&mut reactions, 1, 11_000));
    }

    #[test]
    fn the_first_reaction_is_told_at_once_and_what_follows_four_times_a_second() {
        let mut reactions = Reactions::default();
        reacts(&mut reactions, 1, 5_000);
        assert_eq!(reactions.due(), Some(RoomTime(0)));
        assert!(reactions.take(RoomTime(5_000)).is_some() && reactions.due().is_none());
        (2..9).for_each(|number| _ = reacts(&mut reactions, number, 5_010));
        assert_eq!(reactions.take(RoomTime(5_249)), None);
        assert_eq!(reactions.take(RoomTime(5_250)).unwrap().audience[0].count, 7);
        assert_eq!(reactions.take(RoomTime(9_000)), None);
    }

    /// Check 44: what 500 people show within 3 s reaches everybody in 13 entries, and none of it is lost.
    #[test]
    fn five_hundred_reactions_in_three_seconds_are_thirteen_entries() {
        let mut reactions = Reactions::default();
        let mut told: Vec<Reacted> = Vec::new();
        for number in 0..500 {
            let at = u64::from(number) * 6;
            assert!(reacts(&mut reactions, number, at));
            told.extend(reactions.take(RoomTime(at)));
        }
        told.extend(reactions.take(RoomTime(3_250)));
        assert_eq!(told.len(), 13);
        assert!(told.iter().all(|reacted| reacted.audience.len() == 1));
        assert_eq!(told.iter().map(|reacted| reacted.audience[0].count).sum::<u32>(), 500);
        assert!(reactions.waits.len() <= 334, "whoever may react again is forgotten");
    }

    #[test]
    fn somebody_on_stage_is_told_by_name_and_with_the_last_they_showed() {
        let mut reactions = Reactions::default();
        reactions.take(RoomTime(0));
        reactions.add(RoomTime(0), &person(1), true, Reaction::Idea);
        reactions.add(RoomTime(0), &person(1), true, Reaction::Laugh);
        let reacted = reactions.take(RoomTime(0)).unwrap();
        assert!(reacted.audience.is_empty());
        assert_eq!(reacted.stage.len(), 1);
        assert_eq!((reacted.stage[0].person, reacted.stage[0].reaction), (person(1), Reaction::Laugh));
    }
}
