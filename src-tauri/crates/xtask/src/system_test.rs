//! The whole-system tests of `tests/`: which there are, how they are switched on, and which may run beside which.

/// Without this feature they are not built, so that plain `cargo test` needs no window, sound server or SDK.
pub const FEATURE: &str = "serambi-tests/system";

/// These wait for networks and for what takes a minute by the rules, and need no sound card: the tests of each run side
/// by side.
pub const NETWORKS: &[&str] = &["bad_luck", "passages", "heal", "reach", "domain", "tested_from_outside"];

/// What a desktop, a screen reader or a stranger sees and says. Sound is counted here and not judged.
pub const DESKTOP: &[&str] = &[
    "secrets",
    "schemathesis",
    "browsers",
    "called",
    "login_session",
    "started_again",
    "dead_page",
    "accessibility",
    "screen_reader",
    "on_the_desktop",
    "updated",
];

/// These judge sound, which takes the machine to themselves: the cheapest first.
pub const SOUND: &[&str] =
    &["instruments", "passage_delay", "evening", "devices", "two_peers", "python_listener", "own_sound", "two_windows"];

/// Installs the packages that were just made, which takes root's rights.
pub const INSTALLED_PACKAGE: &str = "installed_package";

/// Takes Wine and programs built for Windows: a command of its own, `cargo xtask test --windows-programs`.
pub const WINDOWS_PROGRAMS: &str = "windows_programs";

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
        let mut names =
            [super::NETWORKS, super::DESKTOP, super::SOUND, &[super::INSTALLED_PACKAGE, super::WINDOWS_PROGRAMS]]
                .concat();
        files.sort();
        names.sort_unstable();
        assert_eq!(names, files);
    }
}
