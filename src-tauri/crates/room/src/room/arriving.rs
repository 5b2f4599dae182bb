//! Coming in, coming back, and coming on stage.

use serambi_protocol::{Code, Notice, PersonId, Refusal, RoomSwitch, view::RoomTime};

use super::Room;
use crate::{
    outcome::Outcome,
    seat::{Half, Seat},
};

impl Room {
    /// Somebody comes in, or comes in again: a kept seat is theirs with role and hand, muted. A host who dropped out or
    /// left without handing over is host again, and onto an empty stage everybody who was on it comes straight back.
    /// Everybody else arrives in the audience. `name` is taken as it is.
    ///
    /// # Errors
    /// `room_ended`, `blocked`, `removed_recently`, `room_locked`.
    pub fn join(&mut self, now: RoomTime, person: &PersonId, name: &str) -> Result<Outcome, Refusal> {
        self.when_time_has_passed(now, |room, out| room.come_in(now, person, name, out))
    }

    fn come_in(&mut self, now: RoomTime, person: &PersonId, name: &str, out: &mut Outcome) -> Result<(), Refusal> {
        self.refuse_if_over()?;
        self.refuse_at_the_door(now, person)?;
        // A seat that was given up a moment ago, unnoticed until now: whoever is in the room is not told to be out of
        // it.
        out.closed.retain(|(gone, _)| gone != person);
        if let Some(seat) = self.seats.get_mut(person) {
            seat.name = name.to_owned();
            seat.house = Half::Alive;
            seat.sound = Half::Unknown;
            seat.show(now, &self.settings);
            if self.stage.host() == Some(person) {
                self.host_name = name.to_owned();
            }
            self.mute_returning(person, out);
        } else {
            self.take_new_seat(person, name, out);
        }
        Ok(())
    }

    pub(super) fn refuse_at_the_door(&self, now: RoomTime, person: &PersonId) -> Result<(), Refusal> {
        if self.blocked.contains(person) {
            return Err(Code::Blocked.into());
        }
        if is_before(self.removed.get(person), now) {
            return Err(Code::RemovedRecently.into());
        }
        let was_here =
            self.seats.contains_key(person) || self.claims.has(person) || is_before(self.departed.get(person), now);
        if self.switches.is_on(RoomSwitch::Locked) && !was_here && !self.door.is_admitted(person, now) {
            return Err(Code::RoomLocked.into());
        }
        Ok(())
    }

    /// Whatever the lock says, this person is not let in.
    pub(super) fn is_shut_out(&self, now: RoomTime, person: &PersonId) -> bool {
        self.blocked.contains(person) || is_before(self.removed.get(person), now)
    }

    fn take_new_seat(&mut self, person: &PersonId, name: &str, out: &mut Outcome) {
        self.seats.insert(*person, Seat::taken_by(name));
        self.door.use_up(person);
        self.deserted_since = None;
        let was_host = self.claims.has(person);
        self.claims.use_up(person);
        if was_host && self.stage.len() < self.settings.stage_limit.max(1) {
            self.step_up_as_host(person, out);
        } else if self.may_come_straight_back(person) {
            self.step_up(person, out);
        } else {
            self.add_listener(person);
        }
    }

    /// The stage is empty and this person was on it before.
    pub(crate) fn may_come_straight_back(&self, person: &PersonId) -> bool {
        self.stage.empty_since().is_some() && self.former_speakers.contains(person)
    }

    /// The listener who is asked to run the room while nobody is on stage: who has been there longest.
    pub(crate) fn offered_stage(&self) -> Option<PersonId> {
        let is_willing = |person: &PersonId| self.has_sound(person) && !self.stage.said_not_now(person);
        let listeners = self.audience.iter().map(|listener| listener.person);
        listeners.filter(|_| self.stage.is_offered()).find(is_willing)
    }

    /// May this person come onto the stage without an invitation: back onto an empty one, or because it was offered?
    pub(crate) fn may_take_empty_stage(&self, person: &PersonId) -> bool {
        self.may_come_straight_back(person) || self.offered_stage().as_ref() == Some(person)
    }

    /// Comes on stage, muted; as host if nobody is there.
    pub(super) fn step_up(&mut self, person: &PersonId, out: &mut Outcome) {
        if self.stage.empty_since().is_some() {
            return self.step_up_as_host(person, out);
        }
        self.stage.step_up(*person);
        self.after_stepping_up(person, out);
    }

    fn step_up_as_host(&mut self, person: &PersonId, out: &mut Outcome) {
        self.stage.step_up_as_host(*person);
        self.after_stepping_up(person, out);
        self.announce_host(person, out);
    }

    fn after_stepping_up(&mut self, person: &PersonId, out: &mut Outcome) {
        self.take_listener(person);
        self.hands.lower(person);
        self.invitations.remove(person);
        self.former_speakers.insert(*person);
        out.may_publish(person, true);
        out.tell(person, Notice::OnStage);
        out.tell_each(self.everybody_but(person), &Notice::JoinedStage { name: self.name_of(person) });
        if self.stage_is_full() {
            let invited = self.invitations.iter().filter(|invitation| invitation.is_open());
            out.tell_each(invited.map(|invitation| &invitation.person), &Notice::StageFull);
        }
    }

    /// Tells everybody who runs the room now.
    pub(super) fn announce_host(&mut self, host: &PersonId, out: &mut Outcome) {
        self.host_name = self.name_of(host);
        out.tell(host, Notice::YouAreHost);
        out.tell_each(self.everybody_but(host), &Notice::NewHost { name: self.host_name.clone() });
    }
}

fn is_before(until: Option<&RoomTime>, now: RoomTime) -> bool {
    until.is_some_and(|until| *until > now)
}
