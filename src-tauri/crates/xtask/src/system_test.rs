//! The whole-system tests of `tests/`, and the sound engine's on real devices: which there are and how they are
//! switched on.

/// Without these features they are not built, so that plain `cargo test` needs no window, sound server or SDK.
pub const FEATURES: &str = "serambi-tests/system,serambi-audio/system";

/// The sound engine's, in its own crate.
pub const DEVICES: &str = "devices";

/// These wait for networks and for what takes a minute by the rules, and need no sound card: their tests run side by
/// side.
pub const SIDE_BY_SIDE: &[&str] = &["bad_luck", "heal", "passages", "reach"];

/// Installs the packages that were just made, which takes root's rights.
pub const INSTALLED_PACKAGE: &str = "installed_package";

/// Takes Wine and programs built for Windows: a command of its own, `cargo xtask test --windows-programs`.
pub const WINDOWS_PROGRAMS: &str = "windows_programs";

/// Each is one file in `tests/tests/`, the cheapest first.
pub const NAMES: &[&str] = &[
    "instruments",
    "secrets",
    "schemathesis",
    "bad_luck",
    "reach",
    "passages",
    "heal",
    "two_peers",
    "python_listener",
    INSTALLED_PACKAGE,
    "own_sound",
    "dead_page",
    "called",
    "accessibility",
    "screen_reader",
    "on_the_desktop",
    "updated",
    "two_windows",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::workspace;

    #[test]
    fn every_system_test_is_named_here_and_every_name_is_a_file() {
        let folder = workspace::root().join("tests/tests");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        let mut names = [super::NAMES, &[super::WINDOWS_PROGRAMS]].concat();
        files.sort();
        names.sort_unstable();
        assert_eq!(names, files);
    }
}
