//! What a device tells the engine: the streams it captures from and plays to, and the threads it must wake.

use std::{sync::mpsc::Sender, time::Instant};

use crate::{
    device::{
        ring::{CaptureTap, PlaybackTap, Waker},
        wav_loudspeaker::WavTap,
    },
    error::AudioError,
};

/// What is at one end of the sound path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum SoundEnd {
    #[default]
    Nothing,
    File,
    /// A device, by its name as the system shows it.
    Device(String),
}

/// A change of the stream that the engine captures from or plays to. `device` is its name as the system shows it.
pub(crate) enum DeviceEvent {
    MicrophoneAttached {
        tap: CaptureTap,
        device: String,
        end: SoundEnd,
    },
    /// The engine answers once it has let go of the stream.
    MicrophoneDetached(Sender<()>),
    LoudspeakerAttached {
        tap: PlaybackTap,
        device: String,
    },
    /// A sound file takes the loudspeaker's place.
    RecorderAttached {
        tap: WavTap,
        device: String,
    },
    /// The engine answers once it has let go of the stream.
    LoudspeakerDetached(Sender<()>),
}

/// The engine as a device sees it.
pub(crate) trait DeviceSink: Send + Sync {
    /// Hands over a change; the engine takes them in order.
    ///
    /// # Errors
    /// [`AudioError::EngineStopped`] if there is no engine any more.
    fn send(&self, event: DeviceEvent) -> Result<(), AudioError>;

    /// Wakes the engine thread from a callback.
    fn waker(&self) -> Waker;

    /// Start of the engine's clock.
    fn clock_start(&self) -> Instant;
}
