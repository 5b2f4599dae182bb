//! The engine as its owner sees it: devices, mute, remote voices, levels, statistics.

mod short_waits;
pub(crate) mod statistics;
pub(crate) mod thread;

use std::{
    sync::{Arc, atomic::Ordering, mpsc::channel},
    thread::{JoinHandle, ThreadId},
    time::Duration,
};

use parking_lot::Mutex;
use serambi_codec::redundancy_profile::{Audience, LossReport};

use crate::{
    device::{
        keeper::{KeeperHandle, keep},
        lookup::{DeviceChoice, Direction},
        sink::DeviceSink,
        statistics::DeviceStatistics,
    },
    engine::{
        statistics::EngineStatistics,
        thread::{EngineCommand, EngineHandle},
    },
    error::AudioError,
    notice::{AudioNotice, NoticeSink},
    receive::{
        cue::Cue,
        remote_voice::{RemoteVoiceId, RemoteVoiceInbox, remote_voice},
    },
    send::{
        echo_setting::EchoCancelling,
        sound_check::{SoundCheck, SoundCheckRecorder},
        voice::EncodedFrame,
        voice_processing::MicrophoneMode,
    },
};

/// How long a change of mute may take before the engine counts as stuck.
const MUTE_LIMIT: Duration = Duration::from_secs(5);

/// How long a sound check of five seconds may take.
const SOUND_CHECK_LIMIT: Duration = Duration::from_secs(8);

/// Loudest gain a remote voice can be given: 200 %.
const MAX_VOLUME: f32 = 2.0;

/// What the engine works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// The microphone, opened later.
    pub microphone: DeviceChoice,
    /// The loudspeaker, opened at once.
    pub loudspeaker: DeviceChoice,
}

/// How loud everybody is now, dBFS: 0 is a full-scale square wave, -127 is silence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Levels {
    /// The own microphone, also while muted; `None` while it is closed.
    pub microphone: Option<f32>,
    /// Each remote voice as decoded, before their volume.
    pub remote_voices: Vec<(RemoteVoiceId, f32)>,
}

/// The sound of one person in one room. Dropping it stops everything.
pub struct Engine {
    // Fields are dropped in this order: devices first, then the thread they feed.
    microphone: KeeperHandle,
    loudspeaker: KeeperHandle,
    engine: EngineHandle,
    thread: ThreadOwner,
}

impl Engine {
    /// Starts the engine with the microphone closed and muted. The loudspeaker is opened; if that is not possible, the
    /// notice says so and the engine keeps trying.
    ///
    /// `on_frame` is called on the engine thread, `on_notice` there and on the device threads; neither may block, and
    /// neither may call the engine.
    ///
    /// # Errors
    /// [`AudioError::Codec`] or [`AudioError::EngineStopped`] if the computer is out of memory or threads.
    pub fn start(
        settings: EngineSettings,
        on_frame: impl FnMut(EncodedFrame) + Send + 'static,
        on_notice: impl FnMut(AudioNotice) + Send + 'static,
    ) -> Result<Self, AudioError> {
        let notices = notice_sink(on_notice);
        let (engine, thread) = thread::start(on_frame, NoticeSink::clone(&notices))?;
        let thread = ThreadOwner { engine: engine.clone(), id: thread.thread().id(), thread: Some(thread) };
        let sink: Arc<dyn DeviceSink> = Arc::new(engine.clone());
        let microphone =
            keep(Direction::Microphone, settings.microphone, Arc::clone(&sink), NoticeSink::clone(&notices))?;
        let loudspeaker = keep(Direction::Loudspeaker, settings.loudspeaker, sink, NoticeSink::clone(&notices))?;
        if let Err(reason) = loudspeaker.open() {
            notices(AudioNotice::LoudspeakerLost { reason });
        }
        Ok(Self { microphone, loudspeaker, engine, thread })
    }

    /// Opens the microphone, muted. Waits for the system, perhaps seconds while it asks the person. Does nothing if it
    /// is open.
    ///
    /// # Errors
    /// Why it did not open; it stays closed.
    pub fn open_microphone(&self) -> Result<(), AudioError> {
        if self.microphone_is_open() {
            return Ok(());
        }
        self.set_muted(true);
        self.microphone.open()
    }

    /// Closes the microphone: its stream is gone when this returns, and it is muted.
    pub fn close_microphone(&self) {
        self.set_muted(true);
        self.microphone.close();
    }

    /// Whether a microphone is open and its sound reaches the engine.
    pub fn microphone_is_open(&self) -> bool {
        self.microphone.is_open()
    }

    /// Mutes or unmutes. Once `set_muted(true)` has returned no further frame is handed out. What was said until then
    /// leaves before it returns.
    pub fn set_muted(&self, muted: bool) {
        let (done, answer) = channel();
        if self.engine.send(EngineCommand::SetMuted { muted, done }).is_err() || self.thread.is_current() {
            return;
        }
        if answer.recv_timeout(MUTE_LIMIT).is_err() {
            tracing::error!(muted, "the sound engine does not answer");
        }
    }

    /// Takes another microphone; if one is open, it is changed in place and mute stays as it is.
    pub fn choose_microphone(&self, choice: DeviceChoice) {
        self.microphone.choose(choice);
    }

    /// Takes another loudspeaker.
    pub fn choose_loudspeaker(&self, choice: DeviceChoice) {
        self.loudspeaker.choose(choice);
    }

    /// Makes a person heard whose packets are pushed into the returned inbox.
    pub fn add_remote_voice(&self, id: RemoteVoiceId) -> Result<RemoteVoiceInbox, AudioError> {
        let (voice, inbox) = remote_voice(id, self.engine.clock_start)?;
        self.engine.state.remote_voices.lock().push(Arc::clone(voice.shared()));
        self.engine.send(EngineCommand::AddRemoteVoice(Box::new(voice)))?;
        Ok(inbox)
    }

    /// How loud everybody is now.
    pub fn levels(&self) -> Levels {
        let state = &self.engine.state;
        Levels {
            microphone: self
                .microphone_is_open()
                .then(|| f32::from_bits(state.microphone_level.load(Ordering::Relaxed))),
            remote_voices: state.remote_voices.lock().iter().map(|shared| (shared.id, shared.level_dbfs())).collect(),
        }
    }

    /// What every part counted, at most 100 ms old.
    pub fn statistics(&self) -> EngineStatistics {
        let mut statistics = self.engine.state.statistics.lock().clone();
        statistics.microphone = with_counters(statistics.microphone, &self.microphone);
        statistics.loudspeaker = with_counters(statistics.loudspeaker, &self.loudspeaker);
        statistics
    }

    /// How loud a remote voice is played here: 0 is silent, 1 as sent, 2 the loudest.
    pub fn set_remote_voice_volume(&self, id: RemoteVoiceId, gain: f32) {
        let gain = if gain.is_finite() { gain.clamp(0.0, MAX_VOLUME) } else { 1.0 };
        for shared in self.engine.state.remote_voices.lock().iter().filter(|shared| shared.id == id) {
            shared.set_volume(gain);
        }
    }

    /// What is done to the microphone's sound. Without this call a device gets [`MicrophoneMode::Speech`], and a file
    /// or a microphone made of software [`MicrophoneMode::Music`]: it is already what it should be.
    pub fn set_microphone_mode(&self, mode: MicrophoneMode) {
        // An engine that has stopped processes nothing.
        let _ = self.engine.send(EngineCommand::SetMicrophoneMode(mode));
    }

    /// When echo is cancelled; [`EchoCancelling::Auto`] without this call.
    pub fn set_echo_cancelling(&self, setting: EchoCancelling) {
        // An engine that has stopped processes nothing.
        let _ = self.engine.send(EngineCommand::SetEchoCancelling(setting));
    }

    /// Records five seconds of the open microphone, muted or not, and judges them. Waits for that long: not for a
    /// window's thread.
    ///
    /// # Errors
    /// [`AudioError::NoMicrophone`] if the microphone is closed or is lost meanwhile.
    pub fn check_sound(&self) -> Result<SoundCheck, AudioError> {
        let (done, recorded) = channel();
        self.engine.send(EngineCommand::CheckSound { recorder: SoundCheckRecorder::default(), done })?;
        let recorder = recorded.recv_timeout(SOUND_CHECK_LIMIT).map_err(|_| AudioError::NoMicrophone)?;
        Ok(SoundCheck { report: recorder.judge(), recording: recorder.into_processed() })
    }

    /// Plays a sound check back into the loudspeaker. It is never sent.
    pub fn play_recording(&self, recording: Vec<f32>) {
        // An engine that has stopped plays nothing.
        let _ = self.engine.send(EngineCommand::PlayRecording(recording));
    }

    /// Tells the engine what the own voice's listeners miss, every few seconds; frames are repeated accordingly. Before
    /// the first report the voice carries coarse copies of its own, as browsers send them.
    pub fn set_listener_loss(&self, report: LossReport) {
        // An engine that has stopped sends nothing.
        let _ = self.engine.send(EngineCommand::SetListenerLoss(report));
    }

    /// Tells the engine who receives the own voice; frames are as long as fits: 10 ms on a clean path to a few near
    /// ones.
    pub fn set_audience(&self, audience: Audience) {
        // An engine that has stopped sends nothing.
        let _ = self.engine.send(EngineCommand::SetAudience(audience));
    }

    /// Plays a cue into the loudspeaker, after those that sound already; a few wait, more are dropped. Never sent.
    pub fn play_cue(&self, cue: Cue) {
        // An engine that has stopped plays nothing.
        let _ = self.engine.send(EngineCommand::PlayCue(cue));
    }
}

fn with_counters(named: DeviceStatistics, keeper: &KeeperHandle) -> DeviceStatistics {
    DeviceStatistics {
        device: named.device,
        rate_hz: named.rate_hz,
        render_lead_ms: named.render_lead_ms,
        latency_ms: named.latency_ms,
        ..keeper.counters().snapshot()
    }
}

fn notice_sink(on_notice: impl FnMut(AudioNotice) + Send + 'static) -> NoticeSink {
    let on_notice = Mutex::new(on_notice);
    NoticeSink::from(Box::new(move |notice| {
        let mut on_notice = on_notice.lock();
        on_notice(notice);
    }) as Box<dyn Fn(AudioNotice) + Send + Sync>)
}

/// Ends the engine thread when dropped.
struct ThreadOwner {
    engine: EngineHandle,
    id: ThreadId,
    thread: Option<JoinHandle<()>>,
}

impl ThreadOwner {
    fn is_current(&self) -> bool {
        std::thread::current().id() == self.id
    }
}

impl Drop for ThreadOwner {
    fn drop(&mut self) {
        // A thread that panicked has stopped as well.
        let _ = self.engine.send(EngineCommand::Stop);
        if let Some(thread) = self.thread.take()
            && !self.is_current()
        {
            let _ = thread.join();
        }
    }
}
