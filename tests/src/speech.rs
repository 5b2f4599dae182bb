//! Speech to put into a microphone: made by espeak-ng and flite, kept under Cargo's output folder.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Trouble, error::io, places, program::run, recording::read_wav};

/// Somebody saying something: a WAV file, mono, 48 kHz, 16 bit.
#[derive(Clone, Debug)]
pub struct Speech {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub samples: Vec<f32>,
}

/// Sari's sentences.
pub const PORCH: &str = "Come up to the porch and sit with us for a while. \
    The rain has stopped, the street is quiet, and there is warm tea on the table.";

/// Wei's sentences: as long, but nothing like Sari's.
pub const FERRY: &str = "Yesterday seven ferries crossed the harbour before noon. \
    Nobody on board knew why the captain kept whistling the same old tune.";

/// Many sentences, for measuring: about twenty seconds.
pub const LONG: &str = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. \
    It is easy to tell the depth of a well. These days a chicken leg is a rare dish. \
    Rice is often served in round bowls. The juice of lemons makes fine punch. \
    The box was thrown beside the parked truck. Four hours of steady work faced us.";

/// Ten utterances by voice and text, from two synthesizers, for measuring quality: two of the Harvard sentences each
/// (IEEE Recommended Practice for Speech Quality Measurements, 1969).
pub const UTTERANCES: [(&str, &str); 10] = [
    ("en-us+f3", "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."),
    ("flite:slt", "It is easy to tell the depth of a well. These days a chicken leg is a rare dish."),
    ("en-gb+m2", "Rice is often served in round bowls. The juice of lemons makes fine punch."),
    ("flite:rms", "The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage."),
    ("en-us+m3", "Four hours of steady work faced us. A large size in stockings is hard to sell."),
    ("flite:awb", "The boy was there when the sun rose. A rod is used to catch pink salmon."),
    ("en-gb+f2", "The source of the huge river is the clear spring. Kick the ball straight and follow through."),
    ("flite:slt", "Help the woman get back to her feet. A pot of tea helps to pass the evening."),
    ("en-us+m7", "Smoky fires lack flame and heat. The soft cushion broke the man's fall."),
    ("flite:rms", "The salt breeze came across from the sea. The girl at the booth sold fifty bonds."),
];

/// Says which of flite's voices is meant; the others are espeak-ng's.
const FLITE: &str = "flite:";

/// `text` in one of espeak-ng's voices ("en-us+f3", "en-gb+m2") or of flite's ("flite:slt"): made once, then read back.
///
/// # Errors
/// When the synthesizer or sox is missing or fails.
pub fn say(voice: &str, text: &str) -> Result<Speech, Trouble> {
    let mut hasher = DefaultHasher::new();
    (voice, text).hash(&mut hasher);
    let path = places::folder("test-speech")?.join(format!("{:016x}.wav", hasher.finish()));
    if !path.is_file() {
        make(voice, text, &path)?;
    }
    let samples = read_wav(&path)?;
    Ok(Speech { path, samples })
}

/// Half a second of quiet before and after: the first phoneme must not fall into the opening of a stream.
fn make(voice: &str, text: &str, path: &Path) -> Result<(), Trouble> {
    let folder = tempfile::tempdir().map_err(io("making a folder for speech"))?;
    let (spoken, finished) = (folder.path().join("spoken.wav"), folder.path().join("finished.wav"));
    match voice.strip_prefix(FLITE) {
        Some(voice) => run(Command::new("flite").args(["-voice", voice, "-t", text, "-o"]).arg(&spoken))?,
        None => run(Command::new("espeak-ng").args(["-v", voice, "-s", "150", "-w"]).arg(&spoken).arg(text))?,
    };
    let sox = ["-r", "48000", "-c", "1", "-b", "16"];
    let effects = ["norm", "-4", "pad", "0.5", "0.5"];
    run(Command::new("sox").arg("--no-dither").arg(&spoken).args(sox).arg(&finished).args(effects))?;
    // Renaming is atomic, copying is not: another test may be making the same speech.
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::copy(&finished, &beside).and_then(|_| std::fs::rename(&beside, path)).map_err(io("keeping speech"))
}
