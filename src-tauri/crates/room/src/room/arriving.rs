//! Coming in, coming back, and coming on stage.

use serambi_protocol::{Code, Notice, PersonId, Refusal, view::RoomTime};

use super::Room;
use crate::{outcome::Outcome, seat::Seat};

impl Room {
    /// Somebody comes in, or comes in again: a kept seat is theirs with role and hand, muted. A host who dropped out or
    /// left without handing over is host again, and onto an empty stage everybody who was on it comes straight back.
    /// Everybody else arrives in the audience. `name` is taken as it is.
    ///
    /// # Errors
    /// `room_ended`, `blocked`.
    pub fn join(&mut self, now: RoomTime, person: &PersonId, name: &str) -> Result<Outcome, Refusal> {
        self.when_time_has_passed(now, |room, out| room.come_in(person, name, out))
    }

    /// The house has heard nothing from somebody for a while: they are away, and the seat is kept.
    pub fn connection_lost(&mut self, now: RoomTime, person: &PersonId) -> Outcome {
        let out = self.pass_time(now);
        if let Some(seat) = self.seats.get_mut(person) {
            seat.away_since.get_or_insert(now);
        }
        out
    }

    /// The house hears from somebody again. If the seat was given up meanwhile they have to join again.
    pub fn connection_back(&mut self, now: RoomTime, person: &PersonId) -> Outcome {
        let mut out = self.pass_time(now);
        if self.is_away(person) {
            self.return_to_seat(person, &mut out);
        }
        out
    }

    fn come_in(&mut self, person: &PersonId, name: &str, out: &mut Outcome) -> Result<(), Refusal> {
        self.refuse_if_over()?;
        if self.blocked.contains(person) {
            return Err(Code::Blocked.into());
        }
        // A seat that was given up a moment ago, unnoticed until now: whoever is in the room is not told to be out of it.
        out.closed.retain(|(gone, _)| gone != person);
        if let Some(seat) = self.seats.get_mut(person) {
            seat.name = name.to_owned();
            if self.stage.host() == Some(person) {
                self.host_name = name.to_owned();
            }
            self.return_to_seat(person, out);
        } else {
            self.take_new_seat(person, name, out);
        }
        Ok(())
    }

    /// Whoever comes back to the stage comes back muted: nobody is heard before they know that they are.
    fn return_to_seat(&mut self, person: &PersonId, out: &mut Outcome) {
        if let Some(seat) = self.seats.get_mut(person) {
            seat.away_since = None;
        }
        if self.stage.set_muted(person, true) {
            out.mute(person);
        }
    }

    fn take_new_seat(&mut self, person: &PersonId, name: &str, out: &mut Outcome) {
        self.seats.insert(person.clone(), Seat::taken_by(name));
        self.deserted_since = None;
        let was_host = self.claims.has(person);
        self.claims.use_up(person);
        if was_host && self.stage.len() < self.settings.stage_limit.max(1) {
            self.step_up_as_host(person, out);
        } else if self.may_come_straight_back(person) {
            self.step_up(person, out);
        } else {
            self.audience.push(person.clone());
        }
    }

    /// The stage is empty and this person was on it before.
    pub(crate) fn may_come_straight_back(&self, person: &PersonId) -> bool {
        self.stage.empty_since().is_some() && self.former_speakers.contains(person)
    }

    /// Comes on stage, muted; as host if nobody is there.
    pub(super) fn step_up(&mut self, person: &PersonId, out: &mut Outcome) {
        if self.stage.empty_since().is_some() {
            return self.step_up_as_host(person, out);
        }
        self.stage.step_up(person.clone());
        self.after_stepping_up(person, out);
    }

    fn step_up_as_host(&mut self, person: &PersonId, out: &mut Outcome) {
        self.stage.step_up_as_host(person.clone());
        self.after_stepping_up(person, out);
        self.announce_host(person, out);
    }

    fn after_stepping_up(&mut self, person: &PersonId, out: &mut Outcome) {
        self.audience.retain(|listener| listener != person);
        self.hands.lower(person);
        self.invitations.remove(person);
        self.former_speakers.insert(person.clone());
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
