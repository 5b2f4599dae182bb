//! Going to the audience, going away, and the end of the room.

use serambi_protocol::{
    Act, Code, Notice, PersonId, Refusal,
    event::ClosedReason,
    view::{Role, RoomTime},
};

use super::Room;
use crate::{
    outcome::Outcome,
    permission::may_end,
    seat::Seat,
    stage::{Place, Stage},
};

impl Room {
    /// Oneself to the audience. A host who stays in the room must leave it to somebody who was trusted with it.
    pub(super) fn step_down(
        &mut self,
        now: RoomTime,
        actor: &PersonId,
        role: Role,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        if let Some(code) = self.why_no_step_down(role) {
            return Err(code.into());
        }
        self.put_into_audience(now, actor, out);
        Ok(())
    }

    /// Why somebody of this role cannot go to the audience now; none if they can.
    pub(crate) fn why_no_step_down(&self, role: Role) -> Option<Code> {
        match role {
            Role::Listener => Some(Code::NotOnStage),
            Role::Host if !self.has_another_moderator() => Some(Code::LastModerator),
            Role::Host | Role::Moderator | Role::Speaker => None,
        }
    }

    fn has_another_moderator(&self) -> bool {
        self.stage.others().iter().filter(|place| place.is_moderator()).any(|place| self.has_sound(&place.person))
    }

    pub(super) fn move_to_audience(
        &mut self,
        now: RoomTime,
        actor: &PersonId,
        person: &PersonId,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.target_on_stage(actor, person, Act::MoveToAudience)?;
        self.put_into_audience(now, person, out);
        self.former_speakers.remove(person);
        out.tell(person, Notice::MovedToAudience);
        Ok(())
    }

    fn put_into_audience(&mut self, now: RoomTime, person: &PersonId, out: &mut Outcome) {
        out.may_publish(person, false);
        self.add_listener(person);
        self.take_off_stage(now, person, out);
    }

    /// The one way off the stage: whoever it is, somebody else is host afterwards or nobody is left.
    fn take_off_stage(&mut self, now: RoomTime, person: &PersonId, out: &mut Outcome) {
        let seats = &self.seats;
        let new_host = self.stage.step_down(now, person, |other| seats.get(other).is_some_and(Seat::has_sound));
        if let Some(host) = new_host {
            self.announce_host(&host, out);
        }
    }

    /// Quietly: nobody is told. A host may come back as host for a while.
    pub(super) fn leave(&mut self, now: RoomTime, actor: &PersonId, out: &mut Outcome) -> Result<(), Refusal> {
        self.keep_claim_of_host(actor, now);
        self.take_seat_away(now, actor, ClosedReason::Left, out);
        Ok(())
    }

    /// The seat was kept long enough. The claim of a host counts from the loss of the connection.
    pub(super) fn give_up_seat(&mut self, now: RoomTime, person: &PersonId, out: &mut Outcome) {
        let lost_at = self.seats.get(person).and_then(Seat::silent_since).unwrap_or(now);
        self.keep_claim_of_host(person, lost_at);
        self.take_seat_away(now, person, ClosedReason::Lost, out);
    }

    fn keep_claim_of_host(&mut self, person: &PersonId, gone_at: RoomTime) {
        if self.stage.host() == Some(person) {
            self.claims.keep(person, gone_at.after(self.settings.host_return_ms));
        }
    }

    pub(super) fn remove(
        &mut self,
        now: RoomTime,
        actor: &PersonId,
        person: &PersonId,
        block: bool,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.target(actor, person, Act::Remove)?;
        if block {
            self.blocked.insert(*person);
        } else {
            self.removed.retain(|_, until| *until > now);
            self.removed.insert(*person, now.after(self.settings.removed_ms));
        }
        self.former_speakers.remove(person);
        self.take_seat_away(now, person, ClosedReason::Removed, out);
        self.departed.remove(person);
        self.door.use_up(person);
        Ok(())
    }

    fn take_seat_away(&mut self, now: RoomTime, person: &PersonId, reason: ClosedReason, out: &mut Outcome) {
        self.seats.remove(person);
        self.departed.retain(|_, until| *until > now);
        self.departed.insert(*person, now.after(self.settings.lock_return_ms));
        self.take_listener(person);
        self.hands.lower(person);
        self.invitations.remove(person);
        out.close(person, reason);
        out.remove(person);
        self.take_off_stage(now, person, out);
        if self.seats.is_empty() {
            self.deserted_since = Some(now);
        }
    }

    pub(super) fn end_for_everyone(&mut self, role: Role, out: &mut Outcome) -> Result<(), Refusal> {
        if !may_end(role, self.host_is_here()) {
            return Err(Refusal::new(Code::NotAllowed, format!("ending the room by a {role:?}")));
        }
        self.end(out);
        Ok(())
    }

    /// Nobody ever connected to this room: it ends.
    pub fn abandon(&mut self, now: RoomTime) -> Outcome {
        let mut out = self.pass_time(now);
        if !self.over {
            self.end(&mut out);
        }
        out
    }

    /// Everybody is out and nothing is left to happen.
    pub(super) fn end(&mut self, out: &mut Outcome) {
        for person in self.everybody() {
            out.close(person, ClosedReason::Ended);
        }
        self.seats.clear();
        self.audience.clear();
        self.stage = Stage::empty(RoomTime(0));
        self.over = true;
        out.over = true;
    }

    /// The seats whose time is up, so ordered that a host goes last: nobody is made host in the moment they are gone.
    pub(super) fn seats_due(&self, now: RoomTime) -> Vec<PersonId> {
        let is_due = |person: &&PersonId| {
            let seat = self.seats.get(*person);
            let until = seat.and_then(|seat| seat.kept_until(&self.settings));
            until.is_some_and(|until| until <= now)
        };
        let from_the_back = self.stage.places().rev().map(|place: &Place| &place.person);
        self.audience.iter().map(|listener| &listener.person).chain(from_the_back).filter(is_due).cloned().collect()
    }
}
