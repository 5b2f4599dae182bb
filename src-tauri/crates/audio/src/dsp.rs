//! Signal processing that knows neither devices nor packets.

pub(crate) mod limiter;
pub(crate) mod loudness;
pub(crate) mod resampler;
