//! The delays in recordings that cells of the field have left in their folders: `NN-said.wav` and `NN-heard.wav`, which
//! began at the same moment:
//! `cargo run -p serambi-tests --bin measure -- recordings target/test-output/measure-field-*`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use serambi_tests::{
    Trouble,
    delay::{self, Delays},
    error::io,
    recording::{Recording, read_wav},
};

const GREATEST_DELAY: Duration = Duration::from_millis(800);

/// Prints a line for each folder.
pub fn measure(folders: &[String]) -> ExitCode {
    let mut outcome = ExitCode::SUCCESS;
    for folder in folders {
        match delays(Path::new(folder)) {
            Ok(delays) => println!("{folder}: {}", described(&delays)),
            Err(trouble) => {
                eprintln!("{folder}: {trouble}");
                outcome = ExitCode::FAILURE;
            }
        }
    }
    outcome
}

fn delays(folder: &Path) -> Result<Delays, Trouble> {
    let said = said(folder)?;
    let all = said.iter().map(|said| {
        let heard = said.with_file_name(name(said).replace("said", "heard"));
        let began = Instant::now();
        let recording = |path: &Path| Ok::<_, Trouble>(Recording { samples: read_wav(path)?, began });
        Ok(delay::between(&recording(said)?, &recording(&heard)?, GREATEST_DELAY))
    });
    Ok(Delays::joined(all.collect::<Result<Vec<_>, Trouble>>()?))
}

fn said(folder: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let entries = fs::read_dir(folder).map_err(io("reading a folder"))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| name(path).ends_with("said.wav")).collect())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// "46.5 ms (5–95 %: 46.4–55.0; all: 46.3–60.0, 198 windows)".
fn described(delays: &Delays) -> String {
    let [least, low, middle, high, greatest] =
        [0.0, 0.05, 0.5, 0.95, 1.0].map(|share| delays.quantile_ms(share).unwrap_or(f32::NAN));
    let count = delays.count();
    format!("{middle:.1} ms (5–95 %: {low:.1}–{high:.1}; all: {least:.1}–{greatest:.1}, {count} windows)")
}
