//! The accessibility tree of a window as text (`python/accessibility_tree.py`), held against committed files.

use std::{fs, path::PathBuf, time::Duration};

use crate::{
    Trouble,
    error::io,
    places,
    program::run,
    wait,
    window::{Desktop, PATIENCE},
};

/// The system's own Python, which has the system's AT-SPI package.
const PYTHON: &str = "/usr/bin/python3";
/// Writes the committed files anew instead of comparing.
const WRITE: &str = "SERAMBI_WRITE_GOLDEN";
/// Reading a large tree takes a second or two where every processor is busy; messages above the bar go after 12 s.
const LIMIT: Duration = PATIENCE.saturating_mul(3);
/// Equal readings in a row that are taken for what stays, when the messages above the bar are gone.
const SETTLED_READINGS: u32 = 30;

/// Waits until the tree of the window on this desktop is the one in `golden/accessibility/NAME.txt`, but for times.
///
/// # Errors
/// `TooLong`, with the tree that is there instead.
pub fn expect_tree(desktop: &Desktop, name: &str) -> Result<(), Trouble> {
    let file = places::root().join(format!("tests/golden/accessibility/{name}.txt"));
    if std::env::var_os(WRITE).is_some() {
        return write_settled(desktop, &file);
    }
    let golden = fs::read_to_string(&file).map_err(io(format!("reading {}", file.display())))?;
    let mut seen = String::new();
    let look = || {
        seen = read_tree(desktop)?;
        Ok((seen == golden).then_some(()))
    };
    let waited = wait::until(&format!("the accessibility tree {name:?}"), LIMIT, look, String::new);
    waited.map_err(|trouble| match trouble {
        Trouble::TooLong { .. } => Trouble::Unexpected(format!("{trouble}\n{}", differences(&golden, &seen))),
        other => other,
    })
}

fn write_settled(desktop: &Desktop, file: &PathBuf) -> Result<(), Trouble> {
    let (mut last, mut equal) = (String::new(), 0);
    let look = || {
        let tree = read_tree(desktop)?;
        equal = if tree == last { equal + 1 } else { 0 };
        last.clone_from(&tree);
        Ok((equal >= SETTLED_READINGS).then_some(tree))
    };
    let tree = wait::until("a tree that stays", LIMIT, look, String::new)?;
    fs::write(file, tree).map_err(io(format!("writing {}", file.display())))
}

/// A part that goes while it is read makes the reading fail; the next one does not see it.
fn read_tree(desktop: &Desktop) -> Result<String, Trouble> {
    let mut command = desktop.command(PYTHON);
    command.arg(places::root().join("tests/python/accessibility_tree.py"));
    match run(&mut command) {
        Ok(printed) => Ok(timeless(&String::from_utf8_lossy(&printed))),
        Err(Trouble::Ended { said, .. }) => Ok(said),
        Err(other) => Err(other),
    }
}

/// What depends on the clock and on the version, as one word each.
fn timeless(tree: &str) -> String {
    let waiting = ["just now", "waiting 10 s", "waiting 20 s", "waiting 30 s", "waiting 40 s", "waiting 50 s"];
    let mut text = tree.replace(concat!("Serambi ", env!("CARGO_PKG_VERSION")), "Serambi VERSION");
    for time in waiting {
        text = text.replace(time, "WAITING");
    }
    for minutes in 1..10 {
        text = text.replace(&format!("waiting {minutes} min"), "WAITING");
        text = text.replace(&format!("started {minutes} min ago"), "STARTED");
    }
    for part_of_day in ["morning", "afternoon", "evening"] {
        text = text.replace(&format!("Good {part_of_day}"), "Good DAY");
    }
    text.replace("just started", "STARTED")
}

fn differences(golden: &str, seen: &str) -> String {
    let only = |mark: &str, one: &str, other: &str| -> String {
        one.lines()
            .filter(|line| !other.lines().any(|known| known == *line))
            .map(|line| format!("{mark} {line}\n"))
            .collect()
    };
    format!("{}{}the whole tree:\n{seen}", only("-", golden, seen), only("+", seen, golden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_does_not_depend_on_the_clock() {
        let early = timeless("Dewi, 1st in line, just now\n1 here · just started\nGood morning, Sari\n");
        let late = timeless("Dewi, 1st in line, waiting 2 min\n1 here · started 3 min ago\nGood evening, Sari\n");
        assert_eq!(early, late);
    }

    #[test]
    fn what_differs_is_said_first() {
        let said = differences("main\n  button \"Mute\"\n", "main\n  button \"Unmute\"\n");
        assert!(said.starts_with("-   button \"Mute\"\n+   button \"Unmute\"\n"), "{said}");
    }
}
