//! The shell: one window, its commands and events, its place on the desktop, and nothing that knows how a room or sound
//! works.

mod announcements;
pub mod app_controller;
pub mod arguments;
mod autostart;
mod call_updates;
mod closing;
pub mod computer_view;
mod console;
mod diagnostics;
mod early_links;
mod ending;
mod home;
mod instance;
pub mod ipc;
mod keep_awake;
mod key_combination;
mod level_meter;
#[cfg(not(target_os = "linux"))]
mod library_keys;
mod local_time;
mod no_window;
mod notices;
mod ongoing;
mod package_size;
mod page;
mod polling;
#[cfg(target_os = "linux")]
mod portal_keys;
mod profile_folder;
mod push_to_talk;
pub mod reach_view;
mod rendering;
#[cfg(target_os = "linux")]
mod screen_lock;
pub mod shortcuts;
pub mod sound_view;
mod system_keys;
mod talk_keys;
mod tray;
mod tray_host;
mod tray_view;
mod update_source;
pub mod updates;
pub mod view;
mod web_page;
mod window;
mod words;
#[cfg(target_os = "linux")]
mod x11_keys;

use std::{ffi::OsString, path::Path, process::ExitCode, time::Duration};

use clap::Parser;
use tauri::{AppHandle, Manager, RunEvent};
use tauri_plugin_window_state::StateFlags;

use app_controller::ControllerSlot;
use arguments::Arguments;
use early_links::EarlyLinks;
use page::Page;
use window::{Ending, Frame, StartTimes};

/// Exit code of a window that could not be opened at all.
const NO_WINDOW: u8 = 1;
/// Exit code of a start that was to toggle mute, with no app running.
const NOT_RUNNING: u8 = 3;
/// Where the window's size and place stand, in the profile's folder.
const WINDOW_FILE: &str = "window.json";
/// The beginning of the log files' names.
const LOG_NAME: &str = "serambi-app";

/// Runs the app until its window closes.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let times = StartTimes::begin();
    console::join();
    rendering::choose_renderer();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let folder = profile_folder::prepare(&arguments);
    let logs = folder.as_ref().ok().map(|folder| folder.logs());
    // Held to the end: dropping it completes the file.
    let _log_file = match serambi_logging::start(LOG_NAME, logs.as_deref()) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("There is no log: {error}");
            None
        }
    };
    let folder = folder.map(|folder| {
        folder.log_what_was_tightened();
        folder.path
    });
    if let Some(error) = no_window::missing_runtime() {
        tracing::error!(error, "there is no WebView2");
        no_window::say_runtime_missing();
        return ExitCode::from(NO_WINDOW);
    }
    let toggles_mute = arguments.toggle_mute;
    // Without a folder there is nothing to share with another start, and the window says what is wrong.
    match build(arguments, &folder.unwrap_or_default(), times) {
        // An app that runs would have taken the order, and this start would be over.
        Ok(app) if toggles_mute => {
            app.cleanup_before_exit();
            eprintln!("Serambi is not running with this profile: there is nothing to mute.");
            ExitCode::from(NOT_RUNNING)
        }
        Ok(app) => {
            let code = app.run_return(on_run_event);
            ExitCode::from(u8::try_from(code).unwrap_or(NO_WINDOW))
        }
        Err(error) => {
            tracing::error!(%error, "the window could not be opened");
            eprintln!("The window could not be opened: {error}");
            no_window::say(&error.to_string());
            ExitCode::from(NO_WINDOW)
        }
    }
}

fn build(arguments: Arguments, folder: &Path, times: StartTimes) -> tauri::Result<tauri::App> {
    let border = ipc::border();
    let mut context: tauri::Context = tauri::generate_context!();
    let only_once = instance::only_once(&mut context, folder, on_second_start);
    let profile = arguments.profile.clone();
    let window_state = tauri_plugin_window_state::Builder::new()
        .with_state_flags(StateFlags::SIZE | StateFlags::POSITION)
        .with_filename(folder.join(WINDOW_FILE).to_string_lossy());
    let builder = tauri::Builder::default()
        .plugin(only_once)
        .plugin(window_state.build())
        .plugin(autostart::plugin(&arguments))
        .plugin(tauri_plugin_updater::Builder::new().build())
        .invoke_handler(border.invoke_handler())
        .manage(times)
        .manage(Page::default())
        .manage(EarlyLinks::default())
        .manage(Frame::new(&profile))
        .on_window_event(window::on_event);
    // On Linux its keys come from `x11_keys` and the portal.
    #[cfg(not(target_os = "linux"))]
    let builder = builder.plugin(tauri_plugin_global_shortcut::Builder::new().build());
    #[cfg(target_os = "macos")]
    let builder = builder.on_web_content_process_terminate(|webview| page::on_death(webview.app_handle()));
    builder
        .setup(move |app| {
            border.mount_events(app);
            let handle = app.handle().clone();
            let arguments = match app.state::<EarlyLinks>().begin() {
                Some(link) => Arguments { link: Some(link), hidden: false, ..arguments },
                None => arguments,
            };
            // The profile is opened here, after a second start has been sent away.
            let (wants_hidden, keep_page) = (arguments.hidden, Duration::from_secs(arguments.keep_hidden_page));
            app.manage(ControllerSlot::new(arguments, handle.clone()));
            let opened = app.state::<ControllerSlot>().open();
            if let Err(refusal) = &opened {
                tracing::error!(code = %refusal.code, detail = refusal.detail, "the profile cannot be opened");
            }
            // What is wrong with a profile is said by the window.
            window::open(&handle, wants_hidden && opened.is_ok())?;
            tauri::async_runtime::spawn(window::let_go_when_hidden(handle.clone(), keep_page));
            ending::listen(&handle);
            Ok(())
        })
        .build(context)
}

/// The last window is gone without having been asked, or the system's own menu ends the app.
fn on_run_event(app: &AppHandle, event: RunEvent) {
    match event {
        // A code is given by ourselves, when everything is closed.
        RunEvent::ExitRequested { code: None, api, .. } => {
            api.prevent_exit();
            if window::was_let_go(app) {
                return;
            }
            let app = app.clone();
            tauri::async_runtime::spawn(async move { window::close_for_good(&app, Ending::Session).await });
        }
        // Its icon in the dock was pressed.
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => show(app, None),
        // macOS tells of a clicked link in an event; elsewhere the app is started again with it.
        #[cfg(target_os = "macos")]
        RunEvent::Opened { urls } => show(app, urls.into_iter().next_back().map(Into::into)),
        _ => {}
    }
}

/// The app was started again with this profile folder: show the window, and the link if there is one; or do what a key
/// of the desktop's own asks for.
fn on_second_start(app: &AppHandle, arguments: Vec<String>, _folder: String) {
    let arguments = Arguments::try_parse_from(arguments).ok();
    let controller = app.try_state::<ControllerSlot>().and_then(|slot| slot.get());
    if arguments.as_ref().is_some_and(|arguments| arguments.toggle_mute) {
        if let Some(controller) = controller {
            tauri::async_runtime::spawn(async move { controller.toggle_mute().await });
        }
        return;
    }
    // Started with the computer although somebody was quicker.
    if arguments.as_ref().is_some_and(|arguments| arguments.hidden) {
        return;
    }
    show(app, arguments.and_then(|arguments| arguments.link));
}

/// Shows the window, and the link if there is one. A desktop that lets no program take the front is asked to point at
/// the window.
fn show(app: &AppHandle, link: Option<String>) {
    if !app.state::<EarlyLinks>().may_show(link.as_ref()) {
        return;
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        window::bring_to_front(&app).await;
        if !window::is_in_front(&app) {
            window::ask_for_attention(&app);
        }
        if let Some(link) = link {
            show_link(&app, link);
        }
    });
}

fn show_link(app: &AppHandle, link: String) {
    match app.try_state::<ControllerSlot>().and_then(|slot| slot.get()) {
        Some(controller) => controller.open_link(link),
        None => tracing::warn!("a link came before the profile was open"),
    }
}
