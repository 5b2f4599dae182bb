//! What this listener hears and misses of each voice, from one report to its house to the next.

use std::collections::{BTreeMap, HashMap};

use serambi_audio::{JitterCounters, RemoteVoiceId as SpeakerId};
use serambi_protocol::{PersonId, limits::STAGE_PEOPLE, measurement::VoiceHeard};

/// Loss that the house should not hear of only with the next report, if less than half of it was reported before: until
/// it knows, nothing is repeated, and words are lost.
const ALARMING_LOSS: f32 = 0.05;

/// So many frames must have been sent before their loss says anything.
const TELLING_FRAMES: u64 = 25;

/// What was counted of each voice when it was last reported, and the loss that was said.
#[derive(Debug, Default)]
pub(crate) struct ListenerCounts {
    reported: HashMap<SpeakerId, (JitterCounters, f32)>,
}

impl ListenerCounts {
    /// Whether much more of a voice is missed than the last report said.
    pub(crate) fn are_alarming(&self, voices: impl IntoIterator<Item = (SpeakerId, JitterCounters)>) -> bool {
        voices.into_iter().any(|(speaker, counters)| {
            let (before, said) = self.reported.get(&speaker).copied().unwrap_or_default();
            let sent = (counters.decoded + counters.missing).saturating_sub(before.decoded + before.missing);
            let loss = counters.loss_since(&before).map_or(0.0, |report| report.loss);
            sent >= TELLING_FRAMES && loss >= ALARMING_LOSS && said < loss / 2.0
        })
    }

    /// What was heard of everybody since the last call. Voices of which nothing came are not in it.
    pub(crate) fn since_last(
        &mut self,
        voices: impl IntoIterator<Item = (SpeakerId, PersonId, JitterCounters)>,
    ) -> Vec<VoiceHeard> {
        let earlier = std::mem::take(&mut self.reported);
        let mut heard: BTreeMap<PersonId, VoiceHeard> = BTreeMap::new();
        for (speaker, person, counters) in voices {
            let (before, _) = earlier.get(&speaker).copied().unwrap_or_default();
            let voice = heard_since(person, &counters, &before);
            self.reported.insert(speaker, (counters, voice.as_ref().map_or(0.0, |voice| voice.loss)));
            let Some(voice) = voice else { continue };
            // Somebody whose track was made anew is there twice for a moment.
            if heard.get(&voice.person).is_none_or(|other| other.packets < voice.packets) {
                heard.insert(voice.person, voice);
            }
        }
        heard.into_values().take(STAGE_PEOPLE).collect()
    }
}

fn heard_since(person: PersonId, counters: &JitterCounters, before: &JitterCounters) -> Option<VoiceHeard> {
    let report = counters.loss_since(before)?;
    let packets = u32::try_from(counters.received.saturating_sub(before.received)).unwrap_or(u32::MAX);
    let voice = VoiceHeard { person, packets, loss: report.loss, mean_burst: report.mean_burst };
    voice.is_plausible().then_some(voice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: u8) -> PersonId {
        PersonId::from_key(&[number; 32])
    }

    fn counted(received: u64, missing: u64, gaps: u64) -> JitterCounters {
        JitterCounters { received, decoded: received, missing, gaps, ..JitterCounters::default() }
    }

    fn voice(speaker: u64, who: u8, counters: JitterCounters) -> (SpeakerId, PersonId, JitterCounters) {
        (SpeakerId(speaker), person(who), counters)
    }

    #[test]
    fn each_report_is_of_the_time_since_the_one_before() {
        let mut counts = ListenerCounts::default();
        let first = counts.since_last([voice(1, 1, counted(90, 10, 5))]);
        assert_eq!(first, [VoiceHeard { person: person(1), packets: 90, loss: 0.1, mean_burst: 2.0 }]);
        let second = counts.since_last([voice(1, 1, counted(190, 10, 5))]);
        assert_eq!(second, [VoiceHeard { person: person(1), packets: 100, loss: 0.0, mean_burst: 0.0 }]);
    }

    #[test]
    fn a_loss_that_begins_is_alarming_until_it_was_said_and_again_when_it_grows() {
        let mut counts = ListenerCounts::default();
        counts.since_last([voice(1, 1, counted(150, 0, 0))]);
        let alarming = |counts: &ListenerCounts, counters| counts.are_alarming([(SpeakerId(1), counters)]);
        assert!(!alarming(&counts, counted(170, 3, 3)), "too few frames to tell");
        assert!(alarming(&counts, counted(195, 5, 5)));
        counts.since_last([voice(1, 1, counted(195, 5, 5))]);
        assert!(!alarming(&counts, counted(240, 10, 10)), "that was said");
        assert!(alarming(&counts, counted(225, 35, 20)));
        assert!(!alarming(&counts, counted(395, 5, 5)), "it is over");
    }

    #[test]
    fn whoever_says_nothing_is_not_reported() {
        let mut counts = ListenerCounts::default();
        counts.since_last([voice(1, 1, counted(90, 0, 0))]);
        let heard = counts.since_last([voice(1, 1, counted(90, 0, 0)), voice(2, 2, counted(5, 0, 0))]);
        assert_eq!(heard.iter().map(|voice| voice.person).collect::<Vec<_>>(), [person(2)]);
    }

    #[test]
    fn a_voice_with_two_tracks_is_reported_once_by_the_one_that_is_heard() {
        let heard = ListenerCounts::default().since_last([
            voice(1, 1, counted(1, 1, 1)),
            voice(2, 1, counted(100, 0, 0)),
            voice(3, 1, counted(2, 0, 0)),
        ]);
        assert_eq!(heard.len(), 1);
        assert!(heard.iter().all(|voice| voice.packets == 100));
    }

    #[test]
    fn a_report_never_has_more_voices_than_a_stage_has_places() {
        let voices = (0..40_u8).map(|number| voice(number.into(), number, counted(10, 0, 0)));
        assert_eq!(ListenerCounts::default().since_last(voices).len(), STAGE_PEOPLE);
    }
}
