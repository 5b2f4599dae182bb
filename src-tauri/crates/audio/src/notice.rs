//! What the engine says by itself, without having been asked.

use std::sync::Arc;

use crate::error::AudioError;

/// Where notices go.
pub(crate) type NoticeSink = Arc<dyn Fn(AudioNotice) + Send + Sync>;

/// Something happened to a device, or to the person in front of it. Mute and everything else the person chose stay as
/// they were.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudioNotice {
    /// The open microphone stopped working. The engine keeps trying to get it back until it is closed.
    MicrophoneLost {
        /// Why.
        reason: AudioError,
    },
    /// The microphone works again, perhaps another one.
    MicrophoneBack {
        /// Its name as the system shows it.
        device: String,
    },
    /// The microphone changed without a loss: the system has another default, or the chosen one came or went.
    MicrophoneMoved {
        /// Its name as the system shows it.
        device: String,
    },
    /// The person talks although they are muted. Said once per mute; nothing left this machine.
    TalkingWhileMuted,
    /// There is no loudspeaker, or it stopped working. The engine keeps trying.
    LoudspeakerLost {
        /// Why.
        reason: AudioError,
    },
    /// The loudspeaker works again, perhaps another one.
    LoudspeakerBack {
        /// Its name as the system shows it.
        device: String,
    },
    /// The loudspeaker changed without a loss: the system has another default, or the chosen one came or went.
    LoudspeakerMoved {
        /// Its name as the system shows it.
        device: String,
    },
}
