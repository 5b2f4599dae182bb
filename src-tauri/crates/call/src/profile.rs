//! A person's folder: identity, settings, and the lock that keeps a second start of the same profile out.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use serambi_protocol::{Code, Link, Refusal, RoomId};
use serde::{Deserialize, Serialize};

use crate::{
    call_me::CallMe, computer_settings::ComputerSettings, do_not_disturb::DoNotDisturb, identity::Identity,
    private_file, reach_settings::ReachSettings, settings_file::SettingsFile, sound_settings::SoundSettings,
};

const SETTINGS_FILE: &str = "settings.json";
const LOCK_FILE: &str = "lock";
/// The profile that is used when none is named.
pub const DEFAULT_PROFILE: &str = "default";
/// Characters in a profile's name; it becomes part of a path and of a bus name.
const PROFILE_NAME_CHARACTERS: usize = 32;

/// How the window looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// A house somebody wants to find again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct SavedHouse {
    /// Its name, as it was when last seen.
    pub name: String,
    /// The link to it, without a room.
    pub link: String,
}

/// A room that this person runs in the house of their own program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostedRoom {
    /// Which.
    pub id: RoomId,
    /// Its title; may be empty.
    pub title: String,
}

/// What a person has chosen. Everything has a default, so that an older or newer file can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Display name; empty until it was asked for.
    pub name: String,
    /// Language of the window (`en`, `id`, `zh-Hans`); none: as the system says.
    pub language: Option<String>,
    /// How the window looks.
    pub theme: Theme,
    /// Devices, the own voice, and how others sound.
    pub sound: SoundSettings,
    /// Whether system notices are held back, and until when.
    pub do_not_disturb: DoNotDisturb,
    /// When others may call this person into their rooms.
    pub call_me: CallMe,
    /// Closing, and keys that work from anywhere.
    pub computer: ComputerSettings,
    /// Gate, router and outside address of the own house.
    pub reach: ReachSettings,
    /// The room they run, while it lasts. What is still here at the next start ended with the program.
    pub hosting: Option<HostedRoom>,
    /// Houses to find again, newest first.
    pub saved_houses: Vec<SavedHouse>,
}

impl Settings {
    /// Remembers the house of this link, once, first in the list.
    pub fn save_house(&mut self, name: &str, link: &Link) {
        let link = Link { room: None, ..link.clone() };
        self.saved_houses.retain(|saved| !is_same_house(&saved.link, &link));
        self.saved_houses.insert(0, SavedHouse { name: name.to_owned(), link: link.to_string() });
    }

    /// Forgets it.
    pub fn forget_house(&mut self, link: &str) {
        self.saved_houses.retain(|saved| saved.link != link);
    }
}

/// A house is its certificate or its name; its addresses may have changed.
fn is_same_house(saved: &str, link: &Link) -> bool {
    Link::read(saved).is_ok_and(|saved| saved.house.proof == link.house.proof)
}

/// An open profile. Only one program at a time has it.
#[derive(Debug)]
pub struct Profile {
    folder: PathBuf,
    identity: Identity,
    settings: SettingsFile,
    set_aside: Option<PathBuf>,
    // Held open: the system lets go of the lock when the file is closed, also after a crash.
    _lock: File,
}

impl Profile {
    /// Opens the profile in this folder, making what is missing.
    ///
    /// # Errors
    /// `profile_in_use`: another program has it open. `profile_broken`: it cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, Refusal> {
        private_file::make_folder(folder).map_err(|error| broken(folder, &error))?;
        let lock = lock(folder)?;
        let identity = Identity::load_or_make(folder)?;
        let (settings, set_aside) = read_settings(folder)?;
        Ok(Self { folder: folder.to_owned(), identity, settings, set_aside, _lock: lock })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who it belongs to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What was chosen.
    pub fn settings(&self) -> &Settings {
        &self.settings.settings
    }

    /// A settings file that could not be read and was put here, to be told to its owner.
    pub fn settings_set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Changes the settings and writes them; on failure nothing has changed.
    ///
    /// # Errors
    /// `profile_broken`: they cannot be written.
    pub fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) -> Result<(), Refusal> {
        let mut next = self.settings().clone();
        change(&mut next);
        if next == *self.settings() {
            return Ok(());
        }
        let path = self.folder.join(SETTINGS_FILE);
        let unwritable = |error: serde_json::Error| broken(&path, &error.into());
        let next = self.settings.with(next).map_err(unwritable)?;
        private_file::replace(&path, &next.text().map_err(unwritable)?).map_err(|error| broken(&path, &error))?;
        self.settings = next;
        Ok(())
    }
}

/// The folder of a profile by name, under the place the system has for a person's data.
///
/// # Errors
/// `bad_request`: not a name for a profile. `profile_broken`: the system names no such place.
pub fn folder_of(name: &str) -> Result<PathBuf, Refusal> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || name.len() > PROFILE_NAME_CHARACTERS || !name.chars().all(is_plain) {
        return Err(Refusal::new(
            Code::BadRequest,
            format!("a profile's name is 1 to {PROFILE_NAME_CHARACTERS} of a-z 0-9 - _"),
        ));
    }
    Ok(data_folder()?.join(name))
}

fn data_folder() -> Result<PathBuf, Refusal> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = if cfg!(windows) {
        variable("APPDATA").map(|folder| folder.join("Serambi"))
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Application Support/Serambi"))
    } else {
        // XDG Base Directory Specification 0.8.
        variable("XDG_DATA_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
            .map(|folder| folder.join("serambi"))
    };
    folder.ok_or_else(|| Refusal::new(Code::ProfileBroken, "the system names no folder for data"))
}

fn broken(path: &Path, error: &io::Error) -> Refusal {
    Refusal::new(Code::ProfileBroken, format!("{}: {error}", path.display()))
}

fn lock(folder: &Path) -> Result<File, Refusal> {
    let path = folder.join(LOCK_FILE);
    let file = private_file::open(&path, false).map_err(|error| broken(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Refusal::new(Code::ProfileInUse, folder.display().to_string())),
        Err(TryLockError::Error(error)) => Err(broken(&path, &error)),
    }
}

/// The settings, and where a file that could not be understood at all was put.
fn read_settings(folder: &Path) -> Result<(SettingsFile, Option<PathBuf>), Refusal> {
    let path = folder.join(SETTINGS_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((SettingsFile::default(), None)),
        Err(error) => return Err(broken(&path, &error)),
    };
    private_file::tighten(&path).map_err(|error| broken(&path, &error))?;
    if let Some(settings) = SettingsFile::read(&bytes) {
        return Ok((settings, None));
    }
    let aside = free_name(folder);
    fs::rename(&path, &aside).map_err(|error| broken(&path, &error))?;
    tracing::warn!(file = %aside.display(), "the settings could not be read and were set aside");
    Ok((SettingsFile::default(), Some(aside)))
}

fn free_name(folder: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let path = folder.join(format!("settings.broken-{number}.json"));
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serambi_protocol::link::Pin;

    #[test]
    fn settings_are_still_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut profile = Profile::open(folder.path()).unwrap();
        profile.change_settings(|settings| settings.name = "Ratna".into()).unwrap();
        let id = profile.identity().id();
        drop(profile);
        let again = Profile::open(folder.path()).unwrap();
        assert_eq!(again.settings().name, "Ratna");
        assert_eq!(again.identity().id(), id);
        assert_eq!(again.settings_set_aside(), None);
    }

    #[test]
    fn a_second_start_of_the_same_profile_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let first = Profile::open(folder.path()).unwrap();
        assert_eq!(Profile::open(folder.path()).unwrap_err().code, Code::ProfileInUse);
        drop(first);
        assert!(Profile::open(folder.path()).is_ok());
    }

    #[test]
    fn broken_settings_are_set_aside_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SETTINGS_FILE), "{\"name\": \"Rat").unwrap();
        let mut profile = Profile::open(folder.path()).unwrap();
        assert_eq!(profile.settings(), &Settings::default());
        let aside = profile.settings_set_aside().unwrap().to_owned();
        assert_eq!(fs::read_to_string(aside).unwrap(), "{\"name\": \"Rat");
        profile.change_settings(|settings| settings.name = "Ratna".into()).unwrap();
        drop(profile);
        assert_eq!(Profile::open(folder.path()).unwrap().settings().name, "Ratna");
    }

    #[test]
    fn settings_of_another_version_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let other = r#"{"name": "Wei", "microphone": null, "sound": {"later": 1}, "later": 1}"#;
        fs::write(folder.path().join(SETTINGS_FILE), other).unwrap();
        assert_eq!(Profile::open(folder.path()).unwrap().settings().name, "Wei");
    }

    #[test]
    fn a_switched_off_shortcut_stays_off_and_one_never_chosen_is_the_usual() {
        let folder = tempfile::tempdir().unwrap();
        let mut profile = Profile::open(folder.path()).unwrap();
        assert_eq!(profile.settings().computer.mute_shortcut.as_deref(), Some("Ctrl+Shift+KeyM"));
        profile.change_settings(|settings| settings.computer.mute_shortcut = None).unwrap();
        drop(profile);
        let again = Profile::open(folder.path()).unwrap();
        assert_eq!(again.settings().computer.mute_shortcut, None);
        assert_eq!(again.settings().computer.push_to_talk_key, "F8");
    }

    #[test]
    fn a_room_that_was_still_run_when_the_program_ended_is_known_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let room = HostedRoom { id: RoomId::from_random([7; 10]), title: "Porch".to_owned() };
        let mut profile = Profile::open(folder.path()).unwrap();
        profile.change_settings(|settings| settings.hosting = Some(room.clone())).unwrap();
        drop(profile);
        assert_eq!(Profile::open(folder.path()).unwrap().settings().hosting, Some(room));
    }

    #[test]
    fn a_gates_link_is_kept_and_never_shown_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let link = "serambi://gate.example:7410/gate?token=aB3-_x";
        let mut profile = Profile::open(folder.path()).unwrap();
        assert_eq!(profile.settings().reach, ReachSettings::default(), "nobody is asked unasked");
        profile.change_settings(|settings| settings.reach.through = Some(link.to_owned())).unwrap();
        drop(profile);
        let again = Profile::open(folder.path()).unwrap();
        assert_eq!(again.settings().reach.through.as_deref(), Some(link));
        assert!(!format!("{:?}", again.settings()).contains("aB3-_x"));
    }

    #[test]
    fn a_house_is_saved_once_even_when_its_address_changes() {
        let pin = Pin::from_digest(&[1; 32]);
        let link = |host: &str| Link::read(&format!("serambi://{host}:1/?pin={pin}")).unwrap();
        let mut settings = Settings::default();
        settings.save_house("Porch", &link("10.0.0.1"));
        settings.save_house("Porch", &link("10.0.0.2"));
        assert_eq!(settings.saved_houses.len(), 1);
        let saved = settings.saved_houses[0].link.clone();
        assert!(saved.contains("10.0.0.2"));
        settings.forget_house(&saved);
        assert!(settings.saved_houses.is_empty());
    }

    #[test]
    fn a_profile_name_cannot_leave_its_folder() {
        for wrong in ["", "..", "a/b", "A", "ü", &"a".repeat(33)] {
            assert_eq!(folder_of(wrong).unwrap_err().code, Code::BadRequest, "{wrong}");
        }
    }
}
