//! Updates of the app itself: signed, asked for by hand alone, and off until an address is set.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::{
    AppHandle,
    utils::{config::BundleType, platform::bundle_type},
};
use tauri_plugin_updater::{Error, Update, UpdaterExt};

use crate::update_source::UpdateSource;

/// An answer of some hundred bytes.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A package of some ten megabytes, over a slow line.
const DOWNLOADED_WITHIN: Duration = Duration::from_secs(20 * 60);

/// Why there is no newer version here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum UpdateFailure {
    /// The address does not answer, or with something else.
    Unreachable,
    /// The package is not signed with the key of the address: it was not installed.
    NotSigned,
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
            Err(error) => failed(&error, UpdateFailure::Unreachable),
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
            Err(error) => failed(&error, UpdateFailure::NotInstalled),
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
    asking.timeout(ANSWER_WITHIN).build()?.check().await
}

async fn install(mut update: Update) -> Result<(), Error> {
    update.timeout = Some(DOWNLOADED_WITHIN);
    let package = update.download(|_, _| {}, || {}).await?;
    let installing = tokio::task::spawn_blocking(move || update.install(package));
    installing.await.map_err(|error| Error::Io(std::io::Error::other(error)))?
}

fn failed(error: &Error, otherwise: UpdateFailure) -> UpdateState {
    tracing::warn!(%error, "no update");
    let failure = match error {
        Error::Minisign(_)
        | Error::SignatureUtf8(_)
        | Error::Base64(_)
        | Error::SignedVersionMismatch { .. }
        | Error::MissingSignedVersion => UpdateFailure::NotSigned,
        Error::TargetNotFound(_) | Error::TargetsNotFound(_) => UpdateFailure::NotForThisSystem,
        Error::Network(_) | Error::Reqwest(_) | Error::ReleaseNotFound => UpdateFailure::Unreachable,
        _ => otherwise,
    };
    UpdateState::Failed { failure }
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
