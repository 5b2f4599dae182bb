//! The engine thread: every 10 ms of captured sound towards the network, every 5 ms of the mix towards the loudspeaker.
//!
//! It is woken by the device callbacks and by commands, and waits at most 20 ms. It never opens a device, never writes
//! a file, and never waits for anybody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serambi_codec::{
    clock::Moment,
    dsp::level_meter::SILENCE_DBFS,
    format::SAMPLE_RATE_HZ,
    redundancy_profile::{Audience, LossReport},
};

use crate::{
    device::{
        capture::Capture,
        output::{ClockOutput, DeviceOutput, Output},
        priority::raise_this_thread,
        ring::{CaptureTap, PlaybackTap, Waker},
        sink::{DeviceEvent, DeviceSink, SoundEnd},
        wav_loudspeaker::WavTap,
    },
    engine::{short_waits::ShortWaits, statistics::EngineStatistics},
    error::AudioError,
    notice::{AudioNotice, NoticeSink},
    receive::{
        cue::Cue,
        mixer::Mixer,
        remote_voice::{RemoteVoice, RemoteVoiceId, RemoteVoiceShared},
    },
    send::{
        echo_setting::EchoCancelling,
        microphone_chain::MicrophoneChain,
        sound_check::SoundCheckRecorder,
        voice::{EncodedFrame, Voice},
        voice_processing::MicrophoneMode,
    },
};

/// Blocks rendered in a row at most before the microphone and the commands get their turn.
const MAX_BLOCKS_AT_ONCE: u32 = 32;

/// Time between two updates of the published statistics, microseconds.
const PUBLISH_INTERVAL_MICROS: i64 = 100_000;

/// A command to the engine thread.
pub(crate) enum EngineCommand {
    Device(DeviceEvent),
    SetMuted { muted: bool, done: Sender<()> },
    SetMicrophoneMode(MicrophoneMode),
    SetEchoCancelling(EchoCancelling),
    CheckSound { recorder: SoundCheckRecorder, done: Sender<SoundCheckRecorder> },
    AddRemoteVoice(Box<RemoteVoice>),
    SetListenerLoss(LossReport),
    SetAudience(Audience),
    PlayCue(Cue),
    PlayRecording(Vec<f32>),
    Stop,
}

/// What the engine thread publishes.
pub(crate) struct EngineState {
    pub(crate) microphone_level: AtomicU32,
    pub(crate) remote_voices: Mutex<Vec<Arc<RemoteVoiceShared>>>,
    pub(crate) statistics: Mutex<EngineStatistics>,
}

/// A way to reach the engine thread.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    commands: Sender<EngineCommand>,
    waker: Waker,
    pub(crate) state: Arc<EngineState>,
    pub(crate) clock_start: Instant,
}

impl EngineHandle {
    pub(crate) fn send(&self, command: EngineCommand) -> Result<(), AudioError> {
        self.commands.send(command).map_err(|_| AudioError::EngineStopped)?;
        self.waker.wake();
        Ok(())
    }
}

impl DeviceSink for EngineHandle {
    fn send(&self, event: DeviceEvent) -> Result<(), AudioError> {
        self.send(EngineCommand::Device(event))
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn clock_start(&self) -> Instant {
        self.clock_start
    }
}

/// Starts the engine thread.
///
/// # Errors
/// [`AudioError::Codec`] or [`AudioError::EngineStopped`] if the encoder or the thread cannot be made.
pub(crate) fn start(
    on_frame: impl FnMut(EncodedFrame) + Send + 'static,
    notices: NoticeSink,
) -> Result<(EngineHandle, JoinHandle<()>), AudioError> {
    let (commands, inbox) = channel();
    let state = Arc::new(EngineState {
        microphone_level: AtomicU32::new(SILENCE_DBFS.to_bits()),
        remote_voices: Mutex::default(),
        statistics: Mutex::default(),
    });
    let clock_start = Instant::now();
    let mut engine = EngineThread {
        inbox,
        state: Arc::clone(&state),
        clock_start,
        capture: None,
        microphone: None,
        chain: MicrophoneChain::default(),
        voice: Voice::new(clock_start)?,
        on_frame: Box::new(on_frame),
        notices,
        mixer: Mixer::default(),
        output: Output::silent(Moment::default()),
        loudspeaker: None,
        published_at: Moment::default(),
    };
    let thread = std::thread::Builder::new()
        .name("sound-engine".into())
        .spawn(move || engine.run())
        .map_err(|_| AudioError::EngineStopped)?;
    let waker = Waker::of(thread.thread().clone());
    Ok((EngineHandle { commands, waker, state, clock_start }, thread))
}

/// Where encoded frames go.
type FrameSink = Box<dyn FnMut(EncodedFrame) + Send>;

struct EngineThread {
    inbox: Receiver<EngineCommand>,
    state: Arc<EngineState>,
    clock_start: Instant,
    capture: Option<Capture>,
    microphone: Option<(String, u32)>,
    chain: MicrophoneChain,
    voice: Voice,
    on_frame: FrameSink,
    notices: NoticeSink,
    mixer: Mixer,
    output: Output,
    loudspeaker: Option<(String, u32)>,
    published_at: Moment,
}

impl EngineThread {
    fn run(&mut self) {
        raise_this_thread();
        let _short_waits = ShortWaits::begin();
        while self.take_commands() {
            self.capture();
            self.render();
            self.publish();
            let now = self.now();
            let wait = u64::try_from(self.output.micros_to_next(now)).unwrap_or(0);
            if wait > 0 {
                std::thread::park_timeout(Duration::from_micros(wait));
            }
        }
    }

    fn now(&self) -> Moment {
        Moment::of(Instant::now(), self.clock_start)
    }

    /// Applies the commands that came in; false once the thread must end.
    fn take_commands(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(EngineCommand::Stop) | Err(TryRecvError::Disconnected) => return false,
                Ok(command) => self.apply(command),
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn apply(&mut self, command: EngineCommand) {
        match command {
            EngineCommand::Device(event) => self.change_device(event),
            EngineCommand::SetMuted { muted, done } => {
                self.set_muted(muted);
                acknowledge(&done);
            }
            EngineCommand::SetMicrophoneMode(mode) => self.chain.set_mode(mode),
            EngineCommand::SetEchoCancelling(setting) => self.chain.set_echo_cancelling(setting),
            EngineCommand::CheckSound { recorder, done } => self.chain.start_sound_check(recorder, done),
            EngineCommand::AddRemoteVoice(voice) => self.mixer.add_remote_voice(*voice),
            EngineCommand::SetListenerLoss(report) => self.voice.take_loss_report(report, self.now()),
            EngineCommand::SetAudience(audience) => self.voice.take_audience(audience),
            EngineCommand::PlayCue(cue) => self.mixer.play_cue(cue),
            EngineCommand::PlayRecording(sound) => self.mixer.play_recording(sound),
            EngineCommand::Stop => {}
        }
    }

    fn change_device(&mut self, event: DeviceEvent) {
        match event {
            DeviceEvent::MicrophoneAttached { tap, device, end } => self.attach_microphone(tap, device, end),
            DeviceEvent::MicrophoneDetached(done) => {
                self.detach_microphone();
                acknowledge(&done);
            }
            DeviceEvent::LoudspeakerAttached { tap, device } => self.attach_loudspeaker(tap, device),
            DeviceEvent::RecorderAttached { tap, device } => self.attach_recorder(tap, device),
            DeviceEvent::LoudspeakerDetached(done) => {
                self.detach_loudspeaker();
                acknowledge(&done);
            }
        }
    }

    fn attach_microphone(&mut self, tap: CaptureTap, device: String, end: SoundEnd) {
        let rate_hz = tap.rate_hz;
        self.capture = Capture::new(tap);
        self.microphone = Some((device, rate_hz));
        self.chain.attach_microphone(end);
    }

    fn detach_microphone(&mut self) {
        self.capture = None;
        self.microphone = None;
        self.chain.detach_microphone();
        self.state.microphone_level.store(SILENCE_DBFS.to_bits(), Ordering::Relaxed);
        let last = self.voice.microphone_gone();
        send(&mut self.on_frame, last);
    }

    fn attach_loudspeaker(&mut self, tap: PlaybackTap, device: String) {
        let rate_hz = tap.rate_hz;
        if let Some(output) = DeviceOutput::new(tap, self.now()) {
            self.output = Output::Device(Box::new(output));
            self.chain.attach_loudspeaker(SoundEnd::Device(device.clone()));
            self.loudspeaker = Some((device, rate_hz));
            // The ring must not be empty when the first callback comes.
            self.render();
        }
    }

    fn attach_recorder(&mut self, tap: WavTap, device: String) {
        self.output = Output::Clock(ClockOutput::recording(self.now(), tap));
        self.loudspeaker = Some((device, SAMPLE_RATE_HZ));
        self.chain.attach_loudspeaker(SoundEnd::File);
    }

    fn detach_loudspeaker(&mut self) {
        self.output = Output::silent(self.now());
        self.loudspeaker = None;
        self.chain.attach_loudspeaker(SoundEnd::Nothing);
    }

    fn set_muted(&mut self, muted: bool) {
        // Sound captured up to here was said before the change: it belongs to the old state.
        self.capture();
        if muted {
            let last = self.voice.mute();
            send(&mut self.on_frame, last);
        } else if self.voice.is_muted() {
            if let Some(capture) = &mut self.capture {
                capture.discard_waiting();
            }
            self.voice.unmute(self.chain.blocks_under_way());
        }
    }

    fn capture(&mut self) {
        let now = self.now();
        let Some(capture) = &mut self.capture else { return };
        capture.drain_ring();
        self.voice.set_microphone_latency(capture.latency_micros());
        // Until the voice is coded in mono again it needs the side to fade out.
        capture.keep_stereo(self.chain.wants_stereo() || self.voice.is_stereo());
        while let Some((block, age_micros)) = capture.next_block() {
            let heard = self.chain.process(block, self.voice.is_muted());
            if heard.talks_while_muted {
                (self.notices)(AudioNotice::TalkingWhileMuted);
            }
            let captured_at = now.plus_micros(-age_micros - self.chain.delay_micros());
            self.voice.take_sound(heard.sound);
            let frame = self.voice.push_block(heard.block, captured_at);
            send(&mut self.on_frame, frame);
        }
        self.state.microphone_level.store(self.voice.level_dbfs().to_bits(), Ordering::Relaxed);
    }

    fn render(&mut self) {
        for _ in 0..MAX_BLOCKS_AT_ONCE {
            let now = self.now();
            if !self.output.wants_block(now) {
                break;
            }
            let state = &self.state;
            while self.output.skips_block() {
                self.mixer.render(now, |gone| forget(state, gone));
            }
            let block = self.mixer.render(now, |gone| forget(state, gone));
            self.output.accept(&block, self.now());
            self.chain.hear_loudspeaker(&block.middle);
        }
    }

    fn publish(&mut self) {
        let now = self.now();
        if now.micros_since(self.published_at) < PUBLISH_INTERVAL_MICROS {
            return;
        }
        // Whoever reads them now gets the next ones: the engine thread does not wait.
        let Some(mut statistics) = self.state.statistics.try_lock() else { return };
        self.published_at = now;
        statistics.voice = self.voice.statistics();
        statistics.voice.level_dbfs = self.microphone.as_ref().map(|_| self.voice.level_dbfs());
        statistics.voice.processing = self.chain.statistics();
        statistics.remote_voices = self.mixer.statistics(self.output.micros_to_ear());
        statistics.mixed_blocks = self.mixer.mixed_blocks();
        statistics.microphone.device = self.microphone.as_ref().map(|(name, _)| name.clone());
        statistics.microphone.latency_ms = self.capture.as_ref().map_or(0.0, Capture::latency_ms);
        statistics.microphone.rate_hz = self.microphone.as_ref().map_or(0, |(_, rate)| *rate);
        statistics.loudspeaker.device = self.loudspeaker.as_ref().map(|(name, _)| name.clone());
        statistics.loudspeaker.rate_hz = self.loudspeaker.as_ref().map_or(0, |(_, rate)| *rate);
        statistics.loudspeaker.render_lead_ms = self.output.render_lead_ms();
        statistics.loudspeaker.latency_ms = self.output.latency_ms();
    }
}

fn send(on_frame: &mut FrameSink, frame: Option<EncodedFrame>) {
    if let Some(frame) = frame {
        on_frame(frame);
    }
}

fn acknowledge(done: &Sender<()>) {
    // Whoever asked may have stopped waiting.
    let _ = done.send(());
}

fn forget(state: &EngineState, id: RemoteVoiceId) {
    let mut remote_voices = state.remote_voices.lock();
    if let Some(index) = remote_voices.iter().position(|shared| shared.id == id) {
        remote_voices.remove(index);
    }
}
