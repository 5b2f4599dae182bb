//! Is what was built older than what it is built from?

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The latest change under these files and folders. Folders count too: a deleted file changes its folder.
/// What does not exist is passed over.
pub fn latest_change(paths: &[PathBuf]) -> io::Result<Option<SystemTime>> {
    let mut latest = None;
    for path in paths {
        if path.exists() {
            latest = latest.max(Some(latest_under(path)?));
        }
    }
    Ok(latest)
}

fn latest_under(path: &Path) -> io::Result<SystemTime> {
    let own = fs::metadata(path)?;
    let mut latest = own.modified()?;
    if own.is_dir() {
        for entry in fs::read_dir(path)? {
            latest = latest.max(latest_under(&entry?.path())?);
        }
    }
    Ok(latest)
}

/// Must something made at `made` from these sources be made again?
pub fn is_stale(made: Option<SystemTime>, latest_source: Option<SystemTime>) -> bool {
    match (made, latest_source) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(made), Some(source)) => source > made,
    }
}

/// When a file was last written, if it exists.
pub fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|about| about.modified()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn stale_means_never_made_or_older_than_its_newest_source() {
        assert!(is_stale(None, at(5)));
        assert!(is_stale(None, None));
        assert!(is_stale(at(4), at(5)));
        assert!(!is_stale(at(5), at(5)));
        assert!(!is_stale(at(6), at(5)));
    }

    #[test]
    fn the_latest_change_is_found_in_any_depth_and_a_deletion_counts() {
        let folder = std::env::temp_dir().join(format!("serambi-staleness-{}", std::process::id()));
        let deep = folder.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let (old, new) = (folder.join("old"), deep.join("new"));
        let set = |path: &Path, seconds| {
            fs::File::open(path).unwrap().set_modified(at(seconds).unwrap()).unwrap();
        };
        fs::write(&old, "").unwrap();
        fs::write(&new, "").unwrap();
        let all = [deep.clone(), folder.join("a"), folder.clone()];
        set(&old, 100);
        set(&new, 900);
        all.iter().for_each(|path| set(path, 50));
        let paths = [folder.clone(), folder.join("not there")];
        assert_eq!(latest_change(&paths).unwrap(), at(900));
        fs::remove_file(&new).unwrap();
        assert!(latest_change(&paths).unwrap() > at(900), "the folder changed when the file went");
        fs::remove_dir_all(&folder).unwrap();
    }
}
