//! The same words at both ends, at one person's mouth and at another's ear: recorded, and put into figures.

use std::{path::Path, process::Command, time::Duration};

use serambi_tests::{
    Trouble,
    delay::{self, Delays},
    program::run,
    recording::{Recording, SAMPLES_PER_SECOND, write_wav},
    sound_server::Card,
    strangers::{python, script},
    wait,
};

const ARRIVAL_LIMIT: Duration = Duration::from_secs(30);
const SPEECH_LIMIT: Duration = Duration::from_secs(120);
const GREATEST_DELAY: Duration = Duration::from_millis(800);
/// ITU-T P.862 recommends pieces of 8 s; a few sentences.
const PESQ_PIECE_SECONDS: f64 = 8.0;

/// What was said and what was heard, over the same time.
pub struct BothEnds {
    said: Recording,
    heard: Recording,
    delays: Delays,
}

impl BothEnds {
    /// Records mouth and ear while a file is said.
    pub fn record(speaker: &Card, listener: &Card, wav: &Path) -> Result<Self, Trouble> {
        let (mouth, ear) = (speaker.overhear()?, listener.listen()?);
        say(speaker, wav)?;
        // What is on its way when the last word is said must still arrive: recorded silence is the condition to wait
        // for.
        let enough = mouth.so_far().samples.len() + SAMPLES_PER_SECOND as usize;
        let arrived = || Ok((ear.so_far().samples.len() > enough).then_some(()));
        wait::until("the end of a recording", ARRIVAL_LIMIT, arrived, String::new)?;
        let (said, heard) = (mouth.finish(), ear.finish());
        let delays = delay::between(&said, &heard, GREATEST_DELAY);
        Ok(Self { said, heard, delays })
    }

    /// "35.1 ms (5–95 %: 34.6–43.9, 71 windows)".
    pub fn delay(&self) -> String {
        let delays = &self.delays;
        match (delays.median_ms(), delays.quantile_ms(0.05), delays.quantile_ms(0.95)) {
            (Some(median), Some(low), Some(high)) => {
                format!("{median:.1} ms (5–95 %: {low:.1}–{high:.1}, {} windows)", delays.count())
            }
            _ => "nothing was heard".to_owned(),
        }
    }

    /// The middle of all delays.
    ///
    /// # Errors
    /// When nothing of what was said was heard.
    pub fn median_ms(&self) -> Result<f32, Trouble> {
        self.delays.median_ms().ok_or_else(|| Trouble::Unexpected("nothing was heard".to_owned()))
    }

    /// "PESQ-WB 4.17 (lowest 4.10 of 3 pieces), STOI 0.970". Both recordings stay in `output`.
    pub fn quality(&self, output: &Path) -> Result<String, Trouble> {
        let files = [output.join("said.wav"), output.join("heard.wav")];
        write_wav(&files[0], &self.said.samples)?;
        write_wav(&files[1], &self.heard.samples)?;
        let mut command = Command::new(python("requirements-measure.txt")?);
        command.arg(script("quality.py")).args(&files);
        let late_ms = f64::from(self.median_ms()?) + self.apart_ms();
        let printed = run(command.arg(late_ms.to_string()).arg(PESQ_PIECE_SECONDS.to_string()))?;
        let scores: serde_json::Value =
            serde_json::from_slice(&printed).map_err(|error| Trouble::Unexpected(format!("quality.py: {error}")))?;
        let score = |name: &str| scores[name].as_f64().unwrap_or_default();
        Ok(format!(
            "PESQ-WB {:.2} (lowest {:.2} of {} pieces), STOI {:.3}",
            score("pesq_mean"),
            score("pesq_min"),
            scores["pieces"],
            score("stoi_mean")
        ))
    }

    /// How much earlier the recording of the ear began.
    fn apart_ms(&self) -> f64 {
        let (said, heard) = (self.said.began, self.heard.began);
        match said.checked_duration_since(heard) {
            Some(later) => later.as_secs_f64() * 1_000.0,
            None => -heard.duration_since(said).as_secs_f64() * 1_000.0,
        }
    }
}

/// Says a file to its end.
pub fn say(speaker: &Card, wav: &Path) -> Result<(), Trouble> {
    speaker.speak(wav)?.until_done(SPEECH_LIMIT)
}
