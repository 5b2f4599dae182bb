//! The page's process: watched, loaded again when it dies, and never an open microphone without a page.
//!
//! The call lives in this process and goes on. Each system's web view tells of a dead page.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tauri::{AppHandle, Manager};
use tokio::sync::watch;

use crate::{app_controller::ControllerSlot, window};

/// A page that dies more often than this within [`RELOAD_PERIOD`] is left dead: the next would die as well.
const MAX_RELOADS: usize = 5;
const RELOAD_PERIOD: Duration = Duration::from_secs(60);
/// How long a question to the page waits for a page.
const MAX_WAIT_FOR_PAGE: Duration = Duration::from_secs(3);

/// Whether there is a page that shows something, and when it died before.
pub struct Page {
    is_painted: watch::Sender<bool>,
    deaths: Mutex<VecDeque<Instant>>,
}

impl Default for Page {
    fn default() -> Self {
        Self { is_painted: watch::Sender::new(false), deaths: Mutex::default() }
    }
}

impl Page {
    /// Notes that the page is on the screen.
    fn set_painted(&self) {
        let was_painted = self.is_painted.send_replace(true);
        let deaths = self.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        if let (false, Some(death)) = (was_painted, deaths.back()) {
            tracing::info!(after_ms = death.elapsed().as_millis(), "the page is back");
        }
    }

    /// Notes a death, and says whether loading the page again is worth it.
    fn died(&self, now: Instant) -> bool {
        self.is_painted.send_replace(false);
        let mut deaths = self.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        while deaths.front().is_some_and(|first| now.duration_since(*first) >= RELOAD_PERIOD) {
            deaths.pop_front();
        }
        if deaths.len() >= MAX_RELOADS {
            return false;
        }
        deaths.push_back(now);
        true
    }

    /// Waits for a page that can be asked something; none comes within [`MAX_WAIT_FOR_PAGE`] if it is dead for good.
    pub async fn is_there(&self) -> bool {
        self.is_there_within(MAX_WAIT_FOR_PAGE).await
    }

    async fn is_there_within(&self, limit: Duration) -> bool {
        let mut painted = self.is_painted.subscribe();
        let there = painted.wait_for(|painted| *painted);
        matches!(tokio::time::timeout(limit, there).await, Ok(Ok(_)))
    }
}

/// Has the death of the window's page reported to [`on_death`].
///
/// # Errors
/// What the system's web view says.
#[cfg(target_os = "linux")]
pub fn watch(window: &tauri::WebviewWindow) -> tauri::Result<()> {
    use webkit2gtk::WebViewExt;
    let app = window.app_handle().clone();
    window.with_webview(move |webview| {
        webview.inner().connect_web_process_terminated(move |_, reason| {
            tracing::error!(?reason, "the page's process died");
            on_death(&app);
        });
    })
}

/// Has the death of the window's page reported to [`on_death`]. Of WebView2's other processes it starts a dead one
/// again by itself, and the page goes on.
///
/// # Errors
/// What the system's web view says.
#[cfg(windows)]
pub fn watch(window: &tauri::WebviewWindow) -> tauri::Result<()> {
    use webview2_com::{
        Microsoft::Web::WebView2::Win32::{
            COREWEBVIEW2_PROCESS_FAILED_KIND_BROWSER_PROCESS_EXITED as BROWSER,
            COREWEBVIEW2_PROCESS_FAILED_KIND_RENDER_PROCESS_EXITED as PAGE,
        },
        ProcessFailedEventHandler,
    };
    let app = window.app_handle().clone();
    window.with_webview(move |webview| {
        let on_failure = ProcessFailedEventHandler::create(Box::new(move |_, failure| {
            let mut kind = PAGE;
            if let Some(failure) = failure {
                // SAFETY: called by WebView2 with an event of its own, on its thread.
                unsafe { failure.ProcessFailedKind(&mut kind)? };
            }
            tracing::error!(kind = kind.0, "a process of the page died");
            if [PAGE, BROWSER].contains(&kind) {
                on_death(&app);
            }
            Ok(())
        }));
        let mut registration = 0;
        // SAFETY: called on the thread of the web view, which holds on to the handler.
        let watched = unsafe {
            let view = webview.controller().CoreWebView2();
            view.and_then(|view| view.add_ProcessFailed(&on_failure, &mut registration))
        };
        if let Err(error) = watched {
            tracing::error!(%error, "the page's process is not watched");
        }
    })
}

/// Nothing to connect: macOS reports to the app.
#[cfg(target_os = "macos")]
pub fn watch(_window: &tauri::WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

/// Mutes and loads the page again.
pub fn on_death(app: &AppHandle) {
    let may_reload = app.state::<Page>().died(Instant::now());
    if let Some(controller) = app.state::<ControllerSlot>().get() {
        tauri::async_runtime::spawn(async move { controller.page_is_gone().await });
    }
    if !may_reload {
        tracing::error!("the page dies again and again; it is not loaded any more");
        return;
    }
    let reloaded = app.get_webview_window(window::MAIN).map(|window| window.reload());
    if let Some(Err(error)) = reloaded {
        tracing::error!(%error, "the page cannot be loaded again");
    }
}

/// The page is on the screen: what it shows is true again.
pub fn on_painted(app: &AppHandle) {
    app.state::<Page>().set_painted();
    if let Some(controller) = app.state::<ControllerSlot>().get() {
        tauri::async_runtime::spawn(async move { controller.page_is_back().await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_keeps_dying_is_given_up_and_later_tried_again() {
        let page = Page::default();
        let start = Instant::now();
        for second in 0..5 {
            assert!(page.died(start + Duration::from_secs(second)), "{second}");
        }
        assert!(!page.died(start + Duration::from_secs(5)));
        assert!(page.died(start + RELOAD_PERIOD), "the first death is long ago");
    }

    #[tokio::test]
    async fn a_question_waits_for_the_page_that_is_being_loaded_and_not_for_one_that_is_dead() {
        let page = Page::default();
        page.set_painted();
        assert!(page.is_there().await);
        page.died(Instant::now());
        assert!(!page.is_there_within(Duration::from_millis(1)).await);
        let (there, ()) = tokio::join!(page.is_there(), async { page.set_painted() });
        assert!(there);
    }
}
