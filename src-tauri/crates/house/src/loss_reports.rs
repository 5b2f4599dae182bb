//! What the listeners of a room miss of each voice: their newest reports, and the one sentence made of them for each
//! speaker. Pure: time is an argument.
//!
//! The least loss that anybody has is what is lost before the ways part, on the speaker's own uplink. How much to
//! repeat is set by the worst twentieth, so that in a large room one hopeless link does not cost everybody bandwidth.

use std::collections::BTreeMap;

use serambi_protocol::{
    Code, PersonId, Refusal,
    limits::{LISTENER_REPORT_KEPT_MS, LISTENER_REPORT_MS, STAGE_PEOPLE},
    measurement::{VoiceHeard, VoiceLoss, VoiceReception},
};

/// A report this old is still one of the last interval: it may have been made just after the one before was told.
const FRESH_MS: u64 = LISTENER_REPORT_MS + LISTENER_REPORT_MS / 2;

/// One in so many listeners may be worse off than what a speaker repeats for.
const WORST_ONE_IN: usize = 20;

/// A loss of at least this, of which less than half was told before, is told at once: until a speaker knows, nothing is
/// repeated.
const ALARMING_LOSS: f32 = 0.05;

/// But not more often than this.
const SHORTEST_INTERVAL_MS: u64 = 1_000;

struct Kept {
    at_ms: u64,
    voices: BTreeMap<PersonId, VoiceHeard>,
}

/// The newest report of each listener of one room.
#[derive(Default)]
pub struct LossReports {
    kept: BTreeMap<PersonId, Kept>,
    tell_at_ms: Option<u64>,
    told_at_ms: Option<u64>,
    /// The loss each speaker was told last.
    told: BTreeMap<PersonId, f32>,
}

impl LossReports {
    /// Takes a listener's report in place of its last one. Voices of people who are not speakers (any more) are passed
    /// over, and so is the listener's own.
    ///
    /// # Errors
    /// `bad_request` if nobody can have measured that; the last report stays.
    pub fn take(
        &mut self,
        listener: &PersonId,
        voices: Vec<VoiceHeard>,
        is_speaker: impl Fn(&PersonId) -> bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        if voices.len() > STAGE_PEOPLE || !voices.iter().all(VoiceHeard::is_plausible) {
            return Err(Refusal::new(Code::BadRequest, "a listener's report that nobody can have measured"));
        }
        let is_heard = |voice: &VoiceHeard| voice.person != *listener && is_speaker(&voice.person);
        let voices: BTreeMap<_, _> = voices.into_iter().filter(is_heard).map(|voice| (voice.person, voice)).collect();
        let suffering: Vec<PersonId> =
            voices.values().filter(|voice| voice.loss >= ALARMING_LOSS).map(|voice| voice.person).collect();
        self.kept.insert(*listener, Kept { at_ms: now_ms, voices });
        let regular = *self.tell_at_ms.get_or_insert(now_ms.saturating_add(LISTENER_REPORT_MS));
        if suffering.iter().any(|speaker| self.is_alarming(speaker, now_ms)) {
            let soonest = self.told_at_ms.unwrap_or(now_ms).saturating_add(SHORTEST_INTERVAL_MS).max(now_ms);
            self.tell_at_ms = Some(regular.min(soonest));
        }
        Ok(())
    }

    /// Somebody has left: neither their report nor what was reported of them counts any more.
    pub fn forget(&mut self, person: &PersonId) {
        self.kept.remove(person);
        self.told.remove(person);
        for kept in self.kept.values_mut() {
            kept.voices.remove(person);
        }
    }

    /// When speakers are to be told; never while nobody reports.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.tell_at_ms
    }

    /// What to tell each of `speakers`, once it is time.
    pub fn due<'a>(
        &mut self,
        speakers: impl Iterator<Item = &'a PersonId>,
        now_ms: u64,
    ) -> Vec<(PersonId, VoiceReception)> {
        if self.tell_at_ms.is_none_or(|at| now_ms < at) {
            return Vec::new();
        }
        self.kept.retain(|_, kept| now_ms.saturating_sub(kept.at_ms) < LISTENER_REPORT_KEPT_MS);
        self.tell_at_ms = (!self.kept.is_empty()).then(|| now_ms.saturating_add(LISTENER_REPORT_MS));
        let told = speakers.map(|speaker| (*speaker, self.reception_of(speaker, now_ms)));
        let told: Vec<_> = told.filter(|(_, reception)| reception.listeners > 0).collect();
        self.told_at_ms = Some(now_ms);
        self.told = told.iter().map(|(speaker, reception)| (*speaker, worst(reception))).collect();
        told
    }

    /// Whether a speaker's listeners, those that count, miss much more than the speaker knows.
    fn is_alarming(&self, speaker: &PersonId, now_ms: u64) -> bool {
        let loss = worst(&self.reception_of(speaker, now_ms));
        loss >= ALARMING_LOSS && self.told.get(speaker).copied().unwrap_or(0.0) < loss / 2.0
    }

    fn reception_of(&self, speaker: &PersonId, now_ms: u64) -> VoiceReception {
        let listeners = || self.kept.iter().filter(|(listener, _)| *listener != speaker).map(|(_, kept)| kept);
        let received = |kept: &&Kept| {
            let is_fresh = now_ms.saturating_sub(kept.at_ms) <= FRESH_MS;
            is_fresh && kept.voices.get(speaker).is_some_and(|voice| voice.packets > 0)
        };
        VoiceReception {
            listeners: count(listeners().count()),
            received_by: count(listeners().filter(received).count()),
            loss: loss(listeners().filter_map(|kept| kept.voices.get(speaker)).collect()),
        }
    }
}

fn worst(reception: &VoiceReception) -> f32 {
    reception.loss.map_or(0.0, |loss| loss.worst)
}

fn loss(mut heard: Vec<&VoiceHeard>) -> Option<VoiceLoss> {
    heard.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(b.mean_burst.total_cmp(&a.mean_burst)));
    let worst = heard.get(heard.len() / WORST_ONE_IN)?;
    let least = heard.last()?.loss;
    Some(VoiceLoss { least, worst: worst.loss, mean_burst: worst.mean_burst })
}

fn count(people: usize) -> u32 {
    u32::try_from(people).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn person(number: u16) -> PersonId {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        PersonId::from_key(&key)
    }

    fn heard(speaker: &PersonId, loss: f32, mean_burst: f32) -> VoiceHeard {
        VoiceHeard { person: *speaker, packets: 150, loss, mean_burst }
    }

    fn told(reports: &mut LossReports, speaker: &PersonId, now_ms: u64) -> Option<VoiceReception> {
        reports.due([speaker].into_iter(), now_ms).pop().map(|(_, reception)| reception)
    }

    /// A room in which listeners 1, 2, … report these losses of speaker 0 at once.
    fn room(losses: &[f32]) -> (LossReports, PersonId) {
        let (mut reports, speaker) = (LossReports::default(), person(0));
        for (listener, loss) in (1..).zip(losses) {
            reports.take(&person(listener), vec![heard(&speaker, *loss, 1.0)], |_| true, 0).unwrap();
        }
        (reports, speaker)
    }

    #[test]
    fn a_speaker_is_told_once_in_three_seconds_however_many_report() {
        let (mut reports, speaker) = room(&[0.0; 300]);
        assert_eq!(reports.next_deadline_ms(), Some(3_000));
        assert_eq!(told(&mut reports, &speaker, 2_999), None);
        let reception = told(&mut reports, &speaker, 3_000).unwrap();
        assert_eq!((reception.listeners, reception.received_by), (300, 300));
        assert_eq!(told(&mut reports, &speaker, 3_001), None);
        assert_eq!(reports.next_deadline_ms(), Some(6_000));
    }

    #[test]
    fn in_a_small_room_the_worst_listener_counts_and_in_a_large_one_all_but_a_twentieth() {
        let (mut small, speaker) = room(&[0.0, 0.02, 0.3]);
        let loss = told(&mut small, &speaker, 3_000).unwrap().loss.unwrap();
        assert_eq!((loss.least, loss.worst), (0.0, 0.3));
        let mut losses = [0.01; 40];
        losses[7] = 0.9;
        losses[8] = 0.8;
        losses[9] = 0.1;
        let (mut large, speaker) = room(&losses);
        assert_eq!(told(&mut large, &speaker, 3_000).unwrap().loss.unwrap().worst, 0.1);
    }

    #[test]
    fn a_loss_that_begins_is_told_at_once_but_not_more_than_once_a_second() {
        let (mut reports, speaker) = room(&[0.0]);
        assert!(told(&mut reports, &speaker, 3_000).is_some());
        let report = |reports: &mut LossReports, loss, now_ms| {
            reports.take(&person(1), vec![heard(&person(0), loss, 1.0)], |_| true, now_ms).unwrap();
            reports.next_deadline_ms()
        };
        assert_eq!(report(&mut reports, 0.04, 3_100), Some(6_000));
        assert_eq!(report(&mut reports, 0.20, 3_200), Some(4_000));
        assert_eq!(told(&mut reports, &speaker, 4_000).unwrap().loss.unwrap().worst, 0.20);
        assert_eq!(report(&mut reports, 0.30, 4_100), Some(7_000), "that is nothing new");
        assert_eq!(report(&mut reports, 0.45, 5_500), Some(5_500));
    }

    #[test]
    fn no_loss_is_told_as_well() {
        let (mut reports, speaker) = room(&[0.0]);
        let loss = told(&mut reports, &speaker, 3_000).unwrap().loss;
        assert_eq!(loss, Some(VoiceLoss { least: 0.0, worst: 0.0, mean_burst: 1.0 }));
    }

    #[test]
    fn what_everybody_misses_is_lost_on_the_speakers_own_uplink() {
        let (mut reports, speaker) = room(&[0.1, 0.12, 0.4]);
        assert_eq!(told(&mut reports, &speaker, 3_000).unwrap().loss.unwrap().least, 0.1);
    }

    #[test]
    fn whoever_listens_and_hears_nothing_is_counted_but_has_not_received() {
        let (mut reports, speaker) = room(&[0.0, 0.0]);
        reports.take(&person(2), Vec::new(), |_| true, 1_000).unwrap();
        let reception = told(&mut reports, &speaker, 3_000).unwrap();
        assert_eq!((reception.listeners, reception.received_by), (2, 1));
        let (mut deaf, speaker) = (LossReports::default(), person(0));
        deaf.take(&person(1), Vec::new(), |_| true, 0).unwrap();
        let reception = told(&mut deaf, &speaker, 3_000).unwrap();
        assert_eq!(reception, VoiceReception { listeners: 1, received_by: 0, loss: None });
    }

    #[test]
    fn a_report_is_forgotten_after_ten_seconds_and_when_its_listener_leaves() {
        let (mut reports, speaker) = room(&[0.0, 0.5]);
        reports.forget(&person(2));
        assert_eq!(told(&mut reports, &speaker, 3_000).unwrap().loss.unwrap().worst, 0.0);
        // Too old to say that the voice still comes, but not to say what the way is like.
        let reception = told(&mut reports, &speaker, 9_000).unwrap();
        assert_eq!((reception.listeners, reception.received_by), (1, 0));
        assert!(reception.loss.is_some());
        assert_eq!(told(&mut reports, &speaker, 12_000), None);
        assert_eq!(reports.next_deadline_ms(), None);
    }

    #[test]
    fn a_speaker_who_left_and_came_back_begins_anew() {
        let (mut reports, speaker) = room(&[0.5]);
        reports.forget(&speaker);
        assert_eq!(told(&mut reports, &speaker, 3_000).unwrap().loss, None);
    }

    #[test]
    fn nobody_reports_about_themselves_or_about_people_in_the_audience() {
        let (mut reports, speaker) = (LossReports::default(), person(0));
        let voices = vec![heard(&speaker, 0.5, 1.0), heard(&person(7), 0.5, 1.0)];
        let is_speaker = |who: &PersonId| *who != person(7);
        reports.take(&speaker, voices.clone(), is_speaker, 0).unwrap();
        assert_eq!(told(&mut reports, &speaker, 3_000), None);
        reports.take(&person(1), voices, is_speaker, 3_000).unwrap();
        let told = reports.due([&speaker, &person(7)].into_iter(), 6_000);
        assert!(told.iter().any(|(who, reception)| *who == speaker && reception.loss.is_some()));
        assert!(told.iter().all(|(who, reception)| *who == speaker || reception.loss.is_none()));
    }

    #[test]
    fn what_nobody_can_have_measured_is_refused_and_the_last_report_stays() {
        let (mut reports, speaker) = room(&[0.1]);
        let too_many = vec![heard(&speaker, 0.0, 0.0); STAGE_PEOPLE + 1];
        let odd = [f32::NAN, -0.1, 1.01, f32::INFINITY].map(|loss| vec![heard(&speaker, loss, 1.0)]);
        for voices in odd.into_iter().chain([too_many, vec![heard(&speaker, 0.1, f32::NAN)]]) {
            assert_eq!(reports.take(&person(1), voices, |_| true, 1).unwrap_err().code, Code::BadRequest);
        }
        assert_eq!(told(&mut reports, &speaker, 3_000).unwrap().loss.unwrap().worst, 0.1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Report { listener: u16, voices: Vec<VoiceHeard> },
        Leave(u16),
        Wait(u64),
    }

    /// Mostly well-meant, at times neither.
    fn a_voice() -> impl Strategy<Value = VoiceHeard> {
        let share = prop_oneof![8 => 0.0..=1.0_f32, 1 => any::<f32>()];
        let burst = prop_oneof![8 => 0.0..5.0_f32, 1 => any::<f32>()];
        (0..16_u16, 0..200_u32, share, burst).prop_map(|(who, packets, loss, mean_burst)| VoiceHeard {
            person: person(who),
            packets,
            loss,
            mean_burst,
        })
    }

    fn a_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..40_u16, vec(a_voice(), 0..15)).prop_map(|(listener, voices)| Step::Report { listener, voices }),
            1 => (0..40_u16).prop_map(Step::Leave),
            3 => (0..4_000_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_reported_what_is_told_is_within_bounds_and_in_step(steps in vec(a_step(), 0..200)) {
            let mut reports = LossReports::default();
            let speakers: Vec<PersonId> = (0..12).map(person).collect();
            let (mut now, mut told_at) = (0, None::<u64>);
            for step in steps {
                match step {
                    Step::Report { listener, voices } => {
                        // Refused or not: both are fine here.
                        let _ = reports.take(&person(listener), voices, |who| speakers.contains(who), now);
                    }
                    Step::Leave(who) => reports.forget(&person(who)),
                    Step::Wait(ms) => now += ms,
                }
                let told = reports.due(speakers.iter(), now);
                if !told.is_empty() {
                    prop_assert!(told_at.is_none_or(|at| now - at >= SHORTEST_INTERVAL_MS));
                    told_at = Some(now);
                }
                for (speaker, reception) in told {
                    prop_assert!(speakers.contains(&speaker));
                    prop_assert!((1..=40).contains(&reception.listeners));
                    prop_assert!(reception.received_by <= reception.listeners);
                    prop_assert!(reception.received_by == 0 || reception.loss.is_some());
                    if let Some(loss) = reception.loss {
                        prop_assert!(0.0 <= loss.least && loss.least <= loss.worst && loss.worst <= 1.0);
                        prop_assert!(loss.mean_burst.is_finite());
                    }
                }
            }
            prop_assert!(reports.kept.len() <= 40);
            prop_assert!(reports.kept.values().all(|kept| kept.voices.len() <= STAGE_PEOPLE));
        }

        #[test]
        fn at_most_a_twentieth_is_worse_off_than_what_is_repeated_for(losses in vec(0.0..=1.0_f32, 1..200)) {
            let (mut reports, speaker) = room(&losses);
            let loss = told(&mut reports, &speaker, 3_000).unwrap().loss.unwrap();
            let worse = losses.iter().filter(|one| **one > loss.worst).count();
            prop_assert!(worse * 20 <= losses.len());
            prop_assert!(losses.contains(&loss.worst));
            // And not a better one than need be.
            let as_bad = losses.iter().filter(|one| **one >= loss.worst).count();
            prop_assert!(as_bad * 20 > losses.len());
        }
    }
}
