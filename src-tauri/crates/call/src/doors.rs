//! The local ends of passages: for each house that is reached through gates one door, opened when it is first needed.
//!
//! A door is a TCP port of loopback, behind which every connection is a stream of the passage, and any number of UDP
//! sockets that exist in this program alone. TLS with the house's pin and DTLS-SRTP run through it as through any
//! router, so nothing behind the door has to know that it is one.

#[cfg(not(feature = "reach"))]
#[path = "doors/closed.rs"]
mod open;
#[cfg(feature = "reach")]
mod open;
#[cfg(feature = "reach")]
mod packets;

use serde::Serialize;

pub use self::open::Doors;
pub(crate) use self::open::{Door, DoorPackets};

/// How the packets of a passage go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PassageWay {
    /// From router to router.
    Direct,
    /// Carried by a gate.
    Gate,
}
