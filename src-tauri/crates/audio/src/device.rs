//! Microphones and loudspeakers: found, opened, kept open, and joined to the engine by wait-free rings.

pub(crate) mod callback_timing;
pub(crate) mod capture;
#[cfg(windows)]
pub(crate) mod communication_device;
pub(crate) mod keeper;
pub(crate) mod lookup;
pub(crate) mod missed_time;
pub(crate) mod opener;
pub(crate) mod output;
pub(crate) mod priority;
#[cfg(target_os = "linux")]
pub(crate) mod pulse;
pub(crate) mod render_lead;
pub(crate) mod ring;
pub(crate) mod sink;
pub(crate) mod stated_latency;
pub(crate) mod statistics;
pub(crate) mod stream;
pub(crate) mod wav_loudspeaker;
pub(crate) mod wav_microphone;
pub(crate) mod worker;
