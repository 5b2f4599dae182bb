//! Writes `assets/cues` anew: a WAV file of 16 bits, mono, 48 kHz for each cue.
//!
//! ```text
//! cargo run -p serambi-audio --features testing --example write_cues
//! ```

use std::{error::Error, path::Path};

use hound::{SampleFormat, WavSpec, WavWriter};
use serambi_audio::{Cue, SAMPLE_RATE_HZ, testing::cue_synthesis::synthesize};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/cues");
    let spec =
        WavSpec { channels: 1, sample_rate: SAMPLE_RATE_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
    for cue in Cue::ALL {
        let mut file = WavWriter::create(folder.join(cue.name()).with_extension("wav"), spec)?;
        for sample in synthesize(cue) {
            file.write_sample(sample)?;
        }
        file.finalize()?;
    }
    Ok(())
}
