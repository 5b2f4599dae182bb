//! What one client may ask for, and how long things are waited for.

use std::collections::HashMap;
use std::time::Duration;

use super::Refusal;

/// Names, identities and room names, as on a stock server.
pub(crate) const MAX_NAME_CHARACTERS: usize = 256;
/// Metadata of a room or a participant, as on a stock server.
pub(crate) const MAX_METADATA_BYTES: usize = 512 * 1024;
/// Keys and values of all attributes together, as on a stock server.
pub(crate) const MAX_ATTRIBUTES_BYTES: usize = 64 * 1024;
/// Tracks announced and not yet offered, as on a stock server.
pub(crate) const MAX_PENDING_TRACKS: usize = 20;
/// Announcements under one client id, as on a stock server.
pub(crate) const MAX_PENDING_PER_CID: usize = 3;
/// Tracks one person may have on stage at once.
pub(crate) const MAX_PUBLISHED_TRACKS: usize = 20;
/// Longest client id, stream or mid that is remembered.
pub(crate) const MAX_ID_BYTES: usize = 256;

/// Changes within this time share an offer. Longer: fewer offers when a whole stage arrives;
/// shorter: sooner heard. The stock server takes 10 to 150 ms.
pub(crate) const NEGOTIATION_BATCH: Duration = Duration::from_millis(5);
/// An offer without an answer after this time fails the connection, as on a stock server.
pub(crate) const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(15);
/// A seat is kept this long after its signalling was lost. A stock server keeps it for about 20 s.
pub(crate) const SEAT_KEPT: Duration = Duration::from_secs(60);
/// Media must be up this long after joining, as on a stock server.
pub(crate) const JOIN_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a client gets a fresh token, as on a stock server.
pub(crate) const TOKEN_INTERVAL: Duration = Duration::from_secs(300);
/// Announced to clients: how often they ping.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Announced to clients: when they give up.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// Reliable data for somebody whose channel is not open yet waits so long, as on a stock server.
pub(crate) const DATA_BACKLOG: Duration = Duration::from_secs(2);
/// And no more than so many messages wait.
pub(crate) const DATA_BACKLOG_MESSAGES: usize = 64;
/// Sound that has waited so long inside the server is thrown away. Longer rides out longer stalls;
/// shorter keeps a house that is overloaded for a moment from talking about the past. Listeners'
/// jitter buffers hold less than this.
pub(crate) const SOUND_LATE: Duration = Duration::from_millis(100);
/// Decisions about people that a room remembers beyond their presence.
pub(crate) const MAX_VERDICTS: usize = 10_000;
/// Somebody whose media was up and from whom nothing has arrived for so long is listed as `JOINED`.
pub(crate) const MEDIA_SILENCE: Duration = Duration::from_secs(5);
/// Seconds an unused room stays, as on a stock server.
pub(crate) const EMPTY_ROOM_SECONDS: u32 = 300;
/// Seconds a room stays after the last one left, as on a stock server.
pub(crate) const DEPARTURE_SECONDS: u32 = 20;

pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Refusal> {
    if name.chars().count() > MAX_NAME_CHARACTERS {
        return Err(Refusal::InvalidArgument(format!("{what} is too long")));
    }
    Ok(())
}

/// A name that must also be there.
pub(crate) fn check_given(what: &'static str, name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::InvalidArgument(format!("{what} is missing")));
    }
    check_name(what, name)
}

pub(crate) fn check_metadata(metadata: &str) -> Result<(), Refusal> {
    if metadata.len() > MAX_METADATA_BYTES {
        return Err(Refusal::InvalidArgument("metadata is too long".to_owned()));
    }
    Ok(())
}

pub(crate) fn check_attributes(attributes: &HashMap<String, String>) -> Result<(), Refusal> {
    let bytes: usize = attributes.iter().map(|(k, v)| k.len() + v.len()).sum();
    if bytes > MAX_ATTRIBUTES_BYTES {
        return Err(Refusal::InvalidArgument("attributes are too long".to_owned()));
    }
    Ok(())
}
