//! When the sound is made longer or shorter to change the wait, and by how much: seldom, and in pauses where it can be.
//!
//! Every change inside a word is heard as a small stumble (one step of 10 ms cost an utterance 0.5 of PESQ-WB, measured
//! between two network namespaces), while a few milliseconds more delay are not heard at all. So a wait that is too
//! long by less than [`FAR_BEHIND_MICROS`] is shortened in the next pause, and only somebody who makes none is
//! shortened while talking.

use serambi_codec::{clock::samples_to_micros, dsp::level_meter::mean_square, format::SAMPLE_RATE_HZ};

use crate::format::{MIX_MICROS, MIX_SAMPLES};

/// Frames are pulled this much earlier than the target before a pause is lengthened, and speech where that lasts,
/// microseconds; and before speech is at once. The target has some 2 ms to spare.
const EARLY_MICROS: i64 = 1_500;
const TOO_EARLY_MICROS: i64 = 8_000;

/// How long frames are pulled a little too early before speech is lengthened, samples (1 s): by then even clocks 500
/// ppm apart have not used up what the target has to spare.
const PATIENCE_WHEN_EARLY: usize = SAMPLE_RATE_HZ as usize;

/// Delay worth cutting out, microseconds: a step of the mix, and some more lest the next jitter asks for it back.
const WORTH_CUTTING_MICROS: i64 = 6_500;

/// Where the wait is long, being off by this share of it more costs next to nothing, per mille: the price of a wait is
/// flat around its least, the flatter the wider the jitter is.
const TOLERANCE_PER_MILLE: i64 = 60;

/// From here on it is shortened at once, pause or not, microseconds.
const FAR_BEHIND_MICROS: i64 = 40_000;

/// How long a surplus lasts before a pause is shortened, and before speech is, samples (1 s and 8 s).
const PATIENCE_IN_PAUSES: usize = SAMPLE_RATE_HZ as usize;
const PATIENCE_IN_SPEECH: usize = 8 * SAMPLE_RATE_HZ as usize;

/// Least time between two changes in speech, samples (40 ms).
const BETWEEN_CHANGES: usize = SAMPLE_RATE_HZ as usize / 25;

/// A frame this far below the loudest of the last seconds is a pause (25 dB), and so is one below -50 dBFS.
const PAUSE_SHARE: f32 = 0.003_16;
const SILENT_MEAN_SQUARE: f32 = 1e-5;

/// Time constant with which the loudest frame is forgotten, samples (4 s).
const LOUDEST_MEMORY: f32 = 4.0 * SAMPLE_RATE_HZ as f32;

/// How frames are pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Playout {
    /// How much later (positive) or earlier than the target.
    pub(crate) error_micros: i64,
    pub(crate) target_ms: i64,
}

/// A change of length that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WantedChange {
    /// Samples more (positive) or less.
    pub(crate) samples: i64,
    /// The frame is a pause: any joint passes unheard.
    pub(crate) in_pause: bool,
}

/// What is remembered of one remote voice.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlayoutPace {
    loudest: f32,
    /// For how long there has been a surplus, and for how long frames have been pulled too early, samples.
    surplus_for: usize,
    early_for: usize,
    since_change: usize,
}

impl PlayoutPace {
    /// What should become of `frame`, where frames are pulled as `playout` says (`None` if nobody knows yet) and
    /// `waiting` decoded samples, less than a block of the mix, wait before it.
    pub(crate) fn judge(&mut self, frame: &[f32], playout: Option<Playout>, waiting: i64) -> Option<WantedChange> {
        let in_pause = self.is_pause(frame);
        self.since_change = self.since_change.saturating_add(frame.len());
        let Playout { error_micros, target_ms } = playout?;
        let tolerance_micros = tolerance_micros(target_ms);
        let surplus = surplus(error_micros, waiting);
        let excess_micros = error_micros + samples_to_micros(waiting);
        let has_surplus = surplus > 0 && excess_micros >= WORTH_CUTTING_MICROS + tolerance_micros;
        self.surplus_for = if has_surplus { self.surplus_for.saturating_add(frame.len()) } else { 0 };
        let is_early = error_micros < -EARLY_MICROS - tolerance_micros;
        self.early_for = if is_early { self.early_for.saturating_add(frame.len()) } else { 0 };
        let samples = if self.must_lengthen(error_micros + tolerance_micros, in_pause) {
            missing(error_micros, waiting)
        } else if has_surplus && self.may_cut(error_micros, in_pause) {
            -surplus
        } else {
            return None;
        };
        let may_change = in_pause || self.since_change >= BETWEEN_CHANGES || error_micros >= FAR_BEHIND_MICROS;
        may_change.then_some(WantedChange { samples, in_pause })
    }

    /// The frame was changed.
    pub(crate) fn note_change(&mut self) {
        self.since_change = 0;
    }

    fn must_lengthen(&self, error_micros: i64, in_pause: bool) -> bool {
        let patience = if in_pause { 1 } else { PATIENCE_WHEN_EARLY };
        error_micros < -TOO_EARLY_MICROS || self.early_for >= patience
    }

    fn may_cut(&self, error_micros: i64, in_pause: bool) -> bool {
        let patience = if in_pause { PATIENCE_IN_PAUSES } else { PATIENCE_IN_SPEECH };
        error_micros >= FAR_BEHIND_MICROS || self.surplus_for >= patience
    }

    fn is_pause(&mut self, frame: &[f32]) -> bool {
        let level = mean_square(frame);
        self.loudest = level.max(self.loudest * (-(frame.len() as f32) / LOUDEST_MEMORY).exp());
        level < SILENT_MEAN_SQUARE.max(self.loudest * PAUSE_SHARE)
    }
}

/// How far from a target a wait may be beyond the fixed limits, microseconds.
pub(crate) fn tolerance_micros(target_ms: i64) -> i64 {
    target_ms * TOLERANCE_PER_MILLE
}

/// Samples to spare. Frames are pulled once per block of the mix at most, so the moment of the pull moves in steps of a
/// block. Sound that waits decoded only costs delay: it can go without moving the pull. To pull a step earlier, a whole
/// step must be to spare.
fn surplus(error_micros: i64, waiting: i64) -> i64 {
    let steps = error_micros.max(0) / MIX_MICROS;
    waiting + steps * MIX_SAMPLES as i64
}

/// Samples that put the next pull off by as many steps as it takes.
fn missing(error_micros: i64, waiting: i64) -> i64 {
    let steps = (-error_micros + MIX_MICROS - 1) / MIX_MICROS;
    steps * MIX_SAMPLES as i64 - waiting
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serambi_codec::format::FRAME_SAMPLES;

    use super::*;

    const SPEECH: [f32; FRAME_SAMPLES] = [0.1; FRAME_SAMPLES];
    const PAUSE: [f32; FRAME_SAMPLES] = [0.001; FRAME_SAMPLES];

    fn off(error_micros: i64, target_ms: i64) -> Option<Playout> {
        Some(Playout { error_micros, target_ms })
    }

    /// Frames until a change is wanted, and the change; `None` after a minute.
    fn first_change(pace: &mut PlayoutPace, frame: &[f32], error_micros: i64) -> Option<(usize, i64)> {
        (0..3_000).find_map(|n| pace.judge(frame, off(error_micros, 0), 0).map(|wanted| (n, wanted.samples)))
    }

    fn talking() -> PlayoutPace {
        let mut pace = PlayoutPace::default();
        pace.judge(&SPEECH, None, 0);
        pace
    }

    #[test]
    fn a_wait_that_is_right_is_left_alone() {
        for error in [-1_400, 0, 4_900, 6_400] {
            assert_eq!(first_change(&mut talking(), &PAUSE, error), None, "{error}");
            assert_eq!(first_change(&mut talking(), &SPEECH, error), None, "{error}");
        }
    }

    #[test]
    fn a_little_too_much_is_cut_out_of_a_pause_after_a_second_and_out_of_speech_after_eight() {
        assert_eq!(first_change(&mut talking(), &PAUSE, 12_000), Some((49, -480)));
        assert_eq!(first_change(&mut talking(), &SPEECH, 12_000), Some((399, -480)));
    }

    #[test]
    fn a_long_wait_need_not_be_so_exact() {
        for error in [-5_000, 11_000] {
            assert!(first_change(&mut talking(), &PAUSE, error).is_some());
            let mut pace = talking();
            assert!((0..3_000).all(|_| pace.judge(&PAUSE, off(error, 80), 0).is_none()), "{error}");
        }
    }

    #[test]
    fn far_behind_is_made_up_for_at_once() {
        assert_eq!(first_change(&mut talking(), &SPEECH, 61_000), Some((0, -2_880)));
    }

    #[test]
    fn a_wait_that_is_too_short_grows_in_the_next_pause_or_after_a_second_and_at_once_where_it_is_far_too_short() {
        assert_eq!(first_change(&mut talking(), &PAUSE, -3_000), Some((0, 240)));
        assert_eq!(first_change(&mut talking(), &SPEECH, -3_000), Some((49, 240)));
        assert_eq!(first_change(&mut talking(), &SPEECH, -12_000), Some((0, 720)));
    }

    #[test]
    fn a_surplus_that_comes_and_goes_is_left_alone() {
        let mut pace = talking();
        for n in 0..2_000 {
            let error = if n % 40 < 20 { 9_000 } else { 3_000 };
            assert_eq!(pace.judge(&PAUSE, off(error, 0), 0), None);
        }
    }

    #[test]
    fn a_pause_is_what_lies_25_decibels_below_the_speech_of_the_last_seconds() {
        let mut pace = talking();
        assert!(!pace.is_pause(&[0.006; FRAME_SAMPLES]));
        assert!(pace.is_pause(&[0.005; FRAME_SAMPLES]));
        assert!((0..1_000).any(|_| !pace.is_pause(&[0.005; FRAME_SAMPLES])));
    }

    proptest! {
        #[test]
        fn a_change_takes_the_pull_to_a_step_of_the_mix(error in -1_000_000_i64..1_000_000, waiting in 0_i64..240) {
            prop_assert_eq!((missing(error.min(-1), waiting) + waiting) % MIX_SAMPLES as i64, 0);
            prop_assert!(missing(error.min(-1), waiting) > 0);
            prop_assert!(surplus(error, waiting) >= 0);
        }
    }
}
