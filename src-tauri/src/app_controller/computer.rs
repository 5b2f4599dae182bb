//! What the app is beside its window: a tray icon, a computer kept awake, keys that work from anywhere.

use std::{sync::Mutex, time::Duration};

use serambi_call::{ComputerSettings, DoNotDisturb, WhenClosed};
use serambi_protocol::{Code, Refusal, act::Act};
use tauri::{AppHandle, Manager};
use tokio::sync::{Notify, SetOnce};

use super::{AppController, ControllerSlot, lock, read_language};
use crate::{
    autostart,
    closing::Circumstances,
    computer_view::{ComputerView, ShortcutView},
    instance,
    ipc::{self, Problem, StayedOpen},
    keep_awake::KeepAwake,
    key_combination::KeyCombination,
    push_to_talk::{Key, Microphone},
    shortcuts::{KeyEvent, KeyState, Shortcuts},
    talk_keys::TalkKeys,
    tray::Tray,
    tray_host::TrayHost,
    tray_view::{InRoom, TrayView},
    view::Language,
    window,
};

/// Others come into and leave one's own rooms without a word to this person: they are counted this often.
const COUNTING: Duration = Duration::from_secs(5);
/// What the system shows to whoever asks what keeps it awake.
const AWAKE_FOR: &str = "A voice room is open";

/// What the controller has of this computer.
pub(super) struct Computer {
    /// None: this system has none. Not made yet for the first moments, because the main thread makes it.
    tray: SetOnce<Option<Tray>>,
    tray_host: TrayHost,
    in_room: Mutex<Option<InRoom>>,
    keep_awake: KeepAwake,
    shortcuts: Shortcuts,
    talk_keys: TalkKeys,
    /// Somebody came or went: who depends on this computer is to be looked at.
    occupied: Notify,
}

impl Computer {
    /// Nothing is taken yet.
    pub(super) fn new(app: &AppHandle) -> Self {
        Self {
            tray: SetOnce::new(),
            tray_host: TrayHost::default(),
            in_room: Mutex::default(),
            keep_awake: KeepAwake::start(AWAKE_FOR),
            shortcuts: Shortcuts::new(app.clone(), on_key, on_keys_given),
            talk_keys: TalkKeys::default(),
            occupied: Notify::new(),
        }
    }

    fn tray(&self) -> Option<&Tray> {
        self.tray.get().and_then(Option::as_ref)
    }
}

fn on_key(app: &AppHandle, event: KeyEvent) {
    let Some(controller) = app.state::<ControllerSlot>().get() else { return };
    match event {
        KeyEvent::ToggleMute => {
            tauri::async_runtime::spawn(async move { controller.toggle_mute().await });
        }
        KeyEvent::TalkPressed => controller.shared.computer.talk_keys.press(Key::Anywhere),
        KeyEvent::TalkReleased => controller.shared.computer.talk_keys.release(Key::Anywhere),
    }
}

fn on_keys_given(app: &AppHandle) {
    if let Some(controller) = app.state::<ControllerSlot>().get() {
        controller.tell_changed();
    }
}

impl AppController {
    /// Begins with everything that lasts as long as the program.
    pub(super) fn begin_on_computer(&self) {
        let watching = self.clone();
        let watched = self.shared.computer.tray_host.watch(&self.shared.app, move || watching.tell_changed());
        if let Err(error) = watched {
            tracing::warn!(%error, "nobody will say whether tray icons are shown");
        }
        let counting = self.clone();
        tauri::async_runtime::spawn(async move { counting.keep_computer_awake().await });
        let talking = self.clone();
        tauri::async_runtime::spawn(async move {
            let set = |microphone| talking.mute_from_anywhere(microphone == Microphone::Mute);
            talking.shared.computer.talk_keys.follow(set).await;
        });
        let making = self.clone();
        tauri::async_runtime::spawn_blocking(move || making.make_tray());
        self.take_shortcuts();
    }

    fn make_tray(&self) {
        let computer = &self.shared.computer;
        let folder = lock(&self.shared.profile).folder().to_owned();
        let tray = Tray::make(&self.shared.app, &instance::folder_name(&folder), self.tray_view(None));
        if computer.tray.set(tray).is_err() {
            tracing::error!("a second tray icon was made");
        }
        // What has changed meanwhile.
        self.refresh_tray();
        self.tell_changed();
    }

    /// What was chosen about this computer, as the window shows it.
    pub(super) fn computer_view(&self) -> ComputerView {
        let computer = &self.shared.computer;
        let settings = self.settings().computer;
        let states = computer.shortcuts.states();
        let view = |keys, KeyState { problem, described }| ShortcutView { keys, problem, described };
        let arguments = &self.shared.arguments;
        ComputerView {
            has_tray: self.has_tray(),
            when_closed: settings.when_closed,
            autostart: autostart::is_possible(arguments).then(|| autostart::is_on(&self.shared.app)),
            keys_anywhere: computer.shortcuts.anywhere(),
            mute_shortcut: view(settings.mute_shortcut, states.mute),
            small_on_top: settings.small_on_top,
            push_to_talk: settings.push_to_talk,
            push_to_talk_key: view(Some(settings.push_to_talk_key), states.talk),
        }
    }

    /// What the close button does.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_when_closed(&self, when_closed: WhenClosed) -> Result<(), Refusal> {
        self.change_settings(|settings| settings.computer.when_closed = when_closed)
    }

    /// Whether the small window stays above those of other programs.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_small_on_top(&self, on_top: bool) -> Result<(), Refusal> {
        self.change_settings(|settings| settings.computer.small_on_top = on_top)?;
        window::raise_small_bar(&self.shared.app, on_top);
        Ok(())
    }

    /// Does it?
    pub fn small_on_top(&self) -> bool {
        self.settings().computer.small_on_top
    }

    /// Whether the computer starts the app.
    ///
    /// # Errors
    /// `autostart_failed`.
    pub fn set_autostart(&self, on: bool) -> Result<(), Refusal> {
        autostart::set(&self.shared.app, on)?;
        self.tell_changed();
        Ok(())
    }

    /// Which key mutes from anywhere; none: none does.
    ///
    /// # Errors
    /// `shortcut_wrong`, `shortcut_taken` (by push to talk), `profile_broken`. Whether the system gives the key away is
    /// said by the view.
    pub fn set_mute_shortcut(&self, keys: Option<&str>) -> Result<(), Refusal> {
        let keys = keys.map(|keys| read_keys(keys, &self.settings().computer.push_to_talk_key)).transpose()?;
        self.change_keys(|computer| computer.mute_shortcut = keys)
    }

    /// Whether the microphone is open only while a key is held.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_push_to_talk(&self, on: bool) -> Result<(), Refusal> {
        self.change_keys(|computer| computer.push_to_talk = on)
    }

    /// Which key that is.
    ///
    /// # Errors
    /// `shortcut_wrong`, `shortcut_taken` (it mutes already), `profile_broken`.
    pub fn set_push_to_talk_key(&self, keys: &str) -> Result<(), Refusal> {
        let other = self.settings().computer.mute_shortcut.unwrap_or_default();
        let keys = read_keys(keys, &other)?;
        self.change_keys(|computer| computer.push_to_talk_key = keys)
    }

    /// Space went down or came up in the window.
    pub fn hold_to_talk(&self, held: bool) {
        let keys = &self.shared.computer.talk_keys;
        if !held {
            keys.release(Key::InWindow);
        } else if self.settings().computer.push_to_talk {
            keys.press(Key::InWindow);
        }
    }

    /// Mutes, or unmutes, whoever is on stage.
    pub async fn toggle_mute(&self) {
        if let Ok(call) = self.call() {
            self.mute_from_anywhere(!call.view().microphone.muted).await;
        }
    }

    /// Mutes or unmutes whoever is on stage; what goes wrong is told to the window.
    pub async fn mute_from_anywhere(&self, muted: bool) {
        let Ok(call) = self.call() else { return };
        if !muted && !call.room().may(Act::SendVoice) {
            return;
        }
        if let Err(error) = call.set_muted(muted).await {
            ipc::tell_once(&self.shared.app, Problem(error.into()));
        }
    }

    /// A moderator closed the microphone: a key that is still held does not open it.
    pub(crate) fn overrule_talk_keys(&self) {
        self.shared.computer.talk_keys.overrule();
    }

    /// The page that would say when Space comes up is gone. True: the microphone is open for keys only.
    pub(super) fn let_talk_keys_go(&self) -> bool {
        self.shared.computer.talk_keys.let_go();
        self.settings().computer.push_to_talk
    }

    /// The tray shows this room from now on, or none.
    pub(crate) fn show_in_tray(&self, room: Option<InRoom>) {
        let computer = &self.shared.computer;
        let was_in_room = std::mem::replace(&mut *lock(&computer.in_room), room.clone()).is_some();
        self.refresh_tray();
        if was_in_room != room.is_some() {
            computer.occupied.notify_one();
            if was_in_room {
                window::leave_small_bar(&self.shared.app);
            }
        }
    }

    /// The same in the language of the moment.
    pub(super) fn refresh_tray(&self) {
        let Some(tray) = self.shared.computer.tray() else { return };
        // Held to the end: the tray must not show the older of two states.
        let in_room = lock(&self.shared.computer.in_room);
        tray.show(self.tray_view(in_room.as_ref()));
    }

    fn tray_view(&self, in_room: Option<&InRoom>) -> TrayView {
        let is_quiet = self.do_not_disturb() != DoNotDisturb::Off;
        TrayView::of(language_of(self.settings().language.as_deref()), in_room, is_quiet)
    }

    /// Can a hidden window be found again?
    pub fn has_tray(&self) -> bool {
        let computer = &self.shared.computer;
        computer.tray().is_some() && computer.tray_host.is_there()
    }

    /// Waits for a place for the tray icon, which may come up after us when somebody logs in.
    pub async fn gets_tray_within(&self, limit: Duration) -> bool {
        let computer = &self.shared.computer;
        computer.tray.wait().await.is_some() && computer.tray_host.comes_within(limit).await
    }

    /// What goes on while somebody closes the window or quits.
    pub async fn circumstances(&self) -> Circumstances {
        Circumstances {
            when_closed: self.settings().computer.when_closed,
            has_tray: self.has_tray(),
            in_room: self.call().is_ok(),
            cut_off: self.others_present().await.people,
        }
    }

    /// Said once, when the window is seen again for the first time: it was closed, and the app stayed.
    pub fn tell_of_staying(&self) {
        if self.settings().computer.told_of_staying {
            return;
        }
        ipc::tell_once(&self.shared.app, StayedOpen);
        if let Err(refusal) = self.change_settings(|settings| settings.computer.told_of_staying = true) {
            tracing::warn!(code = %refusal.code, detail = refusal.detail, "it will be said again");
        }
    }

    fn change_keys(&self, change: impl FnOnce(&mut ComputerSettings)) -> Result<(), Refusal> {
        self.change_settings(|settings| change(&mut settings.computer))?;
        // Whoever holds the old key would hold it for good.
        self.shared.computer.talk_keys.let_go();
        self.take_shortcuts();
        Ok(())
    }

    fn take_shortcuts(&self) {
        let controller = self.clone();
        tauri::async_runtime::spawn_blocking(move || {
            let settings = controller.settings();
            let language = language_of(settings.language.as_deref());
            controller.shared.computer.shortcuts.take(&settings.computer, language);
            controller.tell_changed();
        });
    }

    /// While this person is in a room or others are in theirs the computer does not sleep (room rules 9.10).
    async fn keep_computer_awake(&self) {
        let computer = &self.shared.computer;
        let mut tick = tokio::time::interval(COUNTING);
        loop {
            let is_needed = self.call().is_ok() || self.others_present().await.people > 0;
            computer.keep_awake.set(is_needed);
            // Do not disturb may be over.
            self.refresh_tray();
            tokio::select! {
                _ = tick.tick() => {}
                () = computer.occupied.notified() => {}
            }
        }
    }
}

/// The combination, written in the one way, if it is not the other one of ours.
fn read_keys(keys: &str, other: &str) -> Result<String, Refusal> {
    let keys = keys.parse::<KeyCombination>()?;
    if other.parse().is_ok_and(|other: KeyCombination| other == keys) {
        return Err(Refusal::new(Code::ShortcutTaken, "the other key of ours"));
    }
    Ok(keys.to_string())
}

/// Before the first start asked for it, English.
pub(super) fn language_of(tag: Option<&str>) -> Language {
    tag.and_then(read_language).unwrap_or(Language::En)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_key_does_not_do_two_things() {
        assert_eq!(read_keys("ctrl+f8", "F8").unwrap(), "Ctrl+F8");
        assert_eq!(read_keys("f8", "F8").unwrap_err().code, Code::ShortcutTaken);
        assert_eq!(read_keys("F8", "").unwrap(), "F8");
    }
}
