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
    /// What went wrong in the whole server, whichever the room.
    pub server: ServerStatistics,
}

/// Failures of the whole server since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatistics {
    /// Datagrams that were not sent, by what the system said.
    pub send_errors: SendErrors,
    /// Signalling connections that were cut because the client did not read.
    pub slow_readers: u64,
    /// Peer connections that ended with a panic of the WebRTC engine.
    pub engine_panics: u64,
    /// Panics of the server's own core.
    pub core_panics: u64,
}

/// Datagrams that were not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendErrors {
    /// The system's buffer was full.
    pub buffer_full: u64,
    /// No way to the address: network or host unreachable, or the network is down.
    pub unreachable: u64,
    /// The far end refused an earlier datagram: its port is closed.
    pub refused: u64,
    /// A firewall or the system forbade it.
    pub forbidden: u64,
    /// Larger than the path allows.
    pub too_long: u64,
    /// Anything else.
    pub other: u64,
}

impl SendErrors {
    pub(crate) fn count(&mut self, error: &std::io::Error) {
        use std::io::ErrorKind;
        let counter = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::OutOfMemory => &mut self.buffer_full,
            ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
                &mut self.unreachable
            }
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => &mut self.refused,
            ErrorKind::PermissionDenied => &mut self.forbidden,
            _ if is_message_too_long(error) => &mut self.too_long,
            _ => &mut self.other,
        };
        *counter += 1;
    }
}

/// `EMSGSIZE` has no stable [`std::io::ErrorKind`].
fn is_message_too_long(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    const MESSAGE_TOO_LONG: i32 = libc::EMSGSIZE;
    #[cfg(windows)]
    const MESSAGE_TOO_LONG: i32 = 10_040;
    error.raw_os_error() == Some(MESSAGE_TOO_LONG)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn send_errors_are_told_apart() {
        let mut errors = SendErrors::default();
        let kinds = [
            ErrorKind::WouldBlock,
            ErrorKind::HostUnreachable,
            ErrorKind::NetworkUnreachable,
            ErrorKind::ConnectionRefused,
            ErrorKind::PermissionDenied,
            ErrorKind::InvalidInput,
        ];
        kinds.into_iter().for_each(|kind| errors.count(&Error::from(kind)));
        let expected = SendErrors { buffer_full: 1, unreachable: 2, refused: 1, forbidden: 1, too_long: 0, other: 1 };
        assert_eq!(errors, expected);
    }
}
