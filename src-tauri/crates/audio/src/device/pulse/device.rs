//! A device of a PulseAudio server (or PipeWire's stand-in for it): as cpal found it, with streams that cost less than
//! cpal's.
//!
//! cpal takes it as a device of a custom host, so that nobody else needs to tell it from others.

use std::{fmt, time::Duration};

use cpal::{
    Data, DeviceDescription, DeviceId, Error, ErrorKind, HostId, InputCallbackInfo, OutputCallbackInfo, SampleFormat,
    StreamConfig, SupportedStreamConfig, SupportedStreamConfigRange, platform::CustomDevice, traits::DeviceTrait,
};

use crate::device::pulse::{shape::MAX_CHANNELS, stream::PulseStream};

/// `device`, with streams of our own if it is a PulseAudio server's.
pub(crate) fn with_own_streams(device: cpal::Device) -> cpal::Device {
    let is_pulse = device.id().is_ok_and(|id| id.host() == HostId::PulseAudio);
    if is_pulse { CustomDevice::from_device(PulseDevice(device)).into() } else { device }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PulseDevice(cpal::Device);

impl fmt::Display for PulseDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl DeviceTrait for PulseDevice {
    type SupportedInputConfigs = std::vec::IntoIter<SupportedStreamConfigRange>;
    type SupportedOutputConfigs = std::vec::IntoIter<SupportedStreamConfigRange>;
    type Stream = PulseStream;

    fn description(&self) -> Result<DeviceDescription, Error> {
        self.0.description()
    }

    fn id(&self) -> Result<DeviceId, Error> {
        self.0.id()
    }

    fn supported_input_configs(&self) -> Result<Self::SupportedInputConfigs, Error> {
        Ok(of_our_streams(self.0.supported_input_configs()?))
    }

    fn supported_output_configs(&self) -> Result<Self::SupportedOutputConfigs, Error> {
        Ok(of_our_streams(self.0.supported_output_configs()?))
    }

    fn default_input_config(&self) -> Result<SupportedStreamConfig, Error> {
        self.0.default_input_config().map(nearest_of_ours)
    }

    fn default_output_config(&self) -> Result<SupportedStreamConfig, Error> {
        self.0.default_output_config().map(nearest_of_ours)
    }

    fn build_input_stream_raw<D, E>(
        &self,
        config: StreamConfig,
        sample_format: SampleFormat,
        data_callback: D,
        error_callback: E,
        timeout: Option<Duration>,
    ) -> Result<Self::Stream, Error>
    where
        D: FnMut(&Data, &InputCallbackInfo) + Send + 'static,
        E: FnMut(Error) + Send + 'static,
    {
        accept(sample_format)?;
        let (take, on_error) = (Box::new(data_callback), Box::new(error_callback));
        PulseStream::capture(self.id()?.id(), config, take, on_error, timeout)
    }

    fn build_output_stream_raw<D, E>(
        &self,
        config: StreamConfig,
        sample_format: SampleFormat,
        data_callback: D,
        error_callback: E,
        timeout: Option<Duration>,
    ) -> Result<Self::Stream, Error>
    where
        D: FnMut(&mut Data, &OutputCallbackInfo) + Send + 'static,
        E: FnMut(Error) + Send + 'static,
    {
        accept(sample_format)?;
        let (fill, on_error) = (Box::new(data_callback), Box::new(error_callback));
        PulseStream::playback(self.id()?.id(), config, fill, on_error, timeout)
    }
}

/// The server would convert from and to anything; these streams are 32-bit float, of one or two channels.
fn of_our_streams(
    all: impl Iterator<Item = SupportedStreamConfigRange>,
) -> std::vec::IntoIter<SupportedStreamConfigRange> {
    let ours = |range: &SupportedStreamConfigRange| {
        range.sample_format() == SampleFormat::F32 && range.channels() <= MAX_CHANNELS
    };
    all.filter(ours).collect::<Vec<_>>().into_iter()
}

fn nearest_of_ours(own: SupportedStreamConfig) -> SupportedStreamConfig {
    let channels = own.channels().min(MAX_CHANNELS);
    SupportedStreamConfig::new(channels, own.sample_rate(), *own.buffer_size(), SampleFormat::F32)
}

fn accept(format: SampleFormat) -> Result<(), Error> {
    match format {
        SampleFormat::F32 => Ok(()),
        other => {
            Err(Error::with_message(ErrorKind::UnsupportedConfig, format!("samples of {other}, not 32-bit float")))
        }
    }
}
