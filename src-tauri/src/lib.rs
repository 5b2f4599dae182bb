//! The shell: one window, its commands and events, and nothing that knows how a room or sound works.

pub mod arguments;
mod call_updates;
pub mod desk;
mod home;
pub mod ipc;
mod logs;
mod ongoing;
mod rendering;
pub mod sound_view;
pub mod view;
mod window;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;
use tauri::{AppHandle, Manager};

use arguments::Arguments;
use desk::DeskPlace;
use window::StartTimes;

/// Exit code of a window that could not be opened at all.
const NO_WINDOW: u8 = 1;

/// Runs the app until its window closes.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let times = StartTimes::begin();
    rendering::choose_renderer();
    logs::start();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match build(arguments, times) {
        Ok(app) => {
            app.run(|_, _| {});
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("The window could not be opened: {error}");
            ExitCode::from(NO_WINDOW)
        }
    }
}

fn build(arguments: Arguments, times: StartTimes) -> tauri::Result<tauri::App> {
    let border = ipc::border();
    let context: tauri::Context = tauri::generate_context!();
    let profile = arguments.profile.clone();
    // Another profile is another person: it must not be taken for a second start of the first.
    let bus_name = match profile.as_str() {
        "default" => context.config().identifier.clone(),
        other => format!("{}.{}", context.config().identifier, bus_element(other)),
    };
    let only_once = tauri_plugin_single_instance::Builder::new().dbus_id(bus_name).callback(on_second_start).build();
    tauri::Builder::default()
        .plugin(only_once)
        .invoke_handler(border.invoke_handler())
        .manage(times)
        .on_window_event(window::on_event)
        .setup(move |app| {
            border.mount_events(app);
            let handle = app.handle().clone();
            // The profile is opened here, after a second start has been sent away.
            let place = DeskPlace::new(arguments, handle.clone());
            if let Err(refusal) = place.open() {
                tracing::error!(code = %refusal.code, detail = refusal.detail, "the profile cannot be opened");
            }
            app.manage(place);
            window::open(&handle, &profile)?;
            Ok(())
        })
        .build(context)
}

/// D-Bus name elements have no hyphen and do not begin with a digit (D-Bus specification, bus names).
fn bus_element(profile: &str) -> String {
    format!("profile_{}", profile.replace('-', "_"))
}

/// The app was started again with this profile: show the window, and the link if there is one.
fn on_second_start(app: &AppHandle, arguments: Vec<String>, _folder: String) {
    window::bring_to_front(app);
    let link = Arguments::try_parse_from(arguments).ok().and_then(|arguments| arguments.link);
    if let (Some(link), Some(desk)) = (link, app.state::<DeskPlace>().get()) {
        desk.open_link(link);
    }
}
