//! Whether this desktop shows tray icons: a hidden window must be found again.

use std::time::Duration;

use tauri::AppHandle;
use tokio::sync::watch;

/// Somebody shows tray icons, as far as is known now. Clones know the same.
#[derive(Clone)]
pub struct TrayHost {
    is_there: watch::Sender<bool>,
}

impl Default for TrayHost {
    /// Windows and macOS show them always.
    fn default() -> Self {
        Self { is_there: watch::Sender::new(!cfg!(target_os = "linux")) }
    }
}

impl TrayHost {
    /// Watches from now on; `changed` hears of each change. Icons in the old way (XEmbed) are shown without the name
    /// that is watched for, but not counted on.
    #[cfg(target_os = "linux")]
    pub fn watch(&self, app: &AppHandle, changed: impl Fn() + Clone + Send + Sync + 'static) -> tauri::Result<()> {
        use webkit2gtk::gio::{self, BusNameWatcherFlags, BusType};
        const NAME: &str = "org.kde.StatusNotifierWatcher";
        let (came, went) = (self.clone(), self.clone());
        // News come to the thread that asked for them, if it has a main loop. The watch lasts as long as the program.
        app.run_on_main_thread(move || {
            let heard = changed.clone();
            let has_come = move |_, _: &str, _: &str| came.set(true, &heard);
            let has_gone = move |_, _: &str| went.set(false, &changed);
            gio::bus_watch_name(BusType::Session, NAME, BusNameWatcherFlags::NONE, has_come, has_gone);
        })
    }

    /// Nothing changes elsewhere.
    #[cfg(not(target_os = "linux"))]
    pub fn watch(&self, _app: &AppHandle, _changed: impl Fn() + Clone + Send + Sync + 'static) -> tauri::Result<()> {
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn set(&self, is_there: bool, changed: &impl Fn()) {
        let was_there = self.is_there.send_replace(is_there);
        if was_there != is_there {
            tracing::info!(is_there, "a place for tray icons");
            changed();
        }
    }

    /// Is there one now?
    pub fn is_there(&self) -> bool {
        *self.is_there.borrow()
    }

    /// Waits for one; false: none came within this time.
    pub async fn comes_within(&self, limit: Duration) -> bool {
        let mut is_there = self.is_there.subscribe();
        let coming = is_there.wait_for(|is_there| *is_there);
        matches!(tokio::time::timeout(limit, coming).await, Ok(Ok(_)))
    }
}

/// Are the libraries there that a tray icon takes? The loader ends the program where they are missing.
#[cfg(target_os = "linux")]
pub fn has_library() -> bool {
    use std::ffi::{CStr, c_char, c_int, c_void};
    unsafe extern "C" {
        fn dlopen(filename: *const c_char, flags: c_int) -> *mut c_void;
    }
    /// `RTLD_LAZY` of dlfcn.h, alike on every Linux.
    const LAZILY: c_int = 1;
    /// Those that the loader tries (libappindicator-sys), in its order.
    const LIBRARIES: [&CStr; 2] = [c"libayatana-appindicator3.so.1", c"libappindicator3.so.1"];
    // SAFETY: the names are ended by NUL. Loading runs the library's start-up code, as the loader would a moment later;
    // the handle is kept for good, as the loader keeps its own.
    LIBRARIES.iter().any(|name| !unsafe { dlopen(name.as_ptr(), LAZILY) }.is_null())
}

/// Nothing is loaded elsewhere.
#[cfg(not(target_os = "linux"))]
pub const fn has_library() -> bool {
    true
}
