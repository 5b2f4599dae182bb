//! `cargo xtask test --windows-programs`: house and peer built for Windows on Linux, and tried under Wine. What only
//! Wine lacks is made up for here, in what is built for this test alone, and in nothing that people get.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::Failure,
    libraries::printed,
    npm,
    other_system::{self, OtherSystem},
    packages::Purpose,
    run::cargo,
    setup::{self, Consent},
    step::Steps,
    system_test, workspace,
};

/// Sends the datagrams of media connections.
const DATAGRAMS: &str = "quinn-udp";
/// It asks every socket whether it takes IPv6 alone. Windows answers for one of IPv4, too; Wine refuses.
const ASKS: &str = "\
            get_socket_option::<u32>(&*socket.0, WinSock::IPPROTO_IPV6, WinSock::IPV6_V6ONLY as _)
        }?;";
const ASKS_IPV6_ONLY: &str = "\
            get_socket_option::<u32>(&*socket.0, WinSock::IPPROTO_IPV6, WinSock::IPV6_V6ONLY as _)
        }.or_else(|error| if is_ipv6 { Err(error) } else { Ok(1) })?;";

/// Rust's standard library takes random numbers from a library that Wine before version 9 does not have.
const RANDOM_LIBRARY: &str = "bcryptprimitives.dll";
const RANDOM_SOURCE: &str = "\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID data, ULONG length); /* RtlGenRandom, of advapi32 */
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    return SystemFunction036(data, (ULONG)length);
}
";

/// Builds both programs and runs their tests.
pub fn run(steps: &mut Steps, consent: Consent) -> Result<(), Failure> {
    setup::run(steps, Purpose::WindowsPrograms, consent)?;
    npm::build_pages(steps)?;
    let mut build = OtherSystem::Windows.cargo(steps, "build")?;
    steps
        .command("sources", &mut cargo(&["fetch", "--quiet", "--locked", "--target", OtherSystem::Windows.triple()]))?;
    let folder = other_system::folder();
    let datagrams = folder.join(DATAGRAMS);
    let view = folder.join("wine-workspace");
    steps.work("what Wine lacks", "cargo xtask test --windows-programs", || {
        patch_datagrams(&datagrams)
            .and_then(|()| lay_out_view(&view))
            .and_then(|()| compile_random_library(&folder))
            .map_err(|error| error.to_string())
    })?;
    let patch = format!("patch.crates-io.{DATAGRAMS}.path={:?}", datagrams.display().to_string());
    build.args(["--config", &patch, "-p", "serambi-house", "-p", "serambi-peer", "--bins"]);
    steps.command("programs for Windows", build.current_dir(&view))?;
    let mut test = cargo(&["test", "--workspace", "--features", system_test::FEATURE, "--test"]);
    test.args([system_test::WINDOWS_PROGRAMS, "--", "--nocapture", "--test-threads", "1"]);
    steps.command(&format!("system test {}", system_test::WINDOWS_PROGRAMS), &mut test)
}

/// A copy of the crate's source as Cargo has it, that asks only sockets of IPv6.
fn patch_datagrams(copy: &Path) -> io::Result<()> {
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock"))?;
    let version = newest(&lock, DATAGRAMS).ok_or_else(|| io::Error::other(format!("{DATAGRAMS} is in no use")))?;
    let source = registry_source(&format!("{DATAGRAMS}-{version}"))?;
    let text = fs::read_to_string(source.join("src/windows.rs"))?;
    let patched = text.replace(ASKS, ASKS_IPV6_ONLY);
    if patched == text {
        return Err(io::Error::other(format!("{DATAGRAMS} {version} asks in other words; see {}", source.display())));
    }
    fs::create_dir_all(copy.join("src"))?;
    write(&copy.join("Cargo.toml"), &fs::read_to_string(source.join("Cargo.toml"))?)?;
    for entry in fs::read_dir(source.join("src"))? {
        let file = entry?.path();
        let Some(name) = file.file_name().filter(|_| file.is_file()) else { continue };
        let text = if name == "windows.rs" { patched.clone() } else { fs::read_to_string(&file)? };
        write(&copy.join("src").join(name), &text)?;
    }
    Ok(())
}

/// A workspace with these sources and a lock file of its own: the patch would change ours.
fn lay_out_view(view: &Path) -> io::Result<()> {
    fs::create_dir_all(view)?;
    for file in ["Cargo.toml", "Cargo.lock"] {
        write(&view.join(file), &fs::read_to_string(workspace::root().join(file))?)?;
    }
    ["src-tauri", "tests", "ui", "assets"].iter().try_for_each(|folder| {
        let link = view.join(folder);
        if link.exists() { Ok(()) } else { make_link(&workspace::root().join(folder), &link) }
    })
}

#[cfg(unix)]
fn make_link(to: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, link)
}

#[cfg(not(unix))]
fn make_link(_to: &Path, _link: &Path) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Beside the programs, where Windows looks first.
fn compile_random_library(folder: &Path) -> io::Result<()> {
    let programs = folder.join(OtherSystem::Windows.triple()).join("debug");
    fs::create_dir_all(&programs)?;
    let source = folder.join("bcryptprimitives.c");
    write(&source, RANDOM_SOURCE)?;
    let mut compile = Command::new("x86_64-w64-mingw32-gcc");
    compile.args(["-O2", "-shared", "-o"]).arg(programs.join(RANDOM_LIBRARY)).arg(source).arg("-ladvapi32");
    printed(&mut compile).map(drop)
}

/// What is written already keeps its time, so that nothing is compiled anew for it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|written| written == text) { Ok(()) } else { fs::write(path, text) }
}

fn registry_source(name: &str) -> io::Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let sources = home.ok_or_else(|| io::Error::other("there is no home folder"))?.join("registry/src");
    let mut folders = fs::read_dir(&sources)?.flatten().map(|registry| registry.path().join(name));
    folders.find(|folder| folder.is_dir()).ok_or_else(|| io::Error::other(format!("{name} is not in Cargo's registry")))
}

/// The newest version of a package in a lock file; older ones are optional parts of others.
fn newest<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let lines = lock.lines().zip(lock.lines().skip(1)).filter(|(line, _)| *line == name);
    let versions = lines.filter_map(|(_, next)| Some(next.strip_prefix("version = \"")?.trim_end_matches('"')));
    versions.max_by_key(|version| version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_in_a_lock_file_is_found() {
        let lock = "[[package]]\nname = \"quinn-udp\"\nversion = \"0.10.1\"\n\n[[package]]\nname = \"quinn-udp\"\n\
                    version = \"0.6.3\"\n\n[[package]]\nname = \"quinn\"\nversion = \"7.0.0\"\n";
        assert_eq!(newest(lock, "quinn-udp"), Some("0.10.1"));
        assert_eq!(newest(lock, "quinn-proto"), None);
    }
}
