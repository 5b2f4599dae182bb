//! What a program costs: processor time and memory, its child processes included (proc(5)).

use std::{
    collections::HashMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::{Trouble, error::io};

/// Linux counts processor time in hundredths of a second on every platform that Rust supports (`_SC_CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

/// One process with all its descendants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family(Vec<u32>);

/// What one process of a family costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Its name, cut to 15 characters by the system.
    pub name: String,
    /// Share of one processor, 1.0 = always busy.
    pub processor_share: f64,
    /// Memory in MB, shared pages in fair shares (PSS).
    pub megabytes: f64,
}

/// A process as `/proc/PID/stat` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    parent: u32,
    ticks: u64,
}

impl Family {
    /// The family of a process as it is now.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn of(process: u32) -> Result<Self, Trouble> {
        Ok(Self(descendants(process, &all_processes()?)))
    }

    /// The family of the first descendant of `ancestor` that has this name (its first 15 characters).
    ///
    /// # Errors
    /// When there is none.
    pub fn of_descendant(ancestor: u32, name: &str) -> Result<Self, Trouble> {
        let all = all_processes()?;
        let found =
            descendants(ancestor, &all).into_iter().find(|id| all.get(id).is_some_and(|stat| stat.name == name));
        let found = found.ok_or_else(|| Trouble::Unexpected(format!("no {name} among the processes of {ancestor}")))?;
        Ok(Self(descendants(found, &all)))
    }

    /// All of them.
    pub fn members(&self) -> &[u32] {
        &self.0
    }

    /// The first process.
    pub fn head(&self) -> u32 {
        self.0[0]
    }

    /// Share of one processor used over the next `time`, 1.0 = one processor always busy.
    ///
    /// # Errors
    /// When one of the processes ends meanwhile.
    pub fn processor_share(&self, time: Duration) -> Result<f64, Trouble> {
        let (start, before) = (Instant::now(), self.ticks()?);
        std::thread::sleep(time);
        let used = self.ticks()?.saturating_sub(before) as f64 / TICKS_PER_SECOND;
        Ok(used / start.elapsed().as_secs_f64())
    }

    /// What each of them costs over the next `time`.
    ///
    /// # Errors
    /// When one of them ends meanwhile.
    pub fn costs(&self, time: Duration) -> Result<Vec<Cost>, Trouble> {
        let stats = || self.0.iter().map(|id| stat_of(*id)).collect::<Result<Vec<Stat>, Trouble>>();
        let (start, before) = (Instant::now(), stats()?);
        std::thread::sleep(time);
        let (seconds, after) = (start.elapsed().as_secs_f64(), stats()?);
        let cost = |((id, before), after): ((&u32, Stat), Stat)| {
            let used = after.ticks.saturating_sub(before.ticks) as f64 / TICKS_PER_SECOND;
            let megabytes = Self(vec![*id]).pss_megabytes()?;
            Ok(Cost { name: after.name, processor_share: used / seconds, megabytes })
        };
        self.0.iter().zip(before).zip(after).map(cost).collect()
    }

    /// Processor time used so far.
    ///
    /// # Errors
    /// When one of the processes has ended.
    pub fn processor_time(&self) -> Result<Duration, Trouble> {
        Ok(Duration::from_secs_f64(self.ticks()? as f64 / TICKS_PER_SECOND))
    }

    /// Memory in MB, pages that several processes share counted in fair shares (PSS).
    ///
    /// # Errors
    /// When one of the processes has ended.
    pub fn pss_megabytes(&self) -> Result<f64, Trouble> {
        let kilobytes = self.0.iter().map(|id| {
            let rollup = read(&format!("/proc/{id}/smaps_rollup"))?;
            pss_kibibytes(&rollup).ok_or_else(|| Trouble::Unexpected(format!("no Pss in smaps_rollup of {id}")))
        });
        Ok(kilobytes.sum::<Result<u64, Trouble>>()? as f64 * 1_024.0 / 1_000_000.0)
    }

    fn ticks(&self) -> Result<u64, Trouble> {
        self.0.iter().map(|id| stat_of(*id).map(|stat| stat.ticks)).sum()
    }
}

fn stat_of(process: u32) -> Result<Stat, Trouble> {
    let text = read(&format!("/proc/{process}/stat"))?;
    read_stat(&text).ok_or_else(|| Trouble::Unexpected(format!("an odd stat: {text}")))
}

fn descendants(ancestor: u32, all: &HashMap<u32, Stat>) -> Vec<u32> {
    let mut family = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let mut children: Vec<u32> = all.iter().filter(|(_, stat)| stat.parent == parent).map(|(id, _)| *id).collect();
        children.sort_unstable();
        family.extend(children);
        next += 1;
    }
    family
}

fn all_processes() -> Result<HashMap<u32, Stat>, Trouble> {
    let entries = fs::read_dir("/proc").map_err(io("reading /proc"))?;
    let id = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let ids = entries.filter_map(|entry| id(&entry.ok()?.path()));
    // A process may end between being listed and being read.
    Ok(ids.filter_map(|id| Some((id, read_stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?))).collect())
}

/// The name stands in parentheses and may itself hold blanks and parentheses.
fn read_stat(text: &str) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    // Counted from the field after the name: 0 state, 1 parent, 11 user time, 12 system time.
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat { name, parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
}

fn pss_kibibytes(rollup: &str) -> Option<u64> {
    rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?.split_whitespace().next()?.parse().ok()
}

fn read(path: &str) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(io(format!("reading {path}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_process_with_an_awkward_name_is_read() {
        let text = "4321 (Web (Content) x) S 4300 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 100 1 1 1";
        assert_eq!(read_stat(text).unwrap(), Stat { name: "Web (Content) x".into(), parent: 4_300, ticks: 300 });
    }

    #[test]
    fn a_family_is_a_process_and_all_that_came_from_it() {
        let stat = |parent| Stat { name: String::new(), parent, ticks: 0 };
        let all = HashMap::from([(10, stat(1)), (11, stat(10)), (12, stat(11)), (13, stat(1)), (14, stat(10))]);
        assert_eq!(descendants(10, &all), [10, 11, 14, 12]);
    }

    #[test]
    fn this_very_process_uses_memory_and_can_be_looked_at() {
        let family = Family::of(std::process::id()).unwrap();
        assert!(family.pss_megabytes().unwrap() > 0.5);
        assert!(family.processor_share(Duration::from_millis(20)).unwrap() >= 0.0);
        let costs = family.costs(Duration::from_millis(20)).unwrap();
        assert!(costs.len() == 1 && costs[0].megabytes > 0.5);
    }

    #[test]
    fn shared_memory_is_read_in_fair_shares() {
        assert_eq!(pss_kibibytes("Rss:  900 kB\nPss:   412 kB\nPss_Dirty: 3 kB\n"), Some(412));
    }
}
