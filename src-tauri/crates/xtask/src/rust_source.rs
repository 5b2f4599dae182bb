//! The sources of Rust's standard library as Debian packages them, unpacked in `target` and installed nowhere: they
//! must be of exactly the compiler's version, and Debian has several.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use crate::{failure::Failure, step::Steps, workspace};

const PACKAGE: &str = "rust-src";
/// Where new compilers come first; the archive is the one that this machine installs from.
const SUITES: &[&str] = &["trixie-backports", "forky", "sid"];

/// The folder `library` of this version's sources; none where no such package is to be had.
pub fn provide(steps: &mut Steps, version: &str) -> Result<Option<PathBuf>, Failure> {
    let folder = workspace::target().join("xtask").join(format!("{PACKAGE}-{version}"));
    let library = folder.join(format!("usr/src/rustc-{version}/library"));
    if library.join("Cargo.lock").is_file() {
        return Ok(Some(library));
    }
    let Some(archive) = Archive::of_this_machine() else { return Ok(None) };
    steps.work("sources of the standard library", &format!("apt-get download {PACKAGE}={version}"), || {
        archive.unpack(&folder, version).map_err(|error| format!("{error}. By hand: rustup component add rust-src"))
    })?;
    Ok(library.join("Cargo.lock").is_file().then_some(library))
}

/// A Debian archive, asked with a list of sources and a state of our own: the machine's stay as they are.
struct Archive {
    address: String,
}

impl Archive {
    /// The one that the machine's own packages come from.
    fn of_this_machine() -> Option<Self> {
        let output = Command::new("apt-get")
            .args(["indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(RELEASE)", "Created-By: Packages"])
            .output()
            .ok()?;
        main_address(&String::from_utf8_lossy(&output.stdout)).map(|address| Self { address })
    }

    fn unpack(&self, folder: &Path, version: &str) -> io::Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder.join("state/lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        fs::write(folder.join("sources.list"), self.sources())?;
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            for (name, value) in [
                ("Dir::Etc::sourcelist", "sources.list"),
                ("Dir::State::lists", "state/lists"),
                ("Dir::Cache", "cache"),
            ] {
                command.arg("-o").arg(format!("{name}={}", folder.join(value).display()));
            }
            command.args(["-o", "Dir::Etc::sourceparts=-", "-o", "Acquire::Languages=none", "-qq"]);
            command.args(arguments).current_dir(folder);
            command
        };
        // A suite that is not there does not keep the others from being read.
        let _unreadable_suites = apt(&["update"]).status()?;
        let package = format!("{PACKAGE}={version}+*");
        must(apt(&["download", &package]).status()?, &format!("{package} is not to be had"))?;
        let file = fs::read_dir(folder)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .ok_or_else(|| io::Error::other("nothing was downloaded"))?;
        must(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(folder).status()?, "it cannot be unpacked")?;
        fs::remove_file(file)
    }

    fn sources(&self) -> String {
        SUITES.iter().map(|suite| format!("deb {} {suite} main\n", self.address)).collect()
    }
}

fn must(status: ExitStatus, what: &str) -> io::Result<()> {
    if status.success() { Ok(()) } else { Err(io::Error::other(what)) }
}

/// The archive of Debian's releases among `ADDRESS ORIGIN RELEASE` lines; its security updates lie in another.
fn main_address(targets: &str) -> Option<String> {
    targets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|words| match words[..] {
        [address, "Debian", release] if !release.contains("security") => Some(address.to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_debians_own_and_not_that_of_its_security_updates() {
        let targets = "http://one.example/ Other bookworm\nhttp://two.example/ Debian bookworm-security\n\
                       http://three.example/debian/ Debian bookworm\n";
        assert_eq!(main_address(targets).as_deref(), Some("http://three.example/debian/"));
        assert_eq!(main_address("http://one.example/ Ubuntu noble\n"), None);
    }
}
