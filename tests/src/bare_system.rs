//! A system of its own in a folder: this machine's Debian as a new installation has it, with one package more, entered
//! by `chroot`. Takes root's rights.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Trouble,
    error::io,
    program::{Program, run},
};

/// Some 200 packages are downloaded.
const INSTALLATION_LIMIT: Duration = Duration::from_secs(900);
/// Copies a package that is named by its path to where the new system's apt finds it.
const LOCAL_PACKAGES: &str = "/usr/share/mmdebstrap/hooks/file-mirror-automount";

/// What is mounted here is seen by nobody else, and is gone with the last process inside.
const ENTER: &str = "root=$1; shift; mount -t proc proc \"$root/proc\"; mount --rbind /dev \"$root/dev\"; \
    exec chroot \"$root\" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \"$@\"";

/// Neither a package's nor a program's when it was removed: what runs, is mounted, is logged, or was made by a person.
const NOT_LEFT_BEHIND: &[&str] = &["proc", "sys", "dev", "run", "tmp", "root", "var/log", "var/lib/apt"];

/// Such a system. It is removed with the value.
pub struct BareSystem {
    folder: TempDir,
}

impl BareSystem {
    /// Installs the smallest system that has apt, and there lets apt install the package in this file and these others,
    /// with what they depend on and nothing that they only recommend.
    ///
    /// # Errors
    /// When mmdebstrap is missing, or apt cannot do it; what it said is in `output`.
    pub fn with(package: &Path, others: &[&str], output: &Path) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("making a folder for a system"))?;
        // apt downloads as a user of its own.
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), readable).map_err(io("opening a system's folder"))?;
        let file = folder.path().join("package.deb");
        fs::copy(package, &file).map_err(io(format!("copying {}", package.display())))?;
        let system = Self { folder };
        let (suite, sources) = archives()?;
        let mut command = Command::new("mmdebstrap");
        command.args(["--mode=root", "--variant=apt", "--format=directory", "--dpkgopt=force-unsafe-io"]);
        command.args(["--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Retries \"5\""]);
        command.arg(format!("--hook-dir={LOCAL_PACKAGES}"));
        command.arg(format!("--include={}", file.display())).arg(format!("--include={}", others.join(",")));
        command.arg(suite).arg(system.root()).args(sources);
        let log = output.join("installation.log");
        let mut installation = Program::start(&command, Stdio::null(), &log)?;
        let status = installation.wait(INSTALLATION_LIMIT)?;
        if status.success() {
            return Ok(system);
        }
        let said = installation.last_words();
        Err(Trouble::Ended { program: "mmdebstrap".to_owned(), outcome: status.to_string(), said })
    }

    /// Its root folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A program of that system, as the first of processes that see no other and end with it. `words` are variables of
    /// its environment (`NAME=value`), the program and its arguments.
    pub fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER, "sh"]);
        command.arg(self.root()).args(words);
        command
    }

    /// Runs a program of that system to its end and gives what it printed.
    ///
    /// # Errors
    /// When it cannot be started or ends badly.
    pub fn run(&self, words: &[&str]) -> Result<String, Trouble> {
        run(&mut self.command(words)).map(|printed| String::from_utf8_lossy(&printed).into_owned())
    }

    /// The command lines of everything that runs in that system.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn running(&self) -> Result<Vec<Vec<String>>, Trouble> {
        let root = self.root();
        let processes = fs::read_dir("/proc").map_err(io("reading /proc"))?.flatten().map(|entry| entry.path());
        let ours = processes.filter(|process| fs::read_link(process.join("root")).is_ok_and(|seen| seen == root));
        let lines = ours.filter_map(|process| fs::read(process.join("cmdline")).ok());
        let words = |line: Vec<u8>| {
            String::from_utf8_lossy(&line).split_terminator('\0').map(str::to_owned).collect::<Vec<_>>()
        };
        Ok(lines.map(words).collect())
    }

    /// The files whose path holds this word, in any case, where packages and their programs leave something.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn files_named(&self, word: &str) -> Result<Vec<PathBuf>, Trouble> {
        let root = self.root();
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).map_err(io(format!("reading {}", folder.display())))?.flatten() {
                let path = entry.path();
                let inside = path.strip_prefix(&root).unwrap_or(&path).to_owned();
                if NOT_LEFT_BEHIND.iter().any(|left_out| inside == Path::new(left_out)) {
                    continue;
                }
                if inside.to_string_lossy().to_lowercase().contains(word) {
                    found.push(inside);
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The name of this machine's release, and the lines of a list of sources with it and its updates: what was built here
/// may need them. Other archives that this machine installs from have no part in it.
fn archives() -> Result<(String, Vec<String>), Trouble> {
    let format = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)";
    let said = run(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    let found: Vec<(&str, String)> = said
        .lines()
        .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["Debian" | "Ubuntu", address, release, component] => {
                Some((release, format!("deb {address} {release} {component}")))
            }
            _ => None,
        })
        .collect();
    let suite = found.iter().map(|(release, _)| *release).min_by_key(|release| release.len());
    let suite = suite.ok_or_else(|| Trouble::Unexpected(format!("no archive of Debian or Ubuntu in\n{said}")))?;
    Ok((suite.to_owned(), found.iter().map(|(_, line)| line.clone()).collect()))
}
