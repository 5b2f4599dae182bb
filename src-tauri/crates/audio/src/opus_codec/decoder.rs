//! Opus packets to sound, and what stands in for those that are missing.

use std::ffi::c_int;

use opusic_sys as sys;

use super::state::StateMemory;
use super::{OpusError, checked, length_of};
use crate::format::SAMPLE_RATE_HZ;

/// Whether `packet` carries a coarse copy of the frame before it (RFC 6716 section 2.1.7).
pub fn packet_has_inband_copy(packet: &[u8]) -> bool {
    // SAFETY: the buffer is as long as stated and is only read.
    !packet.is_empty() && unsafe { sys::opus_packet_has_lbrr(packet.as_ptr(), length_of(packet)) } > 0
}

/// One decoder. Frames must be given in the order they are played: every one goes on from the one before.
#[derive(Debug)]
pub struct OpusDecoder {
    state: StateMemory,
}

/// What a decoder was at one moment.
#[derive(Clone, Debug)]
pub struct DecoderSnapshot(StateMemory);

impl OpusDecoder {
    /// A decoder with no history. From `complexity` 5 on it conceals with its neural network, from 7 on it enhances SILK frames
    /// of 20 ms (NoLACE).
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses the complexity.
    pub fn new(complexity: i32) -> Result<Self, OpusError> {
        // SAFETY: takes no pointer.
        let mut state = StateMemory::of_size(unsafe { sys::opus_decoder_get_size(1) });
        // SAFETY: the memory has the size libopus asked for, is aligned for any C type, and lives as long as the state.
        checked(unsafe { sys::opus_decoder_init(state.as_mut_ptr(), SAMPLE_RATE_HZ as i32, 1) })?;
        // SAFETY: the state was initialised, and the request takes one `int`.
        checked(unsafe {
            sys::opus_decoder_ctl(state.as_mut_ptr(), sys::OPUS_SET_COMPLEXITY_REQUEST, complexity as c_int)
        })?;
        Ok(Self { state })
    }

    /// Decodes `packet` into `sound`, which has room for all of it; says how many samples there were.
    ///
    /// # Errors
    /// [`OpusError`] if it is no Opus packet.
    pub fn decode(&mut self, packet: &[u8], sound: &mut [f32]) -> Result<usize, OpusError> {
        // libopus takes an empty packet for a lost one.
        if packet.is_empty() { Err(OpusError(sys::OPUS_INVALID_PACKET)) } else { self.run(packet, sound, false) }
    }

    /// Fills `sound`, a multiple of 2.5 ms, from the copy that the packet after it carries; conceals where there is none.
    ///
    /// # Errors
    /// [`OpusError`] if `next` is no Opus packet.
    pub fn decode_inband_copy(&mut self, next: &[u8], sound: &mut [f32]) -> Result<usize, OpusError> {
        self.run(next, sound, true)
    }

    /// Fills `sound`, a multiple of 2.5 ms, with a continuation of what was decoded last.
    ///
    /// # Errors
    /// [`OpusError`] if the length is wrong.
    pub fn conceal(&mut self, sound: &mut [f32]) -> Result<usize, OpusError> {
        self.run(&[], sound, false)
    }

    /// Fills `sound`, a multiple of 2.5 ms, with what `redundancy` tells of the sound that begins `offset` samples before the
    /// packet it was read from; conceals where it tells nothing.
    ///
    /// # Errors
    /// [`OpusError`] if the length is wrong.
    pub fn decode_deep(
        &mut self,
        redundancy: &DeepRedundancy,
        offset: usize,
        sound: &mut [f32],
    ) -> Result<usize, OpusError> {
        let offset = c_int::try_from(offset).unwrap_or(c_int::MAX);
        // SAFETY: both states were initialised, the buffer is as long as stated, and libopus keeps none of them.
        checked(unsafe {
            sys::opus_decoder_dred_decode_float(
                self.state.as_mut_ptr(),
                redundancy.found.as_ptr(),
                offset,
                sound.as_mut_ptr(),
                length_of(sound),
            )
        })
    }

    /// What the decoder is now.
    pub fn snapshot(&self) -> DecoderSnapshot {
        DecoderSnapshot(self.state.clone())
    }

    /// Keeps what the decoder is now in a snapshot made earlier.
    pub fn snapshot_into(&self, snapshot: &mut DecoderSnapshot) {
        snapshot.0.copy_from(&self.state);
    }

    /// Becomes again what it was.
    pub fn restore(&mut self, snapshot: &DecoderSnapshot) {
        self.state.copy_from(&snapshot.0);
    }

    fn run(&mut self, packet: &[u8], sound: &mut [f32], inband_copy: bool) -> Result<usize, OpusError> {
        let data = if packet.is_empty() { std::ptr::null() } else { packet.as_ptr() };
        // SAFETY: the state was initialised, both buffers are as long as stated (the packet may be null: a lost one), and
        // libopus keeps neither.
        checked(unsafe {
            sys::opus_decode_float(
                self.state.as_mut_ptr(),
                data,
                length_of(packet),
                sound.as_mut_ptr(),
                length_of(sound),
                inband_copy.into(),
            )
        })
    }
}

/// The Deep Redundancy of one packet at a time: a coarse account of up to a second of sound before it.
#[derive(Debug)]
pub struct DeepRedundancy {
    reader: StateMemory,
    found: StateMemory,
}

impl DeepRedundancy {
    /// A reader that has read nothing.
    ///
    /// # Errors
    /// [`OpusError`] if libopus was built without it.
    pub fn new() -> Result<Self, OpusError> {
        // SAFETY: neither takes a pointer.
        let (reader, found) = unsafe { (sys::opus_dred_decoder_get_size(), sys::opus_dred_get_size()) };
        let (mut reader, found) = (StateMemory::of_size(reader), StateMemory::of_size(found));
        // SAFETY: the memory has the size libopus asked for, is aligned for any C type, and lives as long as the state.
        checked(unsafe { sys::opus_dred_decoder_init(reader.as_mut_ptr()) })?;
        Ok(Self { reader, found })
    }

    /// Reads what `packet` tells of the sound before it, at most `most_samples` of it. Says how far back it reaches, samples; 0
    /// if it tells nothing.
    ///
    /// # Errors
    /// [`OpusError`] if it is no Opus packet.
    pub fn read(&mut self, packet: &[u8], most_samples: usize) -> Result<usize, OpusError> {
        if packet.is_empty() {
            return Err(OpusError(sys::OPUS_INVALID_PACKET));
        }
        let mut silent_end: c_int = 0;
        // SAFETY: the reader was initialised; what it finds goes into memory of the size libopus asked for, where it needs no
        // initialisation (`opus_dred_alloc` gives none); the packet is as long as stated and is not kept.
        checked(unsafe {
            sys::opus_dred_parse(
                self.reader.as_mut_ptr(),
                self.found.as_mut_ptr(),
                packet.as_ptr(),
                length_of(packet),
                c_int::try_from(most_samples).unwrap_or(c_int::MAX),
                SAMPLE_RATE_HZ as i32,
                &raw mut silent_end,
                0,
            )
        })
    }
}
