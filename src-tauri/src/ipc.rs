//! Every command the window can call and every event it can hear; the TypeScript side is generated from this list.
//!
//! Bodies stand in [`crate::desk`]; here is only the border. All use of specta is in this file and the two views, so that
//! another generator could take its place.

use serambi_call::{
    ChosenDevice, EchoCancelling, Measurements, MicrophoneMode, RoomCommand, SoundCheckVerdict, SoundNotice, Theme,
    VoiceSetting,
};
use serambi_protocol::{Command, Notice, PersonId, Refusal, RoomId, event::ClosedReason};
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::{AppHandle, Manager, State, ipc::Channel};
use tauri_specta::{Builder, Event, collect_commands, collect_events};

use crate::{
    call_updates::CallUpdated,
    desk::DeskPlace,
    sound_view::SoundDevices,
    view::{AppView, FoundRoom, Language, LevelBatch},
    window,
};

type Answer<T> = Result<T, Refusal>;
type Place<'a> = State<'a, DeskPlace>;

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

#[tauri::command]
#[specta::specta]
async fn open_app(place: Place<'_>) -> Answer<AppView> {
    let desk = place.open()?;
    desk.show_call_again();
    Ok(desk.view())
}

#[tauri::command]
#[specta::specta]
async fn set_name(place: Place<'_>, name: String) -> Answer<()> {
    place.open()?.set_name(&name)
}

#[tauri::command]
#[specta::specta]
async fn set_language(place: Place<'_>, language: Language) -> Answer<()> {
    place.open()?.set_language(language)
}

#[tauri::command]
#[specta::specta]
async fn set_theme(place: Place<'_>, theme: Theme) -> Answer<()> {
    place.open()?.set_theme(theme)
}

#[tauri::command]
#[specta::specta]
async fn start_room(place: Place<'_>, title: String, leave_other: bool) -> Answer<()> {
    place.open()?.start_room(&title, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn join_room(place: Place<'_>, house: String, room: RoomId, leave_other: bool) -> Answer<()> {
    place.open()?.join_room(&house, room, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn join_link(place: Place<'_>, link: String, leave_other: bool) -> Answer<()> {
    place.open()?.join_link(&link, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn look_at_link(place: Place<'_>, link: String) -> Answer<Vec<FoundRoom>> {
    place.open()?.look_at_link(&link).await
}

#[tauri::command]
#[specta::specta]
async fn save_house(place: Place<'_>, link: String) -> Answer<()> {
    place.open()?.save_house(&link).await
}

#[tauri::command]
#[specta::specta]
async fn forget_house(place: Place<'_>, pin: String) -> Answer<()> {
    place.open()?.forget_house(&pin)
}

#[tauri::command]
#[specta::specta]
async fn command(place: Place<'_>, command: Command) -> Answer<()> {
    Ok(place.open()?.call()?.command(RoomCommand::try_from(command)?).await?)
}

#[tauri::command]
#[specta::specta]
async fn accept_invitation(place: Place<'_>) -> Answer<()> {
    Ok(place.open()?.call()?.accept_invitation().await?)
}

#[tauri::command]
#[specta::specta]
async fn set_muted(place: Place<'_>, muted: bool) -> Answer<()> {
    Ok(place.open()?.call()?.set_muted(muted).await?)
}

#[tauri::command]
#[specta::specta]
async fn leave(place: Place<'_>) -> Answer<()> {
    place.open()?.leave().await;
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn end_room(place: Place<'_>) -> Answer<()> {
    Ok(place.open()?.call()?.end_room().await?)
}

#[tauri::command]
#[specta::specta]
async fn hear_levels(place: Place<'_>, levels: Channel<LevelBatch>) -> Answer<()> {
    place.open()?.send_levels(levels)
}

#[tauri::command]
#[specta::specta]
async fn list_sound_devices(place: Place<'_>) -> Answer<SoundDevices> {
    place.open()?.list_sound_devices().await
}

#[tauri::command]
#[specta::specta]
async fn choose_microphone(place: Place<'_>, device: Option<ChosenDevice>) -> Answer<()> {
    place.open()?.choose_microphone(device)
}

#[tauri::command]
#[specta::specta]
async fn choose_loudspeaker(place: Place<'_>, device: Option<ChosenDevice>) -> Answer<()> {
    place.open()?.choose_loudspeaker(device)
}

#[tauri::command]
#[specta::specta]
async fn set_microphone_mode(place: Place<'_>, mode: MicrophoneMode) -> Answer<()> {
    place.open()?.set_microphone_mode(mode)
}

#[tauri::command]
#[specta::specta]
async fn set_echo_cancelling(place: Place<'_>, setting: EchoCancelling) -> Answer<()> {
    place.open()?.set_echo_cancelling(setting)
}

#[tauri::command]
#[specta::specta]
async fn set_voice(place: Place<'_>, person: PersonId, voice: VoiceSetting) -> Answer<()> {
    place.open()?.set_voice(person, voice)
}

#[tauri::command]
#[specta::specta]
async fn open_sound_check(place: Place<'_>, levels: Channel<LevelBatch>) -> Answer<()> {
    place.open()?.open_sound_check(levels).await
}

#[tauri::command]
#[specta::specta]
async fn record_sound_check(place: Place<'_>) -> Answer<SoundCheckVerdict> {
    place.open()?.record_sound_check().await
}

#[tauri::command]
#[specta::specta]
async fn play_sound_check(place: Place<'_>) -> Answer<()> {
    place.open()?.play_sound_check().await
}

#[tauri::command]
#[specta::specta]
async fn close_sound_check(place: Place<'_>) -> Answer<()> {
    place.open()?.close_sound_check().await;
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn close_window(app: AppHandle) -> Answer<()> {
    window::close_for_good(&app).await;
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn painted(app: AppHandle) -> Answer<()> {
    window::note_first_paint(&app);
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
            join_room,
            join_link,
            look_at_link,
            save_house,
            forget_house,
            command,
            accept_invitation,
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
            open_sound_check,
            record_sound_check,
            play_sound_check,
            close_sound_check,
            close_window,
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
            CloseAsked
        ])
}

/// Tells the window. A window that is gone needs no telling.
pub fn tell(app: &AppHandle, event: impl Event + Serialize + Clone) {
    if app.get_webview_window(window::MAIN).is_none() {
        return;
    }
    if let Err(error) = event.emit(app) {
        tracing::warn!(%error, "an event did not reach the window");
    }
}
