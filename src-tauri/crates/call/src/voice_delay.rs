//! How long each voice takes from its mouth to this ear, and where the time goes: measured, on one clock. Pure: time is
//! an argument.
//!
//! A speaker's mark says when one packet reached the microphone and when it left, by the house's clock; the house adds
//! when it came and went there; the engine here says when some packet came, was decoded, and leaves the loudspeaker.
//! RTP timestamps lead from the one packet to the other (RFC 3550 section 5.1: they count samples). So every part is a
//! difference of two moments on a chain, and the parts add up to the whole.
//!
//! The embedded media server leaves RTP timestamps as they are but for a mute of less than 120 ms, and the house
//! accounts for that. A LiveKit cluster may shift them when a speaker unmutes; the figures are as good as its
//! clock-keeping.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use serambi_protocol::{
    PersonId,
    measurement::{HouseTime, VoiceMark},
};
use serde::{Deserialize, Serialize};

use crate::house_clock::{HouseClock, micros_between};

/// A mark is used for this long: by then the crystals of two sound devices have drifted apart by a millisecond at most.
const MARK_KEPT: Duration = Duration::from_secs(8);
/// After this long without sound there is no delay to speak of.
const SHOWN_FOR: Duration = Duration::from_secs(3);
/// So many looks are compared; the middle one is shown, and a single odd packet is not.
const LOOKS: usize = 5;
/// Whatever is longer is no delay but a mistake, microseconds.
const LONGEST_MICROS: i64 = 10_000_000;
/// The RTP clock of Opus, samples per second (RFC 7587 section 4.1).
const RTP_RATE_HZ: i64 = 48_000;

/// How late one voice is heard here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct VoiceDelay {
    /// Whose voice.
    pub person: PersonId,
    /// From their mouth to this ear, ms: the sum of the parts.
    pub total_ms: u32,
    /// Where the time goes.
    pub parts: DelayParts,
}

/// Where the time goes, ms each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct DelayParts {
    /// Their microphone: device, processing, gathering a frame, encoding.
    pub microphone_ms: u32,
    /// From their computer to this one.
    pub network_ms: u32,
    /// The same in its parts, where the house itself carries the sound.
    pub network: Option<NetworkParts>,
    /// This computer's wait for late packets.
    pub buffer_ms: u32,
    /// This computer's loudspeaker: mixing, device.
    pub loudspeaker_ms: u32,
}

/// The way through the network, ms each; together [`DelayParts::network_ms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct NetworkParts {
    /// Their link up.
    pub link_up_ms: u32,
    /// Inside the house.
    pub house_ms: u32,
    /// The link down to here.
    pub link_down_ms: u32,
}

/// Where and when one packet of a voice was heard here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// RTP timestamp as received.
    pub(crate) timestamp: u32,
    pub(crate) arrived_at: Instant,
    /// From arrival to decoded.
    pub(crate) buffer_micros: i64,
    /// When its first sample leaves the loudspeaker.
    pub(crate) heard_at: Instant,
}

/// The moments of one packet after it reached the microphone, microseconds; none before the last, none after the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chain {
    sent: i64,
    /// Arrived in the house, and left it.
    house: Option<(i64, i64)>,
    arrived: i64,
    decoded: i64,
    heard: i64,
}

impl Chain {
    /// Two clocks are never quite one: a link of no length may come out shorter than nothing. Nothing is the least.
    fn in_order(self) -> Option<Self> {
        if !(0..=LONGEST_MICROS).contains(&self.heard) {
            return None;
        }
        let mut last = 0;
        let mut next = |moment: i64| {
            last = moment.clamp(last, self.heard);
            last
        };
        let sent = next(self.sent);
        let house = self.house.map(|(came, went)| (next(came), next(went)));
        let (arrived, decoded) = (next(self.arrived), next(self.decoded));
        Some(Self { sent, house, arrived, decoded, heard: self.heard })
    }

    fn delay_of(self, person: &PersonId) -> VoiceDelay {
        // Moments are rounded, not differences: so the parts add up in whole milliseconds too.
        let ms = |moment: i64| u32::try_from((moment + 500) / 1_000).unwrap_or(0);
        let network = self.house.map(|(came, went)| NetworkParts {
            link_up_ms: ms(came) - ms(self.sent),
            house_ms: ms(went) - ms(came),
            link_down_ms: ms(self.arrived) - ms(went),
        });
        let parts = DelayParts {
            microphone_ms: ms(self.sent),
            network_ms: ms(self.arrived) - ms(self.sent),
            network,
            buffer_ms: ms(self.decoded) - ms(self.arrived),
            loudspeaker_ms: ms(self.heard) - ms(self.decoded),
        };
        VoiceDelay { person: *person, total_ms: ms(self.heard), parts }
    }
}

#[derive(Debug)]
struct Voice {
    mark: VoiceMark,
    marked_at: Instant,
    looks: VecDeque<Chain>,
    looked_at: Option<Instant>,
    last_timestamp: Option<u32>,
}

/// The delays of everybody who is heard.
#[derive(Debug, Default)]
pub(crate) struct VoiceDelays {
    voices: HashMap<PersonId, Voice>,
}

impl VoiceDelays {
    /// A speaker's newest mark.
    pub(crate) fn take_mark(&mut self, mark: VoiceMark, now: Instant) {
        match self.voices.get_mut(&mark.person) {
            Some(voice) => {
                voice.mark = mark;
                voice.marked_at = now;
            }
            None => {
                let voice =
                    Voice { mark, marked_at: now, looks: VecDeque::new(), looked_at: None, last_timestamp: None };
                self.voices.insert(voice.mark.person, voice);
            }
        }
    }

    /// The packet of a voice that is being heard now.
    pub(crate) fn hear(&mut self, person: &PersonId, heard: Heard, clock: &HouseClock, now: Instant) {
        let Some(voice) = self.voices.get_mut(person) else { return };
        let is_old = now.saturating_duration_since(voice.marked_at) > MARK_KEPT;
        if is_old || voice.last_timestamp == Some(heard.timestamp) {
            return;
        }
        let Some(chain) = chain(&voice.mark, heard, clock).and_then(Chain::in_order) else { return };
        voice.last_timestamp = Some(heard.timestamp);
        voice.looked_at = Some(now);
        if voice.looks.len() == LOOKS {
            voice.looks.pop_front();
        }
        voice.looks.push_back(chain);
    }

    /// What can be said now, in the order of ids. Whoever is not heard any more is forgotten.
    pub(crate) fn shown(&mut self, now: Instant) -> Vec<VoiceDelay> {
        let is_recent = |at: Instant, limit| now.saturating_duration_since(at) <= limit;
        for voice in self.voices.values_mut() {
            if !voice.looked_at.is_some_and(|at| is_recent(at, SHOWN_FOR)) {
                voice.looks.clear();
            }
        }
        self.voices.retain(|_, voice| is_recent(voice.marked_at, MARK_KEPT) || !voice.looks.is_empty());
        let mut shown: Vec<VoiceDelay> =
            self.voices.iter().filter_map(|(person, voice)| Some(middle(&voice.looks)?.delay_of(person))).collect();
        shown.sort_by_key(|a| a.person);
        shown
    }
}

fn middle(looks: &VecDeque<Chain>) -> Option<Chain> {
    let mut looks: Vec<Chain> = looks.iter().copied().collect();
    looks.sort_by_key(|chain| chain.heard);
    looks.get(looks.len() / 2).copied()
}

/// The moments of the heard packet, seen from its capture.
fn chain(voice: &VoiceMark, heard: Heard, clock: &HouseClock) -> Option<Chain> {
    let mark = &voice.mark;
    // Timestamps wrap; the difference of two packets of the last seconds does not (RFC 3550 section 5.1).
    let samples = i64::from(heard.timestamp.wrapping_sub(mark.timestamp) as i32);
    let captured = mark.captured.plus_micros(samples * 1_000_000 / RTP_RATE_HZ);
    let arrived = clock.at(heard.arrived_at)?.micros_since(captured);
    // The marked packet's own way stands for that of every packet near it.
    let of_mark = |moment: HouseTime| moment.micros_since(mark.captured);
    Some(Chain {
        sent: of_mark(mark.sent),
        house: voice.passage.map(|passage| (of_mark(passage.arrived), of_mark(passage.forwarded))),
        arrived,
        decoded: arrived.saturating_add(heard.buffer_micros),
        heard: arrived.saturating_add(micros_between(heard.arrived_at, heard.heard_at)),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serambi_protocol::measurement::{CaptureMark, HousePassage};

    use super::*;

    const OFFSET_MICROS: i64 = 77_000_000;

    fn person(number: u8) -> PersonId {
        PersonId::from_key(&[number; 32])
    }

    /// A listener whose clock began at `start` when the house's showed [`OFFSET_MICROS`].
    struct World {
        start: Instant,
        clock: HouseClock,
        delays: VoiceDelays,
    }

    impl World {
        fn new() -> Self {
            let start = Instant::now();
            let mut clock = HouseClock::default();
            clock.take(start, HouseTime(OFFSET_MICROS), start);
            Self { start, clock, delays: VoiceDelays::default() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        /// A packet captured at `ms` that took 30 ms to leave, and came and went in the house 5 and 7 ms later.
        fn mark(&mut self, timestamp: u32, ms: u64, with_passage: bool) {
            let captured = HouseTime(OFFSET_MICROS + ms as i64 * 1_000);
            let sent = captured.plus_micros(30_000);
            let passage =
                HousePassage { arrived: captured.plus_micros(35_000), forwarded: captured.plus_micros(37_000) };
            let mark = CaptureMark { timestamp, captured, sent };
            let mark = VoiceMark { person: person(1), mark, passage: with_passage.then_some(passage) };
            self.delays.take_mark(mark, self.at(ms + 500));
        }

        /// A packet that came at `ms`, waited 20 ms and took 15 ms more to the loudspeaker.
        fn hear(&mut self, timestamp: u32, ms: u64) {
            let heard = Heard { timestamp, arrived_at: self.at(ms), buffer_micros: 20_000, heard_at: self.at(ms + 35) };
            self.delays.hear(&person(1), heard, &self.clock, self.at(ms + 40));
        }

        fn shown(&mut self, ms: u64) -> Vec<VoiceDelay> {
            let now = self.at(ms);
            self.delays.shown(now)
        }
    }

    #[test]
    fn every_part_is_where_the_time_went() {
        let mut world = World::new();
        world.mark(u32::MAX - 479, 1_000, true);
        // One second of samples later, over the end of the timestamps' range.
        world.hear(u32::MAX.wrapping_add(48_000 - 479), 2_045);
        let network = Some(NetworkParts { link_up_ms: 5, house_ms: 2, link_down_ms: 8 });
        let parts = DelayParts { microphone_ms: 30, network_ms: 15, network, buffer_ms: 20, loudspeaker_ms: 15 };
        assert_eq!(world.shown(2_100), [VoiceDelay { person: person(1), total_ms: 80, parts }]);
    }

    #[test]
    fn where_another_server_carries_the_sound_the_network_is_one_figure() {
        let mut world = World::new();
        world.mark(960, 1_000, false);
        world.hear(960, 1_045);
        let delay = world.shown(1_600).remove(0);
        assert_eq!((delay.parts.network_ms, delay.parts.network), (15, None));
    }

    #[test]
    fn without_a_mark_or_a_clock_nothing_is_claimed() {
        let mut world = World::new();
        world.hear(960, 1_045);
        assert!(world.shown(1_100).is_empty());
        world.clock.forget();
        world.mark(960, 1_000, true);
        world.hear(960, 1_045);
        assert!(world.shown(1_100).is_empty());
    }

    #[test]
    fn one_odd_packet_is_not_shown() {
        let mut world = World::new();
        world.mark(0, 1_000, true);
        for (n, late) in [0, 0, 400, 0, 0].into_iter().enumerate() {
            let n = n as u32;
            world.hear(n * 960, 1_045 + u64::from(n) * 20 + late);
            assert_eq!(world.shown(1_600)[0].total_ms, 80, "after {n}");
        }
    }

    #[test]
    fn whoever_falls_silent_has_no_delay_and_is_forgotten() {
        let mut world = World::new();
        world.mark(0, 1_000, true);
        world.hear(0, 1_045);
        // The engine goes on to say which packet it was last.
        world.hear(0, 3_045);
        assert_eq!(world.shown(4_000).len(), 1);
        assert!(world.shown(5_000).is_empty());
        world.shown(60_000);
        assert!(world.delays.voices.is_empty());
    }

    #[test]
    fn an_old_mark_says_nothing_about_todays_packets() {
        let mut world = World::new();
        world.mark(0, 1_000, true);
        world.hear(48_000 * 20, 21_045);
        assert!(world.shown(21_100).is_empty());
    }

    #[test]
    fn a_delay_that_nobody_would_wait_for_is_a_mistake() {
        let mut world = World::new();
        world.mark(0, 20_000, true);
        world.hear(0, 900);
        world.hear(48_000 * 30, 20_045);
        assert!(world.shown(20_100).is_empty());
    }

    proptest! {
        #[test]
        fn the_parts_add_up_whatever_was_measured(
            sent in -100_000..2_000_000_i64, came in any::<i32>(), went in any::<i32>(), with_house in any::<bool>(),
            arrived in any::<i32>(), decoded in any::<i32>(), heard in any::<i32>(),
        ) {
            let house = with_house.then_some((came.into(), went.into()));
            let chain = Chain { sent, house, arrived: arrived.into(), decoded: decoded.into(), heard: heard.into() };
            let Some(chain) = chain.in_order() else {
                prop_assert!(!(0..=LONGEST_MICROS).contains(&i64::from(heard)));
                return Ok(());
            };
            let delay = chain.delay_of(&person(1));
            let DelayParts { microphone_ms, network_ms, network, buffer_ms, loudspeaker_ms } = delay.parts;
            prop_assert_eq!(microphone_ms + network_ms + buffer_ms + loudspeaker_ms, delay.total_ms);
            prop_assert_eq!(network.is_some(), with_house);
            if let Some(NetworkParts { link_up_ms, house_ms, link_down_ms }) = network {
                prop_assert_eq!(link_up_ms + house_ms + link_down_ms, network_ms);
            }
        }
    }
}
