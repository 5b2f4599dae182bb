//! The web UI's side of building: Node, `npm ci` when the lock file changed, the pages when a source changed: those of
//! the window, and the one that a house serves to browsers.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use crate::{failure::Failure, staleness, step::Steps, workspace};

/// The oldest Node of each line that Vite 8 runs on (its `engines` field).
const OLDEST_NODE: &[(u32, u32)] = &[(20, 19), (22, 12)];

/// What the pages are built from, inside `ui/` but for the assets.
const SOURCES: &[&str] = &[
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
    "../assets",
];

/// `npm ARGUMENTS` in the UI's folder. On Windows npm is a script, which only the shell can start.
pub fn npm(arguments: &[&str]) -> Command {
    let mut command = if cfg!(windows) {
        let mut shell = Command::new("cmd");
        shell.args(["/C", "npm"]);
        shell
    } else {
        Command::new("npm")
    };
    command.args(arguments).current_dir(workspace::ui());
    command
}

/// Refuses to go on without a Node that can build the pages.
pub fn require_node() -> Result<(), Failure> {
    let advice = "Install Node 20.19 or newer (22.12 or newer of the 22 line): https://nodejs.org";
    let output = Command::new("node").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    match read_version(&text) {
        Some(version) if node_is_new_enough(version) => Ok(()),
        Some(_) => Err(Failure::missing(format!("Node {text} is too old. {advice}"))),
        None => Err(Failure::missing(format!("Node was not found. {advice}"))),
    }
}

fn read_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn node_is_new_enough(version: (u32, u32)) -> bool {
    match OLDEST_NODE.iter().find(|(major, _)| *major == version.0) {
        Some(oldest) => version >= *oldest,
        None => version > OLDEST_NODE[OLDEST_NODE.len() - 1],
    }
}

/// `npm ci`, unless it was done for exactly this lock file.
pub fn install_dependencies(steps: &mut Steps) -> Result<(), Failure> {
    let lock = fs::read(workspace::ui().join("package-lock.json")).unwrap_or_default();
    let stamp = workspace::stamps().join("npm-ci");
    let done = fs::read(&stamp).is_ok_and(|done_for| done_for == lock);
    if done && workspace::ui().join("node_modules").is_dir() {
        return Ok(());
    }
    steps.command("UI packages", &mut npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    write_stamp(&stamp, &lock)
}

/// Builds the pages when a source is newer than the last build.
pub fn build_pages(steps: &mut Steps) -> Result<(), Failure> {
    let stamp = workspace::stamps().join("ui-build");
    let sources: Vec<PathBuf> = SOURCES.iter().map(|name| workspace::ui().join(name)).collect();
    let latest = staleness::latest_change(&sources).ok().flatten();
    if pages_exist() && !staleness::is_stale(staleness::written(&stamp), latest) {
        return Ok(());
    }
    // The stamp bears the time the build began: what is edited during it makes the next one necessary.
    let began = SystemTime::now();
    steps.command("pages", &mut npm(&["run", "--silent", "build"]))?;
    steps.command("page for browsers", &mut npm(&["run", "--silent", "build:browser"]))?;
    write_stamp(&stamp, b"")?;
    let dated = fs::File::options().write(true).open(&stamp).and_then(|file| file.set_modified(began));
    dated.map_err(|error| stamp_failure(&stamp, &error))
}

/// The shell's build script writes a placeholder `index.html` when there are no pages: that alone does not count.
fn pages_exist() -> bool {
    ["dist", "dist-browser"].iter().all(|folder| {
        let pages = workspace::ui().join(folder);
        pages.join("index.html").is_file() && pages.join("assets").is_dir()
    })
}

fn write_stamp(stamp: &Path, content: &[u8]) -> Result<(), Failure> {
    fs::create_dir_all(workspace::stamps())
        .and_then(|()| fs::write(stamp, content))
        .map_err(|error| stamp_failure(stamp, &error))
}

fn stamp_failure(stamp: &Path, error: &io::Error) -> Failure {
    Failure::Step {
        name: "stamp".to_owned(),
        what: format!("{} cannot be written: {error}", stamp.display()),
        repeat: "the same command".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_is_new_enough_from_20_19_and_22_12_on() {
        for (text, enough) in [
            ("v18.20.1", false),
            ("v20.18.3", false),
            ("v20.19.0", true),
            ("v20.20.2", true),
            ("v21.7.3", false),
            ("v22.11.0", false),
            ("v22.12.0", true),
            ("v24.1.0", true),
        ] {
            assert_eq!(read_version(text).map(node_is_new_enough), Some(enough), "{text}");
        }
        assert_eq!(read_version("not found"), None);
    }
}
