//! What people install: the .deb on a system that has nothing else, the .rpm as far as it can be tried without a
//! Fedora. Needs root's rights, and the packages of `cargo xtask bundle --dev`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serambi_tests::{
    Trouble,
    bare_system::BareSystem,
    display::Display,
    places,
    program::{Program, run},
    wait,
};

/// A first start reads the web view from a disk that has never done so.
const START_LIMIT: Duration = Duration::from_secs(90);
/// What every desktop has: a session bus, and who is told which program opens which links.
const DESKTOP: &[&str] = &["dbus", "dbus-bin", "dbus-daemon", "desktop-file-utils", "libglib2.0-bin"];
/// Opens a link as a click does, in a session that goes on.
const CLICK: &str = "gio open \"$0\"; exec sleep infinity";
/// A house that is not there.
const LINK: &str = "serambi://127.0.0.1:9?pin=2c2rf4UXC_1_T9w0MtYYQTanXlmEiIxj25PSsYZEt0w";
const PROGRAMS: [&str; 2] = ["serambi", "serambi-house"];

fn package(kind: &str) -> PathBuf {
    let folder = places::folder("package").unwrap().join("debug/bundle").join(kind);
    let packages = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut packages = packages.filter(|path| path.extension().is_some_and(|extension| extension == kind));
    let remedy = "cargo xtask bundle --dev, or cargo xtask test, which does that first".to_owned();
    packages.next().ok_or(Trouble::Missing { path: folder, remedy }).unwrap()
}

/// The middle of the window, without its frame.
const PAGE: &str = "700x600+290+130";

/// Waits until a page is drawn: an empty window has one colour, letters with smooth edges have hundreds.
fn until_drawn(display: &Display, picture: &Path) {
    let look = || {
        display.photograph(picture)?;
        let colours = run(Command::new("convert").arg(picture).args(["-crop", PAGE, "-format", "%k", "info:"]))?;
        let colours: u32 = String::from_utf8_lossy(&colours).trim().parse().unwrap_or(0);
        Ok((colours > 100).then_some(()))
    };
    wait::until("a page in the window", START_LIMIT, look, || format!("see {}", picture.display())).unwrap();
}

#[test]
fn a_new_debian_installs_the_package_opens_a_link_with_it_and_removes_it_without_a_trace() {
    let output = places::fresh_output("installed-package").unwrap();
    let system = BareSystem::with(&package("deb"), DESKTOP, &output).unwrap();
    for program in PROGRAMS {
        let help = system.run(&[program, "--help"]).unwrap();
        assert!(help.contains(&format!("Usage: {program}")), "{help}");
    }
    let icons = system.root().join("usr/share/icons/hicolor");
    for icon in ["32x32/apps/serambi.png", "256x256/apps/serambi.png", "scalable/apps/serambi.svg"] {
        assert!(icons.join(icon).is_file(), "{icon}");
    }
    let handler = system.run(&["gio", "mime", "x-scheme-handler/serambi"]).unwrap();
    assert!(handler.lines().next().unwrap().ends_with(": serambi.desktop"), "{handler}");
    system.run(&["desktop-file-validate", "/usr/share/applications/serambi.desktop"]).unwrap();

    // The house, without a window.
    let said = output.join("house.txt");
    let mut house = Program::start(
        &system.command(&["serambi-house", "--folder", "/tmp/house", "--listen", "127.0.0.1", "--no-discovery"]),
        Stdio::from(File::create(&said).unwrap()),
        &output.join("house.log"),
    )
    .unwrap();
    let open = || {
        house.still_runs()?;
        Ok(fs::read_to_string(&said).unwrap_or_default().starts_with("serambi://").then_some(()))
    };
    wait::until("the house's link", START_LIMIT, open, String::new).unwrap();
    drop(house);

    // The app, by a click on a link.
    let display = Display::start(&output, "package", 1_280, 860).unwrap();
    let screen = format!("DISPLAY={}", display.number());
    let session = system.command(&[&screen, "dbus-run-session", "--", "sh", "-ec", CLICK, LINK]);
    let mut session = Program::start(&session, Stdio::null(), &output.join("session.log")).unwrap();
    let window = || {
        session.still_runs()?;
        Ok((display.windows("Serambi")? > 0).then_some(()))
    };
    wait::until("the window", START_LIMIT, window, String::new).unwrap();
    until_drawn(&display, &output.join("window.png"));
    let running = system.running().unwrap();
    assert!(running.iter().any(|line| *line == ["serambi", LINK]), "the link was not passed on: {running:?}");
    drop(session);

    system.run(&["DEBIAN_FRONTEND=noninteractive", "apt-get", "purge", "-y", "serambi"]).unwrap();
    let left = system.files_named("serambi").unwrap();
    assert!(left.is_empty(), "{left:?}");
    let handler = system.run(&["gio", "mime", "x-scheme-handler/serambi"]).unwrap();
    assert!(!handler.contains("serambi.desktop"), "{handler}");
}

/// The program `rpm` on a system whose packages are none of its own.
fn rpm(root: &Path, arguments: &[&str], package: &Path) -> String {
    let mut command = Command::new("rpm");
    let said = run(command.arg("--root").arg(root).args(arguments).arg(package)).unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn an_rpm_names_the_libraries_it_needs_installs_its_files_and_takes_them_away_again() {
    let package = package("rpm");
    let root = tempfile::tempdir().unwrap();
    let requires = rpm(root.path(), &["--query", "--package", "--requires"], &package);
    for library in ["libasound.so.2()(64bit)", "libwebkit2gtk-4.1.so.0()(64bit)", "libc.so.6(GLIBC_2.34)(64bit)"] {
        assert!(requires.lines().any(|line| line == library), "{library} is missing in\n{requires}");
    }
    // Nothing provides libraries there.
    rpm(root.path(), &["--install", "--nodeps"], &package);
    for program in PROGRAMS {
        run(Command::new(root.path().join("usr/bin").join(program)).arg("--help")).unwrap();
    }
    let entry = fs::read_to_string(root.path().join("usr/share/applications/serambi.desktop")).unwrap();
    assert!(entry.contains("Exec=serambi %u\n") && entry.contains("MimeType=x-scheme-handler/serambi;\n"), "{entry}");
    let listed = rpm(root.path(), &["--query", "--package", "--list"], &package);
    let listed: Vec<&Path> = listed.lines().filter_map(|line| Path::new(line).strip_prefix("/").ok()).collect();
    assert!(listed.contains(&Path::new("usr/share/icons/hicolor/256x256/apps/serambi.png")), "{listed:?}");
    assert!(listed.iter().all(|file| root.path().join(file).exists()), "{listed:?}");
    rpm(root.path(), &["--erase"], Path::new("serambi"));
    let left: Vec<_> = listed.iter().filter(|file| root.path().join(file).is_file()).collect();
    assert!(left.is_empty(), "{left:?}");
}
