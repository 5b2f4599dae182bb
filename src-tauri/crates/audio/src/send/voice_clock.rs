//! The RTP clock of the own voice, 48 kHz.

use serambi_codec::clock::{Moment, micros_to_samples, samples_to_micros};

/// The RTP clock of the own voice.
///
/// Within a talkspurt it counts captured samples; over a mute, a closed microphone or a broken device it follows wall
/// time, so that a listener's jitter buffer sees the pause as a pause and not as a delay (RFC 3550 section 5.1).
#[derive(Clone, Debug, Default)]
pub struct VoiceClock {
    next_sample: i64,
}

impl VoiceClock {
    /// Starts a talkspurt whose first sample was captured at `first_sample_at`. Never steps back.
    pub fn start_talkspurt(&mut self, first_sample_at: Moment) {
        self.next_sample = self.next_sample.max(micros_to_samples(first_sample_at.micros()));
    }

    /// How far the clock is behind a sample captured at `moment`, microseconds; negative if it is ahead.
    pub fn lag_micros(&self, moment: Moment) -> i64 {
        moment.micros() - samples_to_micros(self.next_sample)
    }

    /// Takes the timestamp of a frame of `samples` and moves past it.
    pub fn stamp(&mut self, samples: usize) -> u32 {
        // RTP timestamps wrap by design (RFC 3550 section 5.1).
        let timestamp = self.next_sample as u32;
        self.next_sample += samples as i64;
        timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_voice_clock_counts_samples_in_a_talkspurt_and_wall_time_between_them() {
        let mut clock = VoiceClock::default();
        clock.start_talkspurt(Moment::from_millis(100));
        assert_eq!(clock.stamp(960), 4_800);
        assert_eq!(clock.stamp(960), 5_760);
        clock.start_talkspurt(Moment::from_millis(1_100));
        assert_eq!(clock.stamp(960), 52_800);
    }

    #[test]
    fn the_voice_clock_never_steps_back() {
        let mut clock = VoiceClock::default();
        clock.start_talkspurt(Moment::from_millis(10));
        let first = clock.stamp(960);
        clock.start_talkspurt(Moment::from_millis(11));
        assert_eq!(clock.stamp(960), first + 960);
    }
}
