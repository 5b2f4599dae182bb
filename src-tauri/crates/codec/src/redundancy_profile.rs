//! How much a speaker repeats, and how long the frames are: from what listeners miss to bit rates and copies.
//!
//! A pure state machine: reports go in with the time they came, a [`RedundancyScheme`] comes out. It begins at once,
//! goes on rising where a loss is plainly greater or is reported twice, and falls one level at a time after
//! [`CALM_MICROS`] of calm: each change of level moves the listener's wait, which is heard. Nothing is negotiated: each
//! packet says what it carries.
//!
//! | level | loss | sent |
//! |---|---|---|
//! | 0 | nobody has reported | 32k with in-band copies |
//! | 0 | below 1 % | 32k |
//! | 1 | 1 - 5 % | 32k, a 16k copy of the frame before, or of the one before that where losses come in pairs |
//! | 2 | 5 - 15 % | 24k, 14k copies of the first and third frame before |
//! | 3 | 15 - 30 %, or bursts | 24k, 14k copies of the first and fourth, or of the second and fifth |
//! | 4 | above 30 %, or long bursts | the same with Deep Redundancy inside the 24k |
//!
//! Copies farther apart outlast longer bursts and cost the listener as much more delay. Measured with the example
//! `loss_table`: ten utterances of two synthesizers, four seeds, reported loss as it was, copies of 16k. With 14k it is
//! 4 kbit/s, 0.04 of PESQ and .001 of STOI less, and no more than 60 kbit/s while somebody talks without a pause.
//!
//! | path | kbit/s | PESQ-WB | STOI | wait, ms |
//! |---|---|---|---|---|
//! | clean | 30 | 4.30 | .992 | 10 |
//! | 10 % at random | 53 | 3.94 | .985 | 70 |
//! | 20 % at random | 53 | 3.60 | .979 | 90 |
//! | 40 % at random | 54 | 2.87 | .956 | 110 |
//! | 20 % in bursts of 3 | 54 | 3.13 | .961 | 110 |
//! | 30 % in bursts of 3 | 54 | 2.61 | .940 | 110 |
//!
//! With 12k copies: 6 kbit/s and 0.1 of PESQ less. On a path with 30 ms of jitter and no loss, which gets level 1 for
//! its late frames: 36 kbit/s and 3.99 with a voice of 24k, 43 kbit/s and 4.10 with 32k. Level 1 can afford it, the
//! others are at the limit of 60 kbit/s.
//!
//! Frames are 20 ms. Music gets frames of 10 ms where nothing was missed for [`CALM_BEFORE_SHORT_FRAMES_MICROS`], the
//! house is near and listeners are few: that is 10 ms less delay for 20 kbit/s more of headers towards each listener,
//! and people who play together notice it. Copies stand for 20 ms, so the first loss ends it. Speech keeps its 20 ms:
//! in 32 kbit/s, frames of 10 ms cost it 0.15 of PESQ-WB (4.29 and 4.14 of ten utterances, example `loss_table`; 4.20
//! takes 36 kbit/s), because libopus's enhancement of decoded speech knows only frames of 20 ms.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Moment,
    format::{FRAME_SAMPLES, LONG_FRAME_SAMPLES, SHORT_FRAME_SAMPLES},
};

/// Calm after which a level is left, microseconds.
const CALM_MICROS: i64 = 10_000_000;

/// Loss from which each level above 0 is taken.
const LEVEL_LOSS: [f32; 4] = [0.01, 0.05, 0.15, 0.30];

/// A loss this many times that of a level is no accident of counting: of 150 frames with 10 % lost, 2 % of all reports
/// say 15 %.
const PLAINLY: f32 = 1.25;

/// Mean burst, packets, from which losses count as coming in pairs, from which level 3 is taken, and from which, in two
/// reports in a row, level 4 is.
const PAIRED_BURST: f32 = 1.5;
const SHORT_BURST: f32 = 2.0;
const LONG_BURST: f32 = 2.5;

/// Below this an uplink is thin, bit/s.
const THIN_UPLINK: u32 = 45_000;

/// A voice without copies or with one, bit/s. While somebody talks the encoder spends one percent more, and 32 kbit/s
/// are not to be passed.
const CLEAN_BITRATE: i32 = 31_500;

/// The voice itself and each of its copies where a packet carries two of them, bit/s. While somebody talks without a
/// pause the encoder spends a tenth more: with copies of 16 kbit/s that was 63 kbit/s. With 1 kbit/s less for the
/// voice, Deep Redundancy reaches back half as far.
const BITRATE_WITH_TWO_COPIES: i32 = 24_000;
const BITRATE_OF_TWO_COPIES: i32 = 14_000;

/// Loss that the encoder is told with Deep Redundancy, percent: below 20 it spends next to nothing on it.
const DEEP_LOSS_PERCENT: std::ops::RangeInclusive<f32> = 20.0..=50.0;

/// Reach of Deep Redundancy, units of 10 ms.
const DEEP_UNITS: u8 = 100;

/// Time without loss after which frames are made shorter, microseconds.
pub const CALM_BEFORE_SHORT_FRAMES_MICROS: i64 = 6_000_000;

/// Short frames are for at most so many listeners: the packets of a house double with them.
const MAX_LISTENERS_FOR_SHORT_FRAMES: u32 = 24;

/// A house farther than this is not near, ms of round trip: 10 ms more or less are not noticed any more.
const NEAR_ROUND_TRIP_MS: f32 = 60.0;

/// Who a speaker speaks to, as far as it matters to the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audience {
    /// Everybody who receives the voice.
    pub listeners: u32,
    /// From here to the house and back, ms.
    pub round_trip_ms: f32,
    /// Somebody asked for frames of 40 ms, because the house's uplink is what limits the audience.
    pub saves_headers: bool,
}

/// What is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoundKind {
    /// Somebody talks.
    #[default]
    Speech,
    /// The person chose it: music, or anything else that is to arrive as it is.
    Music,
}

/// What the listeners of one speaker miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LossReport {
    /// Share of frames that had not arrived in time, 0.0 ..= 1.0, over the last 2 to 5 s: that of the worst listeners
    /// but for the last tenth or so.
    pub loss: f32,
    /// Mean length of a row of missing frames, frames; 1 if they are missing one by one.
    pub mean_burst: f32,
    /// What the speaker's uplink has room for, bit/s; `None` if nobody knows.
    pub available_bitrate: Option<u32>,
}

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedundancyScheme {
    /// Samples in one frame.
    pub frame_samples: usize,
    /// Bit rate of the voice itself, bit/s.
    pub bitrate: i32,
    /// Bit rate of the copies, bit/s.
    pub copy_bitrate: i32,
    /// How many frames before the packet's own the copied ones are, nearest first.
    pub copies: &'static [u32],
    /// Whether libopus puts coarse copies into the voice itself (RFC 6716 section 2.1.7).
    pub inband_copies: bool,
    /// The loss the encoder is told, percent.
    pub expected_loss_percent: u8,
    /// Reach of Deep Redundancy, units of 10 ms; 0 is off.
    pub deep_redundancy_units: u8,
}

impl RedundancyScheme {
    /// What is sent before the first report: in-band copies, which cost 0.1 of PESQ where nothing is lost, and at 10 %
    /// loss turn 2.1 into 3.3.
    pub const UNREPORTED: Self = Self { inband_copies: true, expected_loss_percent: 10, ..Self::CLEAN };

    /// What a clean path gets.
    pub const CLEAN: Self = Self {
        frame_samples: FRAME_SAMPLES,
        bitrate: CLEAN_BITRATE,
        copy_bitrate: 16_000,
        copies: &[],
        inband_copies: false,
        expected_loss_percent: 0,
        deep_redundancy_units: 0,
    };
}

/// The control of one speaker's redundancy.
#[derive(Clone, Debug, Default)]
pub struct RedundancyControl {
    level: u8,
    /// What the last report called for.
    last_wanted: u8,
    sound: SoundKind,
    reported: bool,
    /// Losses come in pairs and more: copies go farther from their frames.
    paired: bool,
    last: LossReport,
    long_bursts_in_a_row: u32,
    audience: Option<Audience>,
    clean_since: Option<Moment>,
    is_clean: bool,
    calm_since: Option<Moment>,
    unpaired_since: Option<Moment>,
}

impl RedundancyControl {
    /// Takes a report that came at `now`.
    pub fn report(&mut self, report: LossReport, now: Moment) {
        self.reported = true;
        self.last = plausible(report);
        let long = self.last.mean_burst >= LONG_BURST && self.last.loss >= LEVEL_LOSS[0];
        self.long_bursts_in_a_row = if long { self.long_bursts_in_a_row.saturating_add(1) } else { 0 };
        let wanted = self.wanted_level(self.last.loss);
        self.move_to(if wanted > self.level { self.believed(wanted) } else { wanted }, now);
        self.last_wanted = wanted;
        self.pair(self.last.mean_burst >= PAIRED_BURST && self.last.loss >= LEVEL_LOSS[0], now);
        self.note_clean(now);
    }

    /// Takes who listens.
    pub fn set_audience(&mut self, audience: Audience) {
        self.audience = Some(audience);
    }

    /// Takes what is sent.
    pub fn set_sound(&mut self, sound: SoundKind) {
        self.sound = sound;
    }

    /// The level now, 0 ..= 4.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// What to send now.
    pub fn scheme(&self) -> RedundancyScheme {
        let frame_samples = self.frame_samples();
        if self.level == 0 {
            let scheme = if self.reported { RedundancyScheme::CLEAN } else { RedundancyScheme::UNREPORTED };
            return RedundancyScheme { frame_samples, ..scheme };
        }
        let copies: &[u32] = match (self.level, self.paired) {
            (1, false) => &[1],
            (1, true) => &[2],
            (2, _) => &[1, 3],
            (3, false) => &[1, 4],
            _ => &[2, 5],
        };
        let (bitrate, copy_bitrate) = match self.level {
            1 => (RedundancyScheme::CLEAN.bitrate, RedundancyScheme::CLEAN.copy_bitrate),
            _ => (BITRATE_WITH_TWO_COPIES, BITRATE_OF_TWO_COPIES),
        };
        let scheme = RedundancyScheme {
            frame_samples,
            bitrate,
            copy_bitrate,
            copies,
            inband_copies: false,
            expected_loss_percent: 0,
            deep_redundancy_units: 0,
        };
        if self.last.available_bitrate.is_some_and(|available| available < THIN_UPLINK) {
            return RedundancyScheme { bitrate: 18_000, copy_bitrate: 9_000, ..scheme };
        }
        if self.level < 4 {
            return scheme;
        }
        let percent = (self.last.loss * 100.0).clamp(*DEEP_LOSS_PERCENT.start(), *DEEP_LOSS_PERCENT.end());
        RedundancyScheme { expected_loss_percent: percent as u8, deep_redundancy_units: DEEP_UNITS, ..scheme }
    }

    /// Long frames are for a clean path as well: a copy stands for a frame of 20 ms.
    fn frame_samples(&self) -> usize {
        let is_near = |audience: Audience| {
            audience.listeners <= MAX_LISTENERS_FOR_SHORT_FRAMES && audience.round_trip_ms <= NEAR_ROUND_TRIP_MS
        };
        match self.audience {
            Some(audience) if audience.saves_headers && self.level == 0 => LONG_FRAME_SAMPLES,
            Some(audience) if self.sound == SoundKind::Music && self.is_clean && is_near(audience) => {
                SHORT_FRAME_SAMPLES
            }
            _ => FRAME_SAMPLES,
        }
    }

    fn note_clean(&mut self, now: Moment) {
        if self.level > 0 || self.last.loss >= LEVEL_LOSS[0] {
            self.clean_since = None;
        } else {
            self.clean_since.get_or_insert(now);
        }
        let clean_for = self.clean_since.map_or(0, |since| now.micros_since(since));
        self.is_clean = clean_for >= CALM_BEFORE_SHORT_FRAMES_MICROS;
    }

    /// How much of a rise to `wanted` is no accident.
    fn believed(&self, wanted: u8) -> u8 {
        if self.level == 0 {
            return wanted;
        }
        let plainly = self.wanted_level(self.last.loss / PLAINLY);
        plainly.max(wanted.min(self.last_wanted)).max(self.level)
    }

    fn wanted_level(&self, loss: f32) -> u8 {
        let by_loss = LEVEL_LOSS.iter().filter(|of_level| loss >= **of_level).count() as u8;
        match by_loss {
            0 => 0,
            _ if self.long_bursts_in_a_row >= 2 => 4,
            _ if self.last.mean_burst >= SHORT_BURST => by_loss.max(3),
            _ => by_loss,
        }
    }

    fn move_to(&mut self, wanted: u8, now: Moment) {
        if wanted >= self.level {
            self.level = wanted;
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.micros_since(since) >= CALM_MICROS {
            self.level -= 1;
            self.calm_since = Some(now);
        }
    }

    fn pair(&mut self, wanted: bool, now: Moment) {
        if wanted {
            self.paired = true;
            self.unpaired_since = None;
            return;
        }
        let since = *self.unpaired_since.get_or_insert(now);
        if now.micros_since(since) >= CALM_MICROS {
            self.paired = false;
        }
    }
}

fn plausible(report: LossReport) -> LossReport {
    let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
    LossReport { loss: finite(report.loss).clamp(0.0, 1.0), mean_burst: finite(report.mean_burst).max(0.0), ..report }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn missing(loss: f32, mean_burst: f32) -> LossReport {
        LossReport { loss, mean_burst, available_bitrate: None }
    }

    /// The voice and its copies, bit/s, without framing.
    fn bitrate(scheme: RedundancyScheme) -> i32 {
        scheme.bitrate + scheme.copy_bitrate * scheme.copies.len() as i32
    }

    fn after(reports: &[LossReport]) -> RedundancyControl {
        let mut control = RedundancyControl::default();
        for (index, report) in reports.iter().enumerate() {
            control.report(*report, Moment::from_millis(index as i64 * 3_000));
        }
        control
    }

    #[test]
    fn nothing_is_repeated_on_a_clean_path() {
        assert_eq!(RedundancyControl::default().scheme(), RedundancyScheme::UNREPORTED);
        assert_eq!(after(&[missing(0.009, 4.0); 9]).scheme(), RedundancyScheme::CLEAN);
    }

    #[test]
    fn each_loss_has_its_scheme_at_the_first_report() {
        let copies = |loss, burst| after(&[missing(loss, burst)]).scheme().copies;
        assert_eq!(copies(0.02, 1.0), [1]);
        assert_eq!(copies(0.02, 1.6), [2]);
        assert_eq!(copies(0.10, 1.1), [1, 3]);
        assert_eq!(copies(0.20, 1.2), [1, 4]);
        assert_eq!(copies(0.20, 2.2), [2, 5]);
        assert_eq!(copies(0.02, 2.2), [2, 5]);
        assert_eq!(copies(0.40, 1.7), [2, 5]);
    }

    #[test]
    fn deep_redundancy_is_for_heavy_loss_and_for_long_bursts_seen_twice() {
        let deep = |reports: &[LossReport]| after(reports).scheme().deep_redundancy_units > 0;
        assert!(deep(&[missing(0.4, 1.7)]));
        assert!(!deep(&[missing(0.2, 3.0)]));
        assert!(deep(&[missing(0.2, 3.0), missing(0.2, 3.0)]));
        assert!(!deep(&[missing(0.25, 1.3); 9]));
        assert_eq!(after(&[missing(0.4, 1.7)]).scheme().expected_loss_percent, 40);
    }

    const FEW_AND_NEAR: Audience = Audience { listeners: 3, round_trip_ms: 4.0, saves_headers: false };

    #[test]
    fn a_loss_that_is_only_counted_higher_once_changes_nothing() {
        assert_eq!(after(&[missing(0.10, 1.1), missing(0.16, 1.1), missing(0.10, 1.1)]).level(), 2);
        assert_eq!(after(&[missing(0.10, 1.1), missing(0.16, 1.1), missing(0.16, 1.1)]).level(), 3);
        assert_eq!(after(&[missing(0.10, 1.1), missing(0.25, 1.1)]).level(), 3);
        assert_eq!(after(&[missing(0.02, 1.1), missing(0.32, 1.1)]).level(), 3);
        assert_eq!(after(&[missing(0.02, 1.1), missing(0.32, 1.1), missing(0.32, 1.1)]).level(), 4);
    }

    #[test]
    fn frames_of_speech_are_never_short() {
        let mut control = after(&[missing(0.0, 0.0); 9]);
        control.set_audience(FEW_AND_NEAR);
        assert_eq!(control.scheme().frame_samples, FRAME_SAMPLES);
    }

    #[test]
    fn frames_of_music_are_short_on_a_clean_near_path_until_the_first_loss() {
        let mut control = RedundancyControl::default();
        control.set_sound(SoundKind::Music);
        control.set_audience(FEW_AND_NEAR);
        for second in 0..6 {
            control.report(missing(0.0, 0.0), Moment::from_millis(second * 1_000));
            assert_eq!(control.scheme().frame_samples, FRAME_SAMPLES);
        }
        control.report(missing(0.005, 1.0), Moment::from_millis(6_000));
        assert_eq!(control.scheme().frame_samples, SHORT_FRAME_SAMPLES);
        control.report(missing(0.02, 1.0), Moment::from_millis(9_000));
        assert_eq!(control.scheme().frame_samples, FRAME_SAMPLES);
    }

    #[test]
    fn frames_stay_usual_where_the_house_is_far_or_listeners_are_many_or_nobody_knows() {
        let far = Audience { round_trip_ms: 90.0, ..FEW_AND_NEAR };
        let many = Audience { listeners: 200, ..FEW_AND_NEAR };
        for audience in [Some(far), Some(many), None] {
            let mut control = after(&[missing(0.0, 0.0); 9]);
            control.set_sound(SoundKind::Music);
            audience.into_iter().for_each(|audience| control.set_audience(audience));
            assert_eq!(control.scheme().frame_samples, FRAME_SAMPLES);
        }
    }

    #[test]
    fn frames_are_long_where_somebody_asked_for_it_and_nothing_is_repeated() {
        let saving = Audience { listeners: 3_000, saves_headers: true, ..FEW_AND_NEAR };
        let mut control = after(&[missing(0.0, 0.0); 2]);
        control.set_audience(saving);
        assert_eq!(control.scheme().frame_samples, LONG_FRAME_SAMPLES);
        control.report(missing(0.1, 1.0), Moment::from_millis(10_000));
        assert_eq!(control.scheme().frame_samples, FRAME_SAMPLES);
    }

    #[test]
    fn a_thin_uplink_repeats_with_fewer_bits() {
        let report = LossReport { available_bitrate: Some(40_000), ..missing(0.1, 1.0) };
        let scheme = after(&[report]).scheme();
        assert!(bitrate(scheme) < 40_000);
        assert_eq!(scheme.copies, [1, 3]);
    }

    proptest! {
        #[test]
        fn it_rises_at_the_second_report_and_falls_one_level_in_ten_seconds(
            reports in prop::collection::vec((0.0_f32..1.0, 0.0_f32..5.0, 100_i64..6_000), 1..200)
        ) {
            let mut control = RedundancyControl::default();
            let (mut now, mut fell_at) = (Moment::default(), None::<Moment>);
            for (loss, mean_burst, wait_ms) in reports {
                now = now.plus_micros(wait_ms * 1_000);
                let (before, wanted_before) = (control.level(), control.last_wanted);
                // Mostly mild, so that it falls at times.
                control.report(missing(loss.powi(4), mean_burst), now);
                prop_assert!(control.level() >= control.last_wanted.min(wanted_before));
                if control.level() < before {
                    prop_assert_eq!(control.level(), before - 1);
                    prop_assert!(fell_at.is_none_or(|fell| now.micros_since(fell) >= CALM_MICROS));
                    fell_at = Some(now);
                }
            }
            for _ in 0..60 {
                now = now.plus_micros(1_000_000);
                control.report(missing(0.0, 0.0), now);
            }
            prop_assert_eq!(control.scheme(), RedundancyScheme::CLEAN);
        }

        #[test]
        fn no_report_takes_it_beyond_its_limits(
            loss in any::<f32>(), mean_burst in any::<f32>(), available_bitrate in any::<Option<u32>>()
        ) {
            let scheme = after(&[LossReport { loss, mean_burst, available_bitrate }; 3]).scheme();
            prop_assert!(bitrate(scheme) <= 56_000);
            prop_assert!(scheme.copies.iter().all(|copy| (1..=5).contains(copy)));
            prop_assert!(scheme.copies.is_empty() || !scheme.inband_copies);
            prop_assert!(scheme.copies.is_empty() || scheme.frame_samples == FRAME_SAMPLES);
            prop_assert!(scheme.expected_loss_percent <= 50);
        }
    }
}
