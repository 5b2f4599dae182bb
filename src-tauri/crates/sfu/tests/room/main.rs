//! Rooms with real ICE, DTLS and SRTP at both ends, a simulated clock and a simulated network.

#![allow(clippy::unwrap_used, clippy::panic)]

mod client;
mod data;
mod detour;
mod forwarding;
mod golden;
mod hostile;
mod permissions;
mod probe;
mod service;
mod sessions;
mod signalling;
mod simulation;
