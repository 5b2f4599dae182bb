//! `cargo xtask test`: everything that proves the project works, from the cheapest to the dearest.

use crate::{
    bundle::{self, Kind, Profile},
    check,
    failure::Failure,
    machine::{System, this_system},
    npm,
    other_system::{self, OtherSystem},
    packages::{Purpose, succeeds},
    pebble,
    run::cargo,
    setup::{self, Consent},
    step::Steps,
    system_test, workspace,
};

/// All tests; without `whole_system` those that need no window, no browser and no foreign SDK.
pub fn run(steps: &mut Steps, whole_system: bool, consent: Consent) -> Result<(), Failure> {
    let purpose = if whole_system { Purpose::Test } else { Purpose::Run };
    setup::run(steps, purpose, consent)?;
    npm::build_pages(steps)?;
    check::sources(steps)?;
    // Programs and tests in one go, with the features of both: building them apart would build the shared parts twice.
    steps.command("build", &mut workspace_cargo("build", &["--bins", "--tests", "--examples"]))?;
    if !whole_system {
        without_the_system(steps)?;
        steps.skip("other systems, windows, browsers and SDKs", "--quick");
        return Ok(());
    }
    other_systems(steps)?;
    // One lane keeps the processors busy, the other waits for minutes that the rules and the networks take.
    steps.side_by_side(vec![
        Box::new(without_the_system),
        Box::new(|steps| system_test::NETWORKS.iter().try_for_each(|name| system_test(steps, name))),
    ])?;
    steps.command("browser tests", &mut npm::npm(&["run", "--silent", "test:browser"]))?;
    system_test::DESKTOP.iter().try_for_each(|name| system_test(steps, name))?;
    installed_package(steps)?;
    system_test::SOUND.iter().try_for_each(|name| system_test(steps, name))
}

/// What needs no window, browser, sound server or foreign SDK.
fn without_the_system(steps: &mut Steps) -> Result<(), Failure> {
    steps.command("Rust tests", &mut workspace_cargo("test", &["--no-fail-fast"]))?;
    pebble::report(steps);
    steps.command("UI tests", &mut npm::npm(&["run", "--silent", "test"]))
}

fn system_test(steps: &mut Steps, name: &str) -> Result<(), Failure> {
    steps.command(&format!("system test {name}"), &mut system_test_cargo(name, &[]))
}

/// The packages are made here and not in their test, which would then need npm.
fn installed_package(steps: &mut Steps) -> Result<(), Failure> {
    let name = format!("system test {}", system_test::INSTALLED_PACKAGE);
    if this_system() != System::Debian {
        steps.skip(&name, "packages for Linux are made on Debian and Ubuntu");
        return Ok(());
    }
    let (root, as_root): (&[&str], &[&str]) =
        if setup::is_root() { (&[], &[]) } else { (&["sudo", "-n"], &["--config", ROOT_RUNS_IT]) };
    let mounting = [root, &["unshare", "--mount", "--pid", "--fork", "true"]].concat();
    if !succeeds(mounting[0], &mounting[1..]) {
        steps.skip(&name, "takes root's rights, or sudo without a password, to mount folders");
        return Ok(());
    }
    bundle::make(steps, Profile::Dev, &[Kind::Deb, Kind::Rpm])?;
    steps.command(&name, &mut system_test_cargo(system_test::INSTALLED_PACKAGE, as_root))
}

/// Cargo and what it builds stay this user's.
const ROOT_RUNS_IT: &str = r#"target."cfg(unix)".runner = ["sudo", "-n", "-E"]"#;

/// What is not Linux compiles too. On other systems Linux is the one that is checked elsewhere.
fn other_systems(steps: &mut Steps) -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        steps.skip("other systems", "compiled for on Linux only");
        return Ok(());
    }
    OtherSystem::ALL.into_iter().try_for_each(|system| other_system::check(steps, system))
}

/// One set of packages and features for every call, so that nothing is built twice.
fn workspace_cargo(verb: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = cargo(&[verb, "--workspace"]);
    if workspace::unattended() {
        command.arg("--quiet");
    }
    command.args(arguments);
    command
}

fn system_test_cargo(name: &str, more: &[&str]) -> std::process::Command {
    let mut command = workspace_cargo("test", &["--features", system_test::FEATURE, "--test", name]);
    command.args(more).args(["--", "--nocapture"]);
    if !system_test::NETWORKS.contains(&name) {
        command.args(["--test-threads", "1"]);
    }
    command
}
