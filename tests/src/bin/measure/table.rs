//! The table that goes into the README.

use std::fmt;

/// Rows of what was measured, with what it was measured on.
pub struct Table {
    machine: String,
    rows: Vec<[String; 3]>,
    notes: Vec<String>,
}

impl Table {
    /// An empty table.
    pub fn new(machine: String) -> Self {
        Self { machine, rows: Vec::new(), notes: Vec::new() }
    }

    /// One figure: what it is, its value with unit, and how it came about.
    pub fn row(&mut self, what: impl Into<String>, value: impl Into<String>, how: impl Into<String>) {
        let row = [what.into(), value.into(), how.into()];
        eprintln!("  {} = {} ({})", row[0], row[1], row[2]);
        self.rows.push(row);
    }

    /// A sentence below the table.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n| What | Measured | How |\n| --- | --- | --- |", self.machine)?;
        for [what, value, how] in &self.rows {
            writeln!(f, "| {what} | {value} | {how} |")?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}.")?;
        }
        Ok(())
    }
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// "410 ms (380–520, 5 times)".
pub fn milliseconds(values: Vec<f64>) -> String {
    let times = values.len();
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(0.0, f64::max);
    match median(values) {
        Some(middle) => format!("{middle:.0} ms ({lowest:.0}–{highest:.0}, {times} times)"),
        None => "nothing".to_owned(),
    }
}
