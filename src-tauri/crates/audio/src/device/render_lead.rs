//! How long before the loudspeaker asks for it a block is rendered: as late as the computer allows.
//!
//! A device asks for sound at an even pace. What is rendered right after it has asked only waits for the next time, and
//! whatever the network brings meanwhile comes too late for it. So the engine sleeps until shortly before: this *lead*
//! covers the engine's own waking up and rendering, and grows where that was not enough. A pure state machine; time is
//! an argument.

use serambi_codec::clock::Moment;

/// Lead of a stream that has just begun, microseconds.
const FIRST_LEAD_MICROS: i64 = 4_000;

/// Least lead, microseconds: what one speaker's block costs to render, four times over.
const MIN_LEAD_MICROS: i64 = 1_500;

/// What the lead grows by when a callback found too little, microseconds.
const GROWTH_MICROS: i64 = 1_000;

/// A callback that finds too little this soon after another one is the device's way and no accident: then the lead
/// grows by all that was missing. After a stall of the sound service a single callback asks for twice the usual
/// (measured with PulseAudio 16), and to be ready for that would cost everybody 10 ms.
const SOON_MICROS: i64 = 1_000_000;

/// Longest lead, microseconds: half of the ring.
const MAX_LEAD_MICROS: i64 = 500_000;

/// Time to spare that is kept when the lead shrinks, microseconds.
const SPARE_MICROS: i64 = 1_000;

/// Time without a starved callback before the lead shrinks, microseconds; four times as long when that turns out to
/// have been too early: half a millisecond less delay is not worth a hole of 5 ms in somebody's word, which costs an
/// utterance 0.9 of PESQ-WB.
const FIRST_PATIENCE_MICROS: i64 = 10_000_000;
const MAX_PATIENCE_MICROS: i64 = 640_000_000;

/// A lead this long costs more than the odd gap it prevents: whether it is still needed is looked at this soon,
/// microseconds.
const LONG_LEAD_MICROS: i64 = 10_000;
const PATIENCE_WITH_LONG_LEADS_MICROS: i64 = 2_000_000;

/// A stream that has just started asks for odd amounts: what it misses then teaches nothing.
const SETTLING_MICROS: i64 = 300_000;

/// The last callback: when it came, and for how long it had asked for sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastCallback {
    pub(crate) at: Moment,
    pub(crate) period_micros: i64,
}

impl LastCallback {
    /// Microseconds from `now` to the next callback; 0 if it is overdue.
    pub(crate) fn micros_to_next(&self, now: Moment) -> i64 {
        (self.period_micros - now.micros_since(self.at)).clamp(0, self.period_micros)
    }
}

/// What happened in the callbacks since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallbackLuck {
    /// Sound that was missing in starved callbacks, microseconds; 0 if none starved.
    pub(crate) missing_micros: i64,
    /// Least time between a block's rendering and the callback that needed it, microseconds; `None` if no callback
    /// came.
    pub(crate) least_spare_micros: Option<i64>,
}

/// The lead and what it has learnt.
#[derive(Debug)]
pub(crate) struct RenderLead {
    micros: i64,
    began_at: Moment,
    look_at: Moment,
    patience_micros: i64,
    least_spare_micros: Option<i64>,
    starved_at: Option<Moment>,
    shrunk: bool,
}

impl RenderLead {
    /// The lead of a stream that begins now.
    pub(crate) fn begin(now: Moment) -> Self {
        Self {
            micros: FIRST_LEAD_MICROS,
            began_at: now,
            look_at: now.plus_micros(FIRST_PATIENCE_MICROS),
            patience_micros: FIRST_PATIENCE_MICROS,
            least_spare_micros: None,
            starved_at: None,
            shrunk: false,
        }
    }

    /// The lead, microseconds.
    pub(crate) fn micros(&self) -> i64 {
        self.micros
    }

    /// Microseconds until the next block must be rendered, 0 if now, where sound for `filled_micros` waits for the
    /// callbacks: the moment at which the first callback for which that is not enough is only the lead away. An overdue
    /// callback may come at any time.
    pub(crate) fn micros_to_render(&self, now: Moment, last: LastCallback, filled_micros: i64) -> i64 {
        let period = last.period_micros.max(1);
        let enough_for = filled_micros / period;
        (last.micros_to_next(now) + enough_for * period - self.micros).max(0)
    }

    /// Whether the stream began so lately that its callbacks say nothing.
    pub(crate) fn is_settling(&self, now: Moment) -> bool {
        now.micros_since(self.began_at) < SETTLING_MICROS
    }

    /// Learns from the callbacks.
    pub(crate) fn learn(&mut self, now: Moment, luck: CallbackLuck) {
        if self.is_settling(now) {
            return;
        }
        if luck.missing_micros > 0 {
            return self.grow(now, luck.missing_micros);
        }
        self.least_spare_micros = match (self.least_spare_micros, luck.least_spare_micros) {
            (Some(before), Some(new)) => Some(before.min(new)),
            (before, new) => before.or(new),
        };
        if now >= self.look_at {
            self.shrink();
            self.look_again(now);
        }
    }

    fn grow(&mut self, now: Moment, missing_micros: i64) {
        let again = self.starved_at.is_some_and(|before| now.micros_since(before) < SOON_MICROS);
        self.starved_at = Some(now);
        let growth = if again { missing_micros.max(GROWTH_MICROS) } else { GROWTH_MICROS };
        self.micros = (self.micros + growth).min(MAX_LEAD_MICROS);
        if std::mem::take(&mut self.shrunk) {
            self.patience_micros = (self.patience_micros * 4).min(MAX_PATIENCE_MICROS);
        }
        self.look_again(now);
    }

    /// Gives up half of what was to spare: a quarter of an hour may know a worse moment than a few seconds.
    fn shrink(&mut self) {
        let Some(spare) = self.least_spare_micros else { return };
        let shorter = (self.micros - (spare - SPARE_MICROS).max(0) / 2).max(MIN_LEAD_MICROS);
        self.shrunk |= shorter < self.micros;
        self.micros = shorter.min(self.micros);
    }

    fn look_again(&mut self, now: Moment) {
        let is_long = self.micros > LONG_LEAD_MICROS;
        self.look_at = now.plus_micros(if is_long { PATIENCE_WITH_LONG_LEADS_MICROS } else { self.patience_micros });
        self.least_spare_micros = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn callback(at_ms: i64, period_ms: i64) -> LastCallback {
        LastCallback { at: Moment::from_millis(at_ms), period_micros: period_ms * 1_000 }
    }

    fn lead() -> RenderLead {
        RenderLead::begin(Moment::default())
    }

    fn spare(micros: i64) -> CallbackLuck {
        CallbackLuck { missing_micros: 0, least_spare_micros: Some(micros) }
    }

    fn missing(micros: i64) -> CallbackLuck {
        CallbackLuck { missing_micros: micros, least_spare_micros: None }
    }

    #[test]
    fn an_empty_ring_is_filled_the_lead_before_the_next_callback() {
        assert_eq!(lead().micros_to_render(Moment::from_millis(100), callback(100, 10), 0), 6_000);
        assert_eq!(lead().micros_to_render(Moment::from_millis(106), callback(100, 10), 0), 0);
    }

    #[test]
    fn sound_for_one_more_callback_puts_the_rendering_off_by_one() {
        assert_eq!(lead().micros_to_render(Moment::from_millis(100), callback(100, 5), 5_000), 6_000);
        assert_eq!(lead().micros_to_render(Moment::from_millis(100), callback(100, 5), 4_999), 1_000);
    }

    #[test]
    fn an_overdue_callback_is_not_waited_for_but_fills_no_more_than_the_lead() {
        let late = Moment::from_millis(900);
        assert_eq!(lead().micros_to_render(late, callback(100, 10), 0), 0);
        assert_eq!(lead().micros_to_render(late, callback(100, 10), 10_000), 6_000);
    }

    #[test]
    fn one_odd_callback_lengthens_the_lead_a_little_and_the_next_one_by_all_that_was_missing() {
        let mut lead = lead();
        lead.learn(Moment::from_millis(1_000), missing(10_000));
        assert_eq!(lead.micros(), 5_000);
        lead.learn(Moment::from_millis(1_900), missing(10_000));
        assert_eq!(lead.micros(), 15_000);
        lead.learn(Moment::from_millis(2_950), missing(10_000));
        assert_eq!(lead.micros(), 16_000);
    }

    #[test]
    fn what_is_missing_while_a_stream_begins_teaches_nothing() {
        let mut lead = lead();
        lead.learn(Moment::from_millis(100), missing(400_000));
        assert_eq!(lead.micros(), FIRST_LEAD_MICROS);
    }

    #[test]
    fn one_stall_is_forgotten_within_a_minute() {
        let mut lead = lead();
        lead.learn(Moment::from_millis(900), missing(20_000));
        lead.learn(Moment::from_millis(1_000), missing(20_000));
        for tenth in 11..600 {
            lead.learn(Moment::from_millis(tenth * 100), spare(lead.micros() - 500));
        }
        assert!(lead.micros() < 3_500, "{}", lead.micros());
    }

    /// Once a lead of 58 ms stayed for a minute, because stalls while the call began had made the patience long.
    #[test]
    fn a_long_lead_is_soon_given_up_however_many_stalls_there_were() {
        let mut lead = lead();
        for stall in 0..6 {
            lead.learn(Moment::from_millis(1_000 + stall * 400), missing(10_000));
        }
        assert!(lead.micros() > 50_000, "{}", lead.micros());
        for tenth in 40..240 {
            lead.learn(Moment::from_millis(tenth * 100), spare(lead.micros() - 500));
        }
        assert!(lead.micros() <= LONG_LEAD_MICROS, "{}", lead.micros());
    }

    #[test]
    fn a_late_engine_that_comes_back_makes_patience_longer() {
        let mut lead = lead();
        let mut stalls = 0;
        for second in 1..600 {
            // The engine wakes 6 ms late every 7 s.
            let late = if second % 7 == 0 { 6_000 } else { 500 };
            let luck = if late > lead.micros() { missing(5_000) } else { spare(lead.micros() - late) };
            stalls += i32::from(luck.missing_micros > 0);
            lead.learn(Moment::from_millis(second * 1_000), luck);
        }
        assert!(stalls < 20, "{stalls}");
    }

    proptest! {
        #[test]
        fn the_lead_stays_within_its_bounds(
            lucks in prop::collection::vec((0_i64..2_000_000, prop::option::of(-1_000_i64..1_000_000)), 1..200)
        ) {
            let mut lead = lead();
            for (n, (missing_micros, least_spare_micros)) in lucks.into_iter().enumerate() {
                lead.learn(Moment::from_millis(n as i64 * 700), CallbackLuck { missing_micros, least_spare_micros });
                prop_assert!((MIN_LEAD_MICROS..=MAX_LEAD_MICROS).contains(&lead.micros()));
            }
        }
    }
}
