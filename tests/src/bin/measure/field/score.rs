//! PESQ-WB and STOI of utterances, computed in Python.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serambi_tests::{
    Trouble,
    program::run,
    recording::write_wav,
    strangers::{python, script},
};

/// Mean and worst of several utterances.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub mean: f64,
    pub least: f64,
}

/// Of several utterances.
pub struct Scores {
    pub pesq: Spread,
    pub stoi: Spread,
}

const PACKAGES: &str = "requirements-measure.txt";

/// Fetches what scoring needs; not to be done in a network that leads nowhere.
pub fn prepare() -> Result<(), Trouble> {
    python(PACKAGES).map(|_| ())
}

/// Each utterance as it was said, and what was heard from then on. Both stay in `output`.
pub fn utterances(output: &Path, pairs: impl Iterator<Item = (Vec<f32>, Vec<f32>)>) -> Result<Scores, Trouble> {
    let mut command = Command::new(python(PACKAGES)?);
    command.arg(script("utterances.py"));
    for (number, (said, heard)) in pairs.enumerate() {
        let file = |what: &str| -> PathBuf { output.join(format!("{number:02}-{what}.wav")) };
        write_wav(&file("said"), &said)?;
        write_wav(&file("heard"), &heard)?;
        command.arg(file("said")).arg(file("heard"));
    }
    let printed = run(&mut command)?;
    let scores: Vec<serde_json::Value> = String::from_utf8_lossy(&printed)
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| Trouble::Unexpected(format!("utterances.py: {error}"))))
        .collect::<Result<_, _>>()?;
    std::fs::write(output.join("scores.jsonl"), &printed).map_err(serambi_tests::error::io("keeping the scores"))?;
    Ok(Scores { pesq: spread(&scores, "pesq"), stoi: spread(&scores, "stoi") })
}

fn spread(scores: &[serde_json::Value], name: &str) -> Spread {
    let values: Vec<f64> = scores.iter().filter_map(|score| score[name].as_f64()).collect();
    Spread {
        mean: values.iter().sum::<f64>() / values.len() as f64,
        least: values.iter().copied().fold(f64::INFINITY, f64::min),
    }
}
