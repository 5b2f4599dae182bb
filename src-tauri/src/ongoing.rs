//! The room one is in: hands its news to the window and streams sound levels while the window can be seen.

use std::{sync::Arc, time::Duration};

use serambi_call::{Call, CallEvent};
use tauri::{AppHandle, Manager, async_runtime::JoinHandle, ipc::Channel};
use tokio::sync::{Notify, mpsc::Receiver};

use crate::{
    call_updates::{CallUpdate, CallUpdates, ShownCall},
    desk::Desk,
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
    updates: Arc<CallUpdates>,
    /// A window asks for everything anew.
    show_again: Arc<Notify>,
}

impl Ongoing {
    /// Passes the call's news on until it closes.
    pub fn begin(
        call: Call,
        events: Receiver<CallEvent>,
        updates: Arc<CallUpdates>,
        desk: Desk,
        app: AppHandle,
    ) -> Self {
        let show_again = Arc::new(Notify::new());
        let news = pass_on(call.clone(), events, updates.clone(), show_again.clone(), desk, app);
        Self { call, news: tauri::async_runtime::spawn(news), levels: None, updates, show_again }
    }

    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Tells the window everything about the call anew.
    pub fn show_again(&self) {
        self.show_again.notify_one();
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
        if let Some(levels) = self.levels.take() {
            levels.abort();
        }
    }
}

async fn pass_on(
    call: Call,
    mut events: Receiver<CallEvent>,
    updates: Arc<CallUpdates>,
    show_again: Arc<Notify>,
    desk: Desk,
    app: AppHandle,
) {
    let mut shown = ShownCall::of(&call);
    updates.tell(shown.opened()).await;
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = show_again.notified() => {
                updates.tell(shown.opened()).await;
                continue;
            }
        };
        let Some(event) = event else { break };
        match shown.take(event) {
            Ok(update) => updates.tell(update).await,
            Err(CallEvent::Measured(measured)) => ipc::tell(&app, CallMeasured(measured)),
            Err(CallEvent::Notice(notice)) => ipc::tell(&app, Noticed(notice)),
            Err(CallEvent::Sound(notice)) => ipc::tell(&app, SoundNoticed(notice)),
            Err(CallEvent::Problem(error)) => ipc::tell(&app, Problem(error.into())),
            Err(CallEvent::Closed(reason)) => ipc::tell(&app, CallClosed(reason)),
            // These are updates.
            Err(CallEvent::Opened { .. } | CallEvent::Room { .. } | CallEvent::Changed(_)) => {}
        }
    }
    if desk.forget_call(&call) {
        updates.tell(CallUpdate::None).await;
    }
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
