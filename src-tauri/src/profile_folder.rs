//! The folder of the profile: found, made, readable by its owner only.

#[cfg(unix)]
use std::fs;
use std::{
    io,
    path::{Path, PathBuf},
};

use serambi_call::profile;
use serambi_protocol::{Code, Refusal};

use crate::arguments::Arguments;

/// The files that a profile keeps, all of them its owner's alone.
#[cfg(unix)]
const PRIVATE_FILES: [&str; 3] = ["identity.key", "settings.json", "lock"];

/// A profile's folder that exists, and what was tightened in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFolder {
    /// The same for every way to write it: links are followed.
    pub path: PathBuf,
    /// Files and folders that others could read until now.
    pub tightened: Vec<PathBuf>,
}

impl ProfileFolder {
    /// The folder of the log files in it.
    pub fn logs(&self) -> PathBuf {
        logs_in(&self.path)
    }

    /// Says in the log what others could read until now: somebody may have.
    pub fn log_what_was_tightened(&self) {
        for path in &self.tightened {
            tracing::warn!(path = %path.display(), "others could read this; now only its owner can");
        }
    }
}

/// The folder of the log files of a profile.
pub fn logs_in(folder: &Path) -> PathBuf {
    folder.join("logs")
}

/// The folder that the arguments name, or the one in the system's place for such data.
///
/// # Errors
/// `profile_broken`: it cannot be made. `bad_request`: the profile's name is none.
pub fn prepare(arguments: &Arguments) -> Result<ProfileFolder, Refusal> {
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => profile::folder_of(&arguments.profile)?,
    };
    let broken = |error: io::Error| Refusal::new(Code::ProfileBroken, format!("{}: {error}", folder.display()));
    serambi_private_folder::make(&folder).map_err(broken)?;
    let path = folder.canonicalize().map_err(broken)?;
    let tightened = tighten(&path).map_err(broken)?;
    Ok(ProfileFolder { path, tightened })
}

/// Takes away what others may do with the folder and the files in it.
#[cfg(unix)]
fn tighten(folder: &Path) -> io::Result<Vec<PathBuf>> {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    let files = PRIVATE_FILES.iter().map(|name| folder.join(name)).filter(|file| file.is_file());
    let mut tightened = Vec::new();
    for path in std::iter::once(folder.to_owned()).chain(files) {
        let mode = fs::metadata(&path)?.permissions().mode();
        if mode & OTHERS != 0 {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & !OTHERS))?;
            tightened.push(path);
        }
    }
    Ok(tightened)
}

/// On Windows rights are inherited from the folder, see `serambi_private_folder`.
#[cfg(not(unix))]
fn tighten(_folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(Vec::new())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use clap::Parser;

    use super::*;

    fn arguments(folder: &Path) -> Arguments {
        Arguments::try_parse_from(["serambi".as_ref(), "--folder".as_ref(), folder.as_os_str()]).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_profile_can_be_looked_into_by_its_owner_only() {
        let place = tempfile::tempdir().unwrap();
        let folder = prepare(&arguments(&place.path().join("a/b"))).unwrap();
        assert_eq!(mode(&folder.path), 0o700);
        assert!(folder.tightened.is_empty());
    }

    /// A key that was loosened to 0644 was neither tightened nor mentioned.
    #[test]
    fn what_others_could_read_is_tightened_and_named() {
        let place = tempfile::tempdir().unwrap();
        let key = place.path().join("identity.key");
        fs::write(&key, "secret").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let folder = prepare(&arguments(place.path())).unwrap();
        assert_eq!((mode(&key), mode(&folder.path)), (0o600, 0o700));
        assert_eq!(folder.tightened.len(), 2);
        assert!(prepare(&arguments(place.path())).unwrap().tightened.is_empty());
    }

    #[test]
    fn a_folder_is_the_same_by_every_path_to_it() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real"), place.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let path = |folder: &Path| prepare(&arguments(folder)).unwrap().path;
        assert_eq!(path(&link), path(&real));
        assert_eq!(path(&place.path().join("real/../real/.")), path(&real));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_a_broken_profile() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        let refusal = prepare(&arguments(&place.path().join("file/folder"))).unwrap_err();
        assert_eq!(refusal.code, Code::ProfileBroken);
    }
}
