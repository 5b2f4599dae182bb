//! `cargo xtask bundle`: the programs as packages that a Linux can install. Tauri's bundler makes them from `bundle` in
//! tauri.conf.json; what follows from the built programs is said to it here.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::Failure,
    libraries,
    machine::{System, this_system},
    npm,
    packages::Purpose,
    run::cargo,
    setup::{self, Consent},
    step::Steps,
    tauri_cli, workspace,
};

/// The one with the window comes first: the bundler takes it by itself, the other is a file to it. `serambi-peer`, for
/// tests and bots, carries the same code a third time (13 MB compressed) and is built from source.
pub const PROGRAMS: [&str; 2] = ["serambi", "serambi-house"];
/// The key that signs what the app updates itself with; without it there is nothing of that kind.
const SIGNING_KEY: &str = "TAURI_SIGNING_PRIVATE_KEY";

/// A kind of package for Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For Debian, Ubuntu and what is made from them.
    Deb,
    /// For Fedora, openSUSE and what is made from them.
    Rpm,
    /// One file for any of them. Tauri downloads what it takes from GitHub.
    AppImage,
}

impl Kind {
    /// As it is written on the command line, and for the bundler.
    pub fn read(word: &str) -> Option<Self> {
        [Self::Deb, Self::Rpm, Self::AppImage].into_iter().find(|kind| kind.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
            Self::AppImage => "appimage",
        }
    }
}

/// Whose programs are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// What people get.
    Release,
    /// What the tests were built with, to test the packages.
    Dev,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "debug",
        }
    }
}

/// Builds the programs and packs them; as a .deb and an .rpm if no kind is named.
pub fn run(steps: &mut Steps, profile: Profile, kinds: &[Kind]) -> Result<(), Failure> {
    if this_system() != System::Debian {
        return Err(Failure::missing(
            "Packages for Linux are made on Debian and Ubuntu, whose tools know which libraries they need.",
        ));
    }
    setup::run(steps, Purpose::Run, Consent::given(false))?;
    npm::build_pages(steps)?;
    let mut build = cargo(&["build", "--bins"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    steps.command("build", build.args(PROGRAMS.iter().flat_map(|program| ["-p", program])))?;
    let kinds = if kinds.is_empty() { &[Kind::Deb, Kind::Rpm] } else { kinds };
    make(steps, profile, kinds)
}

/// Packs what is built already, into `target/package/PROFILE/bundle/KIND`.
pub fn make(steps: &mut Steps, profile: Profile, kinds: &[Kind]) -> Result<(), Failure> {
    let tauri = tauri_cli::provide(steps)?;
    let target = workspace::target().join("package");
    let programs = target.join(profile.folder());
    let configuration = target.join("bundle.json");
    steps.work("programs to pack", "cargo xtask bundle", || {
        stage(profile, &programs)
            .and_then(|()| fs::write(&configuration, additions(&programs)?))
            .map_err(|error| error.to_string())
    })?;
    let mut bundle = Command::new(tauri);
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    bundle.args(["bundle", "--ci", "--bundles", &words.join(","), "--config"]).arg(&configuration);
    if profile == Profile::Dev {
        bundle.arg("--debug");
    }
    steps.command("packages", bundle.current_dir(workspace::root().join("src-tauri")).env("CARGO_TARGET_DIR", &target))
}

/// Copies, without what only debuggers read: the bundler writes into the program which package it is in, and an old
/// package must not be taken for a new one.
fn stage(profile: Profile, programs: &Path) -> io::Result<()> {
    if programs.exists() {
        fs::remove_dir_all(programs)?;
    }
    fs::create_dir_all(programs)?;
    let built = workspace::target().join(profile.folder());
    PROGRAMS.iter().try_for_each(|program| {
        libraries::printed(Command::new("strip").arg("-o").args([programs.join(program), built.join(program)]))
            .map(drop)
    })
}

/// What is added to tauri.conf.json. The product's name names the packages and the desktop entry, which the desktop's
/// notices call `serambi`; AppImages are laid out as .debs are.
fn additions(programs: &Path) -> io::Result<String> {
    let signs = std::env::var(SIGNING_KEY).is_ok_and(|key| !key.is_empty());
    let paths: Vec<PathBuf> = PROGRAMS.iter().map(|program| programs.join(program)).collect();
    let files: Vec<String> = PROGRAMS[1..]
        .iter()
        .map(|program| format!("{:?}: {:?}", format!("/usr/bin/{program}"), programs.join(program)))
        .collect();
    let files = files.join(", ");
    Ok(format!(
        r#"{{"productName": "serambi", "bundle": {{"createUpdaterArtifacts": {signs}, "linux": {{
  "deb": {{"depends": {:?}, "files": {{{files}}}}},
  "rpm": {{"depends": {:?}, "files": {{{files}}}}}
}}}}}}
"#,
        libraries::for_debian(&paths)?,
        libraries::for_fedora(&paths)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_the_bundler_calls_it() {
        for kind in [Kind::Deb, Kind::Rpm, Kind::AppImage] {
            assert_eq!(Kind::read(kind.word()), Some(kind));
        }
        assert_eq!(Kind::read("msi"), None);
    }
}
