//! Remote voices from packets to the mix.

pub(crate) mod crowd;
pub(crate) mod cue;
pub(crate) mod delay_histogram;
pub(crate) mod jitter_buffer;
pub(crate) mod loudness_leveller;
pub(crate) mod mixer;
pub(crate) mod packet_timeline;
pub(crate) mod playout_pace;
pub(crate) mod remote_voice;
pub(crate) mod statistics;
