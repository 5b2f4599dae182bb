//! How the own voice is coded: as speech, or as music in one or two channels; and what each makes of a
//! [`RedundancyScheme`].
//!
//! Music is CELT alone (`OPUS_APPLICATION_RESTRICTED_LOWDELAY`): speech coding would only be chosen at bit rates far
//! below these, and without it the encoder holds back 4 ms less, which people who play together would otherwise have to
//! play across. Some 128 kbit/s for stereo and 80 for mono are where listeners no longer tell Opus from the original
//! (the Opus project recommends 64 - 128 for stereo music; mono has no redundancy between channels to save, so it takes
//! more than half).

use crate::{
    dsp::mid_side::Channels,
    redundancy_profile::{RedundancyScheme, SoundKind},
};

/// What an encoder is made for. Another one needs another encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// Mono, SILK and hybrid frames where they serve.
    #[default]
    Speech,
    /// Full band, CELT frames only.
    Music(Channels),
}

/// Bit rates of music as shares of the scheme's for speech: 126 and 79 kbit/s on a clean path, 96 and 60 where frames
/// are repeated twice.
const STEREO_SHARE: f32 = 4.0;
const MONO_SHARE: f32 = 2.5;

/// The same for its copies: 28 and 21 kbit/s, or 32 and 24 where there is one. CELT needs more than SILK to say
/// anything.
const STEREO_COPY_SHARE: f32 = 2.0;
const MONO_COPY_SHARE: f32 = 1.5;

impl Coding {
    /// The coding of this kind of sound.
    pub fn of(sound: SoundKind, channels: Channels) -> Self {
        match sound {
            SoundKind::Speech => Self::Speech,
            SoundKind::Music => Self::Music(channels),
        }
    }

    /// What is coded.
    pub fn sound(self) -> SoundKind {
        match self {
            Self::Speech => SoundKind::Speech,
            Self::Music(_) => SoundKind::Music,
        }
    }

    /// Channels in a packet.
    pub fn channels(self) -> Channels {
        match self {
            Self::Speech => Channels::Mono,
            Self::Music(channels) => channels,
        }
    }

    /// What the encoder holds back, samples: less without speech coding (`OPUS_GET_LOOKAHEAD`, libopus 1.6.1).
    pub fn look_ahead_samples(self) -> usize {
        match self {
            Self::Speech => 312,
            Self::Music(_) => 120,
        }
    }

    /// What `scheme` is for this coding. Neither Deep Redundancy nor in-band copies can say anything about music.
    pub fn fit(self, scheme: RedundancyScheme) -> RedundancyScheme {
        let (share, copy_share) = match self {
            Self::Speech => return scheme,
            Self::Music(Channels::Mono) => (MONO_SHARE, MONO_COPY_SHARE),
            Self::Music(Channels::Stereo) => (STEREO_SHARE, STEREO_COPY_SHARE),
        };
        let of = |bitrate: i32, share: f32| (bitrate as f32 * share) as i32;
        RedundancyScheme {
            bitrate: of(scheme.bitrate, share),
            copy_bitrate: of(scheme.copy_bitrate, copy_share),
            inband_copies: false,
            deep_redundancy_units: 0,
            ..scheme
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn music_on_a_clean_path_has_126_kilobits_in_stereo_and_79_in_mono() {
        let bitrate = |channels| Coding::Music(channels).fit(RedundancyScheme::CLEAN).bitrate;
        assert_eq!((bitrate(Channels::Stereo), bitrate(Channels::Mono)), (126_000, 78_750));
        assert_eq!(Coding::Speech.fit(RedundancyScheme::UNREPORTED), RedundancyScheme::UNREPORTED);
    }
}
