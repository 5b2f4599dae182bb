//! One person's seat: kept for a while when the connection is lost.

use serambi_protocol::view::{PersonConnection, RoomTime};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// What is known of one half of somebody's connection: the house channel, or the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Half {
    /// Nothing: the media server does not say.
    Unknown,
    /// It lives.
    Alive,
    /// The last sign of life came then.
    SilentSince(RoomTime),
}

impl Half {
    fn silent_since(self) -> Option<RoomTime> {
        match self {
            Self::SilentSince(since) => Some(since),
            Self::Unknown | Self::Alive => None,
        }
    }
}

/// What belongs to a person wherever in the room they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    /// Display name.
    pub(crate) name: String,
    pub(crate) house: Half,
    pub(crate) sound: Half,
    /// What the others are shown of that.
    pub(crate) shown: PersonConnection,
    /// When that was looked at last.
    shown_at: RoomTime,
    /// Somebody on stage follows this person.
    pub(crate) followed: bool,
}

impl Seat {
    pub(crate) fn taken_by(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            house: Half::Alive,
            sound: Half::Unknown,
            shown: PersonConnection::Good,
            shown_at: RoomTime::default(),
            followed: false,
        }
    }

    /// Nothing was heard of this person on either half; when the last sign of life came.
    pub(crate) fn silent_since(&self) -> Option<RoomTime> {
        let house = self.house.silent_since()?;
        match self.sound {
            Half::Unknown => Some(house),
            Half::Alive => None,
            Half::SilentSince(sound) => Some(house.max(sound)),
        }
    }

    /// The sound is silent, the house channel is not; since when.
    pub(crate) fn soundless_since(&self) -> Option<RoomTime> {
        self.sound.silent_since().filter(|_| self.house == Half::Alive)
    }

    pub(crate) fn is_away(&self) -> bool {
        self.shown == PersonConnection::Away
    }

    pub(crate) fn has_sound(&self) -> bool {
        self.shown.has_sound()
    }

    /// When the seat is given up unless the connection comes back.
    pub(crate) fn kept_until(&self, settings: &Settings) -> Option<RoomTime> {
        self.silent_since().map(|since| since.after(settings.seat_kept_ms))
    }

    /// The connection as it is to be shown at that time.
    fn connection_at(&self, now: RoomTime, settings: &Settings) -> PersonConnection {
        let silent_ms = |since: RoomTime| now.since(since);
        let weak_after = |since: Option<RoomTime>| since.is_some_and(|since| silent_ms(since) >= settings.weak_ms);
        if self.silent_since().is_some_and(|since| silent_ms(since) >= settings.away_ms) {
            PersonConnection::Away
        } else if self.soundless_since().is_some_and(|since| silent_ms(since) >= settings.away_ms) {
            PersonConnection::NoSound
        } else if weak_after(self.house.silent_since()) || weak_after(self.sound.silent_since()) {
            PersonConnection::Weak
        } else {
            PersonConnection::Good
        }
    }

    /// Shows the connection as it is at that time.
    pub(crate) fn show(&mut self, now: RoomTime, settings: &Settings) {
        self.shown = self.connection_at(now, settings);
        self.shown_at = now;
    }

    /// When what is shown changes by itself; none if it does not.
    pub(crate) fn next_change(&self, settings: &Settings) -> Option<RoomTime> {
        let since = [self.house.silent_since(), self.sound.silent_since()];
        let ages = [settings.weak_ms, settings.away_ms];
        let moments = since.into_iter().flatten().chain(self.silent_since()).flat_map(|at| ages.map(|ms| at.after(ms)));
        moments.filter(|at| *at > self.shown_at && self.connection_at(*at, settings) != self.shown).min()
    }
}
