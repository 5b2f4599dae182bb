//! Finds, opens and closes devices of one direction, and waits for none of it longer than it may take.

use std::{sync::Arc, time::Duration};

use crate::{
    device::{
        lookup::{Direction, FoundDevice, HostConnection},
        sink::{DeviceEvent, DeviceSink, SoundEnd},
        statistics::StreamCounters,
        stream::{OPENING_LIMIT, OnBroken, OpenStream, Pace, open_capture, open_playback},
        worker::DeviceWorker,
    },
    error::AudioError,
};

/// A little more than the limit that the sound service is told itself.
const BUILDING_LIMIT: Duration = OPENING_LIMIT.saturating_add(Duration::from_secs(1));

/// How long the first sound of a stream is waited for.
const FIRST_SOUND_LIMIT: Duration = Duration::from_secs(3);

/// How long the end of a stream is waited for.
const CLOSING_LIMIT: Duration = Duration::from_secs(1);

/// Opens and closes the devices of one direction on a worker thread.
pub(crate) struct DeviceOpener {
    direction: Direction,
    worker: DeviceWorker<HostConnection>,
    silent: Option<SilentDevice>,
    is_cheap_to_ask: bool,
}

/// A device whose stream did not begin, and the thread that still waits for it. It is left alone until then.
struct SilentDevice {
    id: String,
    worker: DeviceWorker<HostConnection>,
}

impl DeviceOpener {
    pub(crate) fn of(direction: Direction) -> Result<Self, AudioError> {
        Ok(Self { direction, worker: DeviceWorker::start()?, silent: None, is_cheap_to_ask: true })
    }

    /// Whether a missing device is worth asking for often.
    pub(crate) fn is_cheap_to_ask(&self) -> bool {
        self.is_cheap_to_ask
    }

    /// The device that `name` means, else the system's default.
    pub(crate) fn find(&mut self, name: Option<String>, limit: Duration) -> Result<FoundDevice, AudioError> {
        let direction = self.direction;
        let look = move |system: &mut HostConnection| {
            let found = system.find(name.as_deref(), direction);
            (found, system.is_cheap_to_ask())
        };
        let Some((found, is_cheap)) = self.worker.ask(limit, look) else {
            return Err(AudioError::SoundServerGone("the sound service does not answer".into()));
        };
        self.is_cheap_to_ask = is_cheap;
        found
    }

    /// Opens a device (a loudspeaker at `pace`), joins it to the engine and waits for its first sound. Where it fails
    /// it may already have been joined.
    pub(crate) fn open(
        &mut self,
        found: FoundDevice,
        pace: Pace,
        engine: &dyn DeviceSink,
        counters: &Arc<StreamCounters>,
        on_broken: OnBroken,
    ) -> Result<OpenStream, AudioError> {
        let (id, name, direction) = (found.id.clone(), found.name.clone(), self.direction);
        if self.still_waits_for(&id) {
            return Err(direction.silent());
        }
        let stream = self.build(found, pace, engine, counters, on_broken)?;
        let rate_hz = stream.rate_hz;
        match self.worker.ask(FIRST_SOUND_LIMIT, move |_| stream.play(direction).map(|()| stream)) {
            Some(begun) => {
                tracing::info!(device = %name, rate_hz, ?direction, opened = begun.is_ok(), "a sound device is opened");
                begun
            }
            None => {
                self.leave_waiting(id);
                Err(direction.silent())
            }
        }
    }

    /// Ends a stream. It is gone when this returns, unless the sound service hangs.
    pub(crate) fn close(&mut self, stream: OpenStream) {
        if self.worker.hand_over(CLOSING_LIMIT, move |_| drop(stream)).is_none() {
            tracing::warn!(direction = ?self.direction, "the sound service does not let go of a device");
        }
    }

    /// Builds a stream, not yet running, and joins it to the engine: a loudspeaker's ring must not be empty when it
    /// begins.
    fn build(
        &mut self,
        found: FoundDevice,
        pace: Pace,
        engine: &dyn DeviceSink,
        counters: &Arc<StreamCounters>,
        on_broken: OnBroken,
    ) -> Result<OpenStream, AudioError> {
        let (waker, counters, device) = (engine.waker(), Arc::clone(counters), found.name.clone());
        let silent = self.direction.silent();
        match self.direction {
            Direction::Microphone => {
                let open = move |_: &mut HostConnection| open_capture(&found, waker, &counters, on_broken);
                let (stream, tap) = self.worker.ask(BUILDING_LIMIT, open).ok_or(silent)??;
                let end = SoundEnd::Device(device.clone());
                engine.send(DeviceEvent::MicrophoneAttached { tap, device, end })?;
                Ok(stream)
            }
            Direction::Loudspeaker => {
                let clock_start = engine.clock_start();
                let open =
                    move |_: &mut HostConnection| open_playback(&found, pace, clock_start, waker, &counters, on_broken);
                let (stream, tap) = self.worker.ask(BUILDING_LIMIT, open).ok_or(silent)??;
                engine.send(DeviceEvent::LoudspeakerAttached { tap, device })?;
                Ok(stream)
            }
        }
    }

    /// Whether an earlier attempt to open this device still waits for its first sound: one stream is enough for that.
    fn still_waits_for(&mut self, id: &str) -> bool {
        self.silent.as_mut().is_some_and(|silent| silent.id == id && silent.worker.is_held_up())
    }

    /// Goes on with another thread, so that other devices can be opened while this one says nothing. The old thread
    /// closes its stream as soon as that begins; nobody hears what comes out of it.
    fn leave_waiting(&mut self, id: String) {
        match DeviceWorker::start() {
            Ok(worker) => {
                let worker = std::mem::replace(&mut self.worker, worker);
                self.silent = Some(SilentDevice { id, worker });
            }
            Err(error) => tracing::warn!(%error, "a sound device that does not begin holds up the next one"),
        }
    }
}
