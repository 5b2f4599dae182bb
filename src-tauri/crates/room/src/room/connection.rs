//! Signs of life: what the two halves of somebody's connection, house channel and sound, mean for their seat.

use serambi_protocol::{PersonId, view::RoomTime};

use super::Room;
use crate::{
    outcome::Outcome,
    seat::{Half, Seat},
};

impl Room {
    /// Nothing has come over somebody's house channel since `since`.
    pub fn house_lost(&mut self, now: RoomTime, person: &PersonId, since: RoomTime) -> Outcome {
        self.change_half(now, person, |seat| match seat.house {
            Half::SilentSince(_) => {}
            Half::Alive | Half::Unknown => seat.house = Half::SilentSince(since),
        })
    }

    /// The house hears from somebody again. Whoever was gone on both halves comes back muted; a seat that was given up
    /// meanwhile has to be taken anew.
    pub fn house_back(&mut self, now: RoomTime, person: &PersonId) -> Outcome {
        self.half_back(now, person, |seat| seat.house = Half::Alive)
    }

    /// Nothing has come over somebody's media connection since `since`.
    pub fn sound_lost(&mut self, now: RoomTime, person: &PersonId, since: RoomTime) -> Outcome {
        self.change_half(now, person, |seat| match seat.sound {
            Half::SilentSince(_) => {}
            Half::Alive | Half::Unknown => seat.sound = Half::SilentSince(since),
        })
    }

    /// Somebody's media connection lives (again).
    pub fn sound_back(&mut self, now: RoomTime, person: &PersonId) -> Outcome {
        let mut out = self.half_back(now, person, |seat| seat.sound = Half::Alive);
        if self.claims.has(person) && self.stage.place_of(person).is_some() {
            self.claims.use_up(person);
            self.stage.hand_over(person);
            self.announce_host(person, &mut out);
        }
        out
    }

    /// The house was closed and is open again: everybody's connection is lost from now on, and nobody is heard until
    /// they unmute themselves.
    pub fn restart(&mut self, now: RoomTime) {
        for seat in self.seats.values_mut() {
            seat.house = Half::SilentSince(now);
            seat.sound = Half::Unknown;
            seat.show(now, &self.settings);
        }
        self.stage.mute_all();
        self.door.restart(now);
        if let Some(since) = &mut self.deserted_since {
            *since = now;
        }
    }

    fn change_half(&mut self, now: RoomTime, person: &PersonId, change: impl FnOnce(&mut Seat)) -> Outcome {
        let mut out = self.pass_time(now);
        if let Some(seat) = self.seats.get_mut(person) {
            let was_away = seat.is_away();
            change(seat);
            seat.show(now, &self.settings);
            if was_away && !seat.is_away() {
                self.mute_returning(person, &mut out);
            }
        }
        self.follow_soundless_host(now, &mut out);
        out
    }

    fn half_back(&mut self, now: RoomTime, person: &PersonId, change: impl FnOnce(&mut Seat)) -> Outcome {
        let mut out = self.pass_time(now);
        let Some(seat) = self.seats.get_mut(person) else { return out };
        let was_silent = seat.silent_since().is_some();
        change(seat);
        seat.show(now, &self.settings);
        if was_silent {
            self.mute_returning(person, &mut out);
        }
        out
    }

    /// Whoever comes back to the stage comes back muted: nobody is heard before they know that they are.
    pub(super) fn mute_returning(&mut self, person: &PersonId, out: &mut Outcome) {
        if self.stage.set_muted(person, true) {
            out.mute(person);
        }
    }

    /// When a host without sound is followed; none if that one has sound or nobody with sound could follow.
    pub(super) fn soundless_host_until(&self) -> Option<RoomTime> {
        let since = self.stage.host().and_then(|host| self.seats.get(host)).and_then(|seat| seat.soundless_since())?;
        let can_follow = self.stage.others().iter().any(|place| self.has_sound(&place.person));
        can_follow.then(|| since.after(self.settings.seat_kept_ms))
    }

    /// A host who cannot be heard for as long as a lost seat is kept is followed, and is host again with the sound.
    pub(super) fn follow_soundless_host(&mut self, now: RoomTime, out: &mut Outcome) {
        if self.soundless_host_until().is_none_or(|until| until > now) {
            return;
        }
        let Some(host) = self.stage.host().copied() else { return };
        let lost_at = self.seats.get(&host).and_then(|seat| seat.soundless_since()).unwrap_or(now);
        let seats = &self.seats;
        let next = self.stage.pass_on(|person| seats.get(person).is_some_and(Seat::has_sound));
        if let Some(next) = next {
            self.claims.keep(&host, lost_at.after(self.settings.host_return_ms));
            self.announce_host(&next, out);
        }
    }
}
