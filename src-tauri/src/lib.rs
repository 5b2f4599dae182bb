//! The shell: one window, its commands and events, and nothing that knows how a room or sound works.

pub mod app_controller;
pub mod arguments;
mod call_updates;
mod diagnostics;
mod home;
mod instance;
pub mod ipc;
mod local_time;
mod notices;
mod ongoing;
mod page;
mod polling;
mod profile_folder;
mod rendering;
pub mod sound_view;
pub mod view;
mod window;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::Parser;
use tauri::{AppHandle, Manager};

use app_controller::ControllerSlot;
use arguments::Arguments;
use page::Page;
use window::StartTimes;

/// Exit code of a window that could not be opened at all.
const NO_WINDOW: u8 = 1;
/// The beginning of the log files' names.
const LOG_NAME: &str = "serambi-app";

/// Runs the app until its window closes.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let times = StartTimes::begin();
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
    // Without a folder there is nothing to share with another start, and the window says what is wrong.
    match build(arguments, &folder.unwrap_or_default(), times) {
        Ok(app) => {
            let code = app.run_return(|_, _| {});
            ExitCode::from(u8::try_from(code).unwrap_or(NO_WINDOW))
        }
        Err(error) => {
            tracing::error!(%error, "the window could not be opened");
            eprintln!("The window could not be opened: {error}");
            ExitCode::from(NO_WINDOW)
        }
    }
}

fn build(arguments: Arguments, folder: &Path, times: StartTimes) -> tauri::Result<tauri::App> {
    let border = ipc::border();
    let mut context: tauri::Context = tauri::generate_context!();
    let only_once = instance::only_once(&mut context, folder, on_second_start);
    let profile = arguments.profile.clone();
    let builder = tauri::Builder::default()
        .plugin(only_once)
        .invoke_handler(border.invoke_handler())
        .manage(times)
        .manage(Page::default())
        .on_window_event(window::on_event);
    #[cfg(target_os = "macos")]
    let builder = builder.on_web_content_process_terminate(|webview| page::on_death(webview.app_handle()));
    builder
        .setup(move |app| {
            border.mount_events(app);
            let handle = app.handle().clone();
            // The profile is opened here, after a second start has been sent away.
            let slot = ControllerSlot::new(arguments, handle.clone());
            if let Err(refusal) = slot.open() {
                tracing::error!(code = %refusal.code, detail = refusal.detail, "the profile cannot be opened");
            }
            app.manage(slot);
            window::open(&handle, &profile)?;
            Ok(())
        })
        .build(context)
}

/// The app was started again with this profile folder: show the window, and the link if there is one. A desktop that lets
/// no program take the front is asked to point at the window.
fn on_second_start(app: &AppHandle, arguments: Vec<String>, _folder: String) {
    window::bring_to_front(app);
    if !window::is_in_front(app) {
        window::ask_for_attention(app);
    }
    let link = Arguments::try_parse_from(arguments).ok().and_then(|arguments| arguments.link);
    if let (Some(link), Some(controller)) = (link, app.state::<ControllerSlot>().get()) {
        controller.open_link(link);
    }
}
