//! Which packages the project needs on which system, and which of them are not there.

use std::process::{Command, Stdio};

use crate::machine::System;

/// What somebody wants to do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Build the app and run it.
    Run,
    /// Also compile for the systems that this machine is not.
    OtherSystems,
    /// Also run every test.
    Test,
    /// Also run programs for Windows.
    WindowsPrograms,
    /// Also measure, beside what people use now.
    Measure,
}

/// To compile and open the window. The web view's development package brings GTK, libsoup and pkg-config along;
/// Opus is built from source by its crate, which takes cmake and a C compiler.
const DEBIAN_RUN: &[&str] = &["build-essential", "cmake", "pkg-config", "libwebkit2gtk-4.1-dev", "libasound2-dev"];

/// To compile C for Windows, and to install the C compiler for macOS.
const DEBIAN_OTHER_SYSTEMS: &[&str] = &["gcc-mingw-w64-x86-64-posix", "g++-mingw-w64-x86-64-posix", "python3-venv"];

/// To drive windows and browsers, to have sound cards that are not there, to make and hear speech, and
/// to install our packages on systems of their own.
const DEBIAN_TEST: &[&str] = &[
    "webkit2gtk-driver",
    "xvfb",
    "dbus-x11",
    "openbox",
    "imagemagick",
    "xdotool",
    "x11-utils",
    "pulseaudio",
    "pulseaudio-utils",
    "espeak-ng",
    "sox",
    "python3-dbus",
    "python3-gi",
    "libayatana-appindicator3-1",
    "iproute2",
    "nftables",
    "conntrack",
    "nginx-light",
    "curl",
    "miniupnpd-nftables",
    "miniupnpd",
    "at-spi2-core",
    "gir1.2-atspi-2.0",
    "orca",
    "chromium",
    "chromium-driver",
    "firefox-esr",
    "fonts-noto-cjk",
    "mmdebstrap",
    "rpm",
];

/// To be measured beside us, to make networks and speech, and to build the scores' Python packages.
const DEBIAN_MEASURE: &[&str] = &["mumble", "mumble-server", "openssl", "flite", "python3-dev"];

/// `wine` is the command, the other what 64-bit programs take.
const DEBIAN_WINDOWS: &[&str] = &["wine", "wine64"];
const FEDORA_WINDOWS: &[&str] = &["wine-core", "wine-pulseaudio"];
const ARCH_WINDOWS: &[&str] = &["wine"];

const FEDORA_RUN: &[&str] =
    &["gcc", "gcc-c++", "make", "cmake", "pkgconf-pkg-config", "webkit2gtk4.1-devel", "alsa-lib-devel"];
const FEDORA_OTHER_SYSTEMS: &[&str] = &["mingw64-gcc", "mingw64-gcc-c++", "python3"];
const FEDORA_TEST: &[&str] = &[
    "webkit2gtk-driver",
    "xorg-x11-server-Xvfb",
    "dbus-x11",
    "openbox",
    "ImageMagick",
    "xdotool",
    "xprop",
    "pulseaudio",
    "pulseaudio-utils",
    "espeak-ng",
    "sox",
    "python3-dbus",
    "python3-gobject",
    "libappindicator-gtk3",
    "iproute",
    "nftables",
    "conntrack-tools",
    "nginx",
    "curl",
    "at-spi2-core",
    "orca",
    "chromium",
    "chromedriver",
    "firefox",
    "google-noto-sans-cjk-fonts",
];

const FEDORA_MEASURE: &[&str] = &["mumble", "mumble-server", "openssl", "flite", "python3-devel"];

const ARCH_RUN: &[&str] = &["base-devel", "cmake", "webkit2gtk-4.1", "alsa-lib"];
const ARCH_OTHER_SYSTEMS: &[&str] = &["mingw-w64-gcc", "python"];
const ARCH_TEST: &[&str] = &[
    "xorg-server-xvfb",
    "openbox",
    "imagemagick",
    "xdotool",
    "xorg-xprop",
    "pulseaudio",
    "libpulse",
    "espeak-ng",
    "sox",
    "python-dbus",
    "iproute2",
    "nftables",
    "conntrack-tools",
    "nginx",
    "curl",
    "python-gobject",
    "libappindicator-gtk3",
    "at-spi2-core",
    "orca",
    "chromium",
    "firefox",
    "noto-fonts-cjk",
];

/// Arch's Chromium brings its driver along, and its Python the headers.
const ARCH_MEASURE: &[&str] = &["mumble", "mumble-server", "openssl", "flite"];

/// The packages for a purpose on a system; on macOS and Windows these are programs, looked for on the path.
pub fn needed(system: System, purpose: Purpose) -> Vec<&'static str> {
    let lists = match system {
        System::Debian => Lists {
            run: DEBIAN_RUN,
            others: DEBIAN_OTHER_SYSTEMS,
            test: DEBIAN_TEST,
            windows: DEBIAN_WINDOWS,
            measure: DEBIAN_MEASURE,
        },
        System::Fedora => Lists {
            run: FEDORA_RUN,
            others: FEDORA_OTHER_SYSTEMS,
            test: FEDORA_TEST,
            windows: FEDORA_WINDOWS,
            measure: FEDORA_MEASURE,
        },
        System::Arch => Lists {
            run: ARCH_RUN,
            others: ARCH_OTHER_SYSTEMS,
            test: ARCH_TEST,
            windows: ARCH_WINDOWS,
            measure: ARCH_MEASURE,
        },
        System::OtherLinux => Lists { run: &["cc", "cmake", "pkg-config"], ..Lists::default() },
        System::MacOs => Lists { run: &["cc", "cmake"], ..Lists::default() },
        System::Windows => Lists { run: &["cmake"], ..Lists::default() },
    };
    match purpose {
        Purpose::Run => lists.run.to_vec(),
        Purpose::OtherSystems => [lists.run, lists.others].concat(),
        Purpose::Test => [lists.run, lists.others, lists.test].concat(),
        Purpose::WindowsPrograms => [lists.run, lists.others, lists.test, lists.windows].concat(),
        Purpose::Measure => [lists.run, lists.others, lists.test, lists.measure].concat(),
    }
}

/// What one system calls the packages for each purpose.
#[derive(Default)]
struct Lists {
    run: &'static [&'static str],
    others: &'static [&'static str],
    test: &'static [&'static str],
    windows: &'static [&'static str],
    measure: &'static [&'static str],
}

/// Those of `needed` that `installed` does not know.
pub fn missing<'a>(needed: &[&'a str], installed: impl Fn(&str) -> bool) -> Vec<&'a str> {
    needed.iter().copied().filter(|package| !installed(package)).collect()
}

/// Asks the system whether a package is there.
pub fn is_installed(system: System, package: &str) -> bool {
    match system {
        System::Debian => dpkg_says_installed(package),
        System::Fedora => succeeds("rpm", &["-q", "--whatprovides", package]),
        System::Arch => succeeds("pacman", &["-Qg", package]) || succeeds("pacman", &["-Q", package]),
        System::OtherLinux | System::MacOs | System::Windows => succeeds(package, &["--version"]),
    }
}

fn dpkg_says_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// Does this program run and end well? What it prints is not shown.
pub fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What to type, or to do, to get these packages.
pub fn how_to_install(system: System, packages: &[&str]) -> String {
    let list = packages.join(" ");
    match system {
        System::Debian => format!("  sudo apt-get update && sudo apt-get install {list}"),
        System::Fedora => format!("  sudo dnf install {list}"),
        System::Arch => format!("  sudo pacman -S --needed {list}"),
        System::OtherLinux => format!(
            "  Install, under the names your system has for them: a C and C++ compiler, cmake, pkg-config, and the\n  \
             development files of WebKitGTK 4.1 and ALSA. Not found here: {list}"
        ),
        System::MacOs => "  xcode-select --install\n  brew install cmake node".to_owned(),
        System::Windows => "  winget install Microsoft.VisualStudio.2022.BuildTools --override \"--add \
             Microsoft.VisualStudio.Workload.VCTools --includeRecommended\"\n  winget install Kitware.CMake \
             OpenJS.NodeJS.LTS\n  WebView2 is part of Windows 11; on Windows 10: winget install \
             Microsoft.EdgeWebView2Runtime"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_is_missing_and_the_order_stays() {
        let there = |package: &str| package == "cmake" || package == "libasound2-dev";
        assert_eq!(missing(DEBIAN_RUN, there), ["build-essential", "pkg-config", "libwebkit2gtk-4.1-dev"]);
        assert!(missing(DEBIAN_RUN, |_| true).is_empty());
    }

    #[test]
    fn testing_needs_what_running_needs_and_more() {
        for system in [System::Debian, System::Fedora, System::Arch] {
            let run = needed(system, Purpose::Run);
            let test = needed(system, Purpose::Test);
            assert!(test.starts_with(&run) && test.len() > run.len(), "{system:?}");
            let measure = needed(system, Purpose::Measure);
            assert!(measure.starts_with(&test) && measure.contains(&"mumble"), "{system:?}");
            assert!(!run.contains(&"chromium"), "somebody who only wants to run the app needs no second browser");
        }
    }

    #[test]
    fn every_system_gets_instructions_that_name_what_is_missing() {
        for (system, word) in [
            (System::Debian, "apt-get install cmake"),
            (System::Fedora, "dnf install cmake"),
            (System::Arch, "pacman -S --needed cmake"),
            (System::OtherLinux, "Not found here: cmake"),
            (System::MacOs, "xcode-select"),
            (System::Windows, "Kitware.CMake"),
        ] {
            assert!(how_to_install(system, &["cmake"]).contains(word), "{system:?}");
        }
    }
}
