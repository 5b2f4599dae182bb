//! A gate on a public machine of the small Internet.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;

use crate::{Trouble, error::io, internet::Internet, namespace::Namespace, places, program::Program, wait};

const LIMIT: Duration = Duration::from_secs(60);

/// A `serambi-house --gate`.
pub struct Gate {
    /// None: it is away.
    program: Option<Program>,
    /// Its public one.
    pub address: String,
    /// What admits a house.
    pub link: String,
    place: Namespace,
    folder: TempDir,
}

impl Gate {
    /// Opens it on a new machine.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn open(internet: &mut Internet, output: &Path) -> Result<Self, Trouble> {
        let (place, address) = internet.public("gate")?;
        let folder = tempfile::tempdir().map_err(io("making a folder for a gate"))?;
        let (program, link) = start(&place, folder.path(), output)?;
        Ok(Self { program: Some(program), address, link, place, folder })
    }

    /// Killed, and started again after the others had time to notice.
    ///
    /// # Errors
    /// What happens meanwhile, or when it does not come up again.
    pub fn restart(
        &mut self,
        output: &Path,
        while_it_is_away: impl FnOnce() -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.program = None;
        while_it_is_away()?;
        self.program = Some(start(&self.place, self.folder.path(), output)?.0);
        Ok(())
    }
}

fn start(place: &Namespace, folder: &Path, output: &Path) -> Result<(Program, String), Trouble> {
    let mut command = place.command(places::program("serambi-house")?);
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
