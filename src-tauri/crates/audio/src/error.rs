//! Everything that can go wrong with sound, each with a code that callers and translations match on.

use serambi_codec::OpusError;

/// Why something about the sound did not work. The engine goes on after every one of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// There is no microphone, or the choice is to have none.
    #[error("there is no microphone")]
    NoMicrophone,
    /// The system does not let this program use the microphone.
    #[error("the system refuses the microphone: {0}")]
    MicrophoneRefused(String),
    /// Another program holds the microphone.
    #[error("the microphone is in use: {0}")]
    MicrophoneBusy(String),
    /// The microphone exists and could not be started.
    #[error("the microphone did not start: {0}")]
    MicrophoneFailed(String),
    /// There is no loudspeaker.
    #[error("there is no loudspeaker")]
    NoLoudspeaker,
    /// The system does not let this program use the loudspeaker.
    #[error("the system refuses the loudspeaker: {0}")]
    LoudspeakerRefused(String),
    /// Another program holds the loudspeaker.
    #[error("the loudspeaker is in use: {0}")]
    LoudspeakerBusy(String),
    /// The loudspeaker exists and could not be started.
    #[error("the loudspeaker did not start: {0}")]
    LoudspeakerFailed(String),
    /// The system's sound service is not running or went away.
    #[error("the sound service is gone: {0}")]
    SoundServerGone(String),
    /// A sound file chosen as the microphone cannot be read.
    #[error("the sound file cannot be read: {0}")]
    WavUnreadable(String),
    /// A sound file chosen as the loudspeaker cannot be written.
    #[error("the sound file cannot be written: {0}")]
    WavUnwritable(String),
    /// The voice codec did not start.
    #[error("the voice codec did not start: {0}")]
    Codec(String),
    /// The engine did not answer in time or has stopped.
    #[error("the sound engine does not answer")]
    EngineStopped,
}

impl From<OpusError> for AudioError {
    fn from(error: OpusError) -> Self {
        Self::Codec(error.to_string())
    }
}

impl AudioError {
    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoMicrophone => "no_microphone",
            Self::MicrophoneRefused(_) => "microphone_refused",
            Self::MicrophoneBusy(_) => "microphone_busy",
            Self::MicrophoneFailed(_) => "microphone_failed",
            Self::NoLoudspeaker => "no_loudspeaker",
            Self::LoudspeakerRefused(_) => "loudspeaker_refused",
            Self::LoudspeakerBusy(_) => "loudspeaker_busy",
            Self::LoudspeakerFailed(_) => "loudspeaker_failed",
            Self::SoundServerGone(_) => "sound_server_gone",
            Self::WavUnreadable(_) => "wav_unreadable",
            Self::WavUnwritable(_) => "wav_unwritable",
            Self::Codec(_) => "codec_failed",
            Self::EngineStopped => "sound_engine_stopped",
        }
    }

    /// What a failure of the sound system means for the microphone.
    pub(crate) fn of_microphone(error: &cpal::Error) -> Self {
        let detail = error.to_string();
        match error.kind() {
            cpal::ErrorKind::DeviceNotAvailable => Self::NoMicrophone,
            cpal::ErrorKind::PermissionDenied => Self::MicrophoneRefused(detail),
            cpal::ErrorKind::DeviceBusy => Self::MicrophoneBusy(detail),
            cpal::ErrorKind::HostUnavailable | cpal::ErrorKind::StreamInvalidated => Self::SoundServerGone(detail),
            _ => Self::MicrophoneFailed(detail),
        }
    }

    /// What a failure of the sound system means for the loudspeaker.
    pub(crate) fn of_loudspeaker(error: &cpal::Error) -> Self {
        let detail = error.to_string();
        match error.kind() {
            cpal::ErrorKind::DeviceNotAvailable => Self::NoLoudspeaker,
            cpal::ErrorKind::PermissionDenied => Self::LoudspeakerRefused(detail),
            cpal::ErrorKind::DeviceBusy => Self::LoudspeakerBusy(detail),
            cpal::ErrorKind::HostUnavailable | cpal::ErrorKind::StreamInvalidated => Self::SoundServerGone(detail),
            _ => Self::LoudspeakerFailed(detail),
        }
    }
}
