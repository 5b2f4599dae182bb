//! The media server of a house: LiveKit signalling and RoomService in front, Opus packets
//! forwarded untouched behind, all media through one UDP port.
//!
//! ```text
//! HTTP ── signal, room_service ──► media_thread ──► core (no IO, no clock, no chance)
//! UDP  ── sockets ───────────────►      │
//! ```
//!
//! The server knows who may publish and who is hidden, because the house says so through tokens
//! and RoomService calls. What a host, a stage or a raised hand is it does not know.

pub mod core;
mod error;
mod handshake_repeats;
mod inbox;
mod media_thread;
mod room_service;
mod sfu;
mod signal;
mod sockets;
pub mod statistics;
mod token;
mod tunnel;

pub use core::{Detour, Passage, RoomOptions, SILENT_MS_ATTRIBUTE, binding_request_fragment};
pub use error::SfuError;
pub use sfu::{Sfu, SfuConfig};
pub use sockets::{MediaAddresses, OutsideMedia};
pub use statistics::{ParticipantStatistics, RoomStatistics, SendErrors, ServerStatistics, Traffic};
pub use tunnel::{Tunnel, TunnelDatagram, TunnelEnd};
