//! Keeping a room on the disk: changes of the stage before they are acknowledged, everything else within a second.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use serambi_protocol::{Code, Command, PersonId, Refusal, RoomId, view::RoomTime};
use serambi_room::{Outcome, Room};

use super::RoomActor;
use crate::{
    error::HouseError,
    registry::Shared,
    storage::{RoomWrite, SavedAt},
};

/// What may be lost when the house is killed is at most this old, and as long as the disk takes.
const SAVE_AFTER_MS: u64 = 200;
/// After the disk refused: how long until the next try.
const SAVE_AGAIN_MS: u64 = 5_000;

/// When the room is saved next, and what the disk has of it.
#[derive(Default)]
pub struct Saving {
    at_ms: Option<u64>,
    /// The room as the disk has it; none: nobody knows.
    on_disk: Option<Room>,
    under_way: Option<UnderWay>,
}

/// The room on its way to the disk. Whatever happens in the room meanwhile does not wait for it.
struct UnderWay {
    room: Room,
    written: BoxFuture<'static, Result<(), Refusal>>,
}

impl Saving {
    pub(super) fn has_changes(&mut self, now_ms: u64) {
        self.at_ms.get_or_insert(now_ms + SAVE_AFTER_MS);
    }

    pub(super) fn due_at_ms(&self) -> Option<u64> {
        self.at_ms.filter(|_| self.under_way.is_none())
    }

    /// Waits for what is on its way to the disk; for ever if nothing is.
    pub(super) async fn written(&mut self) -> Result<(), Refusal> {
        match &mut self.under_way {
            Some(under_way) => under_way.written.as_mut().await,
            None => std::future::pending().await,
        }
    }
}

/// Is this an act of somebody who runs the room, or a step onto the stage or off it? Whatever else people do about
/// themselves is saved a moment later: hundreds may do it at once.
pub(super) fn is_saved_at_once(command: &Command) -> bool {
    !matches!(
        command,
        Command::RaiseHand
            | Command::LowerHand
            | Command::DeclineInvitation
            | Command::SetMuted { .. }
            | Command::Say { .. }
            | Command::Leave
    )
}

/// Keeps a room that is new.
///
/// # Errors
/// `storage_failed`.
pub async fn keep_new_room(shared: &Shared, room: &Room, started_by: PersonId) -> Result<(), Refusal> {
    let write = RoomWrite::new(room, None, started_by, now_at(shared, RoomTime(0)));
    let kept = async { shared.rooms.save(write?).await };
    kept.await.map_err(|error| storage_failed(&error))
}

fn now_at(shared: &Shared, room: RoomTime) -> SavedAt {
    SavedAt { room, life: shared.life, uptime_ms: shared.clock.now_ms() }
}

fn storage_failed(error: &HouseError) -> Refusal {
    Refusal::new(Code::StorageFailed, error.to_string())
}

/// Notes on the disk that a room has ended, however long that takes; until then a house that is killed would open it
/// again.
pub(super) async fn end_on_disk(shared: Arc<Shared>, room: RoomId) {
    while let Err(error) = shared.rooms.end(room).await {
        tracing::warn!(%error, %room, "the end of the room is not on the disk");
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.clock.reach(shared.clock.now_ms() + SAVE_AGAIN_MS) => {}
        }
    }
}

impl RoomActor {
    /// Carries out a command on a copy, brings that to the disk, and only then takes it for the room.
    pub(super) async fn command_on_disk(
        &mut self,
        now: RoomTime,
        person: &PersonId,
        command: &Command,
    ) -> Result<Outcome, Refusal> {
        let mut next = self.room.clone();
        let outcome = next.command(now, person, command)?;
        if outcome.over {
            self.end_what_is_saved().await?;
        } else {
            self.save(next.clone(), now).await?;
        }
        self.room = next;
        Ok(outcome)
    }

    async fn end_what_is_saved(&mut self) -> Result<(), Refusal> {
        let ended = self.shared.rooms.end(self.id).await.map_err(|error| storage_failed(&error));
        if ended.is_err() {
            self.take_written(&ended);
        }
        ended
    }

    pub(super) fn save_if_due(&mut self) {
        if self.saving.due_at_ms().is_some_and(|at| at <= self.shared.clock.now_ms()) {
            self.begin_to_save(self.room.clone(), self.now());
        }
    }

    pub(super) async fn save_now(&mut self) {
        if let Err(refusal) = self.save(self.room.clone(), self.now()).await {
            tracing::error!(%refusal, "the room is not kept as it was");
        }
    }

    /// The room is on the disk, or nobody knows what is there: a disk that answers too late may hold what was refused.
    /// So after a failure all of the room goes over that.
    pub(super) fn take_written(&mut self, written: &Result<(), Refusal>) {
        self.saving.on_disk = self.saving.under_way.take().map(|under_way| under_way.room).filter(|_| written.is_ok());
        if let Err(refusal) = written {
            tracing::warn!(%refusal, "the room goes on unsaved");
            self.saving.at_ms = Some(self.shared.clock.now_ms() + SAVE_AGAIN_MS);
        }
    }

    /// Brings the room to the disk, behind what is on its way there.
    async fn save(&mut self, room: Room, at: RoomTime) -> Result<(), Refusal> {
        if self.saving.under_way.is_some() {
            let written = self.saving.written().await;
            self.take_written(&written);
        }
        self.begin_to_save(room, at);
        let written = self.saving.written().await;
        self.take_written(&written);
        written
    }

    fn begin_to_save(&mut self, room: Room, at: RoomTime) {
        self.saving.at_ms = None;
        let on_disk = self.saving.on_disk.as_ref();
        let write = RoomWrite::new(&room, on_disk, self.started_by, now_at(&self.shared, at));
        let rooms = self.shared.rooms.clone();
        let written = async move { rooms.save(write?).await }.map(|kept| kept.map_err(|error| storage_failed(&error)));
        self.saving.under_way = Some(UnderWay { room, written: written.boxed() });
    }
}
