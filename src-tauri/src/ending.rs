//! The end of the session: the system asks the app to go, and it leaves politely. Its rooms are kept.

use tauri::AppHandle;

#[cfg(unix)]
use crate::window::{self, Ending};

/// Leaves when the system says so.
#[cfg(unix)]
pub fn listen(app: &AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let signals = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
        let [Ok(mut terminate), Ok(mut hang_up), Ok(mut interrupt)] = signals else {
            return tracing::warn!("the end of the session will come unannounced");
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("the system ends the app");
        window::close_for_good(&app, Ending::Session).await;
    });
}

/// Windows sends no signals: closing the window is all it says.
#[cfg(not(unix))]
pub fn listen(_app: &AppHandle) {}
