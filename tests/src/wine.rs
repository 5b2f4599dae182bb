//! Windows in a folder: programs built for it, run by Wine.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    Trouble, places,
    program::{Program, run},
};

/// A new folder gets its registry and its libraries.
const PREPARATION_LIMIT: Duration = Duration::from_secs(300);
/// Where `cargo xtask test --windows-programs` builds them.
const PROGRAMS: &str = "other-systems";
const PROFILE: &str = "x86_64-pc-windows-gnu/debug";

/// Wine with a folder of its own. Every program in it ends with the value.
pub struct Wine {
    folder: PathBuf,
    programs: PathBuf,
}

impl Wine {
    /// Makes the folder unless an earlier test has; it is Windows 10, which Wine does not say by itself.
    ///
    /// # Errors
    /// When Wine is missing or does not come up.
    pub fn start(output: &Path) -> Result<Self, Trouble> {
        let wine = Self { folder: places::folder("wine")?, programs: places::folder(PROGRAMS)?.join(PROFILE) };
        let mut preparation = wine.command_in_windows("winecfg");
        preparation.args(["/v", "win10"]);
        let mut preparation = Program::start(&preparation, Stdio::null(), &output.join("wine.log"))?;
        let status = preparation.wait(PREPARATION_LIMIT)?;
        if status.success() {
            return Ok(wine);
        }
        let said = preparation.last_words();
        Err(Trouble::Ended { program: "winecfg".to_owned(), outcome: status.to_string(), said })
    }

    /// One of the project's programs for Windows.
    ///
    /// # Errors
    /// When it is not built.
    pub fn program(&self, name: &str) -> Result<Command, Trouble> {
        let path = self.programs.join(format!("{name}.exe"));
        if path.is_file() {
            return Ok(self.command_in_windows(path));
        }
        Err(Trouble::Missing { path, remedy: "cargo xtask test --windows-programs, which builds it first".to_owned() })
    }

    fn command_in_windows(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        // Every datagram is a question to Wine's own server, which a busy machine keeps waiting until they are lost.
        // Where the right to precedence lacks, it goes on without.
        let mut command = Command::new("nice");
        command.args(["-n", "-10", "wine"]).arg(program).env("WINEPREFIX", &self.folder).env("WINEDEBUG", "-all");
        // Neither .NET nor a browser is needed, and Wine would ask for them in windows of its own.
        command.env("WINEDLLOVERRIDES", "mscoree,mshtml=").env_remove("DISPLAY");
        command
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // Nothing is left to end where every program has ended.
        let _ = run(Command::new("wineserver").arg("--kill").env("WINEPREFIX", &self.folder));
    }
}
