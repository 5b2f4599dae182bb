//! Changes of gain that cannot be heard as a click: a straight ramp over a few milliseconds.

/// Samples of the fade at every start and stop of a sound (5 ms).
pub const FADE_SAMPLES: usize = 240;

/// A gain that moves to its target in a straight line of a fixed number of samples.
#[derive(Clone, Debug)]
pub struct GainRamp {
    gain: f32,
    target: f32,
    step: f32,
    left: usize,
}

impl GainRamp {
    /// A ramp that rests at `gain`.
    pub const fn resting_at(gain: f32) -> Self {
        Self { gain, target: gain, step: 0.0, left: 0 }
    }

    /// Heads for `target`, reached after `samples`.
    pub fn head_for(&mut self, target: f32, samples: usize) {
        if target == self.target {
            return;
        }
        self.target = target;
        self.left = samples.max(1);
        self.step = (target - self.gain) / self.left as f32;
    }

    /// The gain of the next sample.
    pub fn next_gain(&mut self) -> f32 {
        if self.left == 0 {
            return self.gain;
        }
        self.left -= 1;
        self.gain = if self.left == 0 { self.target } else { self.gain + self.step };
        self.gain
    }

    /// Applies the ramp to `samples` in place.
    pub fn apply(&mut self, samples: &mut [f32]) {
        let (moving, resting) = samples.split_at_mut(self.left.min(samples.len()));
        moving.iter_mut().for_each(|sample| *sample *= self.next_gain());
        if self.gain != 1.0 {
            resting.iter_mut().for_each(|sample| *sample *= self.gain);
        }
    }

    /// Whether it lets everything through unchanged.
    pub fn is_open(&self) -> bool {
        self.left == 0 && self.gain == 1.0
    }
}

/// Fades the first [`FADE_SAMPLES`] of `samples` in from silence.
pub fn fade_in(samples: &mut [f32]) {
    let length = samples.len().min(FADE_SAMPLES);
    let mut ramp = GainRamp::resting_at(0.0);
    ramp.head_for(1.0, length);
    ramp.apply(&mut samples[..length]);
}

/// Fades the last [`FADE_SAMPLES`] of `samples` out to silence.
pub fn fade_out(samples: &mut [f32]) {
    let length = samples.len().min(FADE_SAMPLES);
    let start = samples.len() - length;
    let mut ramp = GainRamp::resting_at(1.0);
    ramp.head_for(0.0, length);
    ramp.apply(&mut samples[start..]);
}

/// Writes into `to` a cross-fade that begins as `from` and ends as `to`, over the whole of the shorter of the two.
pub fn cross_fade(from: &[f32], to: &mut [f32]) {
    let length = from.len().min(to.len());
    for (index, (old, new)) in from.iter().zip(to.iter_mut()).enumerate() {
        let share = (index + 1) as f32 / (length + 1) as f32;
        *new = old * (1.0 - share) + *new * share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest_step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    /// A straight ramp of [`FADE_SAMPLES`] moves by this much per sample, plus rounding.
    const RAMP_STEP: f32 = 1.0 / FADE_SAMPLES as f32 + 1e-5;

    #[test]
    fn fading_in_has_no_step() {
        let mut samples = [1.0; 480];
        fade_in(&mut samples);
        assert!(samples[0] <= RAMP_STEP);
        assert!(largest_step(&samples) <= RAMP_STEP);
        assert_eq!(samples[479], 1.0);
    }

    #[test]
    fn fading_out_has_no_step_and_ends_in_silence() {
        let mut samples = [1.0; 480];
        fade_out(&mut samples);
        assert_eq!(samples[0], 1.0);
        assert!(largest_step(&samples) <= RAMP_STEP);
        assert_eq!(samples[479], 0.0);
    }

    #[test]
    fn a_ramp_that_is_turned_round_half_way_has_no_step() {
        let mut ramp = GainRamp::resting_at(0.0);
        let mut samples = [1.0; 480];
        ramp.head_for(1.0, FADE_SAMPLES);
        ramp.apply(&mut samples[..100]);
        ramp.head_for(0.0, FADE_SAMPLES);
        ramp.apply(&mut samples[100..]);
        assert!(largest_step(&samples) <= RAMP_STEP);
        assert_eq!(ramp.next_gain(), 0.0);
    }

    #[test]
    fn a_block_gets_the_gains_that_its_samples_would() {
        for (target, samples) in [(0.5, 0), (0.5, 100), (0.0, 240), (1.0, 300), (2.0, 1_000)] {
            let mut ramp = GainRamp::resting_at(1.0);
            ramp.head_for(target, samples);
            let mut single = ramp.clone();
            for _ in 0..5 {
                let mut block = [0.7; 240];
                ramp.apply(&mut block);
                assert_eq!(block, std::array::from_fn(|_| 0.7 * single.next_gain()));
            }
        }
    }

    #[test]
    fn a_cross_fade_between_equal_sounds_changes_nothing() {
        let sound: Vec<f32> = (0..240).map(|n| (n as f32 * 0.1).sin()).collect();
        let mut joined = sound.clone();
        cross_fade(&sound, &mut joined);
        for (before, after) in sound.iter().zip(&joined) {
            assert!((before - after).abs() < 1e-6);
        }
    }

    #[test]
    fn a_fade_shorter_than_its_ramp_still_ends_in_silence() {
        let mut samples = [1.0; 10];
        fade_out(&mut samples);
        assert_eq!(samples[9], 0.0);
        fade_out(&mut []);
    }
}
