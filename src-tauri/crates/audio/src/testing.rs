//! Whole paths in simulated time, hostile input, and the parts that examples measure; not compiled into the programs.

pub mod cue_synthesis;
pub mod hostile_input;
#[cfg(test)]
mod odd_devices;
pub mod simulated_call;
#[cfg(test)]
mod stereo_path;

pub use crate::{
    receive::loudness_leveller::LoudnessLeveller,
    send::voice_processing::{Needs, VoiceProcessing},
};
