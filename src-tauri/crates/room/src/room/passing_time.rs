//! What happens because nothing happened: expiries of invitations, seats, waiting times and the room.

use serambi_protocol::{Notice, Refusal, view::RoomTime};

use super::Room;
use crate::outcome::Outcome;

impl Room {
    /// Everything that is due up to `now`, each thing at its own time: calling late or often makes no difference.
    pub fn pass_time(&mut self, now: RoomTime) -> Outcome {
        let mut out = Outcome::default();
        while let Some(due) = self.next_deadline().filter(|due| *due <= now) {
            self.expire(due, &mut out);
        }
        out
    }

    /// When [`Room::pass_time`] has something to do next; none if nothing is waited for.
    pub fn next_deadline(&self) -> Option<RoomTime> {
        if self.over {
            return None;
        }
        let settings = &self.settings;
        let seats = self.seats.values().flat_map(|seat| [seat.kept_until(settings), seat.next_change(settings)]);
        let others = [
            self.hands.deadline(),
            self.invitations.deadline(),
            self.claims.deadline(),
            self.door.deadline(settings),
            self.soundless_host_until(),
            self.stage_offer_at(),
            self.room_ends_at(),
        ];
        seats.chain(others).flatten().min()
    }

    /// Nobody is on stage: when the room ends unless somebody comes back on it.
    pub(crate) fn stage_ends_at(&self) -> Option<RoomTime> {
        self.stage.empty_since().map(|since| since.after(self.settings.empty_stage_ms))
    }

    /// Nobody is on stage and no listener was asked onto it yet: when that is due.
    fn stage_offer_at(&self) -> Option<RoomTime> {
        let since = self.stage.empty_since().filter(|_| !self.stage.is_offered())?;
        Some(since.after(self.settings.stage_offer_ms))
    }

    fn room_ends_at(&self) -> Option<RoomTime> {
        let deserted = self.deserted_since.map(|since| since.after(self.settings.empty_room_ms));
        [self.stage_ends_at(), deserted].into_iter().flatten().min()
    }

    fn expire(&mut self, now: RoomTime, out: &mut Outcome) {
        self.hands.expire(now);
        self.claims.expire(now);
        self.door.expire(now, &self.settings);
        self.expire_invitations(now, out);
        for seat in self.seats.values_mut() {
            seat.show(now, &self.settings);
        }
        self.follow_soundless_host(now, out);
        if self.stage_offer_at().is_some_and(|at| at <= now) {
            self.offer_stage(out);
        }
        for person in self.seats_due(now) {
            self.give_up_seat(now, &person, out);
        }
        if self.room_ends_at().is_some_and(|end| end <= now) {
            self.end(out);
        }
    }

    fn offer_stage(&mut self, out: &mut Outcome) {
        self.stage.offer();
        if let Some(person) = self.offered_stage() {
            out.tell(&person, Notice::StageOffered);
        }
    }

    fn expire_invitations(&mut self, now: RoomTime, out: &mut Outcome) {
        for (person, answered_hand) in self.invitations.expire(now, self.settings.invite_again_ms) {
            if answered_hand {
                self.hands.lower(&person);
                out.tell(&person, Notice::TurnPassed);
            }
            self.tell_moderators(&Notice::NoAnswer { name: self.name_of(&person) }, out);
        }
    }

    /// Lets due time pass, then acts. If the act is refused the room stays as it was, time included, so that nothing
    /// that time brought about is lost with the refusal.
    pub(super) fn when_time_has_passed(
        &mut self,
        now: RoomTime,
        act: impl FnOnce(&mut Room, &mut Outcome) -> Result<(), Refusal>,
    ) -> Result<Outcome, Refusal> {
        let is_due = self.next_deadline().is_some_and(|due| due <= now);
        if !is_due {
            let mut out = Outcome::default();
            return act(self, &mut out).map(|()| out);
        }
        let mut later = self.clone();
        let mut out = later.pass_time(now);
        act(&mut later, &mut out)?;
        *self = later;
        Ok(out)
    }
}
