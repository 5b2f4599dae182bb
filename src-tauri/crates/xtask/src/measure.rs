//! `cargo xtask measure`: the README's figures, from release builds on this machine.

use std::process::Command;

use crate::{
    failure::Failure,
    machine::this_system,
    npm,
    packages::{Purpose, is_installed, succeeds},
    run::cargo,
    setup::{self, Consent},
    step::Steps,
};

/// What can be measured alone.
const PARTS: &[&str] =
    &["mouth-to-ear", "windows", "start", "join", "load", "desktop", "mute", "house", "reach", "first-sound"];
/// Ours beside others'; which networks and whose programs may follow.
const FIELD: &str = "field";
const CELLS: &[&str] =
    &["clean", "random-10", "random-20", "bursts-20", "random-40", "jitter-30", "serambi", "mumble", "chromium"];

/// Builds what is measured and what measures, then measures all or what is wanted.
pub fn run(steps: &mut Steps, wanted: &[String]) -> Result<(), Failure> {
    refuse_unknown(wanted)?;
    let had_server = is_installed(this_system(), MUMBLE_SERVER);
    setup::run(steps, Purpose::Measure, Consent::given(false))?;
    if !had_server {
        leave_no_server_running(steps)?;
    }
    let mut build =
        cargo(&["build", "--release", "--bins", "-p", "serambi-peer", "-p", "serambi-house", "-p", "serambi-tests"]);
    if wanted.first().is_none_or(|first| first != FIELD) {
        npm::build_pages(steps)?;
        build.args(["-p", "serambi"]);
    }
    steps.command("release build", &mut build)?;
    // `cargo run` takes one package; the programs it measures were built above.
    let mut measure = cargo(&["run", "--release", "--quiet", "-p", "serambi-tests", "--bin", "measure", "--"]);
    steps.command("measurements", measure.args(wanted))
}

fn refuse_unknown(wanted: &[String]) -> Result<(), Failure> {
    let (known, words) = match wanted.split_first() {
        Some((first, cells)) if first == FIELD => (CELLS, cells),
        _ => (PARTS, wanted),
    };
    match words.iter().find(|word| !known.contains(&word.as_str())) {
        Some(word) => Err(Failure::usage(format!("{word:?} cannot be measured here; there are {}.", known.join(", ")))),
        None => Ok(()),
    }
}

const MUMBLE_SERVER: &str = "mumble-server";

/// Debian starts a server with its package, open to the network. Whoever only wants to measure wants none.
fn leave_no_server_running(steps: &mut Steps) -> Result<(), Failure> {
    // Without systemd nothing was started.
    if !succeeds("systemctl", &["is-active", "--quiet", MUMBLE_SERVER]) {
        return Ok(());
    }
    let (program, prefix): (&str, &[&str]) =
        if setup::is_root() { ("systemctl", &[]) } else { ("sudo", &["systemctl"]) };
    let mut command = Command::new(program);
    steps.command("no Mumble server", command.args(prefix).args(["disable", "--now", MUMBLE_SERVER]))
}
