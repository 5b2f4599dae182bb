//! How much later the same sound is heard in a second recording, to a fraction of a millisecond.
//!
//! Windows of half a second of the first recording are looked for in the second by normalised cross-correlation of
//! the waveforms at 16 kHz. Left out are windows in which nothing is said, whose match is poor, which fit elsewhere
//! nearly as well, or whose delay no window beside them has; and nothing far quieter than a window is taken for it,
//! whatever its shape.

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
/// A match this little above another, more than [`RIVAL_SAMPLES`] away, may be the wrong one: a syllable said twice.
const CLEAR_LEAD: f32 = 0.05;
/// 15 ms. Nearer than that are the neighbouring periods of a deep voice, which always fit nearly as well.
const RIVAL_SAMPLES: usize = 240;
/// Energy beside the window's (−40 dB) below which a stretch is silence, however well it correlates.
const FAINTEST_MATCH: f64 = 1e-4;

/// A delay counts if another window, among the next two on either side, has one within so many ms. Windows overlap by
/// half: where the delay has really changed, more than one has the new one.
const AGREEMENT_MS: f32 = 50.0;
const BESIDE_SAMPLES: usize = 2 * STEP_SAMPLES;

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
    let found: Vec<Found> = (0..a.len().saturating_sub(WINDOW_SAMPLES))
        .step_by(STEP_SAMPLES)
        .filter(|from| level_dbfs(&a[*from..from + WINDOW_SAMPLES]) > PAUSE_DBFS)
        .filter_map(|from| {
            let start = (from as f64 + apart).ceil().max(0.0) as usize;
            let at = best_match(&a[from..from + WINDOW_SAMPLES], b.get(start..)?, reach)?;
            let ms = ((start as f64 + at - from as f64 - apart) * 1_000.0 / RATE as f64) as f32;
            Some(Found { from, ms })
        })
        .collect();
    let mut delays: Vec<f32> = found.iter().filter(|one| one.is_confirmed(&found)).map(|one| one.ms).collect();
    delays.sort_by(f32::total_cmp);
    Delays(delays)
}

/// The window that begins here, and its delay.
#[derive(Clone, Copy, Debug)]
struct Found {
    from: usize,
    ms: f32,
}

impl Found {
    /// Whether a window beside it agrees, or there is none.
    fn is_confirmed(&self, all: &[Self]) -> bool {
        let mut beside =
            all.iter().filter(|other| (1..=BESIDE_SAMPLES).contains(&other.from.abs_diff(self.from))).peekable();
        beside.peek().is_none() || beside.any(|other| (other.ms - self.ms).abs() <= AGREEMENT_MS)
    }
}

fn seconds_between(first: &Recording, second: &Recording) -> f64 {
    match first.began.checked_duration_since(second.began) {
        Some(later) => later.as_secs_f64(),
        None => -second.began.duration_since(first.began).as_secs_f64(),
    }
}

/// Where in `sound` the window fits best, in samples with a fraction from a parabola through the peak; `None` if it
/// fits nowhere well or in two places.
fn best_match(window: &[f32], sound: &[f32], reach: usize) -> Option<f64> {
    let scores = scores(window, sound, reach)?;
    let highest = |from: usize, to: usize| (from..to).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let best = highest(0, scores.len())?;
    let rivals =
        [highest(0, best.saturating_sub(RIVAL_SAMPLES)), highest(scores.len().min(best + RIVAL_SAMPLES), scores.len())];
    let is_clear = rivals.into_iter().flatten().all(|rival| scores[rival] <= scores[best] - CLEAR_LEAD);
    (scores[best] >= GOOD_MATCH && is_clear).then(|| best as f64 + f64::from(fraction(&scores, best)))
}

/// How well the window fits at each place of `sound`, at most 1; `None` if `sound` is too short.
fn scores(window: &[f32], sound: &[f32], reach: usize) -> Option<Vec<f32>> {
    let positions = sound.len().checked_sub(window.len())?.min(reach) + 1;
    // In f32, what speech leaves of rounding in a running sum is more than the silence after it.
    let energies = running_energies(sound);
    let own = f64::from(dot(window, window));
    let score = |at: usize| {
        let there = energies[at + window.len()] - energies[at];
        if there < own * FAINTEST_MATCH {
            return 0.0;
        }
        (f64::from(dot(window, &sound[at..at + window.len()])) / (own * there).sqrt()) as f32
    };
    Some((0..positions).map(score).collect())
}

/// The energy of the first so many samples, from none to all.
fn running_energies(sound: &[f32]) -> Vec<f64> {
    let mut sum = 0.0;
    let further = sound.iter().map(|sample| {
        sum += f64::from(*sample) * f64::from(*sample);
        sum
    });
    std::iter::once(0.0).chain(further).collect()
}

/// In eight sums side by side, as a processor adds; windows are a multiple of that long.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// Where between its neighbours the peak of a parabola through all three is, samples.
fn fraction(scores: &[f32], best: usize) -> f32 {
    let around = best.checked_sub(1).and_then(|before| Some((scores[before], scores[best], *scores.get(best + 1)?)));
    around.map_or(0.0, |(before, peak, after)| {
        let curve = before - 2.0 * peak + after;
        if curve < 0.0 { 0.5 * (before - after) / curve } else { 0.0 }
    })
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

    /// The same sound `delay_ms` later, with a second of silence behind.
    fn later(sound: &[f32], delay_ms: usize) -> Vec<f32> {
        [vec![0.0; delay_ms * 48], sound.to_vec(), vec![0.0; 48_000]].concat()
    }

    fn of(first: Vec<f32>, second: Vec<f32>) -> Delays {
        let began = Instant::now();
        let recording = |samples| Recording { samples, began };
        between(&recording(first), &recording(second), Duration::from_millis(800))
    }

    /// The last window of each utterance was once found in the silence behind it, hundreds of milliseconds late: what
    /// rounding had left of the energy there was zero.
    #[test]
    fn silence_after_speech_is_not_taken_for_it() {
        // As a decoder falls silent: a faint rest, then nothing.
        let rest = (0..24_000).map(|n| 3e-4 * (n as f32 * 0.7).sin() * (1.0 - n as f32 / 24_000.0));
        let said: Vec<f32> = siren().into_iter().chain(rest).collect();
        let delays = of([said.clone(), vec![0.0; 24_000]].concat(), later(&said, 40));
        assert!(delays.count() >= 7, "{delays:?}");
        let (least, greatest) = (delays.quantile_ms(0.0).unwrap(), delays.quantile_ms(1.0).unwrap());
        assert!((least - 40.0).abs() < 0.1 && (greatest - 40.0).abs() < 0.1, "{delays:?}");
    }

    #[test]
    fn a_delay_that_changes_is_seen_before_and_after() {
        let said = [siren(), siren().into_iter().rev().collect()].concat();
        for (before_ms, after_ms) in [(40, 90), (40, 400), (300, 60)] {
            // Silence goes before the second half, or it cuts off the end of the first.
            let (from, to) = (96_000 + before_ms * 48, 96_000 + after_ms * 48);
            let mut heard = later(&said[..96_000], before_ms)[..from.min(to)].to_vec();
            heard.resize(to, 0.0);
            heard.extend(&said[96_000..]);
            let delays = of(said.clone(), heard);
            let (low, high) = (before_ms.min(after_ms) as f32, before_ms.max(after_ms) as f32);
            let near = |wanted: f32| delays.0.iter().filter(|ms| (**ms - wanted).abs() < 0.1).count();
            assert!(near(low) >= 5 && near(high) >= 5, "{before_ms} {after_ms} {delays:?}");
            assert_eq!(near(low) + near(high), delays.count(), "{before_ms} {after_ms} {delays:?}");
        }
    }

    #[test]
    fn what_is_said_again_and_again_is_left_out_and_the_rest_is_not() {
        let syllable = &siren()[20_000..32_000];
        let said = [syllable.repeat(8), siren()].concat();
        let delays = of(said.clone(), later(&said, 40));
        assert!((5..=9).contains(&delays.count()), "{delays:?}");
        assert!(delays.0.iter().all(|ms| (ms - 40.0).abs() < 0.1), "{delays:?}");
    }

    /// A vowel of a lost passage was once recognised in another, 640 ms late.
    #[test]
    fn a_delay_that_no_window_beside_has_does_not_count() {
        let course = |delays: &[f32]| -> Vec<f32> {
            let found: Vec<Found> =
                delays.iter().enumerate().map(|(n, ms)| Found { from: n * STEP_SAMPLES, ms: *ms }).collect();
            found.iter().filter(|one| one.is_confirmed(&found)).map(|one| one.ms).collect()
        };
        assert_eq!(course(&[40.0, 41.0, 640.0, 40.0]), [40.0, 41.0, 40.0]);
        assert_eq!(course(&[40.0, 40.0, 300.0, 300.0, 20.0, 21.0]), [40.0, 40.0, 300.0, 300.0, 20.0, 21.0]);
        assert!(course(&[40.0, 640.0]).is_empty());
        assert_eq!(course(&[40.0]), [40.0]);
    }

    #[test]
    fn a_quieter_and_a_louder_ear_hear_as_late() {
        for gain in [0.1, 2.5] {
            let heard: Vec<f32> = siren().iter().map(|sample| gain * sample).collect();
            let delays = of(siren(), later(&heard, 63));
            assert!(delays.count() >= 5 && (delays.median_ms().unwrap() - 63.0).abs() < 0.1, "{gain} {delays:?}");
        }
    }

    #[test]
    fn nothing_is_made_up_where_nothing_matches() {
        let began = Instant::now();
        let first = Recording { samples: siren(), began };
        let second = Recording { samples: vec![0.0; first.samples.len()], began };
        assert_eq!(between(&first, &second, Duration::from_millis(300)).median_ms(), None);
    }
}
