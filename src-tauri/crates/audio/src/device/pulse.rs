//! Streams of a PulseAudio server, spoken to directly: they cost a fifth of those that `cpal` makes.

pub(crate) mod callback;
pub(crate) mod connection;
pub(crate) mod cookie;
pub(crate) mod device;
pub(crate) mod latency;
pub(crate) mod shape;
pub(crate) mod stream;
