//! `cargo xtask`: the project's own commands, in plain Rust without dependencies, so that they work wherever Cargo
//! does.

mod actionlint;
mod bindings;
mod bundle;
mod cargo_deny;
mod check;
mod dev;
mod failure;
mod libraries;
mod lock_file;
mod machine;
mod machine_path;
mod measure;
mod npm;
mod other_system;
mod packages;
mod pebble;
mod python_program;
mod run;
mod rust_source;
mod setup;
mod staleness;
mod standard_library;
mod step;
mod system_test;
mod tauri_cli;
mod test;
mod windows_programs;
mod workspace;
mod zig;

use std::process::ExitCode;

use bundle::{Kind, Profile};
use failure::Failure;
use other_system::OtherSystem;
use packages::Purpose;
use setup::Consent;
use step::Steps;

const USAGE: &str = "\
cargo xtask COMMAND

  setup [--yes] [--tests]  find out what this machine lacks, and install it (Debian, Ubuntu) or say what to install
  run [-- ARGUMENTS]       build what changed and open the window; ARGUMENTS go to the app
  dev [-- ARGUMENTS]       the same with pages that reload while you edit them
  check                    formatting, lints, generated files, lock files, licences, workflows
  check --target SYSTEM    compile everything, tests included, for windows or macos, on Linux; nothing is linked or run
  advisories               known vulnerabilities in what we depend on; fetches RustSec's database from GitHub
  bindings                 write anew the TypeScript that is generated from Rust
  test [--quick] [--yes]   everything that proves the project works; --quick leaves out windows, browsers and SDKs
  test --windows-programs  build house and peer for Windows, on Linux, and let them talk under Wine
  bundle [--dev] [KIND…]   make packages to install on Linux: KIND is deb, rpm or appimage, the first two if none is
                           named; --dev packs the dev build, which is quicker, for the packages' own tests
  measure [WHAT…]          measure delay, quality, start and load in release builds, also beside Mumble and Chromium,
                           and print tables; WHAT is mouth-to-ear, windows, start, join, load, house, or field and
                           which of its cells: clean, random-10, random-20, bursts-20, random-40, jitter-30; serambi,
                           mumble, chromium

Exit codes: 0 done, 1 a step failed, 2 the command was not understood, 3 something must be installed by hand first.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut steps = Steps::default();
    let outcome = obey(&arguments, &mut steps);
    steps.print_summary();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            failure.exit_code()
        }
    }
}

fn obey(arguments: &[String], steps: &mut Steps) -> Result<(), Failure> {
    let (own, for_app) = split_at_dashes(arguments);
    let (command, flags) = own.split_first().map_or(("help", own), |(command, flags)| (command.as_str(), flags));
    let allow = |known: &[&str]| only_these(flags, known);
    match command {
        "setup" => {
            let flags = allow(&["--yes", "--tests"])?;
            let purpose = if flags.contains(&"--tests") { Purpose::Test } else { Purpose::Run };
            setup::run(steps, purpose, Consent::given(flags.contains(&"--yes")))
        }
        "run" => allow(&[]).and_then(|_| run::run(steps, for_app)),
        "dev" => allow(&[]).and_then(|_| dev::run(steps, for_app)),
        "check" => match flags {
            [flag, system] if flag == "--target" => other_system::run(steps, read_system(system)?),
            _ => allow(&[]).and_then(|_| check::run(steps)),
        },
        "test" => {
            let flags = allow(&["--quick", "--windows-programs", "--yes"])?;
            let consent = Consent::given(flags.contains(&"--yes"));
            if flags.contains(&"--windows-programs") {
                windows_programs::run(steps, consent)
            } else {
                test::run(steps, !flags.contains(&"--quick"), consent)
            }
        }
        "advisories" => allow(&[]).and_then(|_| cargo_deny::advisories(steps)),
        "bindings" => allow(&[]).and_then(|_| bindings::run(steps)),
        "bundle" => match flags {
            [flag, kinds @ ..] if flag == "--dev" => bundle::run(steps, Profile::Dev, &read_kinds(kinds)?),
            kinds => bundle::run(steps, Profile::Release, &read_kinds(kinds)?),
        },
        "measure" => measure::run(steps, flags),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(Failure::usage(format!("There is no command {other:?}.\n\n{USAGE}"))),
    }
}

fn split_at_dashes(arguments: &[String]) -> (&[String], &[String]) {
    match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[]),
    }
}

fn read_system(word: &str) -> Result<OtherSystem, Failure> {
    OtherSystem::read(word).ok_or_else(|| Failure::usage(format!("{word:?} is none of: windows, macos.\n\n{USAGE}")))
}

fn read_kinds(words: &[String]) -> Result<Vec<Kind>, Failure> {
    let read = |word: &String| {
        Kind::read(word).ok_or_else(|| Failure::usage(format!("{word:?} is no kind of package.\n\n{USAGE}")))
    };
    words.iter().map(read).collect()
}

fn only_these<'a>(flags: &'a [String], known: &[&str]) -> Result<Vec<&'a str>, Failure> {
    match flags.iter().find(|flag| !known.contains(&flag.as_str())) {
        Some(unknown) => Err(Failure::usage(format!("{unknown:?} means nothing here.\n\n{USAGE}"))),
        None => Ok(flags.iter().map(String::as_str).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_stands_after_two_dashes_is_for_the_app() {
        let arguments = words("run -- --profile second");
        assert_eq!(split_at_dashes(&arguments), (&arguments[..1], &arguments[2..]));
        assert_eq!(split_at_dashes(&arguments[..1]), (&arguments[..1], &[][..]));
    }

    #[test]
    fn an_unknown_command_or_flag_is_refused_before_anything_happens() {
        for wrong in [
            "fly",
            "test --fast",
            "run --profile second",
            "setup yes",
            "measure rain",
            "measure clean",
            "check --target beos",
            "bundle msi",
        ] {
            let failure = obey(&words(wrong), &mut Steps::default());
            assert!(matches!(failure, Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
