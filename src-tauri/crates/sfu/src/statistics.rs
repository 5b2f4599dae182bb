//! What a room's media did, in numbers that only grow.

use std::collections::BTreeMap;

use serde::Serialize;

/// Packets of one person, or of all. Counts are of RTP packets unless they say otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Taken from this person and offered to the listeners.
    pub packets_in: u64,
    /// Payload bytes of those.
    pub bytes_in: u64,
    /// Sent to this person.
    pub packets_out: u64,
    /// Payload bytes of those.
    pub bytes_out: u64,
    /// Came from this person without permission to publish, and were thrown away unread.
    pub packets_refused: u64,
    /// Came on a muted track, and were thrown away.
    pub packets_muted: u64,
    /// Waited too long inside the server, and were thrown away.
    pub packets_late: u64,
    /// Did not come although their numbers passed by.
    pub packets_lost_in: u64,
    /// Data messages thrown away because this person may not send data.
    pub data_refused: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, other: &Traffic) {
        self.packets_in += other.packets_in;
        self.bytes_in += other.bytes_in;
        self.packets_out += other.packets_out;
        self.bytes_out += other.bytes_out;
        self.packets_refused += other.packets_refused;
        self.packets_muted += other.packets_muted;
        self.packets_late += other.packets_late;
        self.packets_lost_in += other.packets_lost_in;
        self.data_refused += other.data_refused;
    }
}

/// One person in the media room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantStatistics {
    /// Not shown to the others.
    pub hidden: bool,
    /// May send sound.
    pub may_publish: bool,
    /// Media is up.
    pub connected: bool,
    /// Signalling is up; a seat without it is kept for a minute.
    pub signalling: bool,
    /// Tracks on stage.
    pub tracks: usize,
    /// What was sent and received.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// A media room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomStatistics {
    /// The room's name.
    pub room: String,
    /// Everybody present, by identity, hidden people too.
    pub participants: BTreeMap<String, ParticipantStatistics>,
    /// Sum over everybody present.
    pub totals: Traffic,
}
