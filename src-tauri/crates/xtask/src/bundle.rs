//! `cargo xtask bundle`: the release build as a package that the system can install.

use crate::{
    deb,
    failure::Failure,
    machine::{System, this_system},
    npm,
    packages::Purpose,
    run::cargo,
    setup::{self, Consent},
    step::Steps,
};

/// A .deb on Debian and Ubuntu; no other kind is made yet.
pub fn run(steps: &mut Steps) -> Result<(), Failure> {
    if this_system() != System::Debian {
        return Err(Failure::missing("Packages are made on Debian and Ubuntu only, so far: a .deb."));
    }
    setup::run(steps, Purpose::Run, Consent::given(false))?;
    npm::build_pages(steps)?;
    let programs = ["-p", "serambi", "-p", "serambi-house", "-p", "serambi-peer"];
    steps.command("release build", cargo(&["build", "--release", "--bins"]).args(programs))?;
    deb::build(steps)
}
