//! A rehearsal: the own microphone before anybody hears it. A live level, five seconds recorded and judged, and the
//! recording played back. Nothing of it is sent.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serambi_audio::AudioNotice;
use serambi_protocol::{Code, Refusal};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{
    call::{Call, Shared},
    call_view::CallEvent,
    media::VoiceOut,
    sound::{Sound, SoundNews, loudspeaker_refusal, microphone_refusal, on_device_thread},
    sound_notice::SoundNotice,
    sound_settings::SoundChoice,
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

/// An open microphone that nobody else hears, until [`Self::end`].
pub struct Rehearsal {
    sound: Arc<Sound>,
    /// None: an engine of its own.
    call: Option<Call>,
    recording: Mutex<Vec<f32>>,
}

impl std::fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rehearsal(in a call: {})", self.call.is_some())
    }
}

impl Rehearsal {
    /// Without a room, with an engine of its own. What happens to the devices meanwhile comes as events.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`.
    pub async fn alone(choice: SoundChoice) -> Result<(Self, mpsc::UnboundedReceiver<CallEvent>), Refusal> {
        // Its gate stays shut and leads nowhere.
        let (sound, _, news) = Sound::start(choice, VoiceOut::start());
        let (teller, events) = mpsc::unbounded_channel();
        tokio::spawn(pass_on(news, teller));
        if let Err(refusal) = sound.open_microphone().await {
            sound.stop().await;
            return Err(refusal);
        }
        Ok((Self { sound, call: None, recording: Mutex::default() }, events))
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
    pub async fn record(&self) -> Result<SoundCheckVerdict, Refusal> {
        let engine = self.sound.engine().ok_or_else(gone)?;
        let check =
            on_device_thread(move || engine.check_sound().map_err(|error| microphone_refusal(&error))).await??;
        *self.recording.lock().unwrap_or_else(PoisonError::into_inner) = check.recording;
        Ok(check.report.verdict.into())
    }

    /// Plays what was recorded last, to this person alone.
    ///
    /// # Errors
    /// `no_microphone`: nothing was recorded, or the call is over.
    pub fn play_back(&self) -> Result<(), Refusal> {
        let recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if recording.is_empty() {
            return Err(gone());
        }
        self.sound.engine().ok_or_else(gone)?.play_recording(recording);
        Ok(())
    }

    /// Closes the microphone again, unless the person is on stage by now.
    pub async fn end(&self) {
        match &self.call {
            Some(call) => call.shared.end_rehearsal().await,
            None => self.sound.stop().await,
        }
    }
}

impl Call {
    /// Rehearses in this call. Who is on stage is muted first; a listener's microphone is open until the end of it.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`.
    pub async fn rehearse(&self) -> Result<Rehearsal, Refusal> {
        self.shared.begin_rehearsal().await?;
        Ok(Rehearsal { sound: self.shared.sound.clone(), call: Some(self.clone()), recording: Mutex::default() })
    }
}

/// Whether a rehearsal goes on: what is said in it is no talk while muted.
#[derive(Debug, Default)]
pub(crate) struct Rehearsing(AtomicBool);

impl Rehearsing {
    pub(crate) fn goes_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Shared {
    async fn begin_rehearsal(&self) -> Result<(), Refusal> {
        if !self.view().microphone.muted
            && let Err(refusal) = self.mute().await
        {
            tracing::info!(%refusal, "muted for a rehearsal without the house knowing yet");
        }
        let _turn = self.turn.lock().await;
        let opened = self.sound.open_microphone().await;
        let open = self.sound.microphone_is_open();
        self.change(|view| view.microphone.open = open);
        self.rehearsing.0.store(opened.is_ok(), Ordering::Release);
        opened
    }

    async fn end_rehearsal(&self) {
        let _turn = self.turn.lock().await;
        self.rehearsing.0.store(false, Ordering::Release);
        if !self.is_on_stage() {
            self.close_microphone().await;
        }
    }
}

fn gone() -> Refusal {
    Refusal::new(Code::NoMicrophone, "no rehearsal goes on")
}

async fn pass_on(mut news: mpsc::UnboundedReceiver<SoundNews>, teller: mpsc::UnboundedSender<CallEvent>) {
    while let Some(news) = news.recv().await {
        let event = match news {
            SoundNews::Notice(AudioNotice::TalkingWhileMuted) => None,
            SoundNews::Notice(AudioNotice::MicrophoneLost { reason }) => {
                Some(CallEvent::Problem(microphone_refusal(&reason)))
            }
            SoundNews::Notice(AudioNotice::LoudspeakerLost { reason }) => {
                Some(CallEvent::Problem(loudspeaker_refusal(&reason)))
            }
            SoundNews::Notice(notice) => SoundNotice::of(notice).map(CallEvent::Sound),
            SoundNews::Broken(refusal) => Some(CallEvent::Problem(refusal)),
        };
        if let Some(event) = event
            && teller.send(event).is_err()
        {
            return;
        }
    }
}
