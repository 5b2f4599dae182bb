//! Sound to Opus packets.

use std::ffi::c_int;

use opusic_sys as sys;

use super::state::StateMemory;
use super::{OpusError, checked, length_of};
use crate::format::SAMPLE_RATE_HZ;

/// How an encoder works. Variable bit rate, tuned for speech (`OPUS_APPLICATION_VOIP`), no discontinuous transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Target, bit/s; Deep Redundancy is taken out of it.
    pub bitrate: i32,
    /// Effort, 0 ..= 10.
    pub complexity: i32,
    /// Sound up to 8 kHz and no other bandwidth, whatever the bit rate: all frames then share one SILK rate, and none resets
    /// the decoder that hears them mixed with frames of another encoder.
    pub only_wideband: bool,
    /// Everything is coded as speech (SILK or hybrid), also what sounds like music: frames of CELT would neither take up nor
    /// leave the state that those of SILK need.
    pub only_speech: bool,
    /// Whether each packet carries a coarse copy of the frame before it where the expected loss calls for it (RFC 6716 section
    /// 2.1.7). Does not go together with Deep Redundancy.
    pub inband_copies: bool,
    /// Loss to prepare for, percent. Neither in-band copies nor Deep Redundancy are sent at 0.
    pub expected_loss_percent: u8,
    /// Reach of Deep Redundancy, units of 10 ms; 0 is off.
    pub deep_redundancy_units: u8,
}

/// One encoder.
#[derive(Debug)]
pub struct OpusEncoder {
    state: StateMemory,
    settings: EncoderSettings,
}

impl OpusEncoder {
    /// An encoder with no history.
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses the settings.
    pub fn new(settings: EncoderSettings) -> Result<Self, OpusError> {
        // SAFETY: takes no pointer.
        let mut state = StateMemory::of_size(unsafe { sys::opus_encoder_get_size(1) });
        // SAFETY: the memory has the size libopus asked for, is aligned for any C type, and lives as long as the state.
        let made =
            unsafe { sys::opus_encoder_init(state.as_mut_ptr(), SAMPLE_RATE_HZ as i32, 1, sys::OPUS_APPLICATION_VOIP) };
        checked(made)?;
        let mut encoder = Self { state, settings };
        encoder.apply(settings)?;
        Ok(encoder)
    }

    /// Goes on with other settings.
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses them; those it took before stay.
    pub fn change(&mut self, settings: EncoderSettings) -> Result<(), OpusError> {
        if settings == self.settings { Ok(()) } else { self.apply(settings) }
    }

    /// Forgets the sound so far, so that nothing sent from now on tells of it.
    ///
    /// # Errors
    /// [`OpusError`] never, as far as libopus says.
    pub fn reset(&mut self) -> Result<(), OpusError> {
        // SAFETY: the state was initialised, and the request takes nothing.
        checked(unsafe { sys::opus_encoder_ctl(self.state.as_mut_ptr(), sys::OPUS_RESET_STATE) })?;
        // libopus 1.6.1 forgets the reach of Deep Redundancy along with the sound.
        self.apply(self.settings)
    }

    /// Encodes `sound`, 2.5 to 60 ms of it, into one packet of at most `most_bytes`.
    ///
    /// # Errors
    /// [`OpusError`] if that is no length of a frame.
    pub fn encode(&mut self, sound: &[f32], most_bytes: usize) -> Result<Vec<u8>, OpusError> {
        let mut packet = vec![0; most_bytes];
        // SAFETY: the state was initialised; both buffers are as long as stated, and libopus keeps neither.
        let written = unsafe {
            sys::opus_encode_float(
                self.state.as_mut_ptr(),
                sound.as_ptr(),
                length_of(sound),
                packet.as_mut_ptr(),
                length_of(&packet),
            )
        };
        packet.truncate(checked(written)?);
        Ok(packet)
    }

    fn apply(&mut self, settings: EncoderSettings) -> Result<(), OpusError> {
        let bandwidth = if settings.only_wideband { sys::OPUS_BANDWIDTH_WIDEBAND } else { sys::OPUS_AUTO };
        let signal = if settings.only_speech { sys::OPUS_SIGNAL_VOICE } else { sys::OPUS_AUTO };
        self.set(sys::OPUS_SET_BITRATE_REQUEST, settings.bitrate)?;
        self.set(sys::OPUS_SET_COMPLEXITY_REQUEST, settings.complexity)?;
        self.set(sys::OPUS_SET_BANDWIDTH_REQUEST, bandwidth)?;
        self.set(sys::OPUS_SET_SIGNAL_REQUEST, signal)?;
        self.set(sys::OPUS_SET_INBAND_FEC_REQUEST, settings.inband_copies.into())?;
        self.set(sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, settings.expected_loss_percent.into())?;
        self.set(sys::OPUS_SET_DRED_DURATION_REQUEST, settings.deep_redundancy_units.into())?;
        self.set(sys::OPUS_SET_DTX_REQUEST, 0)?;
        self.settings = settings;
        Ok(())
    }

    fn set(&mut self, request: c_int, value: c_int) -> Result<(), OpusError> {
        // SAFETY: the state was initialised, and every request above takes one `int`.
        checked(unsafe { sys::opus_encoder_ctl(self.state.as_mut_ptr(), request, value) }).map(|_| ())
    }
}
