//! The own microphone: what it is to be, what it is, and the one worker that makes the second follow the first.
//!
//! Devices take seconds to open, so nobody waits for the worker: who wants something of the microphone changes the
//! desired state and reads in the worker's reports what came of it. A mute does not wait even for that: the gate before
//! the network ([`VoiceOut::shut`]) is shut first, and what the worker then does only spares the encoder.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{error::CallError, media::VoiceOut, sound::Sound, tasks::Tasks};

/// What the microphone is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Desired {
    /// A capture stream is to exist.
    pub(crate) open: bool,
    /// Voice is to leave.
    pub(crate) live: bool,
    /// The last mute: voice leaves only if no other came since.
    pub(crate) mute: u64,
    /// Grows with each wish to open it: one that failed is tried again for the next wish only.
    pub(crate) attempt: u64,
}

/// What the microphone is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Actual {
    /// A capture stream exists.
    pub(crate) open: bool,
    /// Voice leaves.
    pub(crate) live: bool,
    /// The last mute that the engine has carried out.
    mute: u64,
    /// The last attempt to open it that has ended.
    pub(crate) attempt: u64,
    /// Why that attempt failed.
    pub(crate) problem: Option<CallError>,
}

/// The next thing to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Mute,
    Open,
    Close,
    GoLive,
}

/// The way from what is to what is to be, one step at a time: muting first, voice last.
fn next_step(desired: &Desired, actual: &Actual) -> Option<Step> {
    if actual.mute != desired.mute || (actual.live && !desired.live) {
        Some(Step::Mute)
    } else if actual.open && !desired.open {
        Some(Step::Close)
    } else if desired.open && actual.attempt != desired.attempt {
        Some(Step::Open)
    } else if desired.live && actual.open && !actual.live {
        Some(Step::GoLive)
    } else {
        None
    }
}

/// What the worker works with; in tests a device that can be made to hang.
pub(crate) trait Capture: Send + Sync + 'static {
    /// Opens the microphone, muted; does nothing if it is open.
    fn open(&self) -> impl Future<Output = Result<(), CallError>> + Send;
    /// Closes it.
    fn close(&self) -> impl Future<Output = ()> + Send;
    /// Whether voice is encoded.
    fn set_muted(&self, muted: bool) -> impl Future<Output = Result<(), CallError>> + Send;
    /// Whether a capture stream exists.
    fn is_open(&self) -> bool;
}

impl Capture for Arc<Sound> {
    async fn open(&self) -> Result<(), CallError> {
        self.open_microphone().await
    }

    async fn close(&self) {
        self.close_microphone().await;
    }

    async fn set_muted(&self, muted: bool) -> Result<(), CallError> {
        Sound::set_muted(self, muted).await
    }

    fn is_open(&self) -> bool {
        self.microphone_is_open()
    }
}

/// The microphone of a call.
pub(crate) struct Microphone {
    desired: watch::Sender<Desired>,
    actual: watch::Receiver<Actual>,
    voice_out: VoiceOut,
}

impl Microphone {
    /// A closed microphone. Its worker ends with `tasks`.
    pub(crate) fn start(capture: impl Capture, voice_out: VoiceOut, tasks: &Tasks) -> Self {
        let desired = watch::Sender::new(Desired::default());
        let (actual_sender, actual) = watch::channel(Actual::default());
        tasks.spawn(follow(capture, voice_out.clone(), desired.subscribe(), actual_sender));
        Self { desired, actual, voice_out }
    }

    /// When this returns, no voice leaves. Never waits.
    pub(crate) fn mute(&self) {
        let mute = self.voice_out.shut();
        self.desired.send_modify(|desired| (desired.live, desired.mute) = (false, mute));
    }

    /// Voice leaves as soon as the microphone is open and the engine has done every mute before this.
    pub(crate) fn go_live(&self) {
        self.desired.send_modify(|desired| desired.live = true);
    }

    /// Opens it if it is not open; the number of the attempt, whose end the worker reports.
    pub(crate) fn open(&self) -> u64 {
        self.desired.send_modify(|desired| {
            desired.open = true;
            desired.attempt += 1;
        });
        self.desired.borrow().attempt
    }

    /// Closes it. Voice stops at once.
    pub(crate) fn close(&self) {
        if self.desired.borrow().open {
            self.mute();
            self.desired.send_modify(|desired| desired.open = false);
        }
    }

    /// Whether it is to be open.
    pub(crate) fn is_wanted(&self) -> bool {
        self.desired.borrow().open
    }

    /// Whether voice is to leave.
    pub(crate) fn is_live(&self) -> bool {
        self.desired.borrow().live
    }

    /// What it is now.
    pub(crate) fn actual(&self) -> Actual {
        self.actual.borrow().clone()
    }

    /// Waits for the next report of the worker.
    pub(crate) async fn changed(&mut self) {
        if self.actual.changed().await.is_err() {
            // The worker has ended with the call.
            std::future::pending::<()>().await;
        }
    }
}

async fn follow(
    capture: impl Capture,
    voice_out: VoiceOut,
    mut desired: watch::Receiver<Desired>,
    reports: watch::Sender<Actual>,
) {
    let mut actual = Actual::default();
    loop {
        let wanted = *desired.borrow_and_update();
        let Some(step) = next_step(&wanted, &actual) else {
            if desired.changed().await.is_err() {
                return;
            }
            continue;
        };
        take_step(step, &wanted, &mut actual, &capture, &voice_out).await;
        reports.send_if_modified(|shown| std::mem::replace(shown, actual.clone()) != actual);
    }
}

async fn take_step(step: Step, wanted: &Desired, actual: &mut Actual, capture: &impl Capture, voice_out: &VoiceOut) {
    match step {
        Step::Mute => {
            // An engine that does not answer goes on encoding; the gate stands shut all the same.
            if let Err(error) = capture.set_muted(true).await {
                tracing::warn!(%error, "muting the engine");
            }
            (actual.live, actual.mute) = (false, wanted.mute);
        }
        Step::Open => {
            let opened = capture.open().await;
            actual.problem = opened.err();
            actual.attempt = wanted.attempt;
            actual.open = capture.is_open();
        }
        Step::Close => {
            capture.close().await;
            (actual.open, actual.live, actual.problem) = (capture.is_open(), false, None);
            if actual.open {
                tracing::warn!("the microphone does not close");
                actual.open = false;
            }
        }
        Step::GoLive => {
            let open = voice_out.open_after(wanted.mute);
            if open && let Err(error) = capture.set_muted(false).await {
                tracing::warn!(%error, "unmuting the engine");
            }
            // If the gate was shut meanwhile, a newer mute stands in the desired state and comes next.
            actual.live = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    use parking_lot::Mutex;
    use serambi_audio::{AudioError, EncodedFrame};
    use tokio::time::timeout;

    use super::*;

    /// A device that does what it is asked, unless it hangs or is refused, and remembers what it was asked.
    #[derive(Default)]
    struct TestDevice {
        open: AtomicBool,
        refused: AtomicBool,
        hangs: watch::Sender<bool>,
        asked: Mutex<Vec<&'static str>>,
    }

    impl Capture for Arc<TestDevice> {
        async fn open(&self) -> Result<(), CallError> {
            self.asked.lock().push("open");
            // The sender is `self`, so this cannot fail.
            self.hangs.subscribe().wait_for(|hangs| !hangs).await.map(drop).unwrap_or_default();
            if self.refused.load(Ordering::SeqCst) {
                return Err(CallError::Microphone(AudioError::MicrophoneRefused(String::new())));
            }
            self.open.store(true, Ordering::SeqCst);
            Ok(())
        }

        async fn close(&self) {
            self.asked.lock().push("close");
            self.open.store(false, Ordering::SeqCst);
        }

        async fn set_muted(&self, muted: bool) -> Result<(), CallError> {
            self.asked.lock().push(if muted { "mute" } else { "unmute" });
            Ok(())
        }

        fn is_open(&self) -> bool {
            self.open.load(Ordering::SeqCst)
        }
    }

    struct Bench {
        device: Arc<TestDevice>,
        microphone: Microphone,
        voice_out: VoiceOut,
        _tasks: Tasks,
    }

    impl Bench {
        fn new() -> Self {
            let (device, tasks) = (Arc::new(TestDevice::default()), Tasks::default());
            let voice_out = VoiceOut::start(&tasks);
            let microphone = Microphone::start(device.clone(), voice_out.clone(), &tasks);
            Self { device, microphone, voice_out, _tasks: tasks }
        }

        async fn until(&mut self, so: impl FnMut(&Actual) -> bool) -> Actual {
            let reported = timeout(Duration::from_secs(10), self.microphone.actual.wait_for(so)).await;
            reported.expect("a report in time").expect("a worker").clone()
        }
    }

    #[tokio::test]
    async fn it_opens_muted_and_voice_leaves_only_when_it_is_to() {
        let mut bench = Bench::new();
        let attempt = bench.microphone.open();
        let actual = bench.until(|actual| actual.attempt == attempt).await;
        assert!(actual.open && !actual.live);
        bench.microphone.go_live();
        bench.until(|actual| actual.live).await;
        assert_eq!(*bench.device.asked.lock(), ["open", "unmute"]);
        assert!(bench.voice_out.open_after(0));
    }

    // Before, a mute waited for the lock that was held while a device opened: up to 12 s.
    #[tokio::test]
    async fn a_mute_does_not_wait_for_a_device_that_hangs() {
        let mut bench = Bench::new();
        bench.device.hangs.send_replace(true);
        bench.microphone.open();
        bench.microphone.go_live();
        bench.microphone.mute();
        bench.device.hangs.send_replace(false);
        let actual = bench.until(|actual| actual.open).await;
        assert!(!actual.live);
        bench.voice_out.push(EncodedFrame {
            payload: vec![1],
            timestamp: 0,
            level_dbov: 30,
            captured_at: std::time::Instant::now(),
            starts_talkspurt: true,
        });
        assert_eq!(bench.voice_out.counters(), crate::media::VoiceCounters::default(), "the gate is shut");
    }

    #[tokio::test]
    async fn the_engine_carries_out_a_mute_also_when_an_unmute_follows_at_once() {
        let mut bench = Bench::new();
        bench.microphone.open();
        bench.microphone.go_live();
        bench.until(|actual| actual.live).await;
        bench.microphone.mute();
        bench.microphone.go_live();
        let mute = bench.microphone.desired.borrow().mute;
        bench.until(|actual| actual.live && actual.mute == mute).await;
        assert_eq!(*bench.device.asked.lock(), ["open", "unmute", "mute", "unmute"]);
    }

    #[tokio::test]
    async fn a_refused_microphone_is_reported_once_and_tried_again_at_the_next_wish() {
        let mut bench = Bench::new();
        bench.device.refused.store(true, Ordering::SeqCst);
        let first = bench.microphone.open();
        let actual = bench.until(|actual| actual.attempt == first).await;
        assert!(!actual.open && actual.problem.is_some());
        bench.device.refused.store(false, Ordering::SeqCst);
        let second = bench.microphone.open();
        let actual = bench.until(|actual| actual.attempt == second).await;
        assert!(actual.open && actual.problem.is_none());
    }

    #[test]
    fn muting_comes_before_everything_and_voice_last() {
        let desired = Desired { open: true, live: true, mute: 2, attempt: 1 };
        let mut actual = Actual { mute: 1, ..Actual::default() };
        assert_eq!(next_step(&desired, &actual), Some(Step::Mute));
        actual.mute = 2;
        assert_eq!(next_step(&desired, &actual), Some(Step::Open));
        (actual.open, actual.attempt) = (true, 1);
        assert_eq!(next_step(&desired, &actual), Some(Step::GoLive));
        actual.live = true;
        assert_eq!(next_step(&desired, &actual), None);
        let closed = Desired { open: false, live: false, ..desired };
        assert_eq!(next_step(&closed, &actual), Some(Step::Mute));
        actual.live = false;
        assert_eq!(next_step(&closed, &actual), Some(Step::Close));
    }
}
