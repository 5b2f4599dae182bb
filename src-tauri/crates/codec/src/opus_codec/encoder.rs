//! Sound to Opus packets.

use std::ffi::c_int;

use opusic_sys as sys;

use super::{OpusError, checked, length_of, state::StateMemory};
use crate::{
    coding::Coding,
    dsp::mid_side::{Channels, MidSide},
    format::SAMPLE_RATE_HZ,
};

/// How an encoder works. Variable bit rate, no discontinuous transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderSettings {
    /// What it is made for: `OPUS_APPLICATION_VOIP`, or `OPUS_APPLICATION_RESTRICTED_LOWDELAY` for music.
    pub coding: Coding,
    /// Target, bit/s; Deep Redundancy is taken out of it.
    pub bitrate: i32,
    /// Effort, 0 ..= 10.
    pub complexity: i32,
    /// Sound up to 8 kHz and no other bandwidth, whatever the bit rate: all frames then share one SILK rate, and none
    /// resets the decoder that hears them mixed with frames of another encoder.
    pub only_wideband: bool,
    /// Everything is coded as speech (SILK or hybrid), also what sounds like music: frames of CELT would neither take
    /// up nor leave the state that those of SILK need.
    pub only_speech: bool,
    /// Whether each packet carries a coarse copy of the frame before it where the expected loss calls for it (RFC 6716
    /// section 2.1.7). Does not go together with Deep Redundancy.
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
    /// Left and right as libopus takes them.
    interleaved: Vec<f32>,
}

impl OpusEncoder {
    /// An encoder with no history.
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses the settings.
    pub fn new(settings: EncoderSettings) -> Result<Self, OpusError> {
        let channels = settings.coding.channels().count() as c_int;
        let application = match settings.coding {
            Coding::Speech => sys::OPUS_APPLICATION_VOIP,
            Coding::Music(_) => sys::OPUS_APPLICATION_RESTRICTED_LOWDELAY,
        };
        // SAFETY: takes no pointer.
        let mut state = StateMemory::of_size(unsafe { sys::opus_encoder_get_size(channels) });
        // SAFETY: the memory has the size libopus asked for, is aligned for any C type, and lives as long as the state.
        let made = unsafe { sys::opus_encoder_init(state.as_mut_ptr(), SAMPLE_RATE_HZ as i32, channels, application) };
        checked(made)?;
        let mut encoder = Self { state, settings, interleaved: Vec::new() };
        encoder.apply(settings)?;
        Ok(encoder)
    }

    /// Goes on with other settings; for another coding from the beginning.
    ///
    /// # Errors
    /// [`OpusError`] if libopus refuses them; those it took before stay.
    pub fn change(&mut self, settings: EncoderSettings) -> Result<(), OpusError> {
        if settings.coding != self.settings.coding {
            *self = Self::new(settings)?;
        }
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

    /// Encodes `sound`, 2.5 to 60 ms of it, into one packet of at most `most_bytes`. A mono encoder leaves the side
    /// out.
    ///
    /// # Errors
    /// [`OpusError`] if that is no length of a frame.
    pub fn encode<'a>(
        &mut self,
        sound: impl Into<MidSide<&'a [f32]>>,
        most_bytes: usize,
    ) -> Result<Vec<u8>, OpusError> {
        let sound = sound.into();
        let mut packet = vec![0; most_bytes];
        let samples = match self.settings.coding.channels() {
            Channels::Mono => sound.middle,
            Channels::Stereo => {
                self.interleaved.clear();
                self.interleaved.extend(sound.left_right().flatten());
                &self.interleaved
            }
        };
        // SAFETY: the state was initialised; the sound has as many samples of each of its channels as stated, the
        // packet as many bytes, and libopus keeps neither.
        let written = unsafe {
            sys::opus_encode_float(
                self.state.as_mut_ptr(),
                samples.as_ptr(),
                length_of(sound.middle),
                packet.as_mut_ptr(),
                length_of(&packet),
            )
        };
        packet.truncate(checked(written)?);
        Ok(packet)
    }

    fn apply(&mut self, settings: EncoderSettings) -> Result<(), OpusError> {
        let bandwidth = if settings.only_wideband { sys::OPUS_BANDWIDTH_WIDEBAND } else { sys::OPUS_AUTO };
        let signal = match settings.coding {
            Coding::Music(_) => sys::OPUS_SIGNAL_MUSIC,
            Coding::Speech if settings.only_speech => sys::OPUS_SIGNAL_VOICE,
            Coding::Speech => sys::OPUS_AUTO,
        };
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
