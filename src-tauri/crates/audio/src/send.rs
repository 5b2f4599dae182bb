//! The own voice from captured blocks to encoded frames.

pub(crate) mod echo_setting;
pub(crate) mod envelope_coupling;
pub(crate) mod microphone_chain;
pub(crate) mod muted_talk;
pub(crate) mod noise_floor;
pub(crate) mod sound_check;
pub(crate) mod statistics;
pub(crate) mod voice;
pub(crate) mod voice_clock;
pub(crate) mod voice_processing;
