//! A sound check: the own microphone before it is heard. A live level, five seconds recorded and judged, and the
//! recording played back. Nothing of it is sent.

use std::sync::Arc;

use parking_lot::Mutex;
use serambi_audio::AudioNotice;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{
    call::Call,
    call_actor::Request,
    call_events::CallEvent,
    error::CallError,
    media::VoiceOut,
    sound::{Sound, SoundNews, on_device_thread},
    sound_notice::SoundNotice,
    sound_settings::SoundChoice,
    tasks::Tasks,
};

/// What is to be said about a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum SoundCheckVerdict {
    /// Nothing or too little is heard.
    TooQuiet,
    /// The microphone is overdriven.
    Clipping,
    /// The loudspeaker is heard in the microphone.
    Echo,
    /// The noise is too loud beside the voice.
    Noisy,
    /// A telephone's band only, as Bluetooth headsets have while they play and record at once.
    TelephoneQuality,
    /// Nothing to be said against it.
    Fine,
}

impl From<serambi_audio::SoundCheckVerdict> for SoundCheckVerdict {
    fn from(verdict: serambi_audio::SoundCheckVerdict) -> Self {
        use serambi_audio::SoundCheckVerdict as Heard;
        match verdict {
            Heard::TooQuiet => Self::TooQuiet,
            Heard::Clipping => Self::Clipping,
            Heard::Echo => Self::Echo,
            Heard::Noisy => Self::Noisy,
            Heard::TelephoneQuality => Self::TelephoneQuality,
            Heard::Fine => Self::Fine,
        }
    }
}

/// Events of a sound check without a call that may wait for their reader.
const EVENTS_WAITING: usize = 32;

/// An open microphone that nobody else hears, until [`Self::end`].
pub struct SoundCheck {
    sound: Arc<Sound>,
    owner: Owner,
    recording: Mutex<Vec<f32>>,
}

/// Whose engine it uses.
enum Owner {
    Call(Call),
    /// Without a room, with an engine and tasks of its own.
    Alone(Tasks),
}

impl std::fmt::Debug for SoundCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SoundCheck(in a call: {})", matches!(self.owner, Owner::Call(_)))
    }
}

impl SoundCheck {
    /// Without a room, with an engine of its own. What happens to the devices meanwhile comes as events.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`.
    pub async fn alone(choice: SoundChoice) -> Result<(Self, mpsc::Receiver<CallEvent>), CallError> {
        let tasks = Tasks::default();
        // Its gate stays shut and leads nowhere.
        let (sound, _, news) = Sound::start(choice, VoiceOut::start(&tasks), &tasks);
        let (teller, events) = mpsc::channel(EVENTS_WAITING);
        tasks.spawn(pass_on(news, teller));
        let check = Self { sound, owner: Owner::Alone(tasks), recording: Mutex::default() };
        match check.sound.open_microphone().await {
            Ok(()) => Ok((check, events)),
            Err(error) => {
                check.end().await;
                Err(error)
            }
        }
    }

    /// The microphone's level, dBFS; none while there is none.
    pub fn level(&self) -> Option<f32> {
        self.sound.engine()?.levels().microphone
    }

    /// Takes other devices or another mode, at once.
    pub fn choose_sound(&self, choice: SoundChoice) {
        self.sound.choose(choice);
    }

    /// Records five seconds and judges them.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`.
    pub async fn record(&self) -> Result<SoundCheckVerdict, CallError> {
        let engine = self.sound.engine().ok_or(CallError::NoSoundCheck)?;
        let check = on_device_thread(move || engine.check_sound().map_err(CallError::Microphone)).await??;
        *self.recording.lock() = check.recording;
        Ok(check.report.verdict.into())
    }

    /// Plays what was recorded last, to this person alone.
    ///
    /// # Errors
    /// `no_microphone`: nothing was recorded, or the call is over.
    pub fn play_back(&self) -> Result<(), CallError> {
        let recording = self.recording.lock().clone();
        if recording.is_empty() {
            return Err(CallError::NoSoundCheck);
        }
        self.sound.engine().ok_or(CallError::NoSoundCheck)?.play_recording(recording);
        Ok(())
    }

    /// Closes the microphone again, unless the person is on stage by now.
    pub async fn end(&self) {
        match &self.owner {
            Owner::Call(call) => {
                if let Err(error) = call.ask(Request::EndSoundCheck).await {
                    tracing::debug!(%error, "the sound check had ended");
                }
            }
            Owner::Alone(tasks) => {
                tasks.end().await;
                self.sound.stop().await;
            }
        }
    }
}

impl Call {
    /// Checks the sound in this call. Who is on stage is muted first; a listener's microphone is open until the end of
    /// it.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`, `no_call`.
    pub async fn check_sound(&self) -> Result<SoundCheck, CallError> {
        self.ask(Request::BeginSoundCheck).await?;
        Ok(SoundCheck { sound: self.sound().clone(), owner: Owner::Call(self.clone()), recording: Mutex::default() })
    }
}

async fn pass_on(mut news: mpsc::Receiver<SoundNews>, teller: mpsc::Sender<CallEvent>) {
    while let Some(news) = news.recv().await {
        let event = match news {
            SoundNews::Notice(AudioNotice::TalkingWhileMuted) => None,
            SoundNews::Notice(AudioNotice::MicrophoneLost { reason }) => {
                Some(CallEvent::Problem(CallError::Microphone(reason)))
            }
            SoundNews::Notice(AudioNotice::LoudspeakerLost { reason }) => {
                Some(CallEvent::Problem(CallError::Loudspeaker(reason)))
            }
            SoundNews::Notice(notice) => SoundNotice::of(notice).map(CallEvent::Sound),
            SoundNews::Broken(error) => Some(CallEvent::Problem(error)),
        };
        if let Some(event) = event
            && teller.send(event).await.is_err()
        {
            return;
        }
    }
}
