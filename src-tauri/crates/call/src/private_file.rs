//! Files that only their owner can read, written so that either the old or the whole new one is there after a power
//! cut.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Makes the folder if it is missing, for its owner alone; tightens one that others can look into.
///
/// # Errors
/// Of the file system.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    serambi_private_folder::make(folder)?;
    tighten(folder)
}

/// Takes away what others may do with a file or folder of ours. Where that was loosened, the log says so.
///
/// # Errors
/// Of the file system.
pub(crate) fn tighten(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let octal = format!("{mode:o}");
            tracing::warn!(path = %path.display(), mode = octal, "others could read this; they no longer can");
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    #[cfg(not(unix))]
    fs::metadata(path)?;
    Ok(())
}

/// Opens a file for writing, made for its owner alone if it is missing.
///
/// # Errors
/// Of the file system.
pub(crate) fn open(path: &Path, truncate: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(truncate);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    tighten(path)?;
    Ok(file)
}

/// Puts a file with this content in place of what is there: written aside, on the disk, then renamed.
///
/// # Errors
/// Of the file system; then the old file is as it was.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft_of(path);
    let mut file = open(&draft, true)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder_of(path)
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// A rename is on the disk when its folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _no_such_call = path;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_its_owners_alone_and_what_was_loosened_is_tightened() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("profile");
        make_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        let path = folder.join("file");
        replace(&path, b"one").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        tighten(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_draft_that_a_crash_left_behind_does_not_stand_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(draft_of(&path), "half a fi").unwrap();
        replace(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(!draft_of(&path).exists());
    }
}
