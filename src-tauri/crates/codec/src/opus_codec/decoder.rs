//! Opus packets to sound, and what stands in for those that are missing.

use std::ffi::c_int;

use opusic_sys as sys;

use super::{OpusError, checked, length_of, state::StateMemory};
use crate::{
    dsp::mid_side::{Channels, MidSide, mid_side},
    format::SAMPLE_RATE_HZ,
};

/// Whether `packet` carries a coarse copy of the frame before it (RFC 6716 section 2.1.7).
pub fn packet_has_inband_copy(packet: &[u8]) -> bool {
    // SAFETY: the buffer is as long as stated and is only read.
    !packet.is_empty() && unsafe { sys::opus_packet_has_lbrr(packet.as_ptr(), length_of(packet)) } > 0
}

/// One decoder. Frames must be given in the order they are played: every one goes on from the one before.
///
/// It decodes to its own number of channels whatever a packet holds: a mono decoder gives the middle of a stereo
/// packet, and a stereo decoder a silent side to a mono one.
#[derive(Debug)]
pub struct OpusDecoder {
    state: StateMemory,
    channels: Channels,
    /// Left and right, interleaved, as libopus gives them.
    interleaved: Vec<f32>,
}

/// What a decoder was at one moment.
#[derive(Clone, Debug)]
pub struct DecoderSnapshot {
    state: StateMemory,
    channels: Channels,
}

impl OpusDecoder {
    /// A decoder with no history. From `complexity` 5 on it conceals with its neural network, from 7 on it enhances
    /// SILK frames of 20 ms (NoLACE).
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses the complexity.
    pub fn new(channels: Channels, complexity: i32) -> Result<Self, OpusError> {
        let count = channels.count() as c_int;
        // SAFETY: takes no pointer.
        let mut state = StateMemory::of_size(unsafe { sys::opus_decoder_get_size(count) });
        // SAFETY: the memory has the size libopus asked for, is aligned for any C type, and lives as long as the state.
        checked(unsafe { sys::opus_decoder_init(state.as_mut_ptr(), SAMPLE_RATE_HZ as i32, count) })?;
        let mut decoder = Self { state, channels, interleaved: Vec::new() };
        decoder.set_complexity(complexity)?;
        Ok(decoder)
    }

    /// Goes on with another effort. A snapshot keeps the effort of its time.
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses the complexity.
    pub fn set_complexity(&mut self, complexity: i32) -> Result<(), OpusError> {
        // SAFETY: the state was initialised, and the request takes one `int`.
        let set = unsafe {
            sys::opus_decoder_ctl(self.state.as_mut_ptr(), sys::OPUS_SET_COMPLEXITY_REQUEST, complexity as c_int)
        };
        checked(set).map(drop)
    }

    /// How many channels it decodes to.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Decodes `packet` into `sound`, which has room for all of it; says how many samples there were.
    ///
    /// # Errors
    /// [`OpusError`] if it is no Opus packet.
    pub fn decode<'a>(&mut self, packet: &[u8], sound: impl Into<MidSide<&'a mut [f32]>>) -> Result<usize, OpusError> {
        // libopus takes an empty packet for a lost one.
        if packet.is_empty() { Err(OpusError(sys::OPUS_INVALID_PACKET)) } else { self.run(packet, sound.into(), false) }
    }

    /// Fills `sound`, a multiple of 2.5 ms, from the copy that the packet after it carries; conceals where there is
    /// none.
    ///
    /// # Errors
    /// [`OpusError`] if `next` is no Opus packet.
    pub fn decode_inband_copy<'a>(
        &mut self,
        next: &[u8],
        sound: impl Into<MidSide<&'a mut [f32]>>,
    ) -> Result<usize, OpusError> {
        self.run(next, sound.into(), true)
    }

    /// Fills `sound`, a multiple of 2.5 ms, with a continuation of what was decoded last.
    ///
    /// # Errors
    /// [`OpusError`] if the length is wrong.
    pub fn conceal<'a>(&mut self, sound: impl Into<MidSide<&'a mut [f32]>>) -> Result<usize, OpusError> {
        self.run(&[], sound.into(), false)
    }

    /// Fills `sound`, a multiple of 2.5 ms, with what `redundancy` tells of the sound that begins `offset` samples
    /// before the packet it was read from; conceals where it tells nothing.
    ///
    /// # Errors
    /// [`OpusError`] if the length is wrong.
    pub fn decode_deep<'a>(
        &mut self,
        redundancy: &DeepRedundancy,
        offset: usize,
        sound: impl Into<MidSide<&'a mut [f32]>>,
    ) -> Result<usize, OpusError> {
        let offset = c_int::try_from(offset).unwrap_or(c_int::MAX);
        self.fill(sound.into(), |state, out, samples| {
            // SAFETY: both states were initialised, the buffer holds that many samples of each of the state's channels,
            // and libopus keeps none of them.
            unsafe {
                sys::opus_decoder_dred_decode_float(
                    state.as_mut_ptr(),
                    redundancy.found.as_ptr(),
                    offset,
                    out.as_mut_ptr(),
                    samples,
                )
            }
        })
    }

    /// What the decoder is now.
    pub fn snapshot(&self) -> DecoderSnapshot {
        DecoderSnapshot { state: self.state.clone(), channels: self.channels }
    }

    /// What the decoder was in the end.
    pub fn into_snapshot(self) -> DecoderSnapshot {
        DecoderSnapshot { state: self.state, channels: self.channels }
    }

    /// Keeps what the decoder is now in a snapshot made earlier.
    pub fn snapshot_into(&self, snapshot: &mut DecoderSnapshot) {
        snapshot.state.copy_from(&self.state);
        snapshot.channels = self.channels;
    }

    /// Becomes again what it was.
    pub fn restore(&mut self, snapshot: &DecoderSnapshot) {
        self.state.copy_from(&snapshot.state);
        self.channels = snapshot.channels;
    }

    fn run(&mut self, packet: &[u8], sound: MidSide<&mut [f32]>, inband_copy: bool) -> Result<usize, OpusError> {
        let data = if packet.is_empty() { std::ptr::null() } else { packet.as_ptr() };
        self.fill(sound, |state, out, samples| {
            // SAFETY: the state was initialised, the packet is as long as stated (or null: a lost one), the buffer
            // holds that many samples of each of the state's channels, and libopus keeps neither.
            unsafe {
                sys::opus_decode_float(
                    state.as_mut_ptr(),
                    data,
                    length_of(packet),
                    out.as_mut_ptr(),
                    samples,
                    inband_copy.into(),
                )
            }
        })
    }

    /// Lets `call` write into a buffer for as many samples of each channel as `sound` has room for, and spreads them
    /// over the planes.
    fn fill(
        &mut self,
        sound: MidSide<&mut [f32]>,
        call: impl FnOnce(&mut StateMemory, &mut [f32], c_int) -> c_int,
    ) -> Result<usize, OpusError> {
        let MidSide { middle, side } = sound;
        if self.channels == Channels::Mono {
            let samples = length_of(middle);
            let filled = checked(call(&mut self.state, middle, samples))?;
            side.into_iter().for_each(|side| side[..filled].fill(0.0));
            return Ok(filled);
        }
        self.interleaved.resize(Channels::Stereo.count() * middle.len(), 0.0);
        let filled = checked(call(&mut self.state, &mut self.interleaved, length_of(middle)))?;
        let moments = self.interleaved.as_chunks::<2>().0[..filled].iter().map(|both| mid_side(*both));
        match side {
            Some(side) => moments.zip(middle.iter_mut().zip(side)).for_each(|(now, (m, s))| (*m, *s) = now),
            None => moments.zip(middle).for_each(|(now, m)| *m = now.0),
        }
        Ok(filled)
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

    /// Reads what `packet` tells of the sound before it, at most `most_samples` of it. Says how far back it reaches,
    /// samples; 0 if it tells nothing.
    ///
    /// # Errors
    /// [`OpusError`] if it is no Opus packet.
    pub fn read(&mut self, packet: &[u8], most_samples: usize) -> Result<usize, OpusError> {
        if packet.is_empty() {
            return Err(OpusError(sys::OPUS_INVALID_PACKET));
        }
        let mut silent_end: c_int = 0;
        // SAFETY: the reader was initialised; what it finds goes into memory of the size libopus asked for, where it
        // needs no initialisation (`opus_dred_alloc` gives none); the packet is as long as stated and is not kept.
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
