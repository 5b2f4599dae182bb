//! The sound engine of a call: started beside the joining, on a thread of its own, because devices take their time.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use serambi_audio::{AudioNotice, Cue, Engine};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    error::CallError,
    media::{EngineSoon, VoiceOut},
    sound_settings::{CueSetting, SoundChoice},
    tasks::Tasks,
};

/// A sound system that has not answered for this long will not.
const ENGINE_LIMIT: Duration = Duration::from_secs(10);
/// An operation on a device that has not ended after this long is given up. The engine's own limit is 12 s.
const DEVICE_LIMIT: Duration = Duration::from_secs(15);
/// Notices of the engine that may wait for the call; they are rare.
const NEWS_WAITING: usize = 64;

/// What the sound side tells by itself.
#[derive(Clone, Debug)]
pub(crate) enum SoundNews {
    /// From the engine.
    Notice(AudioNotice),
    /// There is no engine: nothing can be heard or said.
    Broken(CallError),
}

/// The engine, soon.
pub(crate) struct Sound {
    engine: watch::Sender<Option<Arc<Engine>>>,
    /// Held while the engine is told: two choices must not cross.
    choice: Mutex<SoundChoice>,
}

impl Sound {
    /// Starts the engine on a thread of its own.
    pub(crate) fn start(
        choice: SoundChoice,
        voice_out: VoiceOut,
        tasks: &Tasks,
    ) -> (Arc<Self>, EngineSoon, mpsc::Receiver<SoundNews>) {
        let (engine, soon) = watch::channel(None);
        let sound = Arc::new(Self { engine, choice: Mutex::new(choice.clone()) });
        let (news_sender, news) = mpsc::channel(NEWS_WAITING);
        let weak = Arc::downgrade(&sound);
        let closing = tasks.closing().clone();
        tasks.spawn_blocking(move || {
            let Some(engine) = start_engine(&choice, voice_out, news_sender) else { return };
            // The call may be over before its sound has begun; then the engine is dropped here.
            let Some(sound) = weak.upgrade().filter(|_| !closing.is_cancelled()) else { return };
            let present = sound.choice.lock();
            apply_change(&engine, &choice, &present);
            sound.engine.send_replace(Some(Arc::new(engine)));
        });
        (sound, soon, news)
    }

    /// The engine, if it runs by now.
    pub(crate) fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.borrow().clone()
    }

    /// The engine, as soon as it runs.
    async fn wait(&self) -> Result<Arc<Engine>, CallError> {
        let broken = || CallError::Engine("it did not start".to_owned());
        let mut soon = self.engine.subscribe();
        let started = timeout(ENGINE_LIMIT, soon.wait_for(Option::is_some)).await;
        started.map_err(|_| broken())?.map_err(|_| broken())?.clone().ok_or_else(broken)
    }

    /// Opens the microphone, muted; does nothing if it is open.
    ///
    /// # Errors
    /// The microphone's, or that the engine does not run.
    pub(crate) async fn open_microphone(&self) -> Result<(), CallError> {
        let engine = self.wait().await?;
        on_device_thread(move || engine.open_microphone().map_err(CallError::Microphone)).await?
    }

    /// Closes it: afterwards no capture stream exists.
    pub(crate) async fn close_microphone(&self) {
        let Some(engine) = self.engine() else { return };
        if let Err(error) = on_device_thread(move || engine.close_microphone()).await {
            tracing::warn!(%error, "closing the microphone");
        }
    }

    /// Stops encoding voice, or starts it. The engine has done so when this returns.
    pub(crate) async fn set_muted(&self, muted: bool) -> Result<(), CallError> {
        let Some(engine) = self.engine() else { return Ok(()) };
        on_device_thread(move || engine.set_muted(muted)).await
    }

    /// Takes other devices or another mode, in place; mute stays as it is. Never waits for a device.
    pub(crate) fn choose(&self, choice: SoundChoice) {
        let mut present = self.choice.lock();
        if let Some(engine) = self.engine() {
            apply_change(&engine, &present, &choice);
        }
        *present = choice;
    }

    /// Plays a cue to this person alone, unless they have turned cues off.
    pub(crate) fn play_cue(&self, cue: Cue) {
        let wanted = self.choice.lock().cues == CueSetting::On;
        if let Some(engine) = self.engine().filter(|_| wanted) {
            engine.play_cue(cue);
        }
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
        if let Err(error) = on_device_thread(closing).await {
            tracing::warn!(%error, "stopping the sound");
        }
    }
}

/// Runs something that may block on a device, for at most [`DEVICE_LIMIT`].
pub(crate) async fn on_device_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    match timeout(DEVICE_LIMIT, tokio::task::spawn_blocking(work)).await {
        Ok(done) => done.map_err(|error| CallError::Engine(format!("the device thread: {error}"))),
        Err(_) => Err(CallError::Engine("a device does not answer".to_owned())),
    }
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

fn start_engine(choice: &SoundChoice, voice_out: VoiceOut, news: mpsc::Sender<SoundNews>) -> Option<Engine> {
    let notices = news.clone();
    let started = Engine::start(
        choice.devices.clone(),
        move |frame| voice_out.push(frame),
        move |notice| tell(&notices, SoundNews::Notice(notice)),
    );
    let engine = started.map_err(|error| tell(&news, SoundNews::Broken(CallError::Engine(error.to_string())))).ok()?;
    apply_change(&engine, &choice.devices.clone().into(), choice);
    Some(engine)
}

/// Runs on the engine's thread, which must not wait.
fn tell(listener: &mpsc::Sender<SoundNews>, news: SoundNews) {
    match listener.try_send(news) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Closed(_)) => tracing::trace!("the call is over"),
        Err(mpsc::error::TrySendError::Full(news)) => tracing::warn!(?news, "a notice of the sound engine is lost"),
    }
}
