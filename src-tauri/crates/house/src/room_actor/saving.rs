//! Keeping a room on the disk: changes of the stage before they are acknowledged, everything else within a second.

use std::sync::Arc;

use serambi_protocol::{Code, Command, PersonId, Refusal, RoomId, view::RoomTime};
use serambi_room::{Outcome, Room};

use super::RoomActor;
use crate::{error::HouseError, registry::Shared, storage::SavedRoom};

/// What may be lost when the house is killed is at most this old.
const SAVE_AFTER_MS: u64 = 200;
/// After the disk refused: how long until the next try.
const SAVE_AGAIN_MS: u64 = 5_000;

/// When the room is saved next.
#[derive(Debug, Default)]
pub struct Saving {
    at_ms: Option<u64>,
}

impl Saving {
    pub(super) fn has_changes(&mut self, now_ms: u64) {
        self.at_ms.get_or_insert(now_ms + SAVE_AFTER_MS);
    }

    pub(super) fn due_at_ms(&self) -> Option<u64> {
        self.at_ms
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
            | Command::Leave
    )
}

/// Keeps a room as it is at this time of its own.
///
/// # Errors
/// `storage_failed`.
pub async fn keep_room(shared: &Shared, room: Room, started_by: PersonId, at: RoomTime) -> Result<(), Refusal> {
    let (life, uptime_ms) = (shared.life, shared.clock.now_ms());
    let kept = shared.rooms.save(SavedRoom { room, started_by, at, life, uptime_ms }).await;
    kept.map_err(|error| storage_failed(&error))
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
        let kept = if outcome.over {
            self.shared.rooms.end(self.id).await.map_err(|error| storage_failed(&error))
        } else {
            self.save(next.clone(), now).await
        };
        // A disk that answers too late may hold what was refused: the room as it is goes over it.
        self.saving.at_ms = kept.is_err().then(|| self.shared.clock.now_ms() + SAVE_AGAIN_MS);
        kept?;
        self.room = next;
        Ok(outcome)
    }

    pub(super) async fn save_if_due(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        if self.saving.at_ms.is_none_or(|at| at > now_ms) {
            return;
        }
        self.saving.at_ms = None;
        if let Err(refusal) = self.save(self.room.clone(), self.now()).await {
            tracing::warn!(%refusal, "the room goes on unsaved");
            self.saving.at_ms = Some(now_ms + SAVE_AGAIN_MS);
        }
    }

    pub(super) async fn save_now(&mut self) {
        if let Err(refusal) = self.save(self.room.clone(), self.now()).await {
            tracing::error!(%refusal, "the room is not kept as it was");
        }
    }

    async fn save(&self, room: Room, at: RoomTime) -> Result<(), Refusal> {
        keep_room(&self.shared, room, self.started_by, at).await
    }
}
