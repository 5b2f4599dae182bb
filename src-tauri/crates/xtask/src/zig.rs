//! Zig as the C compiler for macOS: small scripts with the names of a compiler's parts, which leave out what Apple's
//! tools understand and Zig does not.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{failure::Failure, python_program::PythonProgram, step::Steps, workspace};

const ZIG: PythonProgram = PythonProgram { name: "zig", requirement: "src-tauri/crates/xtask/zig.txt" };
/// The oldest macOS that the README names.
const OLDEST_MACOS: &str = "13.0";

/// The script's name, the part of Zig, and the environment variable in which build scripts look for it.
const PARTS: &[(&str, &str, &str)] =
    &[("zcc", "cc", "CC"), ("zc++", "c++", "CXX"), ("zar", "ar", "AR"), ("zranlib", "ranlib", "RANLIB")];

/// A C compiler for macOS on this machine.
pub struct AppleCompiler {
    scripts: PathBuf,
}

impl AppleCompiler {
    /// Installs Zig unless it is there, and writes the scripts.
    pub fn provide(steps: &mut Steps) -> Result<Self, Failure> {
        let zig = match program() {
            Some(zig) => zig,
            None => {
                ZIG.install(steps)?;
                program().ok_or_else(|| Failure::missing("Zig's package brought no program `zig` along."))?
            }
        };
        let scripts = workspace::target().join("xtask/apple-compiler");
        let written = write_scripts(&scripts, &zig);
        written.map_err(|error| Failure::missing(format!("{} cannot be written: {error}", scripts.display())))?;
        Ok(Self { scripts })
    }

    /// Tells the build scripts that compile C, for this target, where to find it.
    pub fn set_on(&self, cargo: &mut Command, triple: &str) {
        for (script, _, variable) in PARTS {
            let name = format!("{variable}_{}", triple.replace('-', "_"));
            cargo.env(name, self.scripts.join(script));
        }
        // Where an SDK is named Apple's `xcrun` is not asked for one. Zig brings the headers, so this one is empty.
        cargo.env("SDKROOT", self.scripts.join("sdk")).env("MACOSX_DEPLOYMENT_TARGET", OLDEST_MACOS);
    }
}

/// `lib/python3.11/site-packages/ziglang/zig` in its folder.
fn program() -> Option<PathBuf> {
    let versions = fs::read_dir(ZIG.folder().join("lib")).ok()?;
    let programs = versions.flatten().map(|version| version.path().join("site-packages/ziglang/zig"));
    programs.into_iter().find(|program| program.is_file())
}

fn write_scripts(folder: &Path, zig: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("sdk"))?;
    for (script, part, _) in PARTS {
        write_script(&folder.join(script), &text(zig, part))?;
    }
    Ok(())
}

/// An unchanged script keeps its time, so that nothing is compiled anew for it.
fn write_script(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|written| written == text) {
        return Ok(());
    }
    fs::write(path, text)?;
    make_executable(path)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn text(zig: &Path, part: &str) -> String {
    let zig = zig.display();
    match part {
        "cc" | "c++" => {
            format!("{LEAVE_OUT}exec '{zig}' {part} -target aarch64-macos.{OLDEST_MACOS} -g0 \"$@\"\n")
        }
        _ => format!("#!/bin/sh\nexec '{zig}' {part} \"$@\"\n"),
    }
}

/// Each argument goes from the front to the end, but for those that name the target as Apple's compiler wants it.
/// Objective-C needs the headers of Apple's frameworks, which are for Macs only: an empty file is compiled in its
/// place, because nothing is linked.
const LEAVE_OUT: &str = "\
#!/bin/sh
count=$#
value=
while [ $count -gt 0 ]; do
    argument=$1
    shift
    count=$((count - 1))
    if [ \"$value\" ]; then
        value=
        continue
    fi
    case $argument in
    -arch | -isysroot | -target) value=follows ;;
    --target=* | -mmacosx-version-min=*) ;;
    *.m) set -- \"$@\" -xc /dev/null ;;
    *) set -- \"$@\" \"$argument\" ;;
    esac
done
";

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `echo` in Zig's place says what Zig would be told.
    #[test]
    fn a_script_leaves_out_what_names_the_target_and_keeps_all_else_in_order() {
        let folder = std::env::temp_dir().join(format!("serambi-zig-{}", std::process::id()));
        write_scripts(&folder, Path::new("echo")).unwrap();
        let output = Command::new(folder.join("zcc"))
            .args(["-O2", "-arch", "arm64", "--target=arm64-apple-macosx", "-DNAME=a b", "-isysroot", "/sdk", "-c"])
            .arg("-mmacosx-version-min=11.0")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim(), "cc -target aarch64-macos.13.0 -g0 -O2 -DNAME=a b -c");
        let objective = Command::new(folder.join("zcc")).args(["-c", "notify.m"]).output().unwrap();
        assert_eq!(objective.stdout, b"cc -target aarch64-macos.13.0 -g0 -c -xc /dev/null\n");
        let archive = Command::new(folder.join("zar")).args(["cq", "a.a"]).output().unwrap();
        assert_eq!(archive.stdout, b"ar cq a.a\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}
