//! The one window: how it opens, what closing it asks, and when it was first painted.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tauri::{AppHandle, Manager, UserAttentionType, WebviewUrl, WebviewWindowBuilder, Window, WindowEvent};

use crate::{
    app_controller::ControllerSlot,
    ipc::{self, CloseAsked},
    page::{self, Page},
};

/// The window's label.
pub const MAIN: &str = "main";
/// Leaving a room politely takes a round trip; a house that does not answer must not hold the window.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// When the process began, and whether the first paint was told.
pub struct StartTimes {
    began: Instant,
    told: AtomicBool,
}

impl StartTimes {
    /// Begins now.
    pub fn begin() -> Self {
        Self { began: Instant::now(), told: AtomicBool::new(false) }
    }
}

/// Opens the window.
///
/// # Errors
/// What the system's web view says.
pub fn open(app: &AppHandle, profile: &str) -> tauri::Result<()> {
    let title = if profile == "default" { "Serambi".to_owned() } else { format!("Serambi – {profile}") };
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title(title)
        .inner_size(1180.0, 800.0)
        .min_inner_size(420.0, 72.0)
        .build()
        .and_then(|window| page::watch(&window))
}

/// Can somebody see the window now?
pub fn is_seen(app: &AppHandle) -> bool {
    app.get_webview_window(MAIN)
        .is_some_and(|window| window.is_visible().unwrap_or(true) && !window.is_minimized().unwrap_or(false))
}

/// Does somebody look at the window now?
pub fn is_in_front(app: &AppHandle) -> bool {
    is_seen(app) && app.get_webview_window(MAIN).is_some_and(|window| window.is_focused().unwrap_or(false))
}

/// Has the desktop point at the window, until somebody looks at it.
pub fn ask_for_attention(app: &AppHandle) {
    set_attention(app, Some(UserAttentionType::Informational));
}

fn set_attention(app: &AppHandle, attention: Option<UserAttentionType>) {
    let asked = app.get_webview_window(MAIN).map(|window| window.request_user_attention(attention));
    if let Some(Err(error)) = asked {
        tracing::info!(%error, "the desktop does not point at windows");
    }
}

/// Shows the window of a running app to somebody who started it again.
pub fn bring_to_front(app: &AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!(%error, "the window could not be brought to the front");
    }
}

/// What happens to the window.
pub fn on_event(window: &Window, event: &WindowEvent) {
    match event {
        WindowEvent::CloseRequested { api, .. } => {
            api.prevent_close();
            on_close(window.app_handle().clone());
        }
        WindowEvent::Focused(true) => on_front(window.app_handle()),
        _ => {}
    }
}

/// Somebody looks at the window: nothing has to point at it any more.
fn on_front(app: &AppHandle) {
    set_attention(app, None);
    if let Some(controller) = app.state::<ControllerSlot>().get() {
        controller.window_is_in_front();
    }
}

/// Closing asks first while others would be cut off; otherwise, and if there is no page to ask, it leaves the room and
/// closes.
fn on_close(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        match people_cut_off(&app).await {
            Some(asked) if app.state::<Page>().is_there().await => ipc::tell(&app, asked),
            _ => close_for_good(&app).await,
        }
    });
}

async fn people_cut_off(app: &AppHandle) -> Option<CloseAsked> {
    let presence = app.state::<ControllerSlot>().get()?.others_present().await;
    (presence.people > 0).then_some(CloseAsked { people: presence.people, rooms: presence.rooms })
}

/// Leaves, closes the house, and ends the program.
pub async fn close_for_good(app: &AppHandle) {
    if let Some(controller) = app.state::<ControllerSlot>().get()
        && tokio::time::timeout(LEAVE_WITHIN, controller.close()).await.is_err()
    {
        tracing::warn!("leaving took too long; closing all the same");
    }
    app.exit(0);
}

/// Prints the time from the start of the process to the first paint, once, for those who measure.
pub fn note_first_paint(app: &AppHandle) {
    let times = app.state::<StartTimes>();
    let first = !times.told.swap(true, Ordering::Relaxed);
    if first && std::env::var_os("SERAMBI_PRINT_TIMES").is_some() {
        println!("{{\"event\":\"first_paint\",\"at_ms\":{}}}", times.began.elapsed().as_millis());
    }
}
