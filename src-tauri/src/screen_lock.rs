//! Whether the screen is locked, as the system's own login service says (logind's `LockedHint`, set by GNOME, KDE and
//! others). A desktop that does not say so counts as unlocked.

use std::time::Duration;

use webkit2gtk::{
    gio::{self, BusType, Cancellable, DBusCallFlags},
    glib::{self, ToVariant, VariantTy},
};

const SERVICE: &str = "org.freedesktop.login1";
/// Whoever asks: their own session.
const SESSION: &str = "/org/freedesktop/login1/session/auto";
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Is it locked now?
pub async fn is_locked() -> bool {
    let asked = tokio::task::spawn_blocking(ask).await;
    match asked {
        Ok(Ok(is_locked)) => is_locked,
        Ok(Err(error)) => {
            tracing::debug!(%error, "nobody says whether the screen is locked");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "asking for the screen's lock failed");
            false
        }
    }
}

fn ask() -> Result<bool, glib::Error> {
    let bus = gio::bus_get_sync(BusType::System, Cancellable::NONE)?;
    // Otherwise the end of the bus would be the end of the program.
    bus.set_exit_on_close(false);
    let question = ("org.freedesktop.login1.Session", "LockedHint").to_variant();
    let limit_ms = i32::try_from(ANSWER_WITHIN.as_millis()).unwrap_or(i32::MAX);
    let answer = bus.call_sync(
        Some(SERVICE),
        SESSION,
        "org.freedesktop.DBus.Properties",
        "Get",
        Some(&question),
        Some(VariantTy::TUPLE),
        DBusCallFlags::NO_AUTO_START,
        limit_ms,
        Cancellable::NONE,
    )?;
    Ok(answer.try_child_value(0).and_then(|value| value.as_variant()).and_then(|value| value.get()).unwrap_or(false))
}
