//! Ours beside what people use now: the same ten utterances, the same virtual sound cards, the same seeded losses and
//! delays, for two `serambi-peer`, for Mumble and for a pair of Chromium.

pub mod cell;
mod chromium;
pub mod conditions;
mod joins;
mod mumble;
pub mod score;
pub mod serambi;

use std::{fmt::Write, path::Path, process::Command};

use serambi_tests::{
    Trouble,
    datagram::Wrapping,
    network::{self, Network},
    places,
    program::run,
    sound_server::Card,
};

use self::{
    cell::{Figures, Rate},
    conditions::Named,
};
use crate::machine;

/// A connected pair: somebody who talks here, somebody who listens there. Ends with the value.
pub trait Call {
    /// `Err` when one of its programs has ended.
    fn still_runs(&mut self) -> Result<(), Trouble>;
    /// Where in what it sends the Opus packets are.
    fn wrapping(&self) -> Wrapping;
}

/// Where the pair sits.
pub struct Stage<'a> {
    pub network: &'a Network,
    pub speaker: &'a Card,
    pub listener: &'a Card,
    pub output: &'a Path,
}

/// Who is measured.
struct Contender {
    /// As on the command line.
    name: &'static str,
    start: fn(&Stage<'_>) -> Result<Box<dyn Call>, Trouble>,
    title: fn() -> String,
}

const CONTENDERS: [Contender; 3] = [
    Contender { name: "serambi", start: serambi::start, title: || "Serambi".to_owned() },
    Contender { name: "mumble", start: mumble::start, title: || version_of("mumble", "Mumble") },
    Contender { name: "chromium", start: chromium::start, title: || version_of("chromium", "Chromium") },
];

/// Measures the cells whose names are all among `wanted` ("clean", "mumble", …; nothing named means all of them), or,
/// if "joins" is among them, how long a join takes on these networks; gives a table.
///
/// # Errors
/// When a name means nothing.
pub fn measure(wanted: &[String]) -> Result<String, Trouble> {
    refuse_unknown(wanted)?;
    if let Err(trouble) = score::prepare() {
        // Every cell will say so in its place.
        eprintln!("{trouble}");
    }
    if !network::may_be_made() {
        let arguments: Vec<&str> = ["field"].into_iter().chain(wanted.iter().map(String::as_str)).collect();
        let printed = network::run_again_as_root(&arguments)?;
        return Ok(String::from_utf8_lossy(&printed).into_owned());
    }
    if wanted.iter().any(|word| word == joins::NAME) {
        return Ok(joins::measure(&chosen(&conditions::ALL, |named| named.name, wanted)));
    }
    let mut table = heading();
    for named in chosen(&conditions::ALL, |named| named.name, wanted) {
        for contender in chosen(&CONTENDERS, |contender| contender.name, wanted) {
            let line = row(named, contender);
            eprintln!("  {line}   (load {})", machine::load());
            let _ = writeln!(table, "{line}");
        }
    }
    table.push_str(&conditions::explained());
    Ok(table)
}

fn refuse_unknown(wanted: &[String]) -> Result<(), Trouble> {
    let known: Vec<&str> = conditions::ALL
        .iter()
        .map(|named| named.name)
        .chain(CONTENDERS.iter().map(|contender| contender.name))
        .chain([joins::NAME])
        .collect();
    match wanted.iter().find(|word| !known.contains(&word.as_str())) {
        Some(word) => Err(Trouble::Unexpected(format!("{word:?} means nothing here; there are {}", known.join(", ")))),
        None => Ok(()),
    }
}

/// Those that are named; all if none is.
fn chosen<'a, T>(all: &'a [T], name: fn(&T) -> &'static str, wanted: &[String]) -> Vec<&'a T> {
    let is_named = |one: &&T| wanted.iter().any(|word| word == name(one));
    let named: Vec<&T> = all.iter().filter(is_named).collect();
    if named.is_empty() { all.iter().collect() } else { named }
}

fn heading() -> String {
    let columns = "| Network | Who | Mouth to ear | PESQ-WB | STOI | Opus payload | IP | Lost |";
    format!("{columns}\n{}\n", columns.split(" | ").map(|_| "| --- ").collect::<String>() + "|")
}

/// A cell that cannot be had says why, and the others go on.
fn row(named: &Named, contender: &Contender) -> String {
    let output = places::fresh_output(&format!("measure-field-{}-{}", named.name, contender.name));
    let figures = output.and_then(|output| cell::measure(named, contender.start, &output));
    let cells = match figures {
        Ok(figures) => figures.to_string(),
        Err(trouble) => {
            let why = trouble.to_string();
            eprintln!("{why}");
            let why = why.lines().next().unwrap_or_default().replace('|', "/");
            format!("not measured: {why} | | | | | ")
        }
    };
    format!("| {} | {} | {cells} |", named.title, (contender.title)())
}

/// "Mumble 1.3.4", as dpkg tells it; without a version where there is no dpkg.
fn version_of(package: &str, title: &str) -> String {
    let printed = run(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]));
    let printed = printed.unwrap_or_default();
    let version = String::from_utf8_lossy(&printed);
    format!("{title} {}", version.split('-').next().unwrap_or_default()).trim_end().to_owned()
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let delays = &self.delays;
        match (delays.median_ms(), delays.quantile_ms(0.05), delays.quantile_ms(0.95)) {
            (Some(median), Some(low), Some(high)) => write!(f, "{median:.0} ms ({low:.0}–{high:.0})")?,
            _ => write!(f, "no window of speech was recognised")?,
        }
        write!(f, " | {:.2} ({:.2})", self.pesq.mean, self.pesq.least)?;
        write!(f, " | {:.3} ({:.3})", self.stoi.mean, self.stoi.least)?;
        let Rate { opus_kilobits, ip_kilobits, packets } = self.rate;
        write!(f, " | {opus_kilobits:.1} kbit/s | {ip_kilobits:.1} kbit/s, {packets:.0} packets/s")?;
        write!(f, " | {:.1} %", self.lost_share * 100.0)
    }
}
