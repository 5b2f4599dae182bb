//! How much later than the quickest ones packets arrive: a histogram that forgets, and the wait that costs least.

use std::collections::VecDeque;

use serambi_codec::{clock::Moment, format::FRAME_SAMPLES};

/// Widest delay that is told apart, ms; anything later counts as this.
const WIDEST_MS: usize = 1_000;

/// How much of the past is forgotten with each frame of 20 ms: a memory of 10 s. A frame of 10 ms takes half of that.
const FORGETTING: f32 = 0.002;

/// What a late packet costs, ms of delay: if one packet in a hundred is late, that is as bad as so many hundredths of
/// this much delay for everything. High enough that a quiet path's rare wake-up of a busy computer is waited for, low
/// enough that a stall of the network is not.
pub const LATE_COST_MS: f32 = 450.0;

/// The same where the packet after it carries a copy, which is mostly here by then.
pub const LATE_COST_WITH_COPIES_MS: f32 = 300.0;

/// Where more packets than this are late, the voice has holes all the time, which concealment does not hide any more:
/// each share above it costs [`HOLES_COST_MS`] besides. What is late by chance, once in a while, stays below.
const HOLES_SHARE: f32 = 0.02;

/// 30 ms of delay for one packet in a hundred: where ITU-T G.107 has both cost the same, 0.13 of R for a ms beyond 177
/// ms and 4 of R for a percent. Over TCP that loses 2 % of its segments the wait became 140 ms instead of 8, and
/// PESQ-WB 3.8 instead of 2.1 (`loss_table`, three seeds).
const HOLES_COST_MS: f32 = 3_000.0;

/// Packets that must be remembered before holes are told from a bad moment (5 s of 20 ms): at the start a few late ones
/// are a large share.
const HOLES_KNOWN_AFTER: f32 = 250.0;

/// All of the holes together, ms of delay: what stalls for longer is not waited for, however often it does; nor is a
/// single stall of seconds, after which everything was late for a while.
const MAX_HOLES_COST_MS: f32 = 250.0;

/// How long the quickest packet stays the reference, microseconds. Longer than a stall, shorter than what two clocks
/// 500 ppm apart need to drift by a frame.
const REFERENCE_WINDOW_MICROS: i64 = 4_000_000;

/// The last frame counts for so much at most before all weights are brought down to 1 again.
const MAX_WEIGHT: f32 = 1_000.0;

/// What is remembered this faintly, frames, is forgotten: all thousand milliseconds of it together would not move the
/// wait by 1 ms.
const FORGOTTEN: f32 = 1e-4;

/// How late something was, millisecond by millisecond, with a memory that fades.
///
/// Instead of making a thousand old weights smaller with each frame, a new frame weighs more than the one before it.
#[derive(Clone, Debug)]
pub struct LatenessHistogram {
    weights: Vec<f32>,
    /// Sum of the weights.
    sum: f32,
    /// What a frame weighs now.
    weight: f32,
    /// The weights from here on are 0.
    end: usize,
    late_cost_ms: f32,
    best_wait_ms: usize,
}

impl Default for LatenessHistogram {
    fn default() -> Self {
        Self {
            weights: vec![0.0; WIDEST_MS + 1],
            sum: 0.0,
            weight: 1.0,
            end: 0,
            late_cost_ms: LATE_COST_MS,
            best_wait_ms: 0,
        }
    }
}

impl LatenessHistogram {
    /// Counts a frame of `samples` that was late by `micros`.
    pub fn record(&mut self, micros: i64, samples: usize) {
        let kept = (1.0 - FORGETTING * samples as f32 / FRAME_SAMPLES as f32).max(1.0 / MAX_WEIGHT);
        self.weight /= kept;
        if self.weight > MAX_WEIGHT {
            self.bring_down();
        }
        let late_ms = usize::try_from(micros / 1_000).unwrap_or(0).min(WIDEST_MS);
        self.weights[late_ms] += self.weight;
        self.sum += self.weight;
        self.end = self.end.max(late_ms + 1);
        let price = Price::of_late(self.late_cost_ms, self.sum / self.weight);
        self.best_wait_ms = cheapest_wait(&self.weights[..self.end], self.sum, price);
    }

    fn bring_down(&mut self) {
        let known = &mut self.weights[..self.end];
        for weight in known.iter_mut() {
            *weight /= self.weight;
            if *weight < FORGOTTEN {
                *weight = 0.0;
            }
        }
        self.weight = 1.0;
        self.sum = known.iter().sum();
        self.end = known.iter().rposition(|weight| *weight > 0.0).map_or(0, |last| last + 1);
    }

    /// The wait, ms, at which delay and what is later than it together cost least.
    pub fn best_wait_ms(&self) -> usize {
        self.best_wait_ms
    }
}

/// Arrival delays relative to the quickest packet of the last seconds.
///
/// "Delay" is arrival time minus media time: its absolute value means nothing (the clocks of the two machines are not
/// related), its differences are the jitter.
#[derive(Clone, Debug, Default)]
pub struct DelayHistogram {
    late: LatenessHistogram,
    /// Candidates for the quickest packet of the window: arrival and delay in microseconds, delays rising.
    quickest: VecDeque<(Moment, i64)>,
}

impl DelayHistogram {
    /// The delay of the quickest packet of the window, microseconds; `None` before the first packet.
    pub fn quickest_micros(&self) -> Option<i64> {
        self.quickest.front().map(|&(_, delay)| delay)
    }

    /// What a packet that is late from now on costs, ms of delay.
    pub fn set_late_cost_ms(&mut self, cost: f32) {
        self.late.late_cost_ms = cost;
    }

    /// Counts a packet of `samples` that arrived at `arrival` with `delay_micros`.
    pub fn record(&mut self, arrival: Moment, delay_micros: i64, samples: usize) {
        self.move_reference(arrival, delay_micros);
        let quickest = self.quickest_micros().unwrap_or(delay_micros);
        self.late.record(delay_micros - quickest, samples);
    }

    /// The wait after the quickest packet, ms, at which delay and late packets together cost least.
    pub fn best_wait_ms(&self) -> usize {
        self.late.best_wait_ms()
    }

    fn move_reference(&mut self, arrival: Moment, delay_micros: i64) {
        while self.quickest.back().is_some_and(|&(_, delay)| delay >= delay_micros) {
            self.quickest.pop_back();
        }
        self.quickest.push_back((arrival, delay_micros));
        let oldest = arrival.plus_micros(-REFERENCE_WINDOW_MICROS);
        while self.quickest.len() > 1 && self.quickest.front().is_some_and(|&(at, _)| at < oldest) {
            self.quickest.pop_front();
        }
    }
}

/// What late packets cost, ms of delay for all of them.
#[derive(Clone, Copy)]
struct Price {
    late_ms: f32,
    /// Of what is late above [`HOLES_SHARE`].
    holes_ms: f32,
}

impl Price {
    /// Where so many packets are remembered.
    fn of_late(late_ms: f32, remembered: f32) -> Self {
        Self { late_ms, holes_ms: if remembered < HOLES_KNOWN_AFTER { 0.0 } else { HOLES_COST_MS } }
    }

    /// What it costs that this share of the packets is late, ms of delay.
    fn ms(self, late_share: f32) -> f32 {
        let holes = (late_share - HOLES_SHARE).max(0.0) * self.holes_ms;
        late_share * self.late_ms + holes.min(MAX_HOLES_COST_MS)
    }
}

/// The `n` for which waiting `n` ms plus the price of the packets that come later than that is least.
fn cheapest_wait(weights: &[f32], sum: f32, price: Price) -> usize {
    let mut later = 0.0;
    let mut best = (f32::INFINITY, 0);
    for (late_ms, weight) in weights.iter().enumerate().rev() {
        let wait_ms = late_ms + 1;
        let cost = wait_ms as f32 + price.ms(later / sum);
        if cost <= best.0 {
            best = (cost, wait_ms);
        }
        later += weight;
    }
    best.1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn a_frame_that_weighs_more_is_as_good_as_older_ones_that_fade(
            numbers in prop::collection::vec(any::<u16>(), 1..9_000)
        ) {
            let mut histogram = LatenessHistogram::default();
            let mut fading = vec![0.0_f64; WIDEST_MS + 1];
            for number in numbers {
                let samples = if number % 2 == 0 { FRAME_SAMPLES / 2 } else { FRAME_SAMPLES };
                let late_ms = if number % 8 < 2 { usize::from(number) % 1_500 } else { usize::from(number) % 30 };
                histogram.record(late_ms as i64 * 1_000, samples);
                let kept = 1.0 - f64::from(FORGETTING) * samples as f64 / FRAME_SAMPLES as f64;
                fading.iter_mut().for_each(|weight| *weight *= kept);
                fading[late_ms.min(WIDEST_MS)] += 1.0;
            }
            let sum = fading.iter().sum::<f64>();
            let cost = |wait_ms: usize| {
                let share = fading[wait_ms..].iter().sum::<f64>() / sum;
                wait_ms as f64 + f64::from(Price::of_late(LATE_COST_MS, sum as f32).ms(share as f32))
            };
            let least = (1..=WIDEST_MS + 1).map(cost).fold(f64::INFINITY, f64::min);
            prop_assert!(cost(histogram.best_wait_ms()) < least + 0.2, "{} ms", histogram.best_wait_ms());
        }
    }

    fn recorded(delays_ms: impl IntoIterator<Item = i64>) -> DelayHistogram {
        let mut histogram = DelayHistogram::default();
        for (index, delay) in delays_ms.into_iter().enumerate() {
            histogram.record(Moment::from_millis(index as i64 * 20), delay * 1_000, FRAME_SAMPLES);
        }
        histogram
    }

    #[test]
    fn a_steady_path_needs_no_wait() {
        assert_eq!(recorded([70; 500]).best_wait_ms(), 1);
    }

    #[test]
    fn all_jitter_is_waited_for_but_not_the_rare_outlier() {
        let histogram = recorded((0..1_000).map(|n| if n % 100 == 50 { 400 } else { 50 + n % 20 }));
        let wait = histogram.best_wait_ms();
        assert!((18..=21).contains(&wait), "{wait}");
    }

    /// Through a gate over TCP, 2 % of it lost, nothing was waited for, and one frame in eight was invented.
    #[test]
    fn a_path_that_stalls_every_second_is_waited_for() {
        let behind_a_lost_segment = [120, 100, 80, 60, 40, 20];
        let late = |n: usize| behind_a_lost_segment.get(n % 50).copied().unwrap_or(0);
        let histogram = recorded((0..1_000).map(|n| 50 + late(n)));
        assert!((81..=121).contains(&histogram.best_wait_ms()), "{}", histogram.best_wait_ms());
    }

    /// Beside other load the first words were stretched for three late packets.
    #[test]
    fn a_few_late_packets_at_the_start_are_no_holes_yet() {
        let histogram = recorded((0..100).map(|n| if n % 25 == 5 { 90 } else { 50 }));
        assert!(histogram.best_wait_ms() <= 1, "{}", histogram.best_wait_ms());
    }

    #[test]
    fn a_wake_up_that_is_late_once_a_second_is_waited_for() {
        let histogram = recorded((0..1_000).map(|n| if n % 50 == 0 { 58 } else { 50 }));
        assert_eq!(histogram.best_wait_ms(), 9);
    }

    #[test]
    fn short_frames_are_remembered_as_long_as_others() {
        let after = |frame_ms: i64, samples: usize| {
            let mut histogram = DelayHistogram::default();
            for n in 0..20_000 / frame_ms {
                let stalled = (10_000..10_400).contains(&(n * frame_ms));
                let delay = if stalled { 80_000 } else { 50_000 };
                histogram.record(Moment::from_millis(n * frame_ms), delay, samples);
            }
            histogram.best_wait_ms()
        };
        assert_eq!(after(20, FRAME_SAMPLES), after(10, FRAME_SAMPLES / 2));
    }

    #[test]
    fn where_late_packets_are_cheaper_less_is_waited_for() {
        let wait = |late_cost_ms| {
            let mut histogram = DelayHistogram::default();
            histogram.set_late_cost_ms(late_cost_ms);
            // The later, the rarer: 5 ms is passed by 36 % of them, 25 ms by 1 %.
            for n in 0..2_000_i64 {
                let share = (n * 619 % 2_000) as f64 / 2_000.0;
                let micros = (-share.mul_add(-1.0, 1.0).ln() * 5_000.0) as i64;
                histogram.record(Moment::from_millis(n * 20), micros, FRAME_SAMPLES);
            }
            histogram.best_wait_ms()
        };
        let (dear, cheap) = (wait(LATE_COST_MS), wait(LATE_COST_WITH_COPIES_MS));
        // The best wait of an exponential distribution is its mean times the logarithm of cost over mean: 22.5 and 20.5
        // ms. Fewer than two in a hundred are later than that.
        assert!((21..=24).contains(&dear) && (19..=22).contains(&cheap) && cheap < dear, "{dear} {cheap}");
    }

    #[test]
    fn a_stall_is_forgotten_within_seconds() {
        let mut histogram = recorded([50; 200].into_iter().chain((0..8).map(|n| 200 - n * 20)));
        assert!(histogram.best_wait_ms() < 150);
        for n in 208..800 {
            histogram.record(Moment::from_millis(n * 20), 50_000, FRAME_SAMPLES);
        }
        assert_eq!(histogram.best_wait_ms(), 1);
    }

    #[test]
    fn the_reference_follows_a_clock_that_drifts() {
        // 500 ppm for ten minutes: 300 ms in all, 2 ms in one window.
        let mut histogram = DelayHistogram::default();
        for n in 0..30_000_i64 {
            histogram.record(Moment::from_millis(n * 20), 50_000 + n * 10, FRAME_SAMPLES);
        }
        assert!(histogram.best_wait_ms() <= 4);
    }
}
