//! `cargo xtask measure`: the README's figures, from release builds on this machine.

use crate::{
    failure::Failure,
    npm,
    packages::Purpose,
    run::cargo,
    setup::{self, Consent},
    step::Steps,
};

/// Builds what is measured and what measures, then measures.
pub fn run(steps: &mut Steps) -> Result<(), Failure> {
    setup::run(steps, Purpose::Test, Consent::given(false))?;
    npm::build_pages(steps)?;
    let packages = ["-p", "serambi", "-p", "serambi-call", "-p", "serambi-tests"];
    let mut build = cargo(&["build", "--release", "--bins"]);
    steps.command("release build", build.args(packages))?;
    let mut measure = cargo(&["run", "--release", "--quiet"]);
    steps.command("measurements", measure.args(packages).args(["--bin", "measure"]))
}
