//! Finding a sentence again in a recording of what came out at the other end.
//!
//! A codec, a jitter buffer and a limiter change the waveform but not how loud each part of the spectrum is when. So
//! both sounds become the logarithmic energy of six bands in steps of 10 ms, and the sentence is moved along the
//! recording until the normalised cross-correlation over all bands is greatest. That is done piece by piece, and each
//! may lie a little beside where the one before it says, because a jitter buffer and a busy machine lengthen and
//! shorten pauses. The same sentence scores above 0.8 also after loss; other speech, even in the same voice and of the
//! same length, stays under 0.6.

use std::ops::Range;

use crate::recording::SAMPLES_PER_SECOND;

const STEP_MS: u32 = 10;
const STEP_SAMPLES: usize = (SAMPLES_PER_SECOND * STEP_MS / 1_000) as usize;

/// Centres of the bands: the range in which speech has its vowels and its first fricatives.
const BANDS_HZ: [f32; 6] = [300.0, 600.0, 1_100.0, 1_800.0, 2_700.0, 3_800.0];
const BAND_QUALITY: f32 = 2.0;

/// What is this far below the loudest moment of a band counts as silence.
const SILENCE_BELOW_PEAK_DB: f32 = 45.0;

/// Pieces of about this length keep their inner time.
const PIECE_STEPS: usize = 150;
/// How far a piece may lie beside where its neighbour says.
const PLAY_STEPS: usize = 40;

/// A recording quieter than this holds no speech, whatever its shape (dBFS, RMS of the loudest 10 ms).
const AUDIBLE_DBFS: f32 = -60.0;

/// From this score on, a sentence counts as found.
pub const FOUND_SCORE: f32 = 0.75;

/// Where a sentence was found best and how well it fits there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// Where in the recording the sentence begins, ms.
    pub at_ms: u32,
    /// 1 the same, 0 nothing in common.
    pub score: f32,
}

impl Likeness {
    /// Is that the sentence?
    pub fn is_found(&self) -> bool {
        self.score >= FOUND_SCORE
    }
}

/// Finds the best place of `sentence` in `recording`. Nothing, if the recording is shorter or silent.
pub fn find(sentence: &[f32], recording: &[f32]) -> Option<Likeness> {
    let sentence: Bands = envelopes(trim(sentence)).iter().map(|band| above_floor(band)).collect();
    let recording = envelopes(recording);
    let steps = sentence[0].len();
    let positions = recording[0].len().checked_sub(steps)? + 1;
    let loudest = recording.iter().flatten().copied().fold(f32::MIN, f32::max);
    if steps == 0 || loudest < AUDIBLE_DBFS {
        return None;
    }
    let recording: Bands = recording.iter().map(|band| above_floor(band)).collect();
    let count = (steps / PIECE_STEPS).max(1);
    let pieces: Vec<Range<usize>> = (0..count).map(|n| n * steps / count..(n + 1) * steps / count).collect();
    let anchored = (0..count).filter_map(|anchor| follow_from(anchor, &pieces, &sentence, &recording, positions));
    anchored.max_by(|a, b| a.score.total_cmp(&b.score))
}

/// Puts one piece where it fits best of all, and its neighbours near where they then must be, one after the other: a
/// lengthened pause shifts all that follows.
fn follow_from(
    anchor: usize,
    pieces: &[Range<usize>],
    sentence: &Bands,
    recording: &Bands,
    positions: usize,
) -> Option<Likeness> {
    let length = recording[0].len();
    let first_place = pieces[anchor].start;
    let (anchored_at, anchor_score) =
        best_place(sentence, pieces[anchor].clone(), recording, first_place..first_place + positions)?;
    let mut begins_at = anchored_at;
    let mut sum = anchor_score * pieces[anchor].len() as f32;
    let mut fit_near = |piece: &Range<usize>, place: usize| {
        let last = length.saturating_sub(piece.len());
        let places = place.saturating_sub(PLAY_STEPS).min(last)..(place + PLAY_STEPS).min(last) + 1;
        let (at, score) = best_place(sentence, piece.clone(), recording, places).unwrap_or((place, 0.0));
        sum += score * piece.len() as f32;
        at
    };
    let mut expected = anchored_at + pieces[anchor].len();
    for piece in &pieces[anchor + 1..] {
        expected = fit_near(piece, expected) + piece.len();
    }
    for piece in pieces[..anchor].iter().rev() {
        begins_at = fit_near(piece, begins_at.saturating_sub(piece.len()));
    }
    Some(Likeness { at_ms: begins_at as u32 * STEP_MS, score: sum / sentence[0].len() as f32 })
}

/// Where, among `places` of the recording, this part of the sentence fits best, and how well.
fn best_place(sentence: &Bands, part: Range<usize>, recording: &Bands, places: Range<usize>) -> Option<(usize, f32)> {
    let templates: Vec<Centred> = sentence.iter().map(|band| Centred::of(&band[part.clone()])).collect();
    let own: f32 = templates.iter().map(|template| template.energy).sum();
    let score_at = |at: usize| {
        let (mut common, mut other) = (0.0, 0.0);
        for (template, band) in templates.iter().zip(recording) {
            let window = &band[at..at + part.len()];
            let mean = window.iter().sum::<f32>() / part.len() as f32;
            for (a, b) in template.values.iter().zip(window) {
                common += a * (b - mean);
                other += (b - mean) * (b - mean);
            }
        }
        common / (own * other).sqrt().max(f32::MIN_POSITIVE)
    };
    places.map(|at| (at, score_at(at))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Per band the level of each step.
type Bands = Vec<Vec<f32>>;

struct Centred {
    values: Vec<f32>,
    energy: f32,
}

impl Centred {
    fn of(band: &[f32]) -> Self {
        let mean = band.iter().sum::<f32>() / band.len().max(1) as f32;
        let values: Vec<f32> = band.iter().map(|value| value - mean).collect();
        let energy = values.iter().map(|value| value * value).sum();
        Self { values, energy }
    }
}

/// dB above the band's own silence.
fn above_floor(band: &[f32]) -> Vec<f32> {
    let floor = band.iter().copied().fold(f32::MIN, f32::max) - SILENCE_BELOW_PEAK_DB;
    band.iter().map(|level| (level - floor).max(0.0)).collect()
}

/// Without the quiet before and after, which would match any pause.
fn trim(sound: &[f32]) -> &[f32] {
    let peak = sound.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let loud = |sample: &f32| sample.abs() > peak * 0.02;
    let from = sound.iter().position(loud).unwrap_or(0);
    let to = sound.iter().rposition(loud).map_or(0, |last| last + 1);
    &sound[from..to.max(from)]
}

/// Per band the level of each step, dBFS.
fn envelopes(sound: &[f32]) -> Bands {
    BANDS_HZ.iter().map(|centre| envelope(sound, *centre)).collect()
}

fn envelope(sound: &[f32], centre_hz: f32) -> Vec<f32> {
    let mut filter = BandPass::new(centre_hz);
    let level = |step: &[f32]| {
        let energy: f32 = step.iter().map(|sample| filter.next(*sample)).map(|sample| sample * sample).sum();
        10.0 * (energy / STEP_SAMPLES as f32).max(1e-12).log10()
    };
    sound.chunks_exact(STEP_SAMPLES).map(level).collect()
}

/// Second-order band-pass with 0 dB at its centre (Audio EQ Cookbook, R. Bristow-Johnson, "BPF, constant peak gain").
struct BandPass {
    gain: f32,
    back: [f32; 2],
    inputs: [f32; 2],
    outputs: [f32; 2],
}

impl BandPass {
    fn new(centre_hz: f32) -> Self {
        let angle = std::f32::consts::TAU * centre_hz / SAMPLES_PER_SECOND as f32;
        let alpha = angle.sin() / (2.0 * BAND_QUALITY);
        let scale = 1.0 + alpha;
        Self {
            gain: alpha / scale,
            back: [-2.0 * angle.cos() / scale, (1.0 - alpha) / scale],
            inputs: [0.0; 2],
            outputs: [0.0; 2],
        }
    }

    fn next(&mut self, input: f32) -> f32 {
        let output =
            self.gain * (input - self.inputs[1]) - self.back[0] * self.outputs[0] - self.back[1] * self.outputs[1];
        self.inputs = [input, self.inputs[0]];
        self.outputs = [output, self.outputs[0]];
        output
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A stream of numbers in −1..1 that is the same each time (Numerical Recipes' linear congruential generator).
    fn noise(seed: u32) -> impl FnMut() -> f32 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        }
    }

    /// Three seconds that move like speech: "syllables" of 60–260 ms, each noise around another pair of frequencies,
    /// with pauses.
    fn babble(seed: u32) -> Vec<f32> {
        let mut random = noise(seed);
        let mut sound = Vec::new();
        while sound.len() < 3 * SAMPLES_PER_SECOND as usize {
            let length = ((0.16 + 0.1 * random()) * SAMPLES_PER_SECOND as f32) as usize;
            let loudness = if random() > 0.6 { 0.0 } else { 0.4 + 0.3 * random() };
            let mut low = BandPass::new(500.0 + 250.0 * random());
            let mut high = BandPass::new(2_200.0 + 1_200.0 * random());
            for at in 0..length {
                let swell = (std::f32::consts::PI * at as f32 / length as f32).sin();
                let sample = random();
                sound.push(loudness * swell * (low.next(sample) + 0.5 * high.next(sample)));
            }
        }
        sound
    }

    fn with_quiet(before_ms: usize, sound: &[f32], after_ms: usize) -> Vec<f32> {
        let quiet = |ms: usize| vec![0.0; ms * SAMPLES_PER_SECOND as usize / 1_000];
        [quiet(before_ms), sound.to_vec(), quiet(after_ms)].concat()
    }

    #[test]
    fn a_sentence_is_found_where_it_is() {
        let sentence = babble(1);
        let found = find(&sentence, &with_quiet(1_730, &sentence, 900)).unwrap();
        assert!(found.is_found() && found.score > 0.98, "{found:?}");
        assert!(found.at_ms.abs_diff(1_730) <= 20, "{found:?}");
    }

    #[test]
    fn a_sentence_is_found_quieter_noisier_duller_and_with_holes() {
        let sentence = babble(1);
        let mut random = noise(77);
        let mut damaged = with_quiet(2_500, &sentence, 500);
        let mut dull = 0.0;
        for sample in &mut damaged {
            dull += 0.5 * (*sample - dull);
            *sample = 0.25 * dull + 0.0005 * random();
        }
        // Every tenth packet of 20 ms is lost and replaced by nothing, which is worse than concealment.
        damaged.chunks_mut(960).step_by(10).for_each(|packet| packet.fill(0.0));
        let found = find(&sentence, &damaged).unwrap();
        assert!(found.is_found(), "{found:?}");
        assert!(found.at_ms.abs_diff(2_500) <= 30, "{found:?}");
    }

    #[test]
    fn a_sentence_is_found_although_a_pause_in_it_was_lengthened() {
        let sentence = [babble(1), babble(13)].concat();
        let pause = vec![0.0; 150 * SAMPLES_PER_SECOND as usize / 1_000];
        let late = [babble(1), pause, babble(13)].concat();
        let found = find(&sentence, &with_quiet(900, &late, 400)).unwrap();
        assert!(found.score > 0.85, "{found:?}");
    }

    #[test]
    fn other_speech_noise_and_silence_are_not_the_sentence() {
        let sentence = babble(1);
        for seed in 2..12 {
            let other = find(&sentence, &with_quiet(500, &babble(seed), 500)).unwrap();
            assert!(other.score < 0.6, "seed {seed}: {other:?}");
        }
        let mut random = noise(5);
        let hiss: Vec<f32> = (0..5 * SAMPLES_PER_SECOND).map(|_| 0.1 * random()).collect();
        assert!(!find(&sentence, &hiss).unwrap().is_found());
        assert_eq!(find(&sentence, &vec![0.0; 5 * SAMPLES_PER_SECOND as usize]), None);
        assert_eq!(find(&sentence, &sentence[..1_000]), None);
    }
}
