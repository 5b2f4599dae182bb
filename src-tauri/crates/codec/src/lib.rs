//! Sound to Opus packets and Opus packets to sound, with what makes words survive loss. No sound card, no IO, no clock.
//!
//! ```text
//! frame ► RedundantEncoder (voice + copies, as RedundancyControl says) ► packet
//! packet ► CopySlots ┐
//! packet ► DecodeLadder (packet, copy, in-band copy, Deep Redundancy, concealment) ► time_stretch ► frame
//! ```
//!
//! Everything is 32-bit float at 48 kHz: a middle, and a side where the sound is stereo ([`dsp::mid_side`]). Whatever
//! decides by time is told the time ([`clock::Moment`]).

pub mod clock;
pub mod coding;
pub mod copy_slots;
pub mod decode_ladder;
pub mod dsp;
pub mod format;
pub mod opus_codec;
pub mod opus_padding;
pub mod redundancy_profile;
pub mod redundant_copies;
pub mod redundant_encoder;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time_stretch;

pub use opus_codec::OpusError;
