//! A voice that can be recognised: syllables of random length and loudness, found again by the shape of its loudness.

use std::path::Path;

pub const RATE_HZ: u32 = 48_000;
/// Steps of the loudness curve, ms.
const STEP_MS: usize = 20;
const STEP: usize = RATE_HZ as usize / 1_000 * STEP_MS;

/// Some seconds of a voice; another seed is another voice. Begins and ends with a second of silence.
pub fn voice(seed: u32, seconds: usize) -> Vec<f32> {
    let mut random = Random(seed.wrapping_mul(2_654_435_761).max(1));
    let pitch_hz = 110.0 + f64::from(random.next() % 80);
    let mut samples = vec![0.0; RATE_HZ as usize];
    while samples.len() < RATE_HZ as usize * (seconds + 1) {
        let length = RATE_HZ as usize / 1_000 * (80 + random.next() as usize % 220);
        let pause = RATE_HZ as usize / 1_000 * (30 + random.next() as usize % 150);
        let loudness = 0.1 + f64::from(random.next() % 30) / 100.0;
        samples.extend((0..length).map(|at| syllable(at, length, pitch_hz, loudness)));
        samples.extend(std::iter::repeat_n(0.0, pause));
    }
    samples.extend(std::iter::repeat_n(0.0, RATE_HZ as usize));
    samples
}

/// A few harmonics under a rounded envelope.
fn syllable(at: usize, length: usize, pitch_hz: f64, loudness: f64) -> f32 {
    let time = at as f64 / f64::from(RATE_HZ);
    let envelope = (std::f64::consts::PI * at as f64 / length as f64).sin();
    let wave: f64 =
        (1..=8).map(|n| (std::f64::consts::TAU * pitch_hz * f64::from(n) * time).sin() / f64::from(n)).sum();
    (wave * envelope * loudness) as f32
}

/// Xorshift: a test must say the same thing every time.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

pub fn write_wav(path: &Path, samples: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        writer.write_sample((sample * f32::from(i16::MAX)) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

pub fn read_wav(path: &Path) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!(reader.spec().sample_rate, RATE_HZ);
    reader.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / f32::from(i16::MAX)).collect()
}

/// Is there any sound in it at all?
pub fn is_silent(samples: &[f32]) -> bool {
    loudness(samples).iter().all(|step| *step < 0.003)
}

/// How well `heard` contains a stretch of `said`: the best correlation of the loudness curves, 1 is perfect.
/// The curve and not the wave, because a jitter buffer may stretch time by some milliseconds.
pub fn likeness(said: &[f32], heard: &[f32]) -> f64 {
    let (said, heard) = (loudness(said), loudness(heard));
    let Some(from) = heard.iter().position(|step| *step > 0.01) else { return 0.0 };
    let until = heard.iter().rposition(|step| *step > 0.01).unwrap_or(from);
    let heard = &heard[from..=until];
    let length = heard.len().min(said.len());
    if length < 1_000 / STEP_MS {
        return 0.0;
    }
    said.windows(length).map(|part| correlation(part, &heard[..length])).fold(0.0, f64::max)
}

fn loudness(samples: &[f32]) -> Vec<f64> {
    samples
        .chunks(STEP)
        .map(|step| (step.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / step.len() as f64).sqrt())
        .collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let covariance: f64 = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum();
    let spread = |x: &[f64], mean: f64| x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    covariance / (spread(a, mean_a) * spread(b, mean_b)).sqrt().max(f64::MIN_POSITIVE)
}

#[test]
fn one_voice_is_not_taken_for_another() {
    let one = voice(1, 6);
    assert!(likeness(&one, &one[RATE_HZ as usize..5 * RATE_HZ as usize]) > 0.99);
    for seed in 2..8 {
        let likeness = likeness(&one, &voice(seed, 6)[RATE_HZ as usize..5 * RATE_HZ as usize]);
        assert!(likeness < 0.7, "{seed}: {likeness}");
    }
    assert!(is_silent(&one[..RATE_HZ as usize / 2]) && !is_silent(&one));
}
