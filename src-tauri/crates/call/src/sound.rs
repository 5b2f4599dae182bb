//! The sound engine of a call: started beside the joining, and its failures in the words of the protocol.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serambi_audio::{AudioError, AudioNotice, Engine};
use serambi_protocol::{Code, Refusal};
use tokio::sync::{mpsc, watch};

use crate::{
    media::{EngineSoon, VoiceOut},
    sound_settings::SoundChoice,
};

/// What the sound side tells by itself.
#[derive(Clone, Debug)]
pub(crate) enum SoundNews {
    /// From the engine.
    Notice(AudioNotice),
    /// There is no engine: nothing can be heard or said.
    Broken(Refusal),
}

/// The engine, soon.
pub(crate) struct Sound {
    engine: watch::Sender<Option<Arc<Engine>>>,
    /// Held while the engine is told: two choices must not cross.
    choice: Mutex<SoundChoice>,
}

impl Sound {
    /// Starts the engine on a thread of its own; devices take their time.
    pub(crate) fn start(
        choice: SoundChoice,
        voice_out: VoiceOut,
    ) -> (Arc<Self>, EngineSoon, mpsc::UnboundedReceiver<SoundNews>) {
        let (engine, soon) = watch::channel(None);
        let sound = Arc::new(Self { engine, choice: Mutex::new(choice.clone()) });
        let (news_sender, news) = mpsc::unbounded_channel();
        let weak = Arc::downgrade(&sound);
        tokio::task::spawn_blocking(move || {
            let started = start_engine(&choice, voice_out, news_sender);
            // The call may be over before its sound has begun; then the engine is dropped here.
            if let (Some(engine), Some(sound)) = (started, weak.upgrade()) {
                let wanted = sound.choice();
                apply_change(&engine, &choice, &wanted);
                sound.engine.send_replace(Some(Arc::new(engine)));
            }
        });
        (sound, soon, news)
    }

    /// The engine, if it runs by now.
    pub(crate) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.borrow().clone()
    }

    /// The engine, as soon as it runs.
    pub(crate) async fn wait(&self) -> Result<Arc<Engine>, Refusal> {
        let broken = || Refusal::new(Code::Internal, "the sound engine did not start");
        let mut soon = self.engine.subscribe();
        let started = tokio::time::timeout(ENGINE_LIMIT, soon.wait_for(Option::is_some)).await;
        started.map_err(|_| broken())?.map_err(|_| broken())?.clone().ok_or_else(broken)
    }

    /// Opens the microphone, muted; does nothing if it is open.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`.
    pub(crate) async fn open_microphone(&self) -> Result<(), Refusal> {
        let engine = self.wait().await?;
        on_device_thread(move || engine.open_microphone().map_err(|error| microphone_refusal(&error))).await?
    }

    /// Closes it: afterwards no capture stream exists.
    pub(crate) async fn close_microphone(&self) {
        let Some(engine) = self.engine() else { return };
        if let Err(refusal) = on_device_thread(move || engine.close_microphone()).await {
            tracing::warn!(%refusal, "closing the microphone");
        }
    }

    /// Holds voice back, or not. The engine has obeyed when this returns.
    pub(crate) async fn set_muted(&self, muted: bool) {
        let Some(engine) = self.engine() else { return };
        if let Err(refusal) = on_device_thread(move || engine.set_muted(muted)).await {
            tracing::warn!(%refusal, muted, "muting the microphone");
        }
    }

    /// Takes other devices or another mode, in place; mute stays as it is. Never waits for a device.
    pub(crate) fn choose(&self, choice: SoundChoice) {
        let mut present = self.choice();
        if let Some(engine) = self.engine() {
            apply_change(&engine, &present, &choice);
        }
        *present = choice;
    }

    fn choice(&self) -> MutexGuard<'_, SoundChoice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a capture stream exist?
    pub(crate) fn microphone_is_open(&self) -> bool {
        self.engine().is_some_and(|engine| engine.microphone_is_open())
    }

    /// Ends all sound.
    pub(crate) async fn stop(&self) {
        let engine = self.engine.send_replace(None);
        let closing = move || {
            let Some(engine) = engine else { return };
            // Somebody may still hold the engine, waiting for a sound check to end; this ends it.
            engine.close_microphone();
            // Dropping waits for devices to close.
            drop(engine);
        };
        if let Err(refusal) = on_device_thread(closing).await {
            tracing::warn!(%refusal, "stopping the sound");
        }
    }
}

/// A sound system that has not answered for this long will not.
const ENGINE_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

pub(crate) async fn on_device_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal::new(Code::Internal, format!("the device thread: {error}")))
}

/// Tells a running engine what is different.
fn apply_change(engine: &Engine, from: &SoundChoice, to: &SoundChoice) {
    if from.devices.microphone != to.devices.microphone {
        engine.choose_microphone(to.devices.microphone.clone());
    }
    if from.devices.loudspeaker != to.devices.loudspeaker {
        engine.choose_loudspeaker(to.devices.loudspeaker.clone());
    }
    if let Some(mode) = to.microphone_mode.filter(|mode| from.microphone_mode != Some(*mode)) {
        engine.set_microphone_mode(mode.into());
    }
    if from.echo_cancelling != to.echo_cancelling {
        engine.set_echo_cancelling(to.echo_cancelling.into());
    }
}

fn start_engine(choice: &SoundChoice, voice_out: VoiceOut, news: mpsc::UnboundedSender<SoundNews>) -> Option<Engine> {
    let notices = news.clone();
    let started = Engine::start(
        choice.devices.clone(),
        move |frame| voice_out.push(frame),
        move |notice| tell(&notices, SoundNews::Notice(notice)),
    );
    let engine = started
        .map_err(|error| tell(&news, SoundNews::Broken(Refusal::new(Code::Internal, error.to_string()))))
        .ok()?;
    apply_change(&engine, &choice.devices.clone().into(), choice);
    Some(engine)
}

fn tell(listener: &mpsc::UnboundedSender<SoundNews>, news: SoundNews) {
    if listener.send(news).is_err() {
        tracing::trace!("the call is over");
    }
}

/// What an error means for the microphone.
pub(crate) fn microphone_refusal(error: &AudioError) -> Refusal {
    let code = match error {
        AudioError::NoMicrophone | AudioError::SoundServerGone(_) => Code::NoMicrophone,
        AudioError::MicrophoneRefused(_) => Code::MicrophoneRefused,
        AudioError::MicrophoneBusy(_) => Code::MicrophoneBusy,
        _ => Code::MicrophoneFailed,
    };
    Refusal::new(code, error.to_string())
}

/// What an error means for the loudspeaker.
pub(crate) fn loudspeaker_refusal(error: &AudioError) -> Refusal {
    let code = match error {
        AudioError::NoLoudspeaker | AudioError::SoundServerGone(_) => Code::NoLoudspeaker,
        _ => Code::LoudspeakerFailed,
    };
    Refusal::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_of_a_microphone_says_what_to_do_about_it() {
        let code = |error| microphone_refusal(&error).code;
        assert_eq!(code(AudioError::NoMicrophone), Code::NoMicrophone);
        assert_eq!(code(AudioError::MicrophoneRefused(String::new())), Code::MicrophoneRefused);
        assert_eq!(code(AudioError::MicrophoneBusy(String::new())), Code::MicrophoneBusy);
        assert_eq!(code(AudioError::EngineStopped), Code::MicrophoneFailed);
        assert_eq!(loudspeaker_refusal(&AudioError::NoLoudspeaker).code, Code::NoLoudspeaker);
    }
}
