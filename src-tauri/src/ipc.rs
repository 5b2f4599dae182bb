//! Every command the window can call and every event it can hear; the TypeScript side is generated from this list.
//!
//! Bodies stand in [`crate::desk`]; here is only the border. All use of specta is in this file and `view.rs`, so that
//! another generator could take its place.

use serambi_call::{CallView, Theme};
use serambi_protocol::{Command, Notice, Refusal, RoomId, event::ClosedReason};
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::{AppHandle, Manager, State, ipc::Channel};
use tauri_specta::{Builder, Event, collect_commands, collect_events};

use crate::{
    desk::Desk,
    view::{AppView, FoundRoom, Language, LevelBatch},
    window,
};

type Answer<T> = Result<T, Refusal>;
type DeskState<'a> = State<'a, Answer<Desk>>;

/// The desk, or why there is none (a profile that is in use or broken).
fn desk<'a>(state: &'a DeskState<'_>) -> Answer<&'a Desk> {
    state.inner().as_ref().map_err(Clone::clone)
}

/// Anything but the call changed.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct AppChanged(pub AppView);

/// The call changed, or there is none any more.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct CallChanged(pub Option<CallView>);

/// Something to be told once.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct Noticed(pub Notice);

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
async fn open_app(state: DeskState<'_>) -> Answer<AppView> {
    Ok(desk(&state)?.view())
}

#[tauri::command]
#[specta::specta]
async fn set_name(state: DeskState<'_>, name: String) -> Answer<()> {
    desk(&state)?.set_name(&name)
}

#[tauri::command]
#[specta::specta]
async fn set_language(state: DeskState<'_>, language: Language) -> Answer<()> {
    desk(&state)?.set_language(language)
}

#[tauri::command]
#[specta::specta]
async fn set_theme(state: DeskState<'_>, theme: Theme) -> Answer<()> {
    desk(&state)?.set_theme(theme)
}

#[tauri::command]
#[specta::specta]
async fn start_room(state: DeskState<'_>, title: String, leave_other: bool) -> Answer<()> {
    desk(&state)?.start_room(&title, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn join_room(state: DeskState<'_>, house: String, room: RoomId, leave_other: bool) -> Answer<()> {
    desk(&state)?.join_room(&house, room, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn join_link(state: DeskState<'_>, link: String, leave_other: bool) -> Answer<()> {
    desk(&state)?.join_link(&link, leave_other).await
}

#[tauri::command]
#[specta::specta]
async fn look_at_link(state: DeskState<'_>, link: String) -> Answer<Vec<FoundRoom>> {
    desk(&state)?.look_at_link(&link).await
}

#[tauri::command]
#[specta::specta]
async fn save_house(state: DeskState<'_>, link: String) -> Answer<()> {
    desk(&state)?.save_house(&link).await
}

#[tauri::command]
#[specta::specta]
async fn forget_house(state: DeskState<'_>, pin: String) -> Answer<()> {
    desk(&state)?.forget_house(&pin)
}

#[tauri::command]
#[specta::specta]
async fn command(state: DeskState<'_>, command: Command) -> Answer<()> {
    desk(&state)?.call()?.command(command).await
}

#[tauri::command]
#[specta::specta]
async fn accept_invitation(state: DeskState<'_>) -> Answer<()> {
    desk(&state)?.call()?.accept_invitation().await
}

#[tauri::command]
#[specta::specta]
async fn set_muted(state: DeskState<'_>, muted: bool) -> Answer<()> {
    desk(&state)?.call()?.set_muted(muted).await
}

#[tauri::command]
#[specta::specta]
async fn leave(state: DeskState<'_>) -> Answer<()> {
    desk(&state)?.leave().await;
    Ok(())
}

#[tauri::command]
#[specta::specta]
async fn end_room(state: DeskState<'_>) -> Answer<()> {
    desk(&state)?.call()?.end_room().await
}

#[tauri::command]
#[specta::specta]
async fn hear_levels(state: DeskState<'_>, levels: Channel<LevelBatch>) -> Answer<()> {
    desk(&state)?.send_levels(levels)
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
            close_window,
            painted,
        ])
        .events(collect_events![AppChanged, CallChanged, Noticed, CallClosed, Problem, CloseAsked])
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
