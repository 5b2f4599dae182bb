//! Every command the window can call and every event it can hear; the TypeScript side is generated from this list.
//!
//! Bodies stand in [`crate::app_controller`]; here is only the border. Types derive `specta::Type` where they are
//! defined.

use serambi_call::{
    CallMe, ChosenDevice, CueSetting, EchoCancelling, Measurements, MicrophoneMode, QuietFor, RoomCommand,
    SoundCheckVerdict, SoundNotice, Theme, VoiceSetting, WhenClosed,
};
use serambi_protocol::{
    Code, Command, Notice, PersonId, Refusal, RoomId,
    door::{AtDoor, CallablePerson},
    event::ClosedReason,
};
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::{AppHandle, Manager, State, ipc::Channel};
use tauri_specta::{Builder, Event, collect_commands, collect_events};

use crate::{
    announcements,
    app_controller::ControllerSlot,
    call_updates::CallUpdated,
    page,
    sound_view::SoundDevices,
    view::{AppView, FoundRoom, Language, LevelBatch},
    web_page,
    window::{self, Ending},
};

type Answer<T> = Result<T, Refusal>;
type Slot<'a> = State<'a, ControllerSlot>;

/// Anything but the call changed.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct AppChanged(pub AppView);

/// What is measured in the call was measured anew: about once a second while anybody speaks.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct CallMeasured(pub Measurements);

/// Something to be told once.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct Noticed(pub Notice);

/// Something about the own sound, to be told once.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct SoundNoticed(pub SoundNotice);

/// The call is over, and why.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct CallClosed(pub ClosedReason);

/// Something failed that nobody was waiting for.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct Problem(pub Refusal);

/// Closing the window would cut people off.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
#[serde(rename_all = "camelCase")]
pub struct CloseAsked {
    /// How many people besides oneself.
    pub people: u32,
    /// In how many rooms.
    pub rooms: u32,
}

/// The window is seen again after it was closed and the app stayed: to be told, the first time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Type, Event)]
pub struct StayedOpen;

/// The room of this title, which this person ran in their own house, ended with the program the last time.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct RoomInterrupted(pub String);

/// A question that the page asks on behalf of the tray.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum DialogName {
    /// What becomes of the room when its host leaves.
    Leave,
    /// Who runs the room from now on.
    HandOver,
}

/// The window was brought to the front to ask this.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Type, Event)]
pub struct DialogAsked(pub DialogName);

#[tauri::command]
#[specta::specta]
async fn open_app(slot: Slot<'_>) -> Answer<AppView> {
    let controller = slot.open()?;
    controller.show_call_again();
    Ok(controller.view())
}

#[tauri::command]
#[specta::specta]
async fn set_name(slot: Slot<'_>, name: String) -> Answer<()> {
    slot.open()?.set_name(&name)
}

#[tauri::command]
#[specta::specta]
async fn set_language(slot: Slot<'_>, language: Language) -> Answer<()> {
    slot.open()?.set_language(language)
}

#[tauri::command]
#[specta::specta]
async fn set_theme(app: AppHandle, slot: Slot<'_>, theme: Theme) -> Answer<()> {
    slot.open()?.set_theme(theme)?;
    window::set_theme(&app, theme);
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn start_room(slot: Slot<'_>, title: String, leave_other: bool) -> Answer<()> {
    slot.open()?.start_room(&title, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn start_again(slot: Slot<'_>, leave_other: bool) -> Answer<()> {
    slot.open()?.start_again(leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn join_room(slot: Slot<'_>, house: String, room: RoomId, leave_other: bool) -> Answer<()> {
    slot.open()?.join_room(&house, room, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn join_link(slot: Slot<'_>, link: String, leave_other: bool) -> Answer<()> {
    slot.open()?.join_link(&link, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn look_at_link(slot: Slot<'_>, link: String) -> Answer<Vec<FoundRoom>> {
    slot.open()?.look_at_link(&link).await
}

#[tauri::command]
#[specta::specta]
async fn save_house(slot: Slot<'_>, link: String) -> Answer<()> {
    slot.open()?.save_house(&link).await
}

#[tauri::command]
#[specta::specta]
async fn keep_house(slot: Slot<'_>, link: String) -> Answer<()> {
    slot.open()?.keep_house(&link).await
}

#[tauri::command]
#[specta::specta]
async fn forget_house(slot: Slot<'_>, pin: String) -> Answer<()> {
    slot.open()?.forget_house(&pin)
}

#[tauri::command]
#[specta::specta]
async fn command(slot: Slot<'_>, command: Command) -> Answer<()> {
    Ok(slot.open()?.call()?.command(RoomCommand::try_from(command)?).await?)
}

#[tauri::command]
#[specta::specta]
async fn accept_invitation(slot: Slot<'_>) -> Answer<()> {
    Ok(slot.open()?.call()?.accept_invitation().await?)
}

#[tauri::command]
#[specta::specta]
async fn knock(slot: Slot<'_>, waits: bool) -> Answer<AtDoor> {
    slot.open()?.knock(waits).await
}

#[tauri::command]
#[specta::specta]
async fn callable_people(slot: Slot<'_>) -> Answer<Vec<CallablePerson>> {
    slot.open()?.callable_people().await
}

#[tauri::command]
#[specta::specta]
async fn join_called(slot: Slot<'_>, leave_other: bool) -> Answer<()> {
    slot.open()?.join_called(leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn pass_called(slot: Slot<'_>) -> Answer<()> {
    slot.open()?.pass_called();
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn set_muted(slot: Slot<'_>, muted: bool) -> Answer<()> {
    Ok(slot.open()?.call()?.set_muted(muted).await?)
}

#[tauri::command]
#[specta::specta]
async fn leave(slot: Slot<'_>) -> Answer<()> {
    slot.open()?.leave().await;
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn end_room(slot: Slot<'_>) -> Answer<()> {
    Ok(slot.open()?.call()?.end_room().await?)
}

#[tauri::command]
#[specta::specta]
async fn hear_levels(slot: Slot<'_>, levels: Channel<LevelBatch>) -> Answer<()> {
    slot.open()?.send_levels(levels)
}

#[tauri::command]
#[specta::specta]
async fn list_sound_devices(slot: Slot<'_>) -> Answer<SoundDevices> {
    slot.open()?.list_sound_devices().await
}

#[tauri::command]
#[specta::specta]
async fn choose_microphone(slot: Slot<'_>, device: Option<ChosenDevice>) -> Answer<()> {
    slot.open()?.choose_microphone(device)
}

#[tauri::command]
#[specta::specta]
async fn choose_loudspeaker(slot: Slot<'_>, device: Option<ChosenDevice>) -> Answer<()> {
    slot.open()?.choose_loudspeaker(device)
}

#[tauri::command]
#[specta::specta]
async fn set_microphone_mode(slot: Slot<'_>, mode: MicrophoneMode) -> Answer<()> {
    slot.open()?.set_microphone_mode(mode)
}

#[tauri::command]
#[specta::specta]
async fn set_echo_cancelling(slot: Slot<'_>, setting: EchoCancelling) -> Answer<()> {
    slot.open()?.set_echo_cancelling(setting)
}

#[tauri::command]
#[specta::specta]
async fn set_voice(slot: Slot<'_>, person: PersonId, voice: VoiceSetting) -> Answer<()> {
    slot.open()?.set_voice(person, voice)
}

#[tauri::command]
#[specta::specta]
async fn set_cues(slot: Slot<'_>, cues: CueSetting) -> Answer<()> {
    slot.open()?.set_cues(cues)
}

#[tauri::command]
#[specta::specta]
async fn set_do_not_disturb(slot: Slot<'_>, quiet: QuietFor) -> Answer<()> {
    slot.open()?.set_do_not_disturb(quiet)
}

#[tauri::command]
#[specta::specta]
async fn set_call_me(slot: Slot<'_>, call_me: CallMe) -> Answer<()> {
    slot.open()?.set_call_me(call_me)
}

#[tauri::command]
#[specta::specta]
async fn open_sound_check(slot: Slot<'_>, levels: Channel<LevelBatch>) -> Answer<()> {
    slot.open()?.open_sound_check(levels).await
}

#[tauri::command]
#[specta::specta]
async fn record_sound_check(slot: Slot<'_>) -> Answer<SoundCheckVerdict> {
    slot.open()?.record_sound_check().await
}

#[tauri::command]
#[specta::specta]
async fn play_sound_check(slot: Slot<'_>) -> Answer<()> {
    slot.open()?.play_sound_check().await
}

#[tauri::command]
#[specta::specta]
async fn close_sound_check(slot: Slot<'_>) -> Answer<()> {
    slot.open()?.close_sound_check().await;
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn set_when_closed(slot: Slot<'_>, when_closed: WhenClosed) -> Answer<()> {
    slot.open()?.set_when_closed(when_closed)
}

#[tauri::command]
#[specta::specta]
async fn set_autostart(slot: Slot<'_>, on: bool) -> Answer<()> {
    slot.open()?.set_autostart(on)
}

#[tauri::command]
#[specta::specta]
async fn set_mute_shortcut(slot: Slot<'_>, keys: Option<String>) -> Answer<()> {
    slot.open()?.set_mute_shortcut(keys.as_deref())
}

#[tauri::command]
#[specta::specta]
async fn set_push_to_talk(slot: Slot<'_>, on: bool) -> Answer<()> {
    slot.open()?.set_push_to_talk(on)
}

#[tauri::command]
#[specta::specta]
async fn set_push_to_talk_key(slot: Slot<'_>, keys: String) -> Answer<()> {
    slot.open()?.set_push_to_talk_key(&keys)
}

#[tauri::command]
#[specta::specta]
async fn hold_to_talk(slot: Slot<'_>, held: bool) -> Answer<()> {
    slot.open()?.hold_to_talk(held);
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn set_update_source(slot: Slot<'_>, line: Option<String>) -> Answer<()> {
    slot.open()?.set_update_source(line.as_deref())
}

#[tauri::command]
#[specta::specta]
async fn set_gate(slot: Slot<'_>, link: Option<String>) -> Answer<()> {
    slot.open()?.set_gate(link.as_deref()).await
}

#[tauri::command]
#[specta::specta]
async fn set_ask_router(slot: Slot<'_>, on: bool) -> Answer<()> {
    slot.open()?.set_ask_router(on)
}

#[tauri::command]
#[specta::specta]
async fn set_outside_address(slot: Slot<'_>, address: Option<String>) -> Answer<()> {
    slot.open()?.set_outside_address(address.as_deref())
}

#[tauri::command]
#[specta::specta]
async fn ask_for_update(slot: Slot<'_>) -> Answer<()> {
    slot.open()?.ask_for_update().await
}

#[tauri::command]
#[specta::specta]
async fn install_update(slot: Slot<'_>) -> Answer<()> {
    slot.open()?.install_update().await;
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn diagnostics(slot: Slot<'_>) -> Answer<String> {
    Ok(slot.open()?.diagnostics().await)
}

#[tauri::command]
#[specta::specta]
async fn quit(app: AppHandle) -> Answer<()> {
    window::quit(&app);
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn set_small(app: AppHandle, small: bool) -> Answer<()> {
    if small {
        window::show_small_bar(&app).await;
    } else {
        window::leave_small_bar(&app);
    }
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn set_small_grown(app: AppHandle, grown: bool) -> Answer<()> {
    window::grow_small_bar(&app, grown);
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn set_small_on_top(slot: Slot<'_>, on_top: bool) -> Answer<()> {
    slot.open()?.set_small_on_top(on_top)
}

#[tauri::command]
#[specta::specta]
async fn stay_in_tray(app: AppHandle) -> Answer<()> {
    window::hide(&app).await;
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn close_window(app: AppHandle) -> Answer<()> {
    window::close_for_good(&app, Ending::Person).await;
    Ok(())
}

/// Not `async`: so it runs on the main thread, and sentences keep their order.
#[tauri::command]
#[specta::specta]
#[expect(clippy::needless_pass_by_value, reason = "how Tauri hands over arguments")]
fn announce(app: AppHandle, sentence: String) -> Answer<bool> {
    announcements::announce(&app, &sentence).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

#[tauri::command]
#[specta::specta]
async fn open_web_page(url: String) -> Answer<()> {
    web_page::open(&url).await
}

#[tauri::command]
#[specta::specta]
async fn painted(app: AppHandle) -> Answer<()> {
    window::note_first_paint(&app);
    page::on_painted(&app);
    Ok(())
}

/// The list of everything that crosses the border.
pub fn border() -> Builder<tauri::Wry> {
    Builder::<tauri::Wry>::new()
        .commands(collect_commands![
            open_app,
            set_name,
            set_language,
            set_theme,
            start_room,
            start_again,
            join_room,
            join_link,
            look_at_link,
            save_house,
            keep_house,
            forget_house,
            command,
            accept_invitation,
            knock,
            callable_people,
            join_called,
            pass_called,
            set_muted,
            leave,
            end_room,
            hear_levels,
            list_sound_devices,
            choose_microphone,
            choose_loudspeaker,
            set_microphone_mode,
            set_echo_cancelling,
            set_voice,
            set_cues,
            set_do_not_disturb,
            set_call_me,
            open_sound_check,
            record_sound_check,
            play_sound_check,
            close_sound_check,
            set_when_closed,
            set_autostart,
            set_mute_shortcut,
            set_push_to_talk,
            set_push_to_talk_key,
            hold_to_talk,
            set_gate,
            set_ask_router,
            set_outside_address,
            set_update_source,
            ask_for_update,
            install_update,
            diagnostics,
            quit,
            set_small,
            set_small_grown,
            set_small_on_top,
            stay_in_tray,
            close_window,
            announce,
            open_web_page,
            painted,
        ])
        .events(collect_events![
            AppChanged,
            CallUpdated,
            CallMeasured,
            Noticed,
            SoundNoticed,
            CallClosed,
            Problem,
            CloseAsked,
            StayedOpen,
            RoomInterrupted,
            DialogAsked
        ])
}

/// Tells the window what it draws. One that is gone needs no telling: a new page asks for everything.
pub fn tell(app: &AppHandle, event: impl Event + Serialize + Clone) {
    if app.get_webview_window(window::MAIN).is_none() {
        return;
    }
    if let Err(error) = event.emit(app) {
        tracing::warn!(%error, "an event did not reach the window");
    }
}

/// Tells a person something once: now or, while there is no page, when they see one again.
pub fn tell_once(app: &AppHandle, event: impl Event + Serialize + Clone + Send + 'static) {
    page::tell(app, move |app| tell(app, event));
}
