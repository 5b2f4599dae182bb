//! The room that this person runs in their own house: noted while it lasts, so that the next start can say that it
//! ended with the program, and begin it again.

use serambi_call::{Call, HostedRoom};
use serambi_protocol::{Code, Link, Refusal};

use super::{AppController, lock, reach::OpenHouse};
use crate::ipc::{self, RoomInterrupted};

impl AppController {
    /// Says, once, that a room has ended with the program.
    pub(super) fn tell_of_interruption(&self) {
        let Some(room) = self.settings().hosting else { return };
        *lock(&self.shared.interrupted) = Some(room.clone());
        self.note_hosting(None);
        ipc::tell_once(&self.shared.app, RoomInterrupted(room.title));
    }

    /// Does this call go on in the house of this program?
    pub(crate) fn is_at_home(&self, call: &Call) -> bool {
        let own = lock(&self.shared.open_house).as_ref().map(OpenHouse::pin);
        Link::read(&call.view().link).is_ok_and(|link| own.as_ref() == link.house.proof.pin())
    }

    /// This person runs this room of their own house from now on, or none.
    pub(crate) fn note_hosting(&self, hosting: Option<HostedRoom>) {
        let noted = lock(&self.shared.profile).change_settings(|settings| settings.hosting = hosting);
        if let Err(refusal) = noted {
            tracing::warn!(code = %refusal.code, detail = refusal.detail, "the room is not noted");
        }
    }

    /// Goes on with the room that ended with the program. A house that was away for a short time still has it, and
    /// those who wait for it; later a new one of the same title begins.
    ///
    /// # Errors
    /// `room_not_found`: there is none to go on with. Whatever starting and joining can say.
    pub async fn start_again(&self, leave_other: bool) -> Result<(), Refusal> {
        let room = lock(&self.shared.interrupted).clone().ok_or(Refusal::from(Code::RoomNotFound))?;
        let house = self.own_house().await?;
        match self.join(&house.address(), room.id, leave_other).await {
            Err(refusal) if [Code::RoomNotFound, Code::RoomEnded].contains(&refusal.code) => {
                self.start_room(&room.title, leave_other).await?;
            }
            joined => joined?,
        }
        *lock(&self.shared.interrupted) = None;
        Ok(())
    }
}
