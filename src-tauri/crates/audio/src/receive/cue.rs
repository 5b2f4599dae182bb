//! Short quiet sounds for what happens in the room; mixed into the loudspeaker, never sent.

use serambi_codec::{
    dsp::fade::{fade_in, fade_out},
    format::SAMPLE_RATE_HZ,
};

/// What a cue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// A hand went up.
    HandRaised,
    /// An invitation to speak arrived.
    Invited,
    /// A moderator muted this person.
    Muted,
    /// This person came on stage.
    OnStage,
    /// This person went to the audience.
    ToAudience,
    /// The connection was lost.
    ConnectionLost,
    /// The connection is back.
    ConnectionBack,
}

/// Peak of a cue: quieter than speech (-26 dBFS).
const PEAK: f32 = 0.05;

/// Length of one note, samples (90 ms).
const NOTE_SAMPLES: usize = SAMPLE_RATE_HZ as usize * 9 / 100;

impl Cue {
    /// Its notes, Hz: rising for what opens, falling for what closes.
    fn notes(self) -> &'static [f32] {
        match self {
            Self::HandRaised => &[660.0],
            Self::Invited => &[523.25, 659.25, 783.99],
            Self::Muted => &[440.0, 330.0],
            Self::OnStage => &[440.0, 660.0],
            Self::ToAudience => &[660.0, 440.0],
            Self::ConnectionLost => &[392.0, 311.13, 261.63],
            Self::ConnectionBack => &[261.63, 311.13, 392.0],
        }
    }

    /// Its sound at the engine's rate.
    pub(crate) fn sound(self) -> Vec<f32> {
        self.notes().iter().flat_map(|&hertz| note(hertz)).collect()
    }
}

fn note(hertz: f32) -> Vec<f32> {
    let step = std::f32::consts::TAU * hertz / SAMPLE_RATE_HZ as f32;
    let mut sound: Vec<f32> = (0..NOTE_SAMPLES)
        .map(|n| {
            let decay = (-3.0 * n as f32 / NOTE_SAMPLES as f32).exp();
            PEAK * decay * ((n as f32 * step).sin() + 0.3 * (2.0 * n as f32 * step).sin()) / 1.3
        })
        .collect();
    fade_in(&mut sound);
    fade_out(&mut sound);
    sound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cue_is_short_quiet_and_ends_in_silence() {
        for cue in [Cue::HandRaised, Cue::Invited, Cue::Muted, Cue::OnStage, Cue::ConnectionLost] {
            let sound = cue.sound();
            assert!(sound.len() < SAMPLE_RATE_HZ as usize / 2);
            assert!(sound.iter().all(|sample| sample.abs() <= PEAK));
            assert_eq!(sound.last(), Some(&0.0));
        }
    }
}
