//! What a person is told about their own sound, once: where it went, and that they talk while muted.

use serambi_audio::AudioNotice;
use serde::{Deserialize, Serialize};

/// Something about the own sound, to be told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum SoundNotice {
    /// They talk although they are muted. Nothing left this machine.
    TalkingWhileMuted,
    /// The microphone is another one now.
    MicrophoneMoved {
        /// Its name as the system shows it.
        device: String,
    },
    /// The microphone, said to be lost before, works again.
    MicrophoneBack {
        /// Its name as the system shows it.
        device: String,
    },
    /// The sound comes from elsewhere now.
    LoudspeakerMoved {
        /// Its name as the system shows it.
        device: String,
    },
    /// The loudspeaker, said to be lost before, works again.
    LoudspeakerBack {
        /// Its name as the system shows it.
        device: String,
    },
}

impl SoundNotice {
    /// What is to be told of an engine's notice; losses are told by their error.
    pub(crate) fn of(notice: AudioNotice) -> Option<Self> {
        match notice {
            AudioNotice::TalkingWhileMuted => Some(Self::TalkingWhileMuted),
            AudioNotice::MicrophoneMoved { device } => Some(Self::MicrophoneMoved { device }),
            AudioNotice::MicrophoneBack { device } => Some(Self::MicrophoneBack { device }),
            AudioNotice::LoudspeakerMoved { device } => Some(Self::LoudspeakerMoved { device }),
            AudioNotice::LoudspeakerBack { device } => Some(Self::LoudspeakerBack { device }),
            _ => None,
        }
    }
}
