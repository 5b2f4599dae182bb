//! A `serambi-house --gate` on a public machine, which can be away for a while.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{Trouble, error::io, internet::Internet, namespace::Namespace, places, program::Program, wait};

const LIMIT: Duration = Duration::from_secs(60);

/// A gate.
pub struct PublicGate {
    /// None: it is away.
    program: Option<Program>,
    /// Its public address.
    pub address: String,
    /// What admits a house.
    pub link: String,
    place: Namespace,
    folder: TempDir,
    output: PathBuf,
}

impl PublicGate {
    /// Opens one on a machine of its own.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn open(internet: &mut Internet, output: &Path) -> Result<Self, Trouble> {
        let (place, address) = internet.public("gate")?;
        let folder = tempfile::tempdir().map_err(io("making a folder"))?;
        let (program, link) = start(place.command(places::program("serambi-house")?), folder.path(), output)?;
        Ok(Self { program: Some(program), address, link, place, folder, output: output.to_owned() })
    }

    /// Kills it, and starts it again after something was done without it.
    ///
    /// # Errors
    /// When it does not come up again, or what is done goes wrong.
    pub fn restart(&mut self, while_it_is_away: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
        self.program = None;
        while_it_is_away()?;
        let command = self.place.command(places::program("serambi-house")?);
        self.program = Some(start(command, self.folder.path(), &self.output)?.0);
        Ok(())
    }

    /// Its process.
    pub fn id(&self) -> Option<u32> {
        self.program.as_ref().map(Program::id)
    }
}

/// Starts `serambi-house` as a gate with this command, and gives what admits a house.
///
/// # Errors
/// When it does not come up.
pub fn start(mut command: Command, folder: &Path, output: &Path) -> Result<(Program, String), Trouble> {
    command.arg("--folder").arg(folder).args(["--gate", "--no-discovery"]).env("SERAMBI_LOG", "info");
    let log = output.join("gate.log");
    let program = Program::start(&command, Stdio::null(), &log)?;
    let told = || {
        let log = File::open(&log).map(BufReader::new).map_err(io("reading a gate's log"))?;
        let mut links = log.lines().map_while(Result::ok).filter_map(|line| {
            line.find("serambi://").filter(|_| line.contains("/gate?")).map(|at| line[at..].trim().to_owned())
        });
        Ok(links.next())
    };
    let link = wait::until("the gate's link", LIMIT, told, String::new)?;
    Ok((program, link))
}
