//! Paths of one person's machine have no place in the project's files.

use std::path::Path;

use crate::workspace;

/// Folders under which the folders of persons are. Written in two halves, or this file would complain about itself.
const HOMES: &[&str] =
    &[concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/"), concat!("C:\\Us", "ers\\")];

/// This checkout and this person's home, when they are long enough to mean only that.
pub fn of_this_machine() -> Vec<String> {
    let home = std::env::home_dir();
    [Some(workspace::root()), home]
        .into_iter()
        .flatten()
        .filter(|path| is_telling(path))
        .map(|path| path.display().to_string())
        .collect()
}

fn is_telling(path: &Path) -> bool {
    path.components().count() > 2
}

/// What is wrong with a file's text, one sentence each.
pub fn complaints(name: &str, text: &str, own: &[String]) -> Vec<String> {
    let found = |line: &str| {
        HOMES.iter().any(|home| names_a_home(line, home)) || own.iter().any(|path| names_folder(line, path))
    };
    text.lines()
        .enumerate()
        .filter(|(_, line)| found(line))
        .map(|(number, _)| format!("{name}:{}: a path of one machine", number + 1))
        .collect()
}

/// A home is named where the path begins, and somebody's folder follows.
fn names_a_home(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + home.len()..].chars().next();
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-}~/*".contains(c))
            && after.is_some_and(|c| c.is_alphanumeric() || c == '.')
    })
}

fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        before.is_none_or(|c| !c.is_alphanumeric()) && after.is_none_or(|c| !c.is_alphanumeric() && c != '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(text: &str) -> usize {
        complaints("file", text, &["/srv/checkouts/porch".to_owned()]).len()
    }

    #[test]
    fn a_path_into_somebodys_home_or_into_this_checkout_is_found() {
        for home in HOMES {
            assert_eq!(lines_found(&format!("see {home}sari/notes")), 1, "{home}");
        }
        assert_eq!(lines_found("fine\ncd /srv/checkouts/porch && ls\n\"/srv/checkouts/porch/ui\""), 2);
    }

    #[test]
    fn paths_that_only_look_similar_are_left_alone() {
        let homes: String = HOMES.iter().map(|home| format!("https://example.org{home}page\n{home}*\n")).collect();
        assert_eq!(lines_found(&homes), 0);
        assert_eq!(lines_found("/srv/checkouts/porch-swing /srv/checkouts/porches"), 0);
    }
}
