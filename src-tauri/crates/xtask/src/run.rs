//! `cargo xtask run`: from a fresh clone to the open window.

use std::process::Command;

use crate::{
    failure::Failure,
    npm,
    packages::Purpose,
    setup::{self, Consent},
    step::Steps,
    workspace,
};

/// Installs what is missing, builds what changed, opens the window and waits until it is closed.
pub fn run(steps: &mut Steps, for_app: &[String]) -> Result<(), Failure> {
    setup::run(steps, Purpose::Run, Consent::given(false))?;
    npm::build_pages(steps)?;
    steps.command("build", &mut cargo(&["build", "-p", "serambi"]))?;
    let mut app = cargo(&["run", "--quiet", "-p", "serambi", "--"]);
    app.args(for_app);
    steps.command("Serambi", &mut app)
}

/// Cargo, in the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(workspace::root());
    command
}
