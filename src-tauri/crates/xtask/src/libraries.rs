//! Which libraries the built programs need, in the words of each kind of package: read from the programs, so that the
//! dependencies cannot be out of date.

use std::{collections::BTreeSet, fs, io, path::PathBuf, process::Command};

use crate::workspace;

/// Debian's packages with versions, as dpkg-shlibdeps finds them. It insists on a source package's `debian/control` in
/// the folder it runs in.
pub fn for_debian(programs: &[PathBuf]) -> io::Result<Vec<String>> {
    let source = workspace::target().join("package/source");
    fs::create_dir_all(source.join("debian"))?;
    fs::write(source.join("debian/control"), "Source: serambi\n\nPackage: serambi\nArchitecture: any\n")?;
    let mut ask = Command::new("dpkg-shlibdeps");
    let said = printed(ask.args(["--warnings=0", "-O"]).args(programs).current_dir(&source))?;
    let depends = said.trim().strip_prefix("shlibs:Depends=");
    let depends = depends.ok_or_else(|| io::Error::other(format!("dpkg-shlibdeps says {said:?}")))?;
    Ok(depends.split(", ").map(str::to_owned).collect())
}

/// Libraries by their own names, as rpm's packages provide them whatever the distribution calls the package.
pub fn for_fedora(programs: &[PathBuf]) -> io::Result<Vec<String>> {
    let mut all = BTreeSet::new();
    for program in programs {
        all.extend(provided_names(&printed(Command::new("objdump").arg("-p").arg(program))?));
    }
    Ok(all.into_iter().collect())
}

/// `NEEDED libasound.so.2` is provided as `libasound.so.2()(64bit)`; a version under `required from libc.so.6:` as
/// `libc.so.6(GLIBC_2.34)(64bit)`.
fn provided_names(objdump: &str) -> BTreeSet<String> {
    let mut library = "";
    let mut names = BTreeSet::new();
    for line in objdump.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["NEEDED", needed] => drop(names.insert(format!("{needed}()(64bit)"))),
            ["required", "from", from] => library = from.trim_end_matches(':'),
            [_, _, _, version] if !library.is_empty() => drop(names.insert(format!("{library}({version})(64bit)"))),
            _ => library = "",
        }
    }
    names
}

/// What a program prints, if it ends well.
pub fn printed(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    Err(io::Error::other(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_their_versions_are_named_as_rpm_provides_them() {
        let objdump = "\
Dynamic Section:
  NEEDED               libasound.so.2
  NEEDED               libc.so.6
  INIT                 0x0000000000001000

Version References:
  required from libasound.so.2:
    0x0b792650 0x00 05 ALSA_0.9
  required from libc.so.6:
    0x069691b4 0x00 02 GLIBC_2.34

private flags = 0 1 2
";
        let expected = [
            "libasound.so.2()(64bit)",
            "libasound.so.2(ALSA_0.9)(64bit)",
            "libc.so.6()(64bit)",
            "libc.so.6(GLIBC_2.34)(64bit)",
        ];
        assert!(provided_names(objdump).iter().eq(expected.iter()));
    }
}
