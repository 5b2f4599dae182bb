//! How loud everybody is, as the window draws it: few steps that fall slowly, so that what looks alike is told once.
//!
//! Every change costs a message, a style and a picture of the face; syllables that nobody could follow are not shown.

use std::{collections::BTreeMap, time::Duration};

use serambi_call::Levels;
use serambi_protocol::PersonId;

use crate::view::LevelBatch;

/// Between two looks at how loud it is.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Softer than this is not speech.
const SPEECH_DBFS: f32 = -45.0;
/// From here on the ring does not grow.
const LOUD_DBFS: f32 = -14.0;
/// Loudness is shown in so many steps, the first from [`SPEECH_DBFS`] on.
const STEPS: f32 = 6.0;
/// Decibels by which a shown loudness falls from one look to the next; it rises at once.
const FALL_DB: f32 = 1.0;
/// Somebody talks until so many looks after the last speech, 400 ms: a breath between words does not end it.
const HELD_LOOKS: u8 = 8;
/// A change of loudness alone waits for every second look; a beginning and an end of talk do not.
const LOOKS_PER_CHANGE: u32 = 2;

/// One voice, one's own or somebody else's.
#[derive(Clone, Copy, Debug)]
struct Voice {
    dbfs: f32,
    /// Looks until it counts as silent.
    held: u8,
}

impl Default for Voice {
    fn default() -> Self {
        Self { dbfs: f32::NEG_INFINITY, held: 0 }
    }
}

impl Voice {
    fn hear(&mut self, dbfs: f32) {
        self.dbfs = dbfs.max(self.dbfs - FALL_DB);
        self.held = if dbfs > SPEECH_DBFS { HELD_LOOKS } else { self.held.saturating_sub(1) };
    }

    /// Percent, in steps; 0 means silent.
    fn loudness(&self) -> u8 {
        if self.held == 0 {
            return 0;
        }
        let share = (self.dbfs - SPEECH_DBFS) / (LOUD_DBFS - SPEECH_DBFS);
        let step = (share * STEPS).round().clamp(1.0, STEPS);
        // A whole number between 1 and 100.
        (step / STEPS * 100.0).round() as u8
    }
}

/// What was heard so far, and what of it the window knows.
#[derive(Debug, Default)]
pub struct LevelMeter {
    own: Option<Voice>,
    people: BTreeMap<PersonId, Voice>,
    looks: u32,
    told: LevelBatch,
}

impl LevelMeter {
    /// Takes the levels of now, and gives what the window is to be told, if that is news.
    pub fn look(&mut self, levels: &Levels) -> Option<LevelBatch> {
        self.looks = self.looks.wrapping_add(1);
        self.hear(levels);
        let next = self.batch();
        let is_due = self.looks.is_multiple_of(LOOKS_PER_CHANGE) || !talk_alike(&next, &self.told);
        if is_due { self.tell(next) } else { None }
    }

    /// Everybody is silent, for a window that nobody sees.
    pub fn silence(&mut self) -> Option<LevelBatch> {
        (self.own, self.people) = (None, BTreeMap::new());
        self.tell(LevelBatch::default())
    }

    fn hear(&mut self, levels: &Levels) {
        match levels.own {
            Some(dbfs) => self.own.get_or_insert_default().hear(dbfs),
            None => self.own = None,
        }
        for (person, _) in &levels.people {
            self.people.entry(*person).or_default();
        }
        for (person, voice) in &mut self.people {
            let now = levels.people.iter().find(|(other, _)| other == person);
            voice.hear(now.map_or(f32::NEG_INFINITY, |(_, dbfs)| *dbfs));
        }
        self.people.retain(|_, voice| voice.held > 0);
    }

    fn batch(&self) -> LevelBatch {
        LevelBatch {
            own: self.own.map(|own| own.loudness()),
            people: self.people.iter().map(|(person, voice)| (*person, voice.loudness())).collect(),
        }
    }

    fn tell(&mut self, next: LevelBatch) -> Option<LevelBatch> {
        if next == self.told {
            return None;
        }
        self.told.clone_from(&next);
        Some(next)
    }
}

/// Do the same people talk, however loud?
fn talk_alike(one: &LevelBatch, other: &LevelBatch) -> bool {
    let talks = |own: Option<u8>| own.map(|loudness| loudness > 0);
    talks(one.own) == talks(other.own)
        && one.people.iter().map(|(person, _)| person).eq(other.people.iter().map(|(person, _)| person))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SARI: PersonId = PersonId::from_key(&[1; 32]);

    fn levels(own: Option<f32>, sari: Option<f32>) -> Levels {
        Levels { own, people: sari.map(|dbfs| (SARI, dbfs)).into_iter().collect() }
    }

    /// What is told over so many looks at one level.
    fn told(meter: &mut LevelMeter, looks: usize, levels: &Levels) -> Vec<LevelBatch> {
        (0..looks).filter_map(|_| meter.look(levels)).collect()
    }

    #[test]
    fn speech_is_told_at_the_first_look_and_silence_400_ms_after_the_last() {
        let mut meter = LevelMeter::default();
        assert_eq!(meter.look(&levels(None, Some(-20.0))).unwrap().people, [(SARI, 83)]);
        let silent = levels(None, Some(-90.0));
        told(&mut meter, usize::from(HELD_LOOKS) - 1, &silent);
        assert_eq!(meter.told.people.len(), 1, "a breath between two words");
        assert!(meter.look(&silent).unwrap().people.is_empty());
    }

    #[test]
    fn somebody_who_is_gone_falls_silent_as_well() {
        let mut meter = LevelMeter::default();
        meter.look(&levels(None, Some(-20.0)));
        told(&mut meter, usize::from(HELD_LOOKS), &levels(None, None));
        assert_eq!(meter.told, LevelBatch::default());
    }

    #[test]
    fn softer_than_speech_is_no_talk() {
        assert!(told(&mut LevelMeter::default(), 20, &levels(None, Some(-46.0))).is_empty());
    }

    #[test]
    fn what_looks_alike_is_told_once() {
        let mut meter = LevelMeter::default();
        assert_eq!(told(&mut meter, 40, &levels(Some(-30.0), Some(-14.0))).len(), 1);
        assert!(told(&mut meter, 40, &levels(Some(-30.2), Some(-12.0))).is_empty());
    }

    /// Twenty pictures a second of a ring whose syllables nobody can follow were 9 % of a core.
    #[test]
    fn syllables_are_told_at_most_ten_times_a_second() {
        let mut meter = LevelMeter::default();
        let syllable = |look: u8| levels(None, Some(if look.is_multiple_of(2) { -16.0 } else { -60.0 }));
        let told = (0..100).filter_map(|look| meter.look(&syllable(look))).count();
        assert!(told <= 51, "{told} batches in 100 looks");
        assert!(meter.told.people[0].1 > 80, "and the ring does not fall between them");
    }

    #[test]
    fn the_own_microphone_is_closed_silent_or_as_loud_as_it_is() {
        let mut meter = LevelMeter::default();
        assert!(meter.look(&levels(None, None)).is_none());
        assert_eq!(meter.look(&levels(Some(-90.0), None)).unwrap().own, Some(0));
        assert_eq!(meter.look(&levels(Some(-14.0), None)).unwrap().own, Some(100));
        assert_eq!(meter.look(&levels(None, None)).unwrap().own, None);
    }

    #[test]
    fn a_level_that_is_no_number_is_silence() {
        let mut meter = LevelMeter::default();
        meter.look(&levels(Some(f32::NAN), Some(f32::NAN)));
        assert_eq!(meter.look(&levels(Some(-14.0), Some(-14.0))).unwrap().people, [(SARI, 100)]);
    }

    #[test]
    fn a_window_that_nobody_sees_is_told_silence_once() {
        let mut meter = LevelMeter::default();
        meter.look(&levels(Some(-20.0), Some(-20.0)));
        assert_eq!(meter.silence(), Some(LevelBatch::default()));
        assert_eq!(meter.silence(), None);
        assert!(meter.look(&levels(None, Some(-20.0))).is_some(), "and the truth when it is seen again");
    }
}
