//! Keeps one device open as long as it is wanted: opens and closes it on a thread of its own, follows the system's
//! default, takes a chosen device up again when it returns, and rebuilds a stream that broke or stalled. The engine
//! never waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cpal::ErrorKind;

use crate::{
    device::{
        lookup::{DeviceChoice, Direction, FoundDevice},
        opener::DeviceOpener,
        priority::raise_this_thread,
        sink::{DeviceEvent, DeviceSink, SoundEnd},
        statistics::StreamCounters,
        stream::{OnBroken, OpenStream, Pace},
        wav_loudspeaker::{self, WavLoudspeaker},
        wav_microphone::{self, WavMicrophone},
    },
    error::AudioError,
    notice::{AudioNotice, NoticeSink},
};

/// How often a running device is looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// How long a look may take before the sound service counts as stuck.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// The same for finding a device to open, where the sound service may just be starting.
const FINDING_LIMIT: Duration = Duration::from_secs(3);

/// A stream without a callback for this long is stalled.
const STALL_LIMIT: Duration = Duration::from_secs(1);

/// The same for a stream that has just been built: an idle PulseAudio sink first plays the up to 2 s it has prepared.
const FIRST_STALL_LIMIT: Duration = Duration::from_secs(3);

/// Callbacks after which a stream counts as running: the first ones come while it is being built.
const BUILDING_CALLBACKS: u64 = 5;

/// Waits between attempts to get a device back: short ones while a sound service may just be restarting.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const QUICK_RETRY: Duration = Duration::from_millis(200);
const QUICK_RETRIES_LAST: Duration = Duration::from_secs(30);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// The same where asking is slow and noisy (ALSA without a sound server).
const LAST_COSTLY_RETRY: Duration = Duration::from_secs(5);

/// How long the caller of a blocking request waits for the keeper: longer than a sound service may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);

/// A loudspeaker whose sound service ran out so many times within [`DRAIN_WINDOW`] is opened anew at the steady pace. A
/// single time is a stall of the computer and costs nobody the short delay.
const MAX_DRAINS: u64 = 3;
const DRAIN_WINDOW: Duration = Duration::from_secs(10);

enum Request {
    Open(Sender<Result<(), AudioError>>),
    Close(Sender<()>),
    Choose(DeviceChoice),
    Broken { build: u64, error: cpal::Error },
    Stop,
}

/// The caller's end of a keeper. Dropping it closes the device.
pub(crate) struct KeeperHandle {
    requests: Sender<Request>,
    counters: Arc<StreamCounters>,
    is_open: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl KeeperHandle {
    /// Opens the device; waits for the outcome.
    pub(crate) fn open(&self) -> Result<(), AudioError> {
        let (reply, answer) = channel();
        self.requests.send(Request::Open(reply)).map_err(|_| AudioError::EngineStopped)?;
        answer.recv_timeout(ANSWER_LIMIT).map_err(|_| AudioError::EngineStopped)?
    }

    /// Closes the device; its stream is gone when this returns.
    pub(crate) fn close(&self) {
        let (reply, answer) = channel();
        if self.requests.send(Request::Close(reply)).is_ok() && answer.recv_timeout(ANSWER_LIMIT).is_err() {
            tracing::warn!("the sound service does not let go of a device");
        }
    }

    /// Takes another device; carries on with it if one is open.
    pub(crate) fn choose(&self, choice: DeviceChoice) {
        // A keeper that has stopped has nothing to change.
        let _ = self.requests.send(Request::Choose(choice));
    }

    /// Whether the device is open and joined to the engine.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    pub(crate) fn counters(&self) -> &Arc<StreamCounters> {
        &self.counters
    }
}

impl Drop for KeeperHandle {
    fn drop(&mut self) {
        // A keeper that panicked has dropped its device as well.
        let _ = self.requests.send(Request::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts the keeper of one direction. Nothing is opened yet.
pub(crate) fn keep(
    direction: Direction,
    choice: DeviceChoice,
    engine: Arc<dyn DeviceSink>,
    notices: NoticeSink,
) -> Result<KeeperHandle, AudioError> {
    let (requests, inbox) = channel();
    let counters = Arc::new(StreamCounters::default());
    let is_open = Arc::new(AtomicBool::new(false));
    let mut keeper = Keeper {
        direction,
        choice,
        engine,
        notices,
        counters: Arc::clone(&counters),
        is_open: Arc::clone(&is_open),
        own_requests: requests.clone(),
        opener: DeviceOpener::of(direction)?,
        wanted: false,
        running: None,
        lost: false,
        lost_at: Instant::now(),
        retry: FIRST_RETRY,
        pace: Pace::default(),
    };
    let thread = std::thread::Builder::new()
        .name(match direction {
            Direction::Microphone => "microphone".into(),
            Direction::Loudspeaker => "loudspeaker".into(),
        })
        .spawn(move || keeper.run(&inbox))
        .map_err(|_| AudioError::EngineStopped)?;
    Ok(KeeperHandle { requests, counters, is_open, thread: Some(thread) })
}

/// What is open. Dropping it stops it.
enum Source {
    Stream(OpenStream),
    WavMicrophone { _file: WavMicrophone },
    WavLoudspeaker { _file: WavLoudspeaker },
    Nothing,
}

struct Running {
    source: Source,
    /// The device's id; `None` for files and for no device.
    id: Option<String>,
    build: u64,
    first_callbacks: u64,
    seen_callbacks: u64,
    called_at: Instant,
    /// Counted so far when the window began, and when that was.
    seen_drains: u64,
    drains_since: Instant,
}

impl Running {
    fn stall_limit(&self) -> Duration {
        let runs = self.seen_callbacks > self.first_callbacks + BUILDING_CALLBACKS;
        if runs { STALL_LIMIT } else { FIRST_STALL_LIMIT }
    }
}

struct Keeper {
    direction: Direction,
    choice: DeviceChoice,
    engine: Arc<dyn DeviceSink>,
    notices: NoticeSink,
    counters: Arc<StreamCounters>,
    is_open: Arc<AtomicBool>,
    own_requests: Sender<Request>,
    opener: DeviceOpener,
    wanted: bool,
    running: Option<Running>,
    lost: bool,
    lost_at: Instant,
    retry: Duration,
    pace: Pace,
}

impl Keeper {
    fn run(&mut self, inbox: &Receiver<Request>) {
        raise_this_thread();
        loop {
            let request = match self.patience() {
                Some(patience) => inbox.recv_timeout(patience),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match request {
                Ok(Request::Open(reply)) => {
                    // A caller that gave up does not need the answer.
                    let _ = reply.send(self.open_on_request());
                }
                Ok(Request::Close(reply)) => {
                    self.wanted = false;
                    self.stop_stream();
                    let _ = reply.send(());
                }
                Ok(Request::Choose(choice)) => self.change_choice(choice),
                Ok(Request::Broken { build, error }) => self.stream_broke(build, &error),
                Err(RecvTimeoutError::Timeout) => self.look_after(),
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.stop_stream();
    }

    /// How long nothing needs to be done without a request; `None` for ever.
    fn patience(&self) -> Option<Duration> {
        match (self.wanted, &self.running) {
            (false, _) => None,
            (true, Some(_)) => Some(LOOK_INTERVAL),
            (true, None) => Some(self.retry),
        }
    }

    fn open_on_request(&mut self) -> Result<(), AudioError> {
        if self.wanted && self.running.is_some() {
            return Ok(());
        }
        let outcome = self.start_stream();
        // A loudspeaker is waited for; a microphone that could not be opened is the person's to try again.
        self.wanted = outcome.is_ok() || self.direction == Direction::Loudspeaker;
        self.lost = outcome.is_err();
        self.lost_at = Instant::now();
        outcome.map(drop)
    }

    fn change_choice(&mut self, choice: DeviceChoice) {
        if choice == self.choice {
            return;
        }
        self.choice = choice;
        if self.wanted {
            self.move_stream();
        }
    }

    fn stream_broke(&mut self, build: u64, error: &cpal::Error) {
        if self.running.as_ref().is_none_or(|running| running.build != build) {
            return;
        }
        if error.kind() == ErrorKind::DeviceChanged {
            // The person may have wanted that, or the device is gone: by the next look it may be back, and the stream
            // elsewhere.
            return self.look_after();
        }
        tracing::info!(%error, direction = ?self.direction, "a sound device was lost");
        self.lose(self.direction.error(error));
    }

    fn lose(&mut self, reason: AudioError) {
        self.stop_stream();
        self.retry = FIRST_RETRY;
        self.note_lost(reason);
    }

    fn note_lost(&mut self, reason: AudioError) {
        if !std::mem::replace(&mut self.lost, true) {
            self.lost_at = Instant::now();
            self.tell_lost(reason);
        }
    }

    /// The regular look: is the stream alive, and is it on the device it should be on?
    fn look_after(&mut self) {
        let Some(running) = &mut self.running else {
            self.try_again();
            return;
        };
        let Some(id) = running.id.clone() else { return };
        let callbacks = self.counters.callbacks.load(Ordering::Relaxed);
        if callbacks != running.seen_callbacks {
            running.seen_callbacks = callbacks;
            running.called_at = Instant::now();
        } else if running.called_at.elapsed() > running.stall_limit() {
            self.counters.stalls.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(direction = ?self.direction, "a sound device stalled and is opened again");
            self.lose(self.direction.none_there());
            return;
        }
        if self.find(LOOK_LIMIT).is_ok_and(|found| found.id != id) {
            return self.move_stream();
        }
        self.look_at_drains();
    }

    /// Slows a stream down that this computer does not feed in time.
    fn look_at_drains(&mut self) {
        let Some(running) = &mut self.running else { return };
        let drained = self.counters.drained.load(Ordering::Relaxed);
        if self.pace == Pace::Quick && drained - running.seen_drains >= MAX_DRAINS {
            let before = running.id.clone();
            self.pace = Pace::Steady;
            tracing::info!(direction = ?self.direction, "the sound service runs out: longer callbacks from here on");
            self.stop_stream();
            match self.start_stream() {
                // A device that was pulled out runs out as well: by now there may be another one.
                Ok(device) if self.running.as_ref().is_some_and(|running| running.id != before) => {
                    self.tell_moved(device)
                }
                Ok(_) => {}
                Err(reason) => self.lose(reason),
            }
        } else if running.drains_since.elapsed() > DRAIN_WINDOW {
            running.seen_drains = drained;
            running.drains_since = Instant::now();
        }
    }

    fn try_again(&mut self) {
        match self.start_stream() {
            Ok(device) => {
                self.retry = FIRST_RETRY;
                if std::mem::take(&mut self.lost) {
                    self.tell_back(device);
                }
            }
            Err(reason) => {
                self.retry = (self.retry * 2).min(self.longest_retry());
                self.note_lost(reason);
            }
        }
    }

    fn longest_retry(&self) -> Duration {
        match self.opener.is_cheap_to_ask() {
            true if self.lost && self.lost_at.elapsed() < QUICK_RETRIES_LAST => QUICK_RETRY,
            true => LAST_RETRY,
            false => LAST_COSTLY_RETRY,
        }
    }

    fn move_stream(&mut self) {
        self.stop_stream();
        match self.start_stream() {
            Ok(device) if std::mem::take(&mut self.lost) => self.tell_back(device),
            Ok(device) => self.tell_moved(device),
            Err(reason) => self.lose(reason),
        }
    }

    fn find(&mut self, limit: Duration) -> Result<FoundDevice, AudioError> {
        let name = match &self.choice {
            DeviceChoice::Named(name) => Some(name.clone()),
            _ => None,
        };
        self.opener.find(name, limit)
    }

    /// Opens what is chosen and joins it to the engine; returns its name.
    fn start_stream(&mut self) -> Result<String, AudioError> {
        let build = self.counters.builds.fetch_add(1, Ordering::Relaxed) + 1;
        let (source, id, name) = match self.choice.clone() {
            DeviceChoice::File(path) => {
                let name = path.display().to_string();
                (self.start_file(&path, &name)?, None, name)
            }
            DeviceChoice::Absent => (self.start_nothing()?, None, String::new()),
            DeviceChoice::System | DeviceChoice::Named(_) => {
                let found = self.find(FINDING_LIMIT)?;
                let (id, name) = (found.id.clone(), found.name.clone());
                (self.start_device(found, build)?, Some(id), name)
            }
        };
        let callbacks = self.counters.callbacks.load(Ordering::Relaxed);
        self.running = Some(Running {
            source,
            id,
            build,
            first_callbacks: callbacks,
            seen_callbacks: callbacks,
            called_at: Instant::now(),
            seen_drains: self.counters.drained.load(Ordering::Relaxed),
            drains_since: Instant::now(),
        });
        self.is_open.store(true, Ordering::Relaxed);
        Ok(name)
    }

    fn start_device(&mut self, found: FoundDevice, build: u64) -> Result<Source, AudioError> {
        let on_broken = self.on_broken(build);
        let opened = self.opener.open(found, self.pace, &*self.engine, &self.counters, on_broken);
        opened.map(Source::Stream).inspect_err(|_| self.detach())
    }

    fn start_file(&self, path: &std::path::Path, name: &str) -> Result<Source, AudioError> {
        match self.direction {
            Direction::Microphone => {
                let waker = self.engine.waker();
                let (file, tap) = wav_microphone::open(path, waker, Arc::clone(&self.counters))?;
                let device = name.to_owned();
                self.engine.send(DeviceEvent::MicrophoneAttached { tap, device, end: SoundEnd::File })?;
                Ok(Source::WavMicrophone { _file: file })
            }
            Direction::Loudspeaker => {
                let (file, tap) = wav_loudspeaker::create(path)?;
                self.engine.send(DeviceEvent::RecorderAttached { tap, device: name.to_owned() })?;
                Ok(Source::WavLoudspeaker { _file: file })
            }
        }
    }

    fn start_nothing(&self) -> Result<Source, AudioError> {
        match self.direction {
            Direction::Microphone => Err(AudioError::NoMicrophone),
            Direction::Loudspeaker => Ok(Source::Nothing),
        }
    }

    fn on_broken(&self, build: u64) -> OnBroken {
        let requests = self.own_requests.clone();
        Box::new(move |error| {
            // A keeper that has stopped needs no news.
            let _ = requests.send(Request::Broken { build, error });
        })
    }

    /// Takes the device from the engine and stops it. The order matters for a file, which ends when the engine lets go
    /// of it, and not for a device, whose last samples stay in a ring nobody reads.
    fn stop_stream(&mut self) {
        if let Some(running) = self.running.take() {
            self.detach();
            if let Source::Stream(stream) = running.source {
                self.opener.close(stream);
            }
            self.is_open.store(false, Ordering::Relaxed);
        }
    }

    fn detach(&self) {
        let (done, answer) = channel();
        let event = match self.direction {
            Direction::Microphone => DeviceEvent::MicrophoneDetached(done),
            Direction::Loudspeaker => DeviceEvent::LoudspeakerDetached(done),
        };
        if self.engine.send(event).is_ok() && answer.recv_timeout(ANSWER_LIMIT).is_err() {
            tracing::warn!("the sound engine does not let go of a device");
        }
    }

    fn tell_lost(&self, reason: AudioError) {
        (self.notices)(match self.direction {
            Direction::Microphone => AudioNotice::MicrophoneLost { reason },
            Direction::Loudspeaker => AudioNotice::LoudspeakerLost { reason },
        });
    }

    fn tell_back(&self, device: String) {
        (self.notices)(match self.direction {
            Direction::Microphone => AudioNotice::MicrophoneBack { device },
            Direction::Loudspeaker => AudioNotice::LoudspeakerBack { device },
        });
    }

    fn tell_moved(&self, device: String) {
        (self.notices)(match self.direction {
            Direction::Microphone => AudioNotice::MicrophoneMoved { device },
            Direction::Loudspeaker => AudioNotice::LoudspeakerMoved { device },
        });
    }
}
