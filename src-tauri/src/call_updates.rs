//! What the window is told about the call: one ordered stream of operations, each with a revision.

use std::sync::Arc;

use serambi_call::{Call, CallEvent, CallView};
use serambi_protocol::{RoomSnapshot, RoomView, Streams, event::TopicChange, view::RoomTime};
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::AppHandle;
use tauri_specta::Event;
use tokio::sync::Mutex;

use crate::{ipc, tray_view::InRoom};

/// One operation on what the window knows of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CallUpdate {
    /// Everything anew.
    Opened {
        /// The call without its room.
        call: Box<CallView>,
        /// The room.
        room: Box<RoomSnapshot>,
    },
    /// Topics of the room changed, to be folded in this order.
    Room {
        /// The house's clock.
        now: RoomTime,
        /// The changes.
        changes: Vec<Arc<TopicChange>>,
    },
    /// The call changed, its room did not.
    Call {
        /// All of it.
        call: Box<CallView>,
    },
    /// There is no call.
    None,
}

/// The call changed: revisions grow by one, and an older one never follows a newer.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub struct CallUpdated {
    /// Counts from 1 since the program started.
    #[specta(type = u32)]
    pub revision: u64,
    /// What to do.
    pub update: CallUpdate,
}

/// Tells updates in the order of their revisions.
pub struct CallUpdates {
    app: AppHandle,
    /// Held while an update is told: two must not overtake each other.
    revision: Mutex<u64>,
}

impl CallUpdates {
    /// Nothing was told yet.
    pub fn new(app: AppHandle) -> Self {
        Self { app, revision: Mutex::new(0) }
    }

    /// Tells one update.
    pub async fn tell(&self, update: CallUpdate) {
        let mut revision = self.revision.lock().await;
        *revision += 1;
        ipc::tell(&self.app, CallUpdated { revision: *revision, update });
    }
}

/// The call as the window knows it, for a window that asks again.
pub struct ShownCall {
    call: CallView,
    room: RoomView,
    streams: Streams,
}

impl ShownCall {
    /// As it stands now.
    pub fn of(call: &Call) -> Self {
        Self { call: call.view(), room: call.room(), streams: Streams::default() }
    }

    /// The call without its room.
    pub fn call(&self) -> &CallView {
        &self.call
    }

    /// The room.
    pub fn room(&self) -> &RoomView {
        &self.room
    }

    /// The same, as far as the tray shows it.
    pub fn in_room(&self) -> InRoom {
        InRoom::of(&self.call, &self.room)
    }

    /// Everything anew.
    pub fn opened(&self) -> CallUpdate {
        let room = RoomSnapshot::new(self.room.clone(), &self.streams);
        CallUpdate::Opened { call: Box::new(self.call.clone()), room: Box::new(room) }
    }

    /// The update that an event of the call is to the window, if it is one; other events are given back.
    pub fn take(&mut self, event: CallEvent) -> Result<CallUpdate, CallEvent> {
        match event {
            CallEvent::Opened { room } => {
                self.streams.fold(room.streams.iter().map(|change| &**change));
                self.room = room.view;
                Ok(self.opened())
            }
            CallEvent::Room { now, changes } => {
                self.room.now = now;
                changes.iter().for_each(|change| self.room.apply(change));
                self.streams.fold(changes.iter().map(|change| &**change));
                Ok(CallUpdate::Room { now, changes })
            }
            CallEvent::Changed(call) => {
                self.call.clone_from(&call);
                Ok(CallUpdate::Call { call })
            }
            other => Err(other),
        }
    }
}
