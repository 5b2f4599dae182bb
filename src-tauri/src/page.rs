//! The page: watched, loaded again when its process dies, let go while nobody can see it, and told when it comes what
//! no page heard. Never an open microphone behind a dead page.
//!
//! The call lives in this process and goes on. Each system's web view tells of a dead page.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
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
/// What happened while there was no page is kept for the next one; of more than this the newest.
const MAX_UNTOLD: usize = 16;

/// Tells the page something.
type Telling = Box<dyn FnOnce(&AppHandle) + Send>;

/// Whether there is a page that shows something, when it died before, and what it missed.
pub struct Page {
    is_painted: watch::Sender<bool>,
    /// When the page that is not painted yet was asked for.
    asked_for: Mutex<Option<Instant>>,
    deaths: Mutex<VecDeque<Instant>>,
    untold: Mutex<VecDeque<Telling>>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            is_painted: watch::Sender::new(false),
            asked_for: Mutex::default(),
            deaths: Mutex::default(),
            untold: Mutex::default(),
        }
    }
}

impl Page {
    /// Notes that the page is on the screen, and gives what it missed.
    fn painted(&self) -> VecDeque<Telling> {
        let mut untold = lock(&self.untold);
        self.is_painted.send_replace(true);
        if let Some(asked_for) = lock(&self.asked_for).take() {
            tracing::info!(after_ms = asked_for.elapsed().as_millis(), "the page is back");
        }
        std::mem::take(&mut *untold)
    }

    /// Gives the telling back if there is a page to hear it, and keeps it for the next one otherwise.
    fn keep_untold(&self, telling: Telling) -> Option<Telling> {
        // Held to the end: a page that comes meanwhile is told of this.
        let mut untold = lock(&self.untold);
        if *self.is_painted.borrow() {
            return Some(telling);
        }
        if untold.len() == MAX_UNTOLD {
            untold.pop_front();
        }
        untold.push_back(telling);
        None
    }

    /// Notes a death, and says whether loading the page again is worth it.
    fn died(&self, now: Instant) -> bool {
        self.is_painted.send_replace(false);
        let mut deaths = lock(&self.deaths);
        while deaths.front().is_some_and(|first| now.duration_since(*first) >= RELOAD_PERIOD) {
            deaths.pop_front();
        }
        if deaths.len() >= MAX_RELOADS {
            return false;
        }
        deaths.push_back(now);
        self.is_asked_for(now);
        true
    }

    /// Notes that a page is on its way.
    fn is_asked_for(&self, now: Instant) {
        *lock(&self.asked_for) = Some(now);
    }

    /// Notes that there is none, and that none is needed.
    fn is_let_go(&self) {
        self.is_painted.send_replace(false);
        *lock(&self.asked_for) = None;
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

/// Tells the page now or, if there is none, the next one.
pub fn tell(app: &AppHandle, telling: impl FnOnce(&AppHandle) + Send + 'static) {
    if let Some(telling) = app.state::<Page>().keep_untold(Box::new(telling)) {
        telling(app);
    }
}

/// A page is made anew, for a window that is shown again.
pub fn on_opening(app: &AppHandle) {
    app.state::<Page>().is_asked_for(Instant::now());
}

/// The page of a hidden window is about to go. What only a page needs ends; the microphone stays as it is, because it
/// was open without a window to be seen before.
pub async fn on_letting_go(app: &AppHandle) {
    app.state::<Page>().is_let_go();
    if let Some(controller) = app.state::<ControllerSlot>().get() {
        controller.page_is_let_go().await;
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
    for telling in app.state::<Page>().painted() {
        telling(app);
    }
    if let Some(controller) = app.state::<ControllerSlot>().get() {
        tauri::async_runtime::spawn(async move { controller.page_is_back().await });
    }
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        page.painted();
        assert!(page.is_there().await);
        page.died(Instant::now());
        assert!(!page.is_there_within(Duration::from_millis(1)).await);
        let (there, ()) = tokio::join!(page.is_there(), async { drop(page.painted()) });
        assert!(there);
    }

    #[test]
    fn what_no_page_heard_is_told_to_the_next_one_in_order_and_once() {
        let page = Page::default();
        for _ in 0..=MAX_UNTOLD {
            assert!(page.keep_untold(Box::new(|_| {})).is_none(), "there is no page yet");
        }
        assert_eq!(page.painted().len(), MAX_UNTOLD);
        assert!(page.painted().is_empty());
        assert!(page.keep_untold(Box::new(|_| {})).is_some(), "the page is there to be told");
        page.is_let_go();
        assert!(page.keep_untold(Box::new(|_| {})).is_none());
    }

    #[tokio::test]
    async fn a_page_that_was_let_go_is_not_there_until_it_is_painted_anew() {
        let page = Page::default();
        page.painted();
        page.is_let_go();
        assert!(!page.is_there_within(Duration::from_millis(1)).await);
        page.is_asked_for(Instant::now());
        assert!(!page.is_there_within(Duration::from_millis(1)).await);
        page.painted();
        assert!(page.is_there().await);
    }
}
