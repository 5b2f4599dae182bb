//! How much later the same sound is heard in a second recording, to a fraction of a millisecond.
//!
//! Windows of half a second of the first recording are looked for in the second by normalised cross-correlation of
//! the waveforms at 16 kHz. A window in which nothing is said, or whose match is poor, is left out.

use std::time::Duration;

use crate::recording::{Recording, SAMPLES_PER_SECOND, level_dbfs};

/// 48 kHz to 16 kHz: speech has nothing above 8 kHz that would help.
const DECIMATION: usize = 3;
const WINDOW_SAMPLES: usize = 8_000;
const STEP_SAMPLES: usize = 4_000;
const RATE: usize = SAMPLES_PER_SECOND as usize / DECIMATION;

/// A window quieter than this is a pause (dBFS).
const PAUSE_DBFS: f32 = -45.0;
/// A match below this is chance or a stretched passage.
const GOOD_MATCH: f32 = 0.6;

/// The delays of all windows that could be matched, ms, smallest first.
#[derive(Clone, Debug, Default)]
pub struct Delays(Vec<f32>);

impl Delays {
    /// The middle one.
    pub fn median_ms(&self) -> Option<f32> {
        self.quantile_ms(0.5)
    }

    /// The one at this share (0 the smallest, 1 the greatest).
    pub fn quantile_ms(&self, share: f32) -> Option<f32> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((share * last as f32).round() as usize).copied()
    }

    /// All of them together.
    pub fn joined(all: impl IntoIterator<Item = Self>) -> Self {
        let mut delays: Vec<f32> = all.into_iter().flat_map(|delays| delays.0).collect();
        delays.sort_by(f32::total_cmp);
        Self(delays)
    }

    /// How many windows were matched.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// How long after `first` the same sound comes in `second`, window by window. Delays up to `limit` are looked for.
pub fn between(first: &Recording, second: &Recording, limit: Duration) -> Delays {
    let (a, b) = (decimate(&first.samples), decimate(&second.samples));
    // Sample n of `first` was heard together with sample n + apart of `second`.
    let apart = seconds_between(first, second) * RATE as f64;
    let reach = (limit.as_secs_f64() * RATE as f64) as usize;
    let mut delays: Vec<f32> = (0..a.len().saturating_sub(WINDOW_SAMPLES))
        .step_by(STEP_SAMPLES)
        .filter(|from| level_dbfs(&a[*from..from + WINDOW_SAMPLES]) > PAUSE_DBFS)
        .filter_map(|from| {
            let start = (from as f64 + apart).ceil().max(0.0) as usize;
            let at = best_match(&a[from..from + WINDOW_SAMPLES], b.get(start..)?, reach)?;
            Some(((start as f64 + at - from as f64 - apart) * 1_000.0 / RATE as f64) as f32)
        })
        .collect();
    delays.sort_by(f32::total_cmp);
    Delays(delays)
}

fn seconds_between(first: &Recording, second: &Recording) -> f64 {
    match first.began.checked_duration_since(second.began) {
        Some(later) => later.as_secs_f64(),
        None => -second.began.duration_since(first.began).as_secs_f64(),
    }
}

/// Where in `sound` the window fits best, in samples with a fraction from a parabola through the peak.
fn best_match(window: &[f32], sound: &[f32], reach: usize) -> Option<f64> {
    let positions = sound.len().checked_sub(window.len())?.min(reach) + 1;
    let own: f32 = window.iter().map(|sample| sample * sample).sum();
    let mut other: f32 = sound[..window.len()].iter().map(|sample| sample * sample).sum();
    let mut scores = Vec::with_capacity(positions);
    for at in 0..positions {
        let common: f32 = window.iter().zip(&sound[at..]).map(|(a, b)| a * b).sum();
        scores.push(common / (own * other).max(f32::MIN_POSITIVE).sqrt());
        if let Some(next) = sound.get(at + window.len()) {
            other = (other + next * next - sound[at] * sound[at]).max(0.0);
        }
    }
    let best = (0..positions).max_by(|a, b| scores[*a].total_cmp(&scores[*b]))?;
    if scores[best] < GOOD_MATCH {
        return None;
    }
    let around = best.checked_sub(1).and_then(|before| Some((scores[before], scores[best], *scores.get(best + 1)?)));
    let fraction = around.map_or(0.0, |(before, peak, after)| {
        let curve = before - 2.0 * peak + after;
        if curve < 0.0 { 0.5 * (before - after) / curve } else { 0.0 }
    });
    Some(best as f64 + f64::from(fraction))
}

/// Averaging three samples is filter enough for a comparison.
fn decimate(samples: &[f32]) -> Vec<f32> {
    samples.chunks_exact(DECIMATION).map(|three| three.iter().sum::<f32>() / DECIMATION as f32).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use super::*;

    /// Two seconds of a rising and falling tone: every window is unlike every other.
    fn siren() -> Vec<f32> {
        let mut phase = 0.0_f32;
        (0..2 * SAMPLES_PER_SECOND)
            .map(|n| {
                let t = n as f32 / SAMPLES_PER_SECOND as f32;
                phase += 300.0 + 900.0 * t * (1.0 + (9.0 * t).sin());
                0.4 * (std::f32::consts::TAU * phase / SAMPLES_PER_SECOND as f32).sin()
            })
            .collect()
    }

    #[test]
    fn the_delay_is_found_whichever_recording_began_first() {
        let began = Instant::now() + Duration::from_secs(10);
        let first = Recording { samples: siren(), began };
        for (earlier_ms, delay_ms) in [(0_u64, 40_u64), (500, 63), (120, 7)] {
            let quiet = vec![0.0; ((earlier_ms + delay_ms) * u64::from(SAMPLES_PER_SECOND) / 1_000) as usize];
            let samples = [quiet, siren()].concat();
            let second = Recording { samples, began: began - Duration::from_millis(earlier_ms) };
            let delays = between(&first, &second, Duration::from_millis(300));
            assert!(delays.count() >= 5, "{delays:?}");
            assert!((delays.median_ms().unwrap() - delay_ms as f32).abs() < 0.1, "{delays:?}");
        }
    }

    #[test]
    fn a_second_recording_that_began_later_is_aligned_too() {
        let began = Instant::now() + Duration::from_secs(10);
        let first = Recording { samples: siren(), began };
        let samples = [vec![0.0; 480], siren()].concat()[9_600..].to_vec();
        let second = Recording { samples, began: began + Duration::from_millis(200) };
        let delays = between(&first, &second, Duration::from_millis(300));
        assert!((delays.median_ms().unwrap() - 10.0).abs() < 0.1, "{delays:?}");
    }

    #[test]
    fn nothing_is_made_up_where_nothing_matches() {
        let began = Instant::now();
        let first = Recording { samples: siren(), began };
        let second = Recording { samples: vec![0.0; first.samples.len()], began };
        assert_eq!(between(&first, &second, Duration::from_millis(300)).median_ms(), None);
    }
}
