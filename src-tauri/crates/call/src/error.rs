//! Why something in a call did not work. Across a border it becomes a [`Refusal`] with a stable code.

use serambi_audio::AudioError;
use serambi_protocol::{Code, Refusal};

/// What went wrong in a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The house refused, or was not reached.
    #[error("the house: {0}")]
    House(#[from] Refusal),
    /// The microphone cannot be opened or does not work.
    #[error("the microphone: {0}")]
    Microphone(AudioError),
    /// The loudspeaker cannot be opened or does not work.
    #[error("the loudspeaker: {0}")]
    Loudspeaker(AudioError),
    /// The sound engine does not run.
    #[error("the sound engine: {0}")]
    Engine(String),
    /// A listener has no microphone to unmute.
    #[error("not on stage")]
    NotOnStage,
    /// A mute came before the unmute was done.
    #[error("muted meanwhile")]
    MutedMeanwhile,
    /// No sound check goes on, or nothing was recorded in it.
    #[error("no sound check goes on")]
    NoSoundCheck,
    /// What a call does with its own microphone or its own end is no command to the room.
    #[error("{0} is a method of the call")]
    NotARoomCommand(&'static str),
    /// More is asked of the call than it works off.
    #[error("too many requests wait")]
    Busy,
    /// The call is over.
    #[error("the call is over")]
    Over,
}

impl CallError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::House(refusal) => refusal.code,
            Self::Microphone(error) => microphone_code(error),
            Self::Loudspeaker(error) => loudspeaker_code(error),
            Self::Engine(_) => Code::Internal,
            Self::NotOnStage => Code::NotOnStage,
            Self::NoSoundCheck => Code::NoMicrophone,
            Self::NotARoomCommand(_) => Code::BadRequest,
            Self::MutedMeanwhile | Self::Busy => Code::Busy,
            Self::Over => Code::NoCall,
        }
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        match error {
            CallError::House(refusal) => refusal,
            other => Self::new(other.code(), other.to_string()),
        }
    }
}

fn microphone_code(error: &AudioError) -> Code {
    match error {
        AudioError::NoMicrophone => Code::NoMicrophone,
        AudioError::MicrophoneRefused(_) => Code::MicrophoneRefused,
        AudioError::MicrophoneBusy(_) => Code::MicrophoneBusy,
        _ => Code::MicrophoneFailed,
    }
}

fn loudspeaker_code(error: &AudioError) -> Code {
    match error {
        AudioError::NoLoudspeaker => Code::NoLoudspeaker,
        _ => Code::LoudspeakerFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_of_a_device_says_what_to_do_about_it() {
        let code = |error| CallError::Microphone(error).code();
        assert_eq!(code(AudioError::NoMicrophone), Code::NoMicrophone);
        assert_eq!(code(AudioError::MicrophoneRefused(String::new())), Code::MicrophoneRefused);
        assert_eq!(code(AudioError::MicrophoneBusy(String::new())), Code::MicrophoneBusy);
        assert_eq!(code(AudioError::EngineStopped), Code::MicrophoneFailed);
        assert_eq!(CallError::Loudspeaker(AudioError::NoLoudspeaker).code(), Code::NoLoudspeaker);
    }

    // Before, a sound server that was gone was told as a computer without a microphone.
    #[test]
    fn a_sound_server_that_is_gone_is_not_a_missing_device() {
        let gone = || AudioError::SoundServerGone(String::new());
        assert_eq!(CallError::Microphone(gone()).code(), Code::MicrophoneFailed);
        assert_eq!(CallError::Loudspeaker(gone()).code(), Code::LoudspeakerFailed);
    }

    #[test]
    fn what_the_house_refused_keeps_its_words() {
        let refusal = Refusal::new(Code::StageFull, "12 of 12");
        assert_eq!(Refusal::from(CallError::from(refusal.clone())), refusal);
        assert_eq!(Refusal::from(CallError::Busy).code, Code::Busy);
    }
}
