//! The one window: how it opens, hides, goes with its page and becomes small, what closing it does, and when it was
//! first painted.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serambi_call::{Theme, profile::DEFAULT_PROFILE};
use tauri::{
    AppHandle, LogicalSize, Manager, PhysicalSize, Size, UserAttentionType, WebviewUrl, WebviewWindow,
    WebviewWindowBuilder, Window, WindowEvent, webview::PageLoadEvent,
};
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use crate::{
    app_controller::{AppController, ControllerSlot},
    closing::Closing,
    ipc::{self, CloseAsked},
    page::{self, Page},
};

/// The window's label.
pub const MAIN: &str = "main";
/// Width and height, logical pixels.
const USUAL_SIZE: LogicalSize<f64> = LogicalSize::new(1180.0, 800.0);
/// The same of the smallest window: one line with who speaks, microphone, leave.
const SMALL_BAR: LogicalSize<f64> = LogicalSize::new(420.0, 72.0);
/// The same while the small window asks something.
const SMALL_BAR_GROWN: LogicalSize<f64> = LogicalSize::new(420.0, 180.0);
/// The page becomes the small bar below this height (`ui/src/state/window.svelte.ts`), logical pixels.
const SMALL_BAR_BELOW: f64 = 150.0;
/// The small bar, grown or not, is below this height, logical pixels.
const SMALL_BELOW: f64 = 260.0;
/// When somebody logs in the panel with its place for tray icons may come up after us.
const TRAY_COMES_WITHIN: Duration = Duration::from_secs(30);

/// A window whose page is not there by then is shown without it: the page's process may be slow, or die.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);
/// The main thread lets a window go as soon as it has a moment.
const GOES_WITHIN: Duration = Duration::from_secs(10);

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

/// The window beside what the system knows of it: whether it is to be seen, and what it was before.
pub struct Frame {
    profile: String,
    /// False: it is in the tray.
    is_wanted: watch::Sender<bool>,
    /// It is opened, shown, hidden and let go one after the other.
    turn: AsyncMutex<()>,
    /// Our letting go of the last window is no reason to end.
    is_letting_go: AtomicBool,
    is_gone: Notify,
    /// Before it was made small.
    size: Mutex<Option<PhysicalSize<u32>>>,
    /// The system's theme, before ours was chosen.
    system_theme: OnceLock<Option<tauri::Theme>>,
    /// It was closed and the app stayed.
    was_closed: AtomicBool,
}

impl Frame {
    /// Not open yet.
    pub fn new(profile: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            is_wanted: watch::Sender::new(false),
            turn: AsyncMutex::default(),
            is_letting_go: AtomicBool::default(),
            is_gone: Notify::new(),
            size: Mutex::default(),
            system_theme: OnceLock::new(),
            was_closed: AtomicBool::default(),
        }
    }

    /// What the page calls itself, and whose it is if that is not usual.
    fn title(&self, page: &str) -> String {
        if self.profile == DEFAULT_PROFILE { page.to_owned() } else { format!("{page} – {}", self.profile) }
    }

    fn size(&self) -> std::sync::MutexGuard<'_, Option<PhysicalSize<u32>>> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the window at the start of the app; `hidden`: it stays in the tray, if there is one, and needs no page yet.
///
/// # Errors
/// What the system's web view says.
pub fn open(app: &AppHandle, hidden: bool) -> tauri::Result<()> {
    if hidden {
        tauri::async_runtime::spawn(show_without_tray(app.clone()));
        return Ok(());
    }
    app.state::<Frame>().is_wanted.send_replace(true);
    build(app).map(drop)
}

/// Not to be called on the main thread while it handles an event: WebView2 would wait for ever (wry issue 583).
fn build(app: &AppHandle) -> tauri::Result<WebviewWindow> {
    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title(app.state::<Frame>().title("Serambi"))
        .on_document_title_changed(|window, page| {
            // A page that is being loaded has no title yet.
            if !page.is_empty() {
                let title = window.state::<Frame>().title(&page);
                warn_of(window.set_title(&title), "the window's title is not the page's");
            }
        })
        .inner_size(USUAL_SIZE.width, USUAL_SIZE.height)
        .min_inner_size(SMALL_BAR.width, SMALL_BAR.height)
        .visible(!SHOWN_WITH_PAGE)
        .on_page_load(|window, load| {
            if load.event() == PageLoadEvent::Finished {
                show_if_wanted(window.app_handle());
            }
        })
        .build()?;
    if SHOWN_WITH_PAGE {
        tauri::async_runtime::spawn(show_without_page(app.clone()));
    }
    page::watch(&window)?;
    app.state::<Frame>().system_theme.get_or_init(|| window.theme().ok());
    set_theme(app, chosen_theme(app));
    if is_small_bar(&window)? {
        // It was small when the app ended or the page was let go: a new page begins with everything.
        window.set_size(USUAL_SIZE)?;
    }
    Ok(window)
}

/// WebKitGTK draws a window that is shown before its page by waiting for the page, up to 500 ms, and the page meanwhile
/// waits for an answer of this process: every start took that half second longer. (`forceUpdateIfNeeded` in WebKit's
/// `DrawingAreaProxyCoordinatedGraphics.cpp`.) So there a window is shown once its page has been loaded.
const SHOWN_WITH_PAGE: bool = cfg!(target_os = "linux");

async fn show_without_page(app: AppHandle) {
    tokio::time::sleep(SHOWN_WITHIN).await;
    show_if_wanted(&app);
}

fn show_if_wanted(app: &AppHandle) {
    let is_wanted = *app.state::<Frame>().is_wanted.borrow();
    if is_wanted && !is_shown(app) {
        warn_of(with_window(app, |window| window.show().and_then(|()| window.set_focus())), "the window is not shown");
    }
}

fn is_shown(app: &AppHandle) -> bool {
    app.get_webview_window(MAIN).is_some_and(|window| window.is_visible().unwrap_or(true))
}

fn chosen_theme(app: &AppHandle) -> Theme {
    app.state::<ControllerSlot>().get().map(|controller| controller.view().theme).unwrap_or_default()
}

/// Has what the system draws in the window, its lists above all, follow the theme.
pub fn set_theme(app: &AppHandle, theme: Theme) {
    let theme = match theme {
        // GTK does not know what it was before.
        Theme::System if cfg!(target_os = "linux") => app.state::<Frame>().system_theme.get().copied().flatten(),
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    };
    warn_of(with_window(app, |window| window.set_theme(theme)), "the window does not follow the theme");
}

/// A window that nobody could find again is shown.
async fn show_without_tray(app: AppHandle) {
    let has_tray = match app.state::<ControllerSlot>().get() {
        Some(controller) => controller.gets_tray_within(TRAY_COMES_WITHIN).await,
        None => false,
    };
    if !has_tray {
        tracing::info!("nothing shows tray icons; the window is shown");
        bring_to_front(&app).await;
    }
}

/// Can somebody see the window now?
pub fn is_seen(app: &AppHandle) -> bool {
    is_shown(app) && app.get_webview_window(MAIN).is_some_and(|window| !window.is_minimized().unwrap_or(false))
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

/// Shows the window, in its full size, to somebody who looks for it.
pub async fn bring_to_front(app: &AppHandle) {
    show_as(app, |app, _| {
        leave_small_bar(app);
        Ok(())
    })
    .await;
    let was_closed = app.state::<Frame>().was_closed.swap(false, Ordering::AcqRel);
    if let (true, Some(controller)) = (was_closed, app.state::<ControllerSlot>().get()) {
        controller.tell_of_staying();
    }
}

/// Shows the window very small.
pub async fn show_small_bar(app: &AppHandle) {
    show_as(app, |app, window| {
        window.unmaximize()?;
        if !is_small_bar(window)? {
            *app.state::<Frame>().size() = Some(window.inner_size()?);
        }
        window.set_always_on_top(stays_on_top(app))?;
        window.set_size(SMALL_BAR)
    })
    .await;
}

/// Shows the window, made anew if it was let go, after its size was changed.
async fn show_as(app: &AppHandle, resize: impl FnOnce(&AppHandle, &WebviewWindow) -> tauri::Result<()>) {
    let frame = app.state::<Frame>();
    let _turn = frame.turn.lock().await;
    frame.is_wanted.send_replace(true);
    let show = || {
        if let Some(window) = app.get_webview_window(MAIN) {
            resize(app, &window)?;
            window.unminimize()?;
            window.show()?;
            return window.set_focus();
        }
        page::on_opening(app);
        let window = build(app)?;
        resize(app, &window)?;
        if SHOWN_WITH_PAGE { Ok(()) } else { window.set_focus() }
    };
    warn_of(show(), "the window could not be brought to the front");
}

/// Hides the window; everything else goes on.
pub async fn hide(app: &AppHandle) {
    let frame = app.state::<Frame>();
    let _turn = frame.turn.lock().await;
    frame.is_wanted.send_replace(false);
    warn_of(with_window(app, WebviewWindow::hide), "the window could not be hidden");
}

/// Lets the window go with its page whenever it has been hidden for this time, for as long as the program lasts: a page
/// that nobody sees takes more memory than everything else.
pub async fn let_go_when_hidden(app: AppHandle, after: Duration) {
    let mut is_wanted = app.state::<Frame>().is_wanted.subscribe();
    // The sender lives as long as the app.
    while is_wanted.wait_for(|wanted| !wanted).await.is_ok() {
        if tokio::time::timeout(after, is_wanted.wait_for(|wanted| *wanted)).await.is_err() {
            let_go(&app).await;
            let _ = is_wanted.wait_for(|wanted| *wanted).await;
        }
    }
}

async fn let_go(app: &AppHandle) {
    let frame = app.state::<Frame>();
    let _turn = frame.turn.lock().await;
    let Some(window) = app.get_webview_window(MAIN).filter(|_| !*frame.is_wanted.borrow()) else { return };
    page::on_letting_go(app).await;
    frame.is_letting_go.store(true, Ordering::Release);
    if let Err(error) = window.destroy() {
        return tracing::warn!(%error, "the page of the hidden window stays");
    }
    // Until then its name is not free for a new one.
    if tokio::time::timeout(GOES_WITHIN, frame.is_gone.notified()).await.is_err() {
        return tracing::warn!("the hidden window is slow to go");
    }
    tracing::info!("the page of the hidden window was let go");
}

/// Whether the last window went because nobody sees it: asked once for each.
pub fn was_let_go(app: &AppHandle) -> bool {
    app.state::<Frame>().is_letting_go.swap(false, Ordering::AcqRel)
}

/// Gives the window the size it had before it was made small; one that was made so by hand gets the usual size.
pub fn leave_small_bar(app: &AppHandle) {
    let before = app.state::<Frame>().size().take().map_or(Size::Logical(USUAL_SIZE), Size::Physical);
    let grown = with_window(app, |window| {
        window.set_always_on_top(false)?;
        // Somebody may have made it larger by hand.
        if is_lower_than(window, SMALL_BELOW)? { window.set_size(before) } else { Ok(()) }
    });
    warn_of(grown, "the window did not become as large as it was");
}

/// Makes room for a question in the small bar, or takes it away.
pub fn grow_small_bar(app: &AppHandle, grown: bool) {
    let size = if grown { SMALL_BAR_GROWN } else { SMALL_BAR };
    let resized =
        with_window(app, |window| if is_lower_than(window, SMALL_BELOW)? { window.set_size(size) } else { Ok(()) });
    warn_of(resized, "the small window did not change its size");
}

/// Keeps the small window above those of other programs from now on, or no longer, where the desktop lets programs ask
/// for that. In its full size the window is one among others.
pub fn raise_small_bar(app: &AppHandle, on_top: bool) {
    let raised =
        with_window(
            app,
            |window| {
                if is_lower_than(window, SMALL_BELOW)? { window.set_always_on_top(on_top) } else { Ok(()) }
            },
        );
    warn_of(raised, "the small window does not stay on top");
}

fn stays_on_top(app: &AppHandle) -> bool {
    app.state::<ControllerSlot>().get().is_some_and(|controller| controller.small_on_top())
}

fn is_small_bar(window: &WebviewWindow) -> tauri::Result<bool> {
    is_lower_than(window, SMALL_BAR_BELOW)
}

fn is_lower_than(window: &WebviewWindow, limit: f64) -> tauri::Result<bool> {
    Ok(window.inner_size()?.to_logical::<f64>(window.scale_factor()?).height < limit)
}

fn with_window(app: &AppHandle, act: impl FnOnce(&WebviewWindow) -> tauri::Result<()>) -> tauri::Result<()> {
    app.get_webview_window(MAIN).map_or(Ok(()), |window| act(&window))
}

fn warn_of(outcome: tauri::Result<()>, what: &str) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what}");
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
        WindowEvent::Destroyed => window.app_handle().state::<Frame>().is_gone.notify_one(),
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

/// Closing hides the window where that is wanted; otherwise it quits.
fn on_close(app: AppHandle) {
    tauri::async_runtime::spawn(async move {
        let Some(controller) = app.state::<ControllerSlot>().get() else {
            return close_for_good(&app, Ending::Person).await;
        };
        let closing = controller.circumstances().await.close_button();
        close(&app, &controller, closing).await;
    });
}

/// Quits, and asks first while others would be cut off: the window is shown for that.
pub fn quit(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let Some(controller) = app.state::<ControllerSlot>().get() else {
            return close_for_good(&app, Ending::Person).await;
        };
        let closing = controller.circumstances().await.quit();
        if closing == Closing::Ask {
            bring_to_front(&app).await;
        }
        close(&app, &controller, closing).await;
    });
}

async fn close(app: &AppHandle, controller: &AppController, closing: Closing) {
    match closing {
        Closing::Stay => {
            app.state::<Frame>().was_closed.store(true, Ordering::Release);
            hide(app).await;
        }
        Closing::Ask if app.state::<Page>().is_there().await => {
            let presence = controller.others_present().await;
            ipc::tell_once(app, CloseAsked { people: presence.people, rooms: presence.rooms });
        }
        // Without a page nobody can be asked.
        Closing::Ask | Closing::Quit => close_for_good(app, Ending::Person).await,
    }
}

/// Who ends the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The person: the rooms of this house end with it.
    Person,
    /// The system: the rooms are there again at the next start.
    Session,
}

/// Leaves, closes the house, and ends the program; all of it within 2 s.
pub async fn close_for_good(app: &AppHandle, ending: Ending) {
    if let Some(controller) = app.state::<ControllerSlot>().get() {
        controller.close(ending == Ending::Session).await;
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
