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
    // `cargo run` takes one package; the programs it measures were built above.
    let mut measure = cargo(&["run", "--release", "--quiet", "-p", "serambi-tests", "--bin", "measure"]);
    steps.command("measurements", &mut measure)
}
