//! The tray icon and its menu, as the system draws them.

use std::sync::{Mutex, PoisonError};

use serambi_call::QuietFor;
use tauri::{
    AppHandle, Manager, Wry,
    image::Image,
    menu::{CheckMenuItemBuilder, Menu, MenuBuilder, MenuItemBuilder},
    tray::{TrayIcon, TrayIconBuilder},
};

use crate::{
    app_controller::{AppController, ControllerSlot},
    ipc::{self, DialogAsked, DialogName},
    tray_host,
    tray_view::{Choice, Entry, Shape, TrayView},
    window,
};

/// A tray icon. "None" is a normal state: desktops without the library have none.
pub struct Tray {
    app: AppHandle,
    icon: TrayIcon,
    shown: Mutex<TrayView>,
}

impl Tray {
    /// An icon, if this system can have one; `name` tells it from those of other profiles.
    pub fn make(app: &AppHandle, name: &str, view: TrayView) -> Option<Self> {
        if !tray_host::has_library() {
            tracing::info!("there is no library for tray icons; closing the window quits");
            return None;
        }
        match build(app, name, &view) {
            Ok(icon) => Some(Self { app: app.clone(), icon, shown: Mutex::new(view) }),
            Err(error) => {
                tracing::warn!(%error, "there is no tray icon");
                None
            }
        }
    }

    /// Shows this from now on.
    pub fn show(&self, view: TrayView) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown == view {
            return;
        }
        if let Err(error) = self.change(&shown, &view) {
            tracing::warn!(%error, "the tray icon shows something older");
        }
        *shown = view;
    }

    fn change(&self, before: &TrayView, view: &TrayView) -> tauri::Result<()> {
        if before.shape != view.shape {
            self.icon.set_icon_with_as_template(Some(image(view.shape)?), cfg!(target_os = "macos"))?;
        }
        if before.entries != view.entries {
            self.icon.set_menu(Some(menu(&self.app, &view.entries)?))?;
        }
        self.icon.set_tooltip(Some(&view.tooltip))
    }
}

fn build(app: &AppHandle, name: &str, view: &TrayView) -> tauri::Result<TrayIcon> {
    TrayIconBuilder::with_id(name)
        .icon(image(view.shape)?)
        .icon_as_template(cfg!(target_os = "macos"))
        .tooltip(&view.tooltip)
        .menu(&menu(app, &view.entries)?)
        .show_menu_on_left_click(true)
        .on_menu_event(|app, event| {
            if let Some(choice) = Choice::of(event.id().as_ref()) {
                choose(app, choice);
            }
        })
        .build(app)
}

fn menu(app: &AppHandle, entries: &[Entry]) -> tauri::Result<Menu<Wry>> {
    let mut menu = MenuBuilder::new(app);
    for entry in entries {
        menu = match entry {
            Entry::Line(text) => menu.item(&MenuItemBuilder::new(plain(text)).enabled(false).build(app)?),
            Entry::Choice(choice, text) => menu.text(choice.id(), plain(text)),
            Entry::Check(choice, text, checked) => {
                menu.item(&CheckMenuItemBuilder::with_id(choice.id(), plain(text)).checked(*checked).build(app)?)
            }
            Entry::Separator => menu.separator(),
        };
    }
    menu.build()
}

/// A single & would underline the letter after it.
fn plain(text: &str) -> String {
    text.replace('&', "&&")
}

/// White on dark where the panel's colour is not known; macOS colours a silhouette itself.
fn image(shape: Shape) -> tauri::Result<Image<'static>> {
    macro_rules! drawn {
        ($name:literal) => {
            if cfg!(target_os = "macos") {
                &include_bytes!(concat!("../../assets/icons/tray/", $name, "-template.png"))[..]
            } else {
                &include_bytes!(concat!("../../assets/icons/tray/", $name, ".png"))[..]
            }
        };
    }
    Image::from_bytes(match shape {
        Shape::House => drawn!("house"),
        Shape::Listening => drawn!("listening"),
        Shape::Muted => drawn!("muted"),
        Shape::Open => drawn!("open"),
    })
}

fn choose(app: &AppHandle, choice: Choice) {
    match choice {
        Choice::Show => with_window(app, |app| async move { window::bring_to_front(&app).await }),
        Choice::SmallBar => with_window(app, |app| async move { window::show_small_bar(&app).await }),
        Choice::HandOver => ask(app, DialogName::HandOver),
        Choice::AskToLeave => ask(app, DialogName::Leave),
        Choice::Quit => window::quit(app),
        Choice::Mute => with_controller(app, |controller| async move { controller.mute_from_anywhere(true).await }),
        Choice::Unmute => with_controller(app, |controller| async move { controller.mute_from_anywhere(false).await }),
        Choice::QuietForAnHour => with_controller(app, |controller| async move { controller.be_quiet(QuietFor::Hour) }),
        Choice::EndQuiet => with_controller(app, |controller| async move { controller.be_quiet(QuietFor::Off) }),
        Choice::Leave => with_controller(app, |controller| async move { controller.leave().await }),
    }
}

fn ask(app: &AppHandle, dialog: DialogName) {
    with_window(app, move |app| async move {
        window::bring_to_front(&app).await;
        ipc::tell_once(&app, DialogAsked(dialog));
    });
}

/// The menu speaks on the main thread, which a window that is made anew needs.
fn with_window<F>(app: &AppHandle, act: impl FnOnce(AppHandle) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    tauri::async_runtime::spawn(act(app.clone()));
}

fn with_controller<F>(app: &AppHandle, act: impl FnOnce(AppController) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if let Some(controller) = app.state::<ControllerSlot>().get() {
        tauri::async_runtime::spawn(act(controller));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_shape_is_a_picture_and_no_two_are_alike() {
        let shapes = [Shape::House, Shape::Listening, Shape::Muted, Shape::Open];
        let pictures = shapes.map(|shape| image(shape).unwrap().rgba().to_vec());
        for (n, picture) in pictures.iter().enumerate() {
            assert!(!picture.is_empty() && pictures[n + 1..].iter().all(|other| other != picture));
        }
    }

    #[test]
    fn an_ampersand_in_a_title_underlines_nothing() {
        assert_eq!(plain("Tea & Talk"), "Tea && Talk");
    }
}
