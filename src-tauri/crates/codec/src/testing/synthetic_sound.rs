//! Sound for tests: noise, tones, and bursts that rise and fall as syllables do, all from a seed.

use crate::format::SAMPLE_RATE_HZ;

/// A seeded source of random numbers (SplitMix64).
pub struct Noise(u64);

impl Noise {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number in -1.0 .. 1.0.
    pub fn draw(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

/// The gain of `db`.
pub fn gain(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}

/// White noise of `level` dBFS (rms).
pub fn white_noise(seed: u64, level: f32, seconds: f32) -> Vec<f32> {
    let mut noise = Noise::new(seed);
    // Uniform noise has an rms of its peak / sqrt 3.
    let peak = gain(level) * 3_f32.sqrt();
    (0..samples(seconds)).map(|_| noise.draw() * peak).collect()
}

/// A sine of `peak` dBFS.
pub fn tone(hertz: f32, peak: f32, seconds: f32) -> Vec<f32> {
    let step = f64::from(hertz) * std::f64::consts::TAU / f64::from(SAMPLE_RATE_HZ);
    (0..samples(seconds)).map(|n| gain(peak) * (n as f64 * step).sin() as f32).collect()
}

/// Something with the timing and the spectrum of speech: syllables of 120 to 260 ms with a gliding pitch and its
/// harmonics, hissing consonants up to 10 kHz between them, a pause of 400 ms every second or so. About `level` dBFS
/// (rms) while it talks.
pub fn speech(seed: u64, level: f32, seconds: f32) -> Vec<f32> {
    let mut random = Noise::new(seed);
    let mut sound = Vec::with_capacity(samples(seconds));
    while sound.len() < samples(seconds) {
        let words = 4 + (random.draw().abs() * 3.0) as usize;
        for _ in 0..words {
            hiss(&mut random, &mut sound);
            vowel(&mut random, &mut sound);
        }
        let pause = 0.3 + 0.2 * random.draw().abs();
        sound.resize(sound.len() + samples(pause), 0.0);
    }
    sound.truncate(samples(seconds));
    let loud: Vec<f32> = sound.iter().copied().filter(|sample| *sample != 0.0).collect();
    let rms = (loud.iter().map(|sample| sample * sample).sum::<f32>() / loud.len() as f32).sqrt();
    sound.iter_mut().for_each(|sample| *sample *= gain(level) / rms);
    sound
}

/// Puts `sounds` on top of each other.
pub fn mixed(sounds: &[&[f32]]) -> Vec<f32> {
    let longest = sounds.iter().map(|sound| sound.len()).max().unwrap_or(0);
    (0..longest).map(|n| sounds.iter().filter_map(|sound| sound.get(n)).sum()).collect()
}

fn vowel(random: &mut Noise, sound: &mut Vec<f32>) {
    let length = samples(0.19 + 0.07 * random.draw());
    let pitch = 130.0 + 40.0 * random.draw();
    let glide = 1.0 + 0.2 * random.draw();
    let loudness = 0.6 + 0.4 * random.draw();
    let mut phase = 0.0_f32;
    for n in 0..length {
        let place = n as f32 / length as f32;
        phase += pitch * (1.0 + (glide - 1.0) * place) * std::f32::consts::TAU / SAMPLE_RATE_HZ as f32;
        let harmonics: f32 = (1..=24).map(|k| (phase * k as f32).sin() / k as f32).sum();
        sound.push(loudness * harmonics * (place * std::f32::consts::PI).sin());
    }
}

fn hiss(random: &mut Noise, sound: &mut Vec<f32>) {
    let length = samples(0.06 + 0.02 * random.draw());
    for n in 0..length {
        let place = n as f32 / length as f32;
        sound.push(0.15 * random.draw() * (place * std::f32::consts::PI).sin());
    }
}

fn samples(seconds: f32) -> usize {
    (seconds * SAMPLE_RATE_HZ as f32) as usize
}
