//! libopus 1.6 with what the `opus` crate does not reach: the neural concealment and enhancement of the decoder, Deep
//! Redundancy (DRED), and decoder states that can be kept and taken back.
//!
//! All unsafe code of the codec is here. One or two channels, 48 kHz, 32-bit float. States are blocks of memory of our
//! own, which libopus allows and which makes a copy of a state a copy of bytes (`opus.h`, `opus_decoder_get_size`).

mod decoder;
mod encoder;
mod state;

#[cfg(test)]
mod tests;

pub use decoder::{DecoderSnapshot, DeepRedundancy, OpusDecoder, packet_has_inband_copy};
pub use encoder::{EncoderSettings, OpusEncoder};

use std::ffi::c_int;

/// What libopus refused, as its own error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("libopus: error {0}")]
pub struct OpusError(pub i32);

fn checked(result: c_int) -> Result<usize, OpusError> {
    usize::try_from(result).map_err(|_| OpusError(result))
}

/// The length of a buffer as libopus takes it; a longer one than it can count is used in part.
fn length_of<T>(buffer: &[T]) -> c_int {
    c_int::try_from(buffer.len()).unwrap_or(c_int::MAX)
}
