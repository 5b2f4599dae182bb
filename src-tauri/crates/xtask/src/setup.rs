//! `cargo xtask setup`: what this machine lacks, and getting it.

use std::{
    io::{BufRead, IsTerminal, Write},
    process::Command,
};

use crate::{
    actionlint, cargo_deny,
    failure::Failure,
    machine::{System, this_system},
    npm,
    packages::{self, Purpose, succeeds},
    pebble,
    step::Steps,
    workspace,
};

/// May packages be installed without asking?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Ask first.
    Ask,
    /// `--yes` was given, or nobody is there to be asked.
    Given,
}

impl Consent {
    /// Consent by flag, or because the run is unattended.
    pub fn given(flag: bool) -> Self {
        if flag || workspace::unattended() { Self::Given } else { Self::Ask }
    }
}

/// The whole of setting up; quick when nothing is missing.
pub fn run(steps: &mut Steps, purpose: Purpose, consent: Consent) -> Result<(), Failure> {
    install_packages(steps, purpose, consent)?;
    npm::require_node()?;
    npm::install_dependencies(steps)?;
    match purpose {
        Purpose::Run | Purpose::OtherSystems => Ok(()),
        Purpose::Test | Purpose::WindowsPrograms | Purpose::Measure => {
            cargo_deny::install(steps)?;
            actionlint::install(steps)?;
            pebble::install(steps)
        }
    }
}

fn install_packages(steps: &mut Steps, purpose: Purpose, consent: Consent) -> Result<(), Failure> {
    let system = this_system();
    let needed = packages::needed(system, purpose);
    let missing = packages::missing(&needed, |package| packages::is_installed(system, package));
    if missing.is_empty() {
        return Ok(());
    }
    let advice = packages::how_to_install(system, &missing);
    if system != System::Debian {
        return Err(Failure::missing(format!("Install this first, then run the command again:\n{advice}")));
    }
    let prefix: &[&str] = if is_root() { &[] } else { &["sudo"] };
    println!("Missing: {}", missing.join(" "));
    if !is_root() && !consents(consent, &advice)? {
        return Err(Failure::missing(format!("Nothing was installed. When you are ready:\n{advice}")));
    }
    steps.command("package list", &mut apt(prefix, &["update", "-qq"]))?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(&missing);
    steps.command("packages", &mut apt(prefix, &install))
}

fn apt(prefix: &[&str], arguments: &[&str]) -> Command {
    let words: Vec<&str> = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments);
    command
}

fn consents(consent: Consent, advice: &str) -> Result<bool, Failure> {
    if consent == Consent::Given {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::missing(format!("Nobody is here to be asked. Install this first:\n{advice}")));
    }
    println!("This will be run:\n{advice}");
    print!("Go on? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdout().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// May this user install without asking for another's rights?
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Formatter and lints are parts of the toolchain that a minimal installation leaves out.
pub fn require_toolchain_parts() -> Result<(), Failure> {
    let parts = [("rustfmt", "fmt"), ("clippy", "clippy")];
    match parts.iter().find(|(_, command)| !succeeds("cargo", &[command, "--version"])) {
        Some((part, _)) => Err(Failure::missing(format!("Install this first:\n  rustup component add {part}"))),
        None => Ok(()),
    }
}
