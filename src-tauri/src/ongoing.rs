//! The room one is in: hands its news to the window and streams sound levels while the window can be seen.

use std::time::Duration;

use serambi_call::{Call, CallEvent, CallView};
use tauri::{AppHandle, Manager, async_runtime::JoinHandle, ipc::Channel};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    desk::Desk,
    ipc::{self, CallChanged, CallClosed, CallMeasured, Noticed, Problem, SoundNoticed},
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
}

impl Ongoing {
    /// Passes the call's news on until it closes.
    pub fn begin(call: Call, events: UnboundedReceiver<CallEvent>, desk: Desk, app: AppHandle) -> Self {
        ipc::tell(&app, CallChanged(Some(call.view())));
        let news = tauri::async_runtime::spawn(pass_on(call.clone(), events, desk, app));
        Self { call, news, levels: None }
    }

    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The room and its circumstances now.
    pub fn view(&self) -> CallView {
        self.call.view()
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

async fn pass_on(call: Call, mut events: UnboundedReceiver<CallEvent>, desk: Desk, app: AppHandle) {
    while let Some(event) = events.recv().await {
        match event {
            CallEvent::Changed => ipc::tell(&app, CallChanged(Some(call.view()))),
            CallEvent::Measured => ipc::tell(&app, CallMeasured(call.measurements())),
            CallEvent::Notice(notice) => ipc::tell(&app, Noticed(notice)),
            CallEvent::Sound(notice) => ipc::tell(&app, SoundNoticed(notice)),
            CallEvent::Problem(refusal) => ipc::tell(&app, Problem(refusal)),
            CallEvent::Closed(reason) => {
                ipc::tell(&app, CallClosed(reason));
                break;
            }
        }
    }
    ipc::tell(&app, CallChanged(None));
    desk.forget_call();
}

async fn stream_levels(call: Call, app: AppHandle, channel: Channel<LevelBatch>) {
    let mut tick = tokio::time::interval(LEVEL_TICK);
    let mut was_quiet = false;
    loop {
        tick.tick().await;
        let is_seen = app
            .get_webview_window(window::MAIN)
            .is_some_and(|window| window.is_visible().unwrap_or(true) && !window.is_minimized().unwrap_or(false));
        if !is_seen {
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
