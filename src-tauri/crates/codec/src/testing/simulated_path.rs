//! A network path for tests: seeded, in simulated time.

use crate::clock::Moment;

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The draws of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly in 0.0 .. 1.0.
    pub fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normally distributed with this deviation (Box and Muller 1958).
    pub fn normal(&mut self, deviation: f64) -> f64 {
        let (radius, angle) = (1.0 - self.share(), self.share());
        deviation * (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

/// What a path does to packets.
#[derive(Clone, Debug)]
pub struct SimulatedPath {
    /// Of the draws.
    pub seed: u64,
    /// Constant delay, ms.
    pub delay_ms: f64,
    /// Deviation of the normally distributed part of the delay, ms.
    pub jitter_ms: f64,
    /// Share lost.
    pub loss: f64,
    /// Share that arrives twice.
    pub duplicates: f64,
    /// Packets sent in this span of time (ms) wait until its end.
    pub stall_ms: Option<(i64, i64)>,
}

impl Default for SimulatedPath {
    fn default() -> Self {
        Self { seed: 1, delay_ms: 40.0, jitter_ms: 0.0, loss: 0.0, duplicates: 0.0, stall_ms: None }
    }
}

impl SimulatedPath {
    /// When each of the packets sent at these moments arrives, in order of arrival, as pairs of arrival and index.
    pub fn carry(&self, sent: impl IntoIterator<Item = Moment>) -> Vec<(Moment, usize)> {
        let mut chance = Chance::seeded(self.seed);
        let mut arrivals = Vec::new();
        for (index, sent) in sent.into_iter().enumerate() {
            // Drawn for every packet, so that one setting does not shift the others' draws.
            let (lost, twice) = (chance.share() < self.loss, chance.share() < self.duplicates);
            let delay_ms = (self.delay_ms + chance.normal(self.jitter_ms)).max(0.0);
            let sent = match self.stall_ms {
                Some((from, to)) if (from * 1_000..to * 1_000).contains(&sent.micros()) => Moment::from_millis(to),
                _ => sent,
            };
            let arrival = sent.plus_micros((delay_ms * 1_000.0) as i64);
            if !lost {
                arrivals.push((arrival, index));
            }
            if !lost && twice {
                arrivals.push((arrival.plus_micros(7_000), index));
            }
        }
        arrivals.sort();
        arrivals
    }
}

/// Something like speech: a voice of about 120 Hz through two formants that move on to another vowel every 90 ms, with
/// a pause now and then.
pub fn synthetic_speech(samples: usize) -> Vec<f32> {
    const VOWELS: [(f32, f32); 6] =
        [(730.0, 1_090.0), (270.0, 2_290.0), (300.0, 870.0), (530.0, 1_840.0), (570.0, 840.0), (660.0, 1_720.0)];
    let mut chance = Chance::seeded(7);
    let (mut phase, mut formants) = (0.0_f32, [[0.0_f32; 2]; 2]);
    (0..samples)
        .map(|n| {
            let syllable = n / 4_320;
            let vowel = VOWELS[(syllable * 5 + syllable / 6) % VOWELS.len()];
            let swell = (std::f32::consts::PI * (n % 4_320) as f32 / 4_320.0).sin();
            let loud = if syllable % 9 == 8 { 0.0 } else { 0.3 + 0.7 * swell };
            let pitch = 120.0 + 25.0 * (n as f32 / 19_000.0).sin();
            phase = (phase + pitch / 48_000.0).fract();
            // A pulse per period, and some breath.
            let source = if phase < pitch / 48_000.0 { 1.0 } else { 0.0 } + 0.004 * chance.normal(1.0) as f32;
            let resonate = |state: &mut [f32; 2], hertz: f32| {
                let (radius, angle) = (0.993_f32, std::f32::consts::TAU * hertz / 48_000.0);
                let out = source * loud + 2.0 * radius * angle.cos() * state[0] - radius * radius * state[1];
                *state = [out, state[0]];
                out * (1.0 - radius) * 8.0
            };
            let [first, second] = &mut formants;
            0.35 * (resonate(first, vowel.0) + 0.6 * resonate(second, vowel.1))
        })
        .collect()
}
