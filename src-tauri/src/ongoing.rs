//! The room one is in: hands its news to the window and streams sound levels while the window can be seen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serambi_call::{Call, CallEvent, CallView};
use serambi_protocol::Notice;
use tauri::{AppHandle, async_runtime::JoinHandle, ipc::Channel};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    app_controller::AppController,
    ipc::{self, CallClosed, CallMeasured, Noticed, Problem, SoundNoticed},
    view::LevelBatch,
    window,
};

/// Twenty batches a second look smooth; more costs painting for nothing.
const LEVEL_TICK: Duration = Duration::from_millis(50);
/// Quieter than this nobody is shown as audible.
const AUDIBLE_DBFS: f32 = -60.0;

/// A call, its news being passed on.
pub struct Ongoing {
    call: Call,
    news: JoinHandle<()>,
    levels: Option<JoinHandle<()>>,
    /// Muted because the page died, and by nobody else since.
    is_muted_for_page: Arc<AtomicBool>,
}

impl Ongoing {
    /// Passes the call's news on until it closes.
    pub fn begin(call: Call, events: UnboundedReceiver<CallEvent>, controller: AppController, app: AppHandle) -> Self {
        let is_muted_for_page = Arc::<AtomicBool>::default();
        let passing = pass_on(call.clone(), events, controller, app, is_muted_for_page.clone());
        let news = tauri::async_runtime::spawn(passing);
        Self { call, news, levels: None, is_muted_for_page }
    }

    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The room and its circumstances now.
    pub fn view(&self) -> CallView {
        self.call.view()
    }

    /// The call, if its microphone is open and nobody can see that any more: to be muted.
    pub fn begin_muted_for_page(&mut self) -> Option<Call> {
        let is_open = !self.view().microphone.muted;
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

    /// Leaves quietly. The news end first: whoever leaves needs no telling that they left.
    pub async fn leave(self) {
        self.news.abort();
        self.call.leave().await;
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        if let Some(levels) = self.levels.take() {
            levels.abort();
        }
    }
}

async fn pass_on(
    call: Call,
    mut events: UnboundedReceiver<CallEvent>,
    controller: AppController,
    app: AppHandle,
    is_muted_for_page: Arc<AtomicBool>,
) {
    while let Some(event) = events.recv().await {
        match event {
            CallEvent::Changed => controller.tell_call(),
            CallEvent::Measured => ipc::tell(&app, CallMeasured(call.measurements())),
            CallEvent::Notice(notice) => {
                if let Notice::MutedBy { .. } = notice {
                    is_muted_for_page.store(false, Ordering::Release);
                }
                ipc::tell(&app, Noticed(notice));
            }
            CallEvent::Sound(notice) => ipc::tell(&app, SoundNoticed(notice)),
            CallEvent::Problem(refusal) => ipc::tell(&app, Problem(refusal)),
            CallEvent::Closed(reason) => {
                ipc::tell(&app, CallClosed(reason));
                break;
            }
        }
    }
    controller.forget_call();
}

async fn stream_levels(call: Call, app: AppHandle, channel: Channel<LevelBatch>) {
    let mut tick = tokio::time::interval(LEVEL_TICK);
    let mut was_quiet = false;
    loop {
        tick.tick().await;
        if !window::is_seen(&app) {
            continue;
        }
        let levels = call.levels();
        let people: Vec<_> = levels.people.into_iter().filter(|(_, level)| *level > AUDIBLE_DBFS).collect();
        // A closed microphone in a silent room is told once, not twenty times a second.
        let is_quiet = levels.own.is_none() && people.is_empty();
        if is_quiet && was_quiet {
            continue;
        }
        was_quiet = is_quiet;
        if channel.send(LevelBatch { own: levels.own, people }).is_err() {
            return;
        }
    }
}
