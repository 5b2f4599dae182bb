//! The sound commands of the app controller: devices, voice processing, volumes of others, and the sound check.

use std::sync::Arc;

use serambi_audio::{DeviceChoice, EngineSettings};
use serambi_call::{
    CallEvent, ChosenDevice, CueSetting, EchoCancelling, Levels, MicrophoneMode, SoundCheckVerdict, SoundChoice,
    SoundSettings, VoiceSetting,
};
use serambi_protocol::{Code, PersonId, Refusal};
use tauri::{AppHandle, async_runtime::JoinHandle, ipc::Channel};
use tokio::sync::mpsc::Receiver;

use super::{AppController, lock};
use crate::{
    arguments::Arguments,
    ipc::{self, Problem, SoundNoticed},
    level_meter::{LOOK_EVERY, LevelMeter},
    sound_view::{DeviceSetting, SoundDevices, SoundView},
    view::LevelBatch,
};

/// A sound check that goes on: its rehearsal, and what is told of it meanwhile.
pub(super) struct SoundCheck {
    rehearsal: Arc<serambi_call::SoundCheck>,
    telling: Vec<JoinHandle<()>>,
}

impl SoundCheck {
    async fn end(self) {
        self.telling.iter().for_each(JoinHandle::abort);
        self.rehearsal.end().await;
    }
}

/// Devices named on the command line; they stand until the person chooses others in the window.
pub(super) fn given_devices(arguments: &Arguments) -> EngineSettings {
    EngineSettings { microphone: arguments.microphone.clone(), loudspeaker: arguments.loudspeaker.clone() }
}

impl AppController {
    /// What was chosen, as the window shows it.
    pub(super) fn sound_view(&self) -> SoundView {
        let settings = self.settings().sound;
        let given = lock(&self.shared.given).clone();
        SoundView {
            microphone: DeviceSetting::of(&given.microphone, settings.microphone),
            loudspeaker: DeviceSetting::of(&given.loudspeaker, settings.loudspeaker),
            mode: settings.microphone_mode.unwrap_or_default(),
            echo: settings.echo_cancelling,
            cues: settings.cues,
            voices: settings.voices.into_iter().collect(),
        }
    }

    /// What a call is to work with now.
    pub(super) fn sound_choice(&self) -> SoundChoice {
        let settings = self.settings().sound;
        let given = lock(&self.shared.given).clone();
        let devices = EngineSettings {
            microphone: device_choice(given.microphone, settings.microphone.as_ref()),
            loudspeaker: device_choice(given.loudspeaker, settings.loudspeaker.as_ref()),
        };
        settings.on(devices)
    }

    /// The microphones and loudspeakers there are.
    ///
    /// # Errors
    /// `no_microphone`: the system's sound service does not answer.
    pub async fn list_sound_devices(&self) -> Result<SoundDevices, Refusal> {
        let listed = tauri::async_runtime::spawn_blocking(serambi_audio::list_devices).await;
        let devices = listed.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        devices.map(Into::into).map_err(|error| Refusal::new(Code::NoMicrophone, error.to_string()))
    }

    /// Takes a microphone by name, or follows the system.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn choose_microphone(&self, device: Option<ChosenDevice>) -> Result<(), Refusal> {
        lock(&self.shared.given).microphone = DeviceChoice::System;
        self.change_sound(|sound| sound.microphone = device)
    }

    /// Takes a loudspeaker by name, or follows the system.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn choose_loudspeaker(&self, device: Option<ChosenDevice>) -> Result<(), Refusal> {
        lock(&self.shared.given).loudspeaker = DeviceChoice::System;
        self.change_sound(|sound| sound.loudspeaker = device)
    }

    /// What is done to the own voice.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_microphone_mode(&self, mode: MicrophoneMode) -> Result<(), Refusal> {
        self.change_sound(|sound| sound.microphone_mode = Some(mode))
    }

    /// When echo is cancelled.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_echo_cancelling(&self, setting: EchoCancelling) -> Result<(), Refusal> {
        self.change_sound(|sound| sound.echo_cancelling = setting)
    }

    /// Whether what happens in the room is heard.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_cues(&self, cues: CueSetting) -> Result<(), Refusal> {
        self.change_sound(|sound| sound.cues = cues)
    }

    /// How one person sounds here; nobody else knows.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_voice(&self, person: PersonId, voice: VoiceSetting) -> Result<(), Refusal> {
        self.change_sound(|sound| sound.set_voice(person, voice))
    }

    /// Opens the microphone for a sound check and streams its level; nothing is sent. In a room the call's own sound is
    /// used, muted, so that an echo of the others is heard.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`.
    pub async fn open_sound_check(&self, levels: Channel<LevelBatch>) -> Result<(), Refusal> {
        let mut place = self.shared.sound_check.lock().await;
        if let Some(earlier) = place.take() {
            earlier.end().await;
        }
        let app = self.shared.app.clone();
        let (rehearsal, news) = match self.call() {
            Ok(call) => (call.check_sound().await?, None),
            Err(_) => {
                let (rehearsal, events) = serambi_call::SoundCheck::alone(self.sound_choice()).await?;
                (rehearsal, Some(tauri::async_runtime::spawn(tell_news(events, app))))
            }
        };
        let rehearsal = Arc::new(rehearsal);
        let meter = tauri::async_runtime::spawn(stream_level(rehearsal.clone(), levels));
        *place = Some(SoundCheck { rehearsal, telling: news.into_iter().chain([meter]).collect() });
        Ok(())
    }

    /// Records five seconds and judges them.
    ///
    /// # Errors
    /// `no_microphone`, also when no sound check is open.
    pub async fn record_sound_check(&self) -> Result<SoundCheckVerdict, Refusal> {
        Ok(self.rehearsal().await?.record().await?)
    }

    /// Plays back what was recorded.
    ///
    /// # Errors
    /// `no_microphone`: nothing was recorded.
    pub async fn play_sound_check(&self) -> Result<(), Refusal> {
        Ok(self.rehearsal().await?.play_back()?)
    }

    /// Closes the microphone again.
    pub async fn close_sound_check(&self) {
        if let Some(check) = self.shared.sound_check.lock().await.take() {
            check.end().await;
        }
    }

    async fn rehearsal(&self) -> Result<Arc<serambi_call::SoundCheck>, Refusal> {
        let place = self.shared.sound_check.lock().await;
        let none = || Refusal::new(Code::NoMicrophone, "no sound check is open");
        place.as_ref().map(|check| check.rehearsal.clone()).ok_or_else(none)
    }

    /// Remembers, and applies at once where there is sound now.
    fn change_sound(&self, change: impl FnOnce(&mut SoundSettings)) -> Result<(), Refusal> {
        self.change_settings(|settings| change(&mut settings.sound))?;
        let choice = self.sound_choice();
        if let Ok(call) = self.call() {
            call.choose_sound(choice.clone());
        }
        // A sound check that is just opening or closing reads the choice by itself, or needs none any more.
        if let Ok(place) = self.shared.sound_check.try_lock()
            && let Some(check) = place.as_ref()
        {
            check.rehearsal.choose_sound(choice);
        }
        Ok(())
    }
}

fn device_choice(given: DeviceChoice, chosen: Option<&ChosenDevice>) -> DeviceChoice {
    match (given, chosen) {
        (DeviceChoice::System, Some(device)) => DeviceChoice::Named(device.id.clone()),
        (given, _) => given,
    }
}

async fn stream_level(rehearsal: Arc<serambi_call::SoundCheck>, levels: Channel<LevelBatch>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut meter = LevelMeter::default();
    loop {
        tick.tick().await;
        let now = Levels { own: rehearsal.level(), people: Vec::new() };
        if let Some(batch) = meter.look(&now)
            && levels.send(batch).is_err()
        {
            return;
        }
    }
}

async fn tell_news(mut events: Receiver<CallEvent>, app: AppHandle) {
    while let Some(event) = events.recv().await {
        match event {
            CallEvent::Sound(notice) => ipc::tell(&app, SoundNoticed(notice)),
            CallEvent::Problem(error) => ipc::tell(&app, Problem(error.into())),
            // A sound check has no room.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headset() -> ChosenDevice {
        ChosenDevice { id: "usb-1".into(), name: "USB Headset".into() }
    }

    #[test]
    fn a_device_chosen_by_name_is_asked_for_by_its_id() {
        let choice = device_choice(DeviceChoice::System, Some(&headset()));
        assert_eq!(choice, DeviceChoice::Named("usb-1".into()));
        assert_eq!(device_choice(DeviceChoice::System, None), DeviceChoice::System);
    }

    #[test]
    fn the_command_line_is_stronger_than_the_profile() {
        assert_eq!(device_choice(DeviceChoice::Absent, Some(&headset())), DeviceChoice::Absent);
    }
}
