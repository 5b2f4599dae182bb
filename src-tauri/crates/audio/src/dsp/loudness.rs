//! How loud a sound is to the ear: loudness after ITU-R BS.1770-5 and EBU Tech 3341, in LUFS.
//!
//! The sound here is one plane and is played from both loudspeakers, so it counts twice: a mono sound at -26 LUFS in a
//! file is -23 LUFS in the room, as the same sound in both channels of a stereo file would be (BS.1770-5 adds channels
//! up).

use serambi_codec::format::SAMPLE_RATE_HZ;

/// Loudness is measured in steps of 100 ms: windows of 400 ms then overlap by the 75 % that BS.1770-5 asks for.
pub const STEP_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 10;

/// Steps in the momentary window of 400 ms and in the short-term window of 3 s (EBU Tech 3341 section 2.2).
const MOMENTARY_STEPS: usize = 4;
const SHORT_TERM_STEPS: usize = 30;

/// What silence measures, LUFS: the absolute gate of BS.1770-5, below which nothing counts.
pub const SILENCE_LUFS: f32 = -70.0;

/// The relative gate of BS.1770-5, LU below the mean of what passed the absolute one.
const RELATIVE_GATE_LU: f32 = -10.0;

/// The constant of BS.1770-5 that makes a 997 Hz sine read as its level.
const OFFSET_LU: f32 = -0.691;

/// Loudspeakers that play the same sound.
const LOUDSPEAKERS: f32 = 2.0;

/// The loudness of a mean square after the K-weighting, LUFS; never below [`SILENCE_LUFS`].
pub fn lufs(weighted_mean_square: f32) -> f32 {
    let power = weighted_mean_square * LOUDSPEAKERS;
    if power > 0.0 && power.is_finite() { (OFFSET_LU + 10.0 * power.log10()).max(SILENCE_LUFS) } else { SILENCE_LUFS }
}

/// The mean square that measures `loudness`; the reverse of [`lufs`].
fn weighted_mean_square(loudness: f32) -> f32 {
    10_f32.powf((loudness - OFFSET_LU) / 10.0) / LOUDSPEAKERS
}

/// So little is left of a sound 400 dB below full scale.
const INAUDIBLE: f64 = 1e-20;

/// One second-order filter, transposed direct form II.
#[derive(Clone, Debug)]
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
    state: [f64; 2],
}

impl Biquad {
    fn filter(&mut self, sample: f64) -> f64 {
        let out = self.b[0] * sample + self.state[0];
        // The next sample waits for this one: what does not need `out` is added first.
        self.state[0] = (self.b[1] * sample + self.state[1]) - self.a[0] * out;
        self.state[1] = self.b[2] * sample - self.a[1] * out;
        out
    }

    /// Ends what has died away, before it is so small that processors are slow with it.
    fn calm(&mut self) {
        if self.state.iter().all(|state| state.abs() < INAUDIBLE) {
            self.state = [0.0; 2];
        }
    }

    fn is_silent(&self) -> bool {
        self.state == [0.0; 2]
    }
}

/// The ear's weighting for 48 kHz (BS.1770-5 annex 1, tables 1 and 2): the head lifts the treble, the bass counts less.
#[derive(Clone, Debug)]
struct KWeighting {
    head: Biquad,
    bass: Biquad,
}

impl Default for KWeighting {
    fn default() -> Self {
        Self {
            head: Biquad {
                b: [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85],
                a: [-1.690_659_293_182_41, 0.732_480_774_215_85],
                state: [0.0; 2],
            },
            bass: Biquad { b: [1.0, -2.0, 1.0], a: [-1.990_047_454_833_98, 0.990_072_250_366_21], state: [0.0; 2] },
        }
    }
}

impl KWeighting {
    fn filter(&mut self, sample: f32) -> f64 {
        // One sample that is not a number would stay in the filter for ever.
        let sample = if sample.is_finite() { f64::from(sample.clamp(-8.0, 8.0)) } else { 0.0 };
        self.bass.filter(self.head.filter(sample))
    }

    /// The sum of the squares of `samples`, weighted.
    fn energy(&mut self, samples: &[f32]) -> f64 {
        let is_silent = self.head.is_silent() && self.bass.is_silent();
        if is_silent && samples.iter().all(|sample| *sample == 0.0) {
            return 0.0;
        }
        let energy = samples.iter().map(|sample| self.filter(*sample).powi(2)).sum();
        self.head.calm();
        self.bass.calm();
        energy
    }
}

/// A running loudness meter.
#[derive(Clone, Debug, Default)]
pub struct LoudnessMeter {
    weighting: KWeighting,
    sum: f64,
    summed: usize,
    /// Mean squares of the last steps, newest last written.
    steps: [f32; SHORT_TERM_STEPS],
    written: usize,
}

impl LoudnessMeter {
    /// Takes the next samples; `on_step` is called after every 100 ms, with the meter as it then stands and the mean
    /// square (K-weighted) of the step.
    pub fn feed(&mut self, samples: &[f32], mut on_step: impl FnMut(&Self, f32)) {
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(STEP_SAMPLES - self.summed));
            rest = later;
            self.sum += self.weighting.energy(now);
            self.summed += now.len();
            if self.summed == STEP_SAMPLES {
                let step = (self.sum / STEP_SAMPLES as f64) as f32;
                (self.sum, self.summed) = (0.0, 0);
                self.steps[self.written % SHORT_TERM_STEPS] = step;
                self.written += 1;
                on_step(self, step);
            }
        }
    }

    /// Loudness of the last 400 ms, LUFS.
    pub fn momentary(&self) -> f32 {
        self.over_last(MOMENTARY_STEPS)
    }

    /// Loudness of the last 3 s, LUFS.
    pub fn short_term(&self) -> f32 {
        self.over_last(SHORT_TERM_STEPS)
    }

    fn over_last(&self, steps: usize) -> f32 {
        let newest = self.written + SHORT_TERM_STEPS;
        let sum: f32 = (1..=steps).map(|back| self.steps[(newest - back) % SHORT_TERM_STEPS]).sum();
        lufs(sum / steps as f32)
    }
}

/// The loudness of a whole from its momentary values, gated twice as BS.1770-5 says, LUFS.
pub fn gated(momentary: &[f32]) -> f32 {
    let mean_above = |gate: f32| {
        let powers =
            momentary.iter().filter(|loudness| **loudness > gate).map(|loudness| weighted_mean_square(*loudness));
        let (sum, count) = powers.fold((0.0, 0.0), |(sum, count), power| (sum + power, count + 1.0));
        if count > 0.0 { lufs(sum / count) } else { SILENCE_LUFS }
    };
    let ungated = mean_above(SILENCE_LUFS);
    mean_above((ungated + RELATIVE_GATE_LU).max(SILENCE_LUFS))
}

/// The gated loudness of a recording, LUFS.
pub fn integrated(samples: &[f32]) -> f32 {
    let mut momentary = Vec::with_capacity(samples.len() / STEP_SAMPLES);
    LoudnessMeter::default().feed(samples, |meter, _| {
        if meter.written >= MOMENTARY_STEPS {
            momentary.push(meter.momentary());
        }
    });
    gated(&momentary)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ebur128::{EbuR128, Mode};
    use proptest::prelude::*;
    use serambi_codec::testing::synthetic_sound::{speech, tone, white_noise};

    use super::*;

    /// A test signal of EBU Tech 3341 (2016) table 1: stereo sines of 1 kHz, here as the one channel that both are.
    fn sequence(parts: &[(f32, f32)]) -> Vec<f32> {
        parts.iter().flat_map(|(peak, seconds)| tone(1_000.0, *peak, *seconds)).collect()
    }

    fn assert_reads(loudness: f32, wanted: f32) {
        assert!((loudness - wanted).abs() <= 0.1, "{loudness} LUFS instead of {wanted}");
    }

    #[test]
    fn ebu_tech_3341_cases_1_and_2_steady_tones() {
        for level in [-23.0, -33.0] {
            let mut meter = LoudnessMeter::default();
            let signal = sequence(&[(level, 20.0)]);
            meter.feed(&signal, |_, _| {});
            assert_reads(meter.momentary(), level);
            assert_reads(meter.short_term(), level);
            assert_reads(integrated(&signal), level);
        }
    }

    #[test]
    fn ebu_tech_3341_cases_3_and_4_the_gates() {
        assert_reads(integrated(&sequence(&[(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)])), -23.0);
        assert_reads(
            integrated(&sequence(&[(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)])),
            -23.0,
        );
    }

    #[test]
    fn ebu_tech_3341_case_5_a_louder_middle() {
        assert_reads(integrated(&sequence(&[(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)])), -23.0);
    }

    #[test]
    fn ebu_tech_3341_case_9_short_term_over_alternating_tones() {
        let mut meter = LoudnessMeter::default();
        let mut read = Vec::new();
        for _ in 0..5 {
            meter.feed(&sequence(&[(-20.0, 1.34), (-30.0, 1.66)]), |meter, _| read.push(meter.short_term()));
        }
        for loudness in &read[30..] {
            assert_reads(*loudness, -23.0);
        }
    }

    #[test]
    fn speech_and_noise_read_as_the_ebur128_crate_reads_them() {
        let sounds = [speech(1, -30.0, 20.0), speech(2, -15.0, 7.3), white_noise(3, -40.0, 5.0), tone(60.0, -9.0, 5.0)];
        for sound in sounds {
            let sound = &sound[..sound.len() / STEP_SAMPLES * STEP_SAMPLES];
            let mut meter = LoudnessMeter::default();
            meter.feed(sound, |_, _| {});
            let mut other = EbuR128::new(2, SAMPLE_RATE_HZ, Mode::M | Mode::S | Mode::I).unwrap();
            other.add_frames_planar_f32(&[sound, sound]).unwrap();
            assert_reads(meter.momentary(), other.loudness_momentary().unwrap() as f32);
            assert_reads(meter.short_term(), other.loudness_shortterm().unwrap() as f32);
            assert_reads(integrated(sound), other.loudness_global().unwrap() as f32);
        }
    }

    #[test]
    fn bass_counts_less_and_treble_more_than_the_middle() {
        let at = |hertz: f32| integrated(&tone(hertz, -23.0, 5.0));
        assert!(at(40.0) < -27.0, "{}", at(40.0));
        // +4 dB shelf of the head, less the offset (BS.1770-5 annex 1, figure 2).
        assert!((-20.5..-19.0).contains(&at(8_000.0)), "{}", at(8_000.0));
    }

    #[test]
    fn silence_lets_the_filters_come_to_rest_and_counts_as_time() {
        let mut meter = LoudnessMeter::default();
        meter.feed(&tone(1_000.0, -23.0, 3.0), |_, _| {});
        let mut steps = 0;
        for block in vec![0.0; 4 * 48_000].chunks(240) {
            meter.feed(block, |_, _| steps += 1);
        }
        assert_eq!(steps, 40);
        assert!(meter.weighting.head.is_silent() && meter.weighting.bass.is_silent());
        assert_reads(meter.short_term(), SILENCE_LUFS);
        meter.feed(&tone(1_000.0, -23.0, 3.0), |_, _| {});
        assert_reads(meter.short_term(), -23.0);
    }

    #[test]
    fn silence_reads_as_silence() {
        assert_eq!(integrated(&[0.0; 48_000]), SILENCE_LUFS);
        assert_eq!(integrated(&[]), SILENCE_LUFS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn no_input_breaks_the_meter(samples in prop::collection::vec(any::<f32>(), 0..500)) {
            let mut meter = LoudnessMeter::default();
            meter.feed(&samples, |_, _| {});
            meter.feed(&tone(1_000.0, -23.0, 6.0), |_, _| {});
            prop_assert!((meter.short_term() + 23.0).abs() < 0.2, "{}", meter.short_term());
        }
    }
}
