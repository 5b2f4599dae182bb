//! The room one is in: hands its news to the window and streams sound levels while the window can be seen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serambi_call::{Call, CallEvent, HostedRoom};
use serambi_protocol::{Notice, RoomView, view::Role};
use tauri::{AppHandle, async_runtime::JoinHandle, ipc::Channel};
use tokio::sync::{Notify, mpsc::Receiver};

use crate::{
    app_controller::AppController,
    call_updates::{CallUpdate, CallUpdates, ShownCall},
    ipc::{self, CallClosed, CallMeasured, Noticed, Problem, SoundNoticed},
    level_meter::{LOOK_EVERY, LevelMeter},
    notices::CallNotices,
    view::LevelBatch,
    window,
};

/// Between two questions whether somebody sees the window: each is a round trip through its thread.
const SEEN_EVERY: Duration = Duration::from_millis(500);

/// A call, its news being passed on.
pub struct Ongoing {
    call: Call,
    news: JoinHandle<()>,
    levels: Option<JoinHandle<()>>,
    updates: Arc<CallUpdates>,
    /// A window asks for everything anew.
    show_again: Arc<Notify>,
    /// Muted because the page died, and by nobody else since.
    is_muted_for_page: Arc<AtomicBool>,
}

impl Ongoing {
    /// Passes the call's news on until it closes.
    pub fn begin(
        call: Call,
        events: Receiver<CallEvent>,
        updates: Arc<CallUpdates>,
        controller: AppController,
        app: AppHandle,
    ) -> Self {
        let (show_again, is_muted_for_page) = (Arc::new(Notify::new()), Arc::<AtomicBool>::default());
        let passing = Passing {
            call: call.clone(),
            updates: updates.clone(),
            show_again: show_again.clone(),
            is_muted_for_page: is_muted_for_page.clone(),
            controller,
            app,
        };
        let news = tauri::async_runtime::spawn(passing.run(events));
        Self { call, news, levels: None, updates, show_again, is_muted_for_page }
    }

    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Tells the window everything about the call anew.
    pub fn show_again(&self) {
        self.show_again.notify_one();
    }

    /// The call, if its microphone is open and nobody can see that any more: to be muted.
    pub fn begin_muted_for_page(&mut self) -> Option<Call> {
        let is_open = !self.call.view().microphone.muted;
        is_open.then(|| {
            self.is_muted_for_page.store(true, Ordering::Release);
            self.call.clone()
        })
    }

    /// The call, if it was muted for want of a page: to be unmuted.
    pub fn end_muted_for_page(&mut self) -> Option<Call> {
        self.is_muted_for_page.swap(false, Ordering::AcqRel).then(|| self.call.clone())
    }

    /// Streams levels from now on, to this channel only.
    pub fn send_levels(&mut self, app: AppHandle, channel: Channel<LevelBatch>) {
        let sending = tauri::async_runtime::spawn(stream_levels(self.call.clone(), app, channel));
        if let Some(earlier) = self.levels.replace(sending) {
            earlier.abort();
        }
    }

    /// Sends none any more.
    pub fn stop_levels(&mut self) {
        if let Some(levels) = self.levels.take() {
            levels.abort();
        }
    }

    /// Leaves quietly. The news end first: whoever leaves needs no telling that they left.
    pub async fn leave(self) {
        self.news.abort();
        self.call.leave().await;
        self.updates.tell(CallUpdate::None).await;
    }

    /// Leaves quietly for another room, which the window shows by now.
    pub async fn leave_for_another(self) {
        self.news.abort();
        self.call.leave().await;
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.stop_levels();
    }
}

/// A call's events on their way to the window.
struct Passing {
    call: Call,
    updates: Arc<CallUpdates>,
    show_again: Arc<Notify>,
    is_muted_for_page: Arc<AtomicBool>,
    controller: AppController,
    app: AppHandle,
}

impl Passing {
    async fn run(self, mut events: Receiver<CallEvent>) {
        let mut shown = ShownCall::of(&self.call);
        let mut notices = CallNotices::new(shown.room(), shown.call());
        let is_at_home = self.controller.is_at_home(&self.call);
        let mut hosting = None;
        self.controller.show_in_tray(Some(shown.in_room()));
        self.updates.tell(shown.opened()).await;
        loop {
            let present = hosted(shown.room()).filter(|_| is_at_home);
            if hosting != present {
                self.controller.note_hosting(present.clone());
                hosting = present;
            }
            let event = tokio::select! {
                event = events.recv() => event,
                () = self.show_again.notified() => {
                    self.updates.tell(shown.opened()).await;
                    continue;
                }
            };
            let Some(event) = event else { break };
            let mut acts = notices.take_event(&event, shown.room(), Instant::now());
            match shown.take(event) {
                Ok(update) => {
                    // The tray takes some 20 ms of the main thread, which the window would wait for.
                    self.updates.tell(update).await;
                    self.controller.show_in_tray(Some(shown.in_room()));
                }
                Err(event) => self.tell(event),
            }
            acts.extend(notices.take_state(shown.room(), shown.call()));
            acts.into_iter().for_each(|act| self.controller.carry_out(act, &shown.room().room));
        }
        if self.controller.forget_call(&self.call) {
            self.controller.note_hosting(None);
            self.updates.tell(CallUpdate::None).await;
        }
    }

    fn tell(&self, event: CallEvent) {
        match event {
            // A page that nobody sees draws nothing; a second later there are new figures.
            CallEvent::Measured(measured) if window::is_seen(&self.app) => {
                ipc::tell(&self.app, CallMeasured(measured));
            }
            CallEvent::Measured(_) => {}
            CallEvent::Notice(notice) => {
                if let Notice::MutedBy { .. } = notice {
                    self.is_muted_for_page.store(false, Ordering::Release);
                    self.controller.overrule_talk_keys();
                }
                ipc::tell(&self.app, Noticed(notice));
            }
            CallEvent::Called(called) => {
                let (controller, house) = (self.controller.clone(), self.call.house().clone());
                tauri::async_runtime::spawn(async move { controller.take_called(house, *called).await });
            }
            CallEvent::Sound(notice) => ipc::tell(&self.app, SoundNoticed(notice)),
            CallEvent::Problem(error) => ipc::tell(&self.app, Problem(error.into())),
            CallEvent::Closed(reason) => ipc::tell_once(&self.app, CallClosed(reason)),
            // These are updates.
            CallEvent::Opened { .. } | CallEvent::Room { .. } | CallEvent::Changed(_) => {}
        }
    }
}

/// The room, if this person runs it.
fn hosted(room: &RoomView) -> Option<HostedRoom> {
    let runs_it = room.you.role == Role::Host;
    runs_it.then(|| HostedRoom { id: room.room.id, title: room.room.title.clone() })
}

async fn stream_levels(call: Call, app: AppHandle, channel: Channel<LevelBatch>) {
    let mut meter = LevelMeter::default();
    loop {
        let batches = if window::is_seen(&app) {
            stream_levels_for(SEEN_EVERY, &call, &mut meter, &channel).await
        } else {
            let silence = meter.silence();
            tokio::time::sleep(SEEN_EVERY).await;
            silence.map_or(Ok(()), |batch| channel.send(batch))
        };
        if batches.is_err() {
            return;
        }
    }
}

async fn stream_levels_for(
    time: Duration,
    call: &Call,
    meter: &mut LevelMeter,
    channel: &Channel<LevelBatch>,
) -> tauri::Result<()> {
    let begin = tokio::time::Instant::now();
    while begin.elapsed() < time {
        if let Some(batch) = meter.look(&call.levels()) {
            channel.send(batch)?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
