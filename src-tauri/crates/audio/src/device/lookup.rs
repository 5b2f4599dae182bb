//! Which microphone and which loudspeaker: the choice, the list, and finding the chosen one.

use std::{
    convert::Infallible,
    path::PathBuf,
    str::FromStr,
    sync::Once,
    time::{Duration, Instant},
};

use cpal::{
    DeviceId, ErrorKind, HostId,
    traits::{DeviceTrait as _, HostTrait as _},
};
use parking_lot::Mutex;
use serde::Serialize;

use crate::{device::worker::DeviceWorker, error::AudioError};

/// A sound server that answered this recently is being restarted. What lies beneath it stays alone meanwhile: a sound
/// card that is taken directly is one that the returning server does not get.
const SERVER_RETURN_LIMIT: Duration = Duration::from_secs(10);

/// How long a list of devices is waited for. The thread of a sound service that hangs goes on waiting alone.
const LISTING_LIMIT: Duration = Duration::from_secs(3);

/// What a person chose as microphone or loudspeaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// Whatever the system's default is, also when it changes.
    System,
    /// One device by its id or its visible name; the system's default while it is not there.
    Named(String),
    /// A `.wav` file: read in real time as a microphone, written as a loudspeaker.
    File(PathBuf),
    /// None: there is no microphone to open, and what would be heard is measured and thrown away.
    Absent,
}

impl FromStr for DeviceChoice {
    type Err = Infallible;

    /// `default`, `none`, a path that ends in `.wav`, or else the id or name of a device.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "default" => Self::System,
            "none" => Self::Absent,
            path if path.to_ascii_lowercase().ends_with(".wav") => Self::File(PathBuf::from(path)),
            name => Self::Named(name.to_owned()),
        })
    }
}

/// One microphone or loudspeaker of this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Stays the same over restarts; for settings.
    pub id: String,
    /// As the system shows it; for people.
    pub name: String,
    /// Whether the system would use it now.
    pub is_default: bool,
}

/// The devices of this computer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Devices {
    /// What one can speak into.
    pub microphones: Vec<Device>,
    /// What one can listen with.
    pub loudspeakers: Vec<Device>,
}

/// The devices of this computer now. Asks the system, for some 100 ms as a rule and [`LISTING_LIMIT`] at most.
///
/// # Errors
/// [`AudioError::SoundServerGone`] if the system's sound service does not answer.
pub fn list_devices() -> Result<Devices, AudioError> {
    // One connection for all lists: each new one leaves a thread and three files behind (measured with cpal 0.18.2 and
    // pulseaudio 0.3.2 over 30 lists), and a settings page lists every few seconds.
    static LISTING: Mutex<Option<DeviceWorker<HostConnection>>> = Mutex::new(None);
    let mut listing = LISTING.lock();
    let worker = match &mut *listing {
        Some(worker) => worker,
        none => none.insert(DeviceWorker::start()?),
    };
    let listed = worker.ask(LISTING_LIMIT, HostConnection::list_anew);
    listed.ok_or_else(|| AudioError::SoundServerGone("the sound service does not answer".into()))?
}

/// Which way the sound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Microphone,
    Loudspeaker,
}

impl Direction {
    pub(crate) fn error(self, error: &cpal::Error) -> AudioError {
        match self {
            Self::Microphone => AudioError::of_microphone(error),
            Self::Loudspeaker => AudioError::of_loudspeaker(error),
        }
    }

    pub(crate) fn none_there(self) -> AudioError {
        match self {
            Self::Microphone => AudioError::NoMicrophone,
            Self::Loudspeaker => AudioError::NoLoudspeaker,
        }
    }

    /// A device is there, and its stream does not begin.
    pub(crate) fn silent(self) -> AudioError {
        match self {
            Self::Microphone => AudioError::MicrophoneFailed("it delivers nothing".into()),
            Self::Loudspeaker => AudioError::LoudspeakerFailed("it takes nothing".into()),
        }
    }

    fn fits(self, device: &cpal::Device) -> bool {
        match self {
            Self::Microphone => device.supports_input(),
            Self::Loudspeaker => device.supports_output(),
        }
    }

    fn default_of(self, host: &cpal::Host) -> Option<cpal::Device> {
        #[cfg(windows)]
        match crate::device::communication_device::endpoint_id(self) {
            Ok(id) => {
                let device = host.device_by_id(&DeviceId::new(HostId::Wasapi, id));
                if device.is_some() {
                    return device;
                }
            }
            Err(error) => tracing::debug!(%error, direction = ?self, "no default device for communication"),
        }
        match self {
            Self::Microphone => host.default_input_device(),
            Self::Loudspeaker => host.default_output_device(),
        }
    }
}

/// A device that was found, and what it is called.
pub(crate) struct FoundDevice {
    pub(crate) device: cpal::Device,
    pub(crate) id: String,
    pub(crate) name: String,
}

impl FoundDevice {
    fn of(device: cpal::Device) -> Option<Self> {
        #[cfg(target_os = "linux")]
        let device = crate::device::pulse::device::with_own_streams(device);
        let id = device.id().ok()?.to_string();
        let name = device.description().map_or_else(|_| id.clone(), |description| description.name().to_owned());
        Some(Self { device, id, name })
    }
}

/// The connection to the system's sound service, made anew when it broke.
#[derive(Default)]
pub(crate) struct HostConnection {
    host: Option<cpal::Host>,
    /// When the sound server last answered.
    server_answered_at: Option<Instant>,
}

impl HostConnection {
    /// The device that `name` means, else the system's default.
    pub(crate) fn find(&mut self, name: Option<&str>, direction: Direction) -> Result<FoundDevice, AudioError> {
        let mut found = self.look_up(name, direction);
        if found.is_err() {
            // A connection to a sound service that was restarted answers nothing any more.
            self.host = None;
            found = self.look_up(name, direction);
        }
        if found.is_ok() && self.is_cheap_to_ask() {
            self.server_answered_at = Some(Instant::now());
        }
        found
    }

    /// Whether a missing device is worth asking for often: the sound server answers cheaply, ALSA opens every card.
    pub(crate) fn is_cheap_to_ask(&self) -> bool {
        self.host.as_ref().is_none_or(|host| !is_fallback(host.id()))
    }

    fn server_may_return(&self) -> bool {
        self.server_answered_at.is_some_and(|at| at.elapsed() < SERVER_RETURN_LIMIT)
    }

    fn look_up(&mut self, name: Option<&str>, direction: Direction) -> Result<FoundDevice, AudioError> {
        let host = self.host()?;
        let named = name.and_then(|name| find_named(host, name, direction));
        named.or_else(|| direction.default_of(host).and_then(FoundDevice::of)).ok_or_else(|| direction.none_there())
    }

    /// Both lists, over a new connection where the present one shows nothing.
    fn list_anew(&mut self) -> Result<Devices, AudioError> {
        let listed = self.list_both();
        if listed.as_ref().is_ok_and(|devices| !devices.microphones.is_empty() || !devices.loudspeakers.is_empty()) {
            return listed;
        }
        // A connection to a sound service that was restarted answers nothing any more.
        self.host = None;
        self.list_both()
    }

    fn list_both(&mut self) -> Result<Devices, AudioError> {
        Ok(Devices { microphones: self.list(Direction::Microphone)?, loudspeakers: self.list(Direction::Loudspeaker)? })
    }

    fn list(&mut self, direction: Direction) -> Result<Vec<Device>, AudioError> {
        let host = self.host()?;
        let default = direction.default_of(host).and_then(FoundDevice::of).map(|found| found.id);
        let devices = host.devices().map_err(|error| AudioError::SoundServerGone(error.to_string()))?;
        Ok(devices
            .filter(|device| direction.fits(device))
            .filter_map(FoundDevice::of)
            .map(|found| {
                let is_default = default.as_ref() == Some(&found.id);
                Device { id: found.id, name: found.name, is_default }
            })
            .filter(|device| device.is_default || !is_monitor(&device.id))
            .collect())
    }

    /// The preferred sound service, or the one before it that still answers.
    fn host(&mut self) -> Result<&cpal::Host, AudioError> {
        if self.host.as_ref().is_some_and(|host| is_fallback(host.id()))
            && let Some(better) = preferred_host()
        {
            self.host = Some(better);
        }
        if self.host.is_none() {
            let may_return = self.server_may_return();
            self.host = preferred_host().or_else(|| if may_return { None } else { fallback_host() });
        }
        self.host.as_ref().ok_or_else(|| AudioError::SoundServerGone("no sound service answers".into()))
    }
}

fn is_fallback(id: HostId) -> bool {
    cfg!(target_os = "linux") && id.to_string().eq_ignore_ascii_case("alsa")
}

/// The first available host that is not the fallback. On Linux that is the sound server.
fn preferred_host() -> Option<cpal::Host> {
    cpal::available_hosts().into_iter().filter(|id| !is_fallback(*id)).find_map(reach)
}

fn fallback_host() -> Option<cpal::Host> {
    cpal::available_hosts().into_iter().filter(|id| is_fallback(*id)).find_map(reach)
}

fn reach(id: HostId) -> Option<cpal::Host> {
    #[cfg(target_os = "linux")]
    if id == HostId::PulseAudio
        && let Err(error) = crate::device::pulse::cookie::CookiePlaces::from_env().provide()
    {
        tracing::debug!(%error, "no cookie could be made for the sound server");
    }
    let reached = cpal::host_from_id(id);
    if let Err(error) = &reached
        && error.kind() == ErrorKind::PermissionDenied
    {
        // It is asked again every few seconds.
        static SAID: Once = Once::new();
        SAID.call_once(|| tracing::warn!(host = %id, %error, "the sound server refuses this program"));
    }
    reached.ok()
}

/// Sources that repeat what a loudspeaker plays are no microphones to a person.
fn is_monitor(id: &str) -> bool {
    cfg!(target_os = "linux") && id.ends_with(".monitor")
}

/// Finds a device by id (`host:device`), by the bare id, or by the visible name.
fn find_named(host: &cpal::Host, name: &str, direction: Direction) -> Option<FoundDevice> {
    let matches = |found: &FoundDevice| {
        found.id == name || found.name == name || DeviceId::from_str(&found.id).is_ok_and(|id| id.id() == name)
    };
    host.devices().ok()?.filter_map(FoundDevice::of).find(|found| matches(found) && direction.fits(&found.device))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_choice_is_read_as_people_write_it() {
        let choice = |text: &str| text.parse::<DeviceChoice>().unwrap();
        assert_eq!(choice("default"), DeviceChoice::System);
        assert_eq!(choice("none"), DeviceChoice::Absent);
        assert_eq!(choice("/tmp/Speech.WAV"), DeviceChoice::File("/tmp/Speech.WAV".into()));
        assert_eq!(choice("USB Headset"), DeviceChoice::Named("USB Headset".into()));
    }
}
