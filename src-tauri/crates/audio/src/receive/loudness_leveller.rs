//! Makes everybody equally loud to one listener: measures how loud a person speaks and slowly turns them up or down.
//!
//! Only speech moves the gain. Noise, silence, tones and music are recognised by what they lack: the ups and downs of
//! syllables well above the quietest moment around them. The gain rests in pauses, so no breath is pumped up.

use serambi_codec::dsp::{fade::GainRamp, mid_side::MidSide};

use crate::{
    dsp::loudness::{LoudnessMeter, SILENCE_LUFS, lufs},
    format::MixBlock,
};

/// How loud everybody should be, LUFS: the quiet end of what AES TD1004.1.15-10 recommends for streams (-20 to -16),
/// because several people may talk at once and the limiter should rest.
const TARGET_LUFS: f32 = -20.0;

/// Most the gain moves away from 1, dB.
pub const MAX_GAIN_DB: f32 = 12.0;

/// Differences this small are not heard as such, dB.
const TOLERANCE_DB: f32 = 1.0;

/// How fast the gain moves while the person speaks, dB per step of 100 ms: up by 2 dB/s, down by 4 dB/s, for too loud
/// hurts more.
const UP_DB_PER_STEP: f32 = 0.2;
const DOWN_DB_PER_STEP: f32 = 0.4;

/// Quieter than this nothing is taken for speech, LUFS.
const QUIETEST_SPEECH_LUFS: f32 = -50.0;

/// Speech stands out from the quietest moment of the last 3 s by this much, LU.
const ABOVE_FLOOR_LU: f32 = 8.0;

/// Standard deviation of the loudness of speech from step to step is at least this, LU; steady noise stays below 1.
const LIVELINESS_LU: f32 = 1.5;

/// Steps of 100 ms: the look around for the quietest moment, the memory of speech (3 s, the short-term window of EBU
/// Tech 3341), and the speech needed before the gain moves.
const LOOK_STEPS: usize = 30;
const SPEECH_STEPS: usize = 30;
const FIRST_SPEECH_STEPS: usize = 8;

/// The last `N` values.
#[derive(Clone, Debug)]
struct Last<const N: usize> {
    values: [f32; N],
    written: usize,
}

impl<const N: usize> Last<N> {
    fn new() -> Self {
        Self { values: [0.0; N], written: 0 }
    }

    fn push(&mut self, value: f32) {
        self.values[self.written % N] = value;
        self.written += 1;
    }

    fn known(&self) -> &[f32] {
        &self.values[..self.written.min(N)]
    }
}

/// Finds speech in steps of 100 ms and remembers how loud it was.
#[derive(Clone, Debug)]
struct SpeechLoudness {
    around: Last<LOOK_STEPS>,
    /// K-weighted mean squares of the last steps that were speech.
    speech: Last<SPEECH_STEPS>,
}

impl SpeechLoudness {
    /// Takes a step; the loudness of the recent speech if the step was part of it.
    fn observe(&mut self, mean_square: f32) -> Option<f32> {
        let loudness = lufs(mean_square);
        self.around.push(loudness);
        let floor = self.around.known().iter().copied().fold(f32::INFINITY, f32::min);
        if loudness < QUIETEST_SPEECH_LUFS.max(floor + ABOVE_FLOOR_LU) {
            return None;
        }
        self.speech.push(mean_square);
        if self.speech.written < FIRST_SPEECH_STEPS || self.liveliness() < LIVELINESS_LU {
            return None;
        }
        let known = self.speech.known();
        Some(lufs(known.iter().sum::<f32>() / known.len() as f32))
    }

    fn liveliness(&self) -> f32 {
        let known = self.speech.known();
        let count = known.len() as f32;
        let mean = known.iter().map(|square| lufs(*square)).sum::<f32>() / count;
        (known.iter().map(|square| (lufs(*square) - mean).powi(2)).sum::<f32>() / count).sqrt()
    }
}

/// The gain of one remote voice at one listener.
#[derive(Clone, Debug)]
pub struct LoudnessLeveller {
    meter: LoudnessMeter,
    speech: SpeechLoudness,
    gain_db: f32,
    ramp: GainRamp,
    loudness: f32,
}

impl Default for LoudnessLeveller {
    fn default() -> Self {
        Self {
            meter: LoudnessMeter::default(),
            speech: SpeechLoudness { around: Last::new(), speech: Last::new() },
            gain_db: 0.0,
            ramp: GainRamp::resting_at(1.0),
            loudness: SILENCE_LUFS,
        }
    }
}

impl LoudnessLeveller {
    /// Measures a mono block and applies the gain to it.
    #[cfg(any(test, feature = "testing"))]
    pub fn apply(&mut self, block: &mut [f32]) {
        self.measure(block);
        self.ramp.apply(block);
    }

    /// Measures the middle, where speech is, and applies the gain to both channels.
    pub(crate) fn apply_to_both(&mut self, block: &mut MidSide<MixBlock>) {
        self.measure(&block.middle);
        block.apply(&mut self.ramp);
    }

    fn measure(&mut self, block: &[f32]) {
        let (speech, gain_db, loudness) = (&mut self.speech, &mut self.gain_db, &mut self.loudness);
        self.meter.feed(block, |meter, step| {
            *loudness = meter.short_term();
            if let Some(spoken) = speech.observe(step) {
                *gain_db = moved(*gain_db, spoken);
            }
        });
        self.ramp.head_for(10_f32.powf(self.gain_db / 20.0), block.len());
    }

    /// The gain now, dB; between -12 and 12.
    pub fn gain_db(&self) -> f32 {
        self.gain_db
    }

    /// Loudness of the last 3 s before the gain, LUFS.
    pub fn loudness_lufs(&self) -> f32 {
        self.loudness
    }
}

/// The gain after one more step of speech that is as loud as `spoken`, LUFS.
fn moved(gain_db: f32, spoken: f32) -> f32 {
    let wanted = (TARGET_LUFS - spoken).clamp(-MAX_GAIN_DB, MAX_GAIN_DB);
    let missing = wanted - gain_db;
    if missing.abs() < TOLERANCE_DB {
        return gain_db;
    }
    (gain_db + missing.clamp(-DOWN_DB_PER_STEP, UP_DB_PER_STEP)).clamp(-MAX_GAIN_DB, MAX_GAIN_DB)
}

#[cfg(test)]
mod tests {
    use assert_no_alloc::assert_no_alloc;
    use proptest::prelude::*;
    use serambi_codec::testing::synthetic_sound::{gain, mixed, speech, tone, white_noise};

    use super::*;
    use crate::{dsp::loudness::integrated, format::BLOCK_SAMPLES};

    fn levelled(leveller: &mut LoudnessLeveller, sound: &[f32]) -> Vec<f32> {
        let (blocks, _) = sound.as_chunks::<BLOCK_SAMPLES>();
        blocks
            .iter()
            .flat_map(|block| {
                let mut block = *block;
                leveller.apply(&mut block);
                block
            })
            .collect()
    }

    /// Speech of 20 s that measures `loudness`, LUFS.
    fn speech_at(loudness: f32) -> Vec<f32> {
        let sound = speech(21, -20.0, 20.0);
        let change = gain(loudness - integrated(&sound));
        sound.iter().map(|sample| sample * change).collect()
    }

    #[test]
    fn quiet_and_loud_people_end_up_equally_loud() {
        for loudness in [-30.0, -26.0, -20.0, -14.0, -10.0] {
            let out = levelled(&mut LoudnessLeveller::default(), &speech_at(loudness));
            let after = integrated(&out[10 * 48_000..]);
            assert!((after - TARGET_LUFS).abs() < 2.5, "{loudness} LUFS became {after}");
        }
    }

    #[test]
    fn the_gain_stops_at_its_limits() {
        let mut leveller = LoudnessLeveller::default();
        levelled(&mut leveller, &speech_at(-42.0));
        assert!((leveller.gain_db() - MAX_GAIN_DB).abs() < TOLERANCE_DB, "{}", leveller.gain_db());
        let mut leveller = LoudnessLeveller::default();
        levelled(&mut leveller, &speech_at(-2.0));
        assert!((leveller.gain_db() + MAX_GAIN_DB).abs() < TOLERANCE_DB, "{}", leveller.gain_db());
    }

    #[test]
    fn noise_silence_and_tones_are_left_alone() {
        for sound in [
            white_noise(1, -45.0, 20.0),
            white_noise(2, -12.0, 20.0),
            vec![0.0; 20 * 48_000],
            tone(440.0, -12.0, 20.0),
            speech_at(-55.0),
        ] {
            let mut leveller = LoudnessLeveller::default();
            assert_eq!(levelled(&mut leveller, &sound), sound);
        }
    }

    #[test]
    fn noise_that_starts_after_silence_is_left_alone() {
        let mut leveller = LoudnessLeveller::default();
        for _ in 0..10 {
            levelled(&mut leveller, &vec![0.0; 48_000]);
            levelled(&mut leveller, &white_noise(7, -40.0, 1.5));
        }
        assert_eq!(leveller.gain_db(), 0.0);
    }

    #[test]
    fn the_gain_rests_in_pauses_and_the_noise_in_them_does_not_count() {
        let mut leveller = LoudnessLeveller::default();
        let noisy = mixed(&[&speech_at(-28.0), &white_noise(3, -55.0, 20.0)]);
        levelled(&mut leveller, &noisy);
        let gain_db = leveller.gain_db();
        assert!((5.0..10.5).contains(&gain_db), "{gain_db}");
        levelled(&mut leveller, &white_noise(4, -55.0, 30.0));
        assert_eq!(leveller.gain_db(), gain_db);
    }

    #[test]
    fn the_gain_moves_without_a_step_and_without_allocating() {
        let mut leveller = LoudnessLeveller::default();
        let sound = speech_at(-10.0);
        let mut last = 1.0;
        for block in sound.as_chunks::<BLOCK_SAMPLES>().0 {
            let mut block = *block;
            assert_no_alloc(|| leveller.apply(&mut block));
            let now = gain(leveller.gain_db());
            assert!((now / last).log10().abs() * 20.0 <= DOWN_DB_PER_STEP + 1e-3);
            last = now;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn no_input_takes_the_gain_beyond_its_limits(
            seed in any::<u64>(), level in -60.0_f32..20.0, bad in any::<f32>(),
        ) {
            let mut leveller = LoudnessLeveller::default();
            let mut sound = speech(seed, level, 6.0);
            sound[1_000] = bad;
            levelled(&mut leveller, &sound);
            prop_assert!(leveller.gain_db().abs() <= MAX_GAIN_DB);
        }
    }
}
