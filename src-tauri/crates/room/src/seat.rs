//! One person's seat: kept for a while when the connection is lost.

use serambi_protocol::view::RoomTime;

/// What belongs to a person wherever in the room they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Display name.
    pub(crate) name: String,
    /// When the connection was lost; none while it stands.
    pub(crate) away_since: Option<RoomTime>,
    /// Somebody on stage follows this person.
    pub(crate) followed: bool,
}

impl Seat {
    pub(crate) fn taken_by(name: &str) -> Self {
        Self { name: name.to_owned(), away_since: None, followed: false }
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away_since.is_some()
    }

    /// When the seat is given up unless the connection comes back.
    pub(crate) fn kept_until(&self, seat_kept_ms: u64) -> Option<RoomTime> {
        self.away_since.map(|since| since.after(seat_kept_ms))
    }
}
