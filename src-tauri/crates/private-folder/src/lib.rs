//! Folders that only their owner can look into: the keys of persons and houses lie in them, and logs.

#[cfg(windows)]
mod access_list;

use std::{io, path::Path};

/// Makes the folder and those above it, as far as they are missing, for their owner alone. A folder that is there
/// already keeps the rights it has.
///
/// # Errors
/// Of the file system.
#[cfg(unix)]
pub fn make(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes the folder and those above it, as far as they are missing, for their owner alone, and so is what is put into
/// them. A folder that is there already keeps the rights it has, and the log says so where others may have some.
///
/// # Errors
/// Of the file system.
#[cfg(windows)]
pub fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        if !is_under_home(folder) && !access_list::is_protected(folder)? {
            tracing::warn!(path = %folder.display(), "this folder was there before: others may read what is in it");
        }
        return Ok(());
    }
    make_missing(folder)
}

#[cfg(windows)]
fn make_missing(folder: &Path) -> io::Result<()> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty() && !above.is_dir());
    above.map_or(Ok(()), make_missing)?;
    match access_list::make_for_owner(folder) {
        // Another program made it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// What lies there is its owner's by what it inherits.
#[cfg(windows)]
fn is_under_home(folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let home = std::env::home_dir().and_then(|home| real(&home));
    home.zip(real(folder)).is_some_and(|(home, folder)| folder.starts_with(home))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_is_made_with_those_above_it_and_again_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        make(&folder).unwrap();
        std::fs::write(folder.join("file"), "kept").unwrap();
        make(&folder).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap(), "kept");
    }

    #[cfg(unix)]
    #[test]
    fn it_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        make(&folder).unwrap();
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    /// With `--folder` outside of the person's own folders the keys had the rights of whatever lay around them.
    #[cfg(windows)]
    #[test]
    fn it_inherits_no_rights_from_the_folder_around_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        make(&folder).unwrap();
        assert!(access_list::is_protected(&folder).unwrap());
        assert!(access_list::is_protected(folder.parent().unwrap()).unwrap());
        assert!(!access_list::is_protected(place.path()).unwrap());
    }
}
