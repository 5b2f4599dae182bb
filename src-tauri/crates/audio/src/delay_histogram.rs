//! How much later than the quickest ones packets arrive: a histogram that forgets, and a quantile of it.

use std::collections::VecDeque;

use crate::clock::Moment;

/// Widest delay that is told apart, ms; anything later counts as this.
const WIDEST_MS: usize = 1_000;

/// Weight of the past at each packet. 0.995 at 50 packets a second is a memory of 4 s: a stall is remembered long enough
/// to meet the next one of a burst, and forgotten within seconds on a quiet path.
const FORGETTING: f32 = 0.995;

/// How long the quickest packet stays the reference, microseconds. Longer than a stall, shorter than what two clocks
/// 500 ppm apart need to drift by a frame.
const REFERENCE_WINDOW_MICROS: i64 = 4_000_000;

/// Arrival delays relative to the quickest packet of the last seconds.
///
/// "Delay" is arrival time minus media time: its absolute value means nothing (the clocks of the two machines are not
/// related), its differences are the jitter.
#[derive(Clone, Debug)]
pub struct DelayHistogram {
    /// Weight per millisecond of relative delay.
    weights: Vec<f32>,
    total: f32,
    /// Candidates for the quickest packet of the window: arrival and delay in microseconds, delays rising.
    quickest: VecDeque<(Moment, i64)>,
}

impl Default for DelayHistogram {
    fn default() -> Self {
        Self { weights: vec![0.0; WIDEST_MS + 1], total: 0.0, quickest: VecDeque::new() }
    }
}

impl DelayHistogram {
    /// The delay of the quickest packet of the window, microseconds; `None` before the first packet.
    pub fn quickest_micros(&self) -> Option<i64> {
        self.quickest.front().map(|&(_, delay)| delay)
    }

    /// Counts a packet that arrived at `arrival` with `delay_micros`.
    pub fn record(&mut self, arrival: Moment, delay_micros: i64) {
        self.move_reference(arrival, delay_micros);
        let quickest = self.quickest_micros().unwrap_or(delay_micros);
        let late_ms = usize::try_from((delay_micros - quickest) / 1_000).unwrap_or(0).min(WIDEST_MS);
        self.total = 0.0;
        for weight in &mut self.weights {
            *weight *= FORGETTING;
            self.total += *weight;
        }
        self.weights[late_ms] += 1.0;
        self.total += 1.0;
    }

    /// The relative delay, ms, that a share of `quantile` of the packets does not exceed.
    pub fn quantile_ms(&self, quantile: f32) -> usize {
        let mut rest = self.total * (1.0 - quantile);
        for (late_ms, weight) in self.weights.iter().enumerate().rev() {
            rest -= weight;
            if rest < 0.0 {
                return late_ms + 1;
            }
        }
        0
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

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(delays_ms: impl IntoIterator<Item = i64>) -> DelayHistogram {
        let mut histogram = DelayHistogram::default();
        for (index, delay) in delays_ms.into_iter().enumerate() {
            histogram.record(Moment::from_millis(index as i64 * 20), delay * 1_000);
        }
        histogram
    }

    #[test]
    fn a_steady_path_needs_no_wait() {
        assert_eq!(recorded([70; 500]).quantile_ms(0.97), 1);
    }

    #[test]
    fn the_quantile_covers_the_jitter_but_not_the_rare_outlier() {
        let histogram = recorded((0..1_000).map(|n| if n % 100 == 50 { 400 } else { 50 + n % 20 }));
        let wait = histogram.quantile_ms(0.97);
        assert!((18..=21).contains(&wait), "{wait}");
    }

    #[test]
    fn a_stall_is_forgotten_within_seconds() {
        let mut histogram = recorded([50; 200].into_iter().chain((0..8).map(|n| 200 - n * 20)));
        assert!(histogram.quantile_ms(0.97) > 20);
        for n in 208..500 {
            histogram.record(Moment::from_millis(n * 20), 50_000);
        }
        assert_eq!(histogram.quantile_ms(0.97), 1);
    }

    #[test]
    fn the_reference_follows_a_clock_that_drifts() {
        // 500 ppm for ten minutes: 300 ms in all, 2 ms in one window.
        let mut histogram = DelayHistogram::default();
        for n in 0..30_000_i64 {
            histogram.record(Moment::from_millis(n * 20), 50_000 + n * 10);
        }
        assert!(histogram.quantile_ms(0.97) <= 4);
    }
}
