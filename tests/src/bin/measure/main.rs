//! `cargo xtask measure`: the figures that the README promises, measured on this machine and printed as a table.
//!
//! Everything runs here: two people, their house, their sound cards. So the figures contain what the programs cost and
//! what the virtual cards add, which is measured too, but no network.

#[cfg(unix)]
mod both_ends;
#[cfg(unix)]
mod desktop;
#[cfg(target_os = "linux")]
mod field;
#[cfg(unix)]
mod house;
#[cfg(unix)]
mod join;
#[cfg(unix)]
mod load;
#[cfg(unix)]
mod machine;
#[cfg(unix)]
mod mouth_to_ear;
#[cfg(unix)]
mod mute;
#[cfg(target_os = "linux")]
mod reach;
#[cfg(unix)]
mod recordings;
#[cfg(unix)]
mod start;
#[cfg(unix)]
mod table;
#[cfg(unix)]
mod windows;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use serambi_tests::{Trouble, places};

    type Part = fn(&std::path::Path, &mut table::Table) -> Result<(), Trouble>;
    let parts: &[(&str, Part)] = &[
        ("mouth-to-ear", mouth_to_ear::measure),
        ("windows", windows::measure),
        ("start", start::measure),
        ("join", join::measure),
        ("load", load::measure),
        ("desktop", desktop::measure),
        ("mute", mute::measure),
        ("house", house::measure),
        #[cfg(target_os = "linux")]
        ("reach", reach::measure),
        #[cfg(target_os = "linux")]
        ("first-sound", reach::first_sound::measure),
    ];
    // `measure join` measures that alone, `measure field clean mumble` one cell of that, `measure field joins` the
    // joins on its networks, `measure recordings FOLDER…` the delays in what earlier cells left.
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, cells)) = wanted.split_first()
        && first == "field"
    {
        return field(cells);
    }
    if let Some((first, folders)) = wanted.split_first()
        && first == "recordings"
    {
        return recordings::measure(folders);
    }
    let mut table = table::Table::new(machine::describe());
    let mut failed = false;
    for (name, part) in parts.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| word == name)) {
        eprintln!("measuring {name} …");
        let outcome = places::fresh_output(&format!("measure-{name}")).and_then(|output| part(&output, &mut table));
        if let Err(trouble) = outcome {
            eprintln!("{name}: {trouble}");
            table.note(format!("{name} could not be measured"));
            failed = true;
        }
    }
    println!("{table}");
    let beside = if wanted.is_empty() { field(&[]) } else { std::process::ExitCode::SUCCESS };
    if failed { std::process::ExitCode::FAILURE } else { beside }
}

/// The second table: ours beside what people use now.
#[cfg(target_os = "linux")]
fn field(cells: &[String]) -> std::process::ExitCode {
    eprintln!("measuring the field …");
    match field::measure(cells) {
        Ok(table) => {
            println!("{table}");
            std::process::ExitCode::SUCCESS
        }
        Err(trouble) => {
            eprintln!("field: {trouble}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn field(_: &[String]) -> std::process::ExitCode {
    eprintln!("the field can be measured on Linux only: it takes networks of its own");
    std::process::ExitCode::FAILURE
}

#[cfg(not(unix))]
fn main() {
    eprintln!("measuring needs virtual sound cards, which exist on Linux only");
    std::process::exit(1);
}
