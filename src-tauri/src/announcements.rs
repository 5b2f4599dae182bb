//! Sentences for a screen reader about what has no focus.
//!
//! Windows and macOS read the page's live regions by themselves. WebKitGTK (2.50) tells nobody about them, so here each
//! sentence is the name of a notification in a status bar that is never drawn: Orca 43 and newer read such a name, and
//! nothing else, when the notification says that it shows. AT-SPI's `object:announcement` was made for this, but Orca
//! knows it from version 45 on only.

use tauri::AppHandle;

/// Has a screen reader read a sentence, after those before. To be called on the main thread. `false`: nobody here reads
/// it, the page's live regions do.
///
/// # Errors
/// When the window has no place for it.
#[cfg(target_os = "linux")]
pub fn announce(app: &AppHandle, sentence: &str) -> tauri::Result<bool> {
    use gtk::{atk, prelude::*};
    use tauri::Manager;

    let Some(window) = app.get_webview_window(crate::window::MAIN) else { return Ok(false) };
    let bar = bar_in(&window.default_vbox()?);
    let notification = gtk::Box::new(gtk::Orientation::Horizontal, 0);
    bar.add(&notification);
    forget_oldest(&bar);
    let Some(spoken) = notification.accessible() else { return Ok(false) };
    spoken.set_role(atk::Role::Notification);
    spoken.set_name(sentence);
    spoken.notify_state_change(SHOWING, true);
    Ok(true)
}

/// Nobody to be told.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn announce(_app: &AppHandle, _sentence: &str) -> tauri::Result<bool> {
    Ok(false)
}

/// The widget's name, by which it is found again.
#[cfg(target_os = "linux")]
const BAR: &str = "announcements";
/// A reader asks for a sentence some time after it was told of it.
#[cfg(target_os = "linux")]
const MAX_KEPT: usize = 8;
/// `ATK_STATE_SHOWING`, which the bindings give as an enum where they ask for a number.
#[cfg(target_os = "linux")]
const SHOWING: u64 = 23;

#[cfg(target_os = "linux")]
fn bar_in(window: &gtk::Box) -> gtk::Box {
    use gtk::{atk, prelude::*};

    let known = window.children().into_iter().find(|child| child.widget_name() == BAR);
    if let Some(bar) = known.and_then(|child| child.downcast().ok()) {
        return bar;
    }
    let bar = gtk::Box::new(gtk::Orientation::Horizontal, 0);
    bar.set_widget_name(BAR);
    // Whoever shows all of the window does not show this.
    bar.set_no_show_all(true);
    if let Some(accessible) = bar.accessible() {
        accessible.set_role(atk::Role::Statusbar);
    }
    window.pack_end(&bar, false, false, 0);
    bar
}

#[cfg(target_os = "linux")]
fn forget_oldest(bar: &gtk::Box) {
    use gtk::prelude::*;

    let kept = bar.children();
    for old in kept.iter().take(kept.len().saturating_sub(MAX_KEPT)) {
        bar.remove(old);
    }
}
