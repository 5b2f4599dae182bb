//! Updates of the app itself: signed, asked for by hand alone, and off until an address is set.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use semver::Version;
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::{
    AppHandle,
    utils::{config::BundleType, platform::bundle_type},
};
use tauri_plugin_updater::{Error, Update, UpdaterExt};
use tokio::sync::watch;

use crate::{package_size::PackageSize, update_source::UpdateSource};

/// An answer of some hundred bytes.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A package of some ten megabytes, over a slow line.
const DOWNLOADED_WITHIN: Duration = Duration::from_secs(20 * 60);
/// A line on which nothing comes for this long is dead.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Why there is no newer version here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum UpdateFailure {
    /// The address does not answer, or with something else.
    Unreachable,
    /// The package did not come within 20 minutes, or nothing more of it for 30 s.
    TooSlow,
    /// The package is larger than any of ours: it was not fetched to its end.
    TooLarge,
    /// The package is not signed with the key of the address: it was not installed.
    NotSigned,
    /// The package is signed for another version than the address names, or for none: it may be an old one with known
    /// faults, and was not installed.
    OtherVersion,
    /// There is a newer version, but none for this system.
    NotForThisSystem,
    /// The package could not be put in the place of the old one.
    NotInstalled,
}

/// How it stands with updates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum UpdateState {
    /// Nobody was asked.
    #[default]
    NotAsked,
    /// The answer is waited for.
    Asking,
    /// There is none.
    UpToDate,
    /// There is one.
    Found {
        /// Its version.
        version: String,
    },
    /// It is being fetched.
    Installing {
        /// Its version.
        version: String,
    },
    /// It is there at the next start.
    Installed {
        /// Its version.
        version: String,
    },
    /// It did not work.
    Failed {
        /// Why.
        failure: UpdateFailure,
    },
}

/// Who brings updates to this copy of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum UpdatedBy {
    /// The program itself, from the address that is set.
    Itself,
    /// The system's package manager.
    PackageManager,
    /// Whoever built it: it came in no package.
    Builder,
}

/// The question for a newer version, and what came of it.
#[derive(Default)]
pub struct Updates {
    state: Mutex<UpdateState>,
    found: Mutex<Option<Update>>,
}

impl Updates {
    /// How it stands.
    pub fn state(&self) -> UpdateState {
        lock(&self.state).clone()
    }

    /// Another address: what another one said counts no longer.
    pub fn forget(&self) {
        *lock(&self.found) = None;
        *lock(&self.state) = UpdateState::NotAsked;
    }

    /// Asks this source. `changed` is called with each step.
    pub async fn ask(&self, app: &AppHandle, source: &UpdateSource, changed: impl Fn()) {
        self.set(UpdateState::Asking, &changed);
        let state = match ask(app, source).await {
            Ok(Some(update)) => {
                let version = update.version.clone();
                *lock(&self.found) = Some(update);
                UpdateState::Found { version }
            }
            Ok(None) => UpdateState::UpToDate,
            Err(error) => failed_to_ask(&error),
        };
        self.set(state, &changed);
    }

    /// Fetches what was found, and puts it in the place of this program if its signature is right. On Windows its
    /// installer ends the program then.
    pub async fn install(&self, changed: impl Fn()) {
        let Some(update) = lock(&self.found).take() else { return };
        let version = update.version.clone();
        self.set(UpdateState::Installing { version: version.clone() }, &changed);
        let state = match install(update).await {
            Ok(()) => UpdateState::Installed { version },
            Err(obstacle) => failed_to_install(&obstacle),
        };
        self.set(state, &changed);
    }

    fn set(&self, state: UpdateState, changed: &impl Fn()) {
        *lock(&self.state) = state;
        changed();
    }
}

/// Who brings updates to this copy?
pub fn updated_by(app: &AppHandle) -> UpdatedBy {
    match bundle_type() {
        Some(BundleType::Deb | BundleType::Rpm) => UpdatedBy::PackageManager,
        Some(_) => UpdatedBy::Itself,
        None if runs_from_app_image(app) => UpdatedBy::Itself,
        None => UpdatedBy::Builder,
    }
}

#[cfg(target_os = "linux")]
fn runs_from_app_image(app: &AppHandle) -> bool {
    use tauri::Manager;
    app.env().appimage.is_some()
}

/// There are none elsewhere.
#[cfg(not(target_os = "linux"))]
fn runs_from_app_image(_app: &AppHandle) -> bool {
    false
}

async fn ask(app: &AppHandle, source: &UpdateSource) -> Result<Option<Update>, Error> {
    let asking = app.updater_builder().endpoints(vec![source.address.clone()])?.pubkey(source.key_file());
    asking
        .version_comparator(|present, offered| is_newer(&present, &offered.version))
        .configure_client(|client| client.connect_timeout(ANSWER_WITHIN).read_timeout(STALLED_AFTER))
        .timeout(ANSWER_WITHIN)
        .build()?
        .check()
        .await
}

/// A version that differs in its build alone is the same one (Semantic Versioning 2.0.0, section 10).
fn is_newer(present: &Version, offered: &Version) -> bool {
    offered.cmp_precedence(present).is_gt()
}

/// What stood in the way of an update that was found.
#[derive(Debug, thiserror::Error)]
enum Obstacle {
    #[error("the package is too large")]
    TooLarge,
    #[error(transparent)]
    Updater(#[from] Error),
}

async fn install(mut update: Update) -> Result<(), Obstacle> {
    update.timeout = Some(DOWNLOADED_WITHIN);
    let package = download(&update).await?;
    let installing = tokio::task::spawn_blocking(move || update.install(package));
    Ok(installing.await.map_err(|error| Error::Io(std::io::Error::other(error)))??)
}

/// Fetches the package and proves its signature. The updater would take any number of bytes.
async fn download(update: &Update) -> Result<Vec<u8>, Obstacle> {
    let mut size = PackageSize::default();
    let is_too_large = watch::Sender::new(false);
    let mut grows = is_too_large.subscribe();
    let note = |bytes, announced| {
        if !size.takes(bytes, announced) {
            is_too_large.send_replace(true);
        }
    };
    let package = tokio::select! {
        biased;
        _ = grows.wait_for(|is_too_large| *is_too_large) => return Err(Obstacle::TooLarge),
        package = update.download(note, || {}) => package,
    };
    // One that was cut off is too large all the same.
    if *is_too_large.borrow() { Err(Obstacle::TooLarge) } else { Ok(package?) }
}

fn failed_to_ask(error: &Error) -> UpdateState {
    tracing::warn!(%error, "no update was found");
    UpdateState::Failed { failure: failure_of(error, UpdateFailure::Unreachable) }
}

fn failed_to_install(obstacle: &Obstacle) -> UpdateState {
    let failure = match obstacle {
        Obstacle::TooLarge => UpdateFailure::TooLarge,
        Obstacle::Updater(Error::Reqwest(error)) if error.is_timeout() => UpdateFailure::TooSlow,
        Obstacle::Updater(error) => failure_of(error, UpdateFailure::NotInstalled),
    };
    tracing::warn!(%obstacle, "an update was not installed");
    UpdateState::Failed { failure }
}

fn failure_of(error: &Error, otherwise: UpdateFailure) -> UpdateFailure {
    match error {
        Error::Minisign(_) | Error::SignatureUtf8(_) | Error::Base64(_) => UpdateFailure::NotSigned,
        Error::SignedVersionMismatch { .. } | Error::MissingSignedVersion => UpdateFailure::OtherVersion,
        Error::TargetNotFound(_) | Error::TargetsNotFound(_) => UpdateFailure::NotForThisSystem,
        Error::Network(_) | Error::Reqwest(_) | Error::ReleaseNotFound => UpdateFailure::Unreachable,
        _ => otherwise,
    }
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_later_version_is_an_update_and_never_an_older_or_an_equal_one() {
        let is_update = |offered: &str| is_newer(&"1.2.3".parse().unwrap(), &offered.parse().unwrap());
        for later in ["1.2.4", "1.10.0", "2.0.0-rc.1"] {
            assert!(is_update(later), "{later}");
        }
        for other in ["1.2.3", "1.2.3+built.again", "1.2.3-rc.9", "1.2.2", "0.99.0"] {
            assert!(!is_update(other), "{other}");
        }
    }
}
