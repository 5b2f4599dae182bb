//! A house over real sockets on loopback, asked and watched by clients that know only what a link says.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fake_media;
mod follower;
mod pinned;
mod visitor;

#[cfg(feature = "reach")]
mod browsers;
mod channel;
mod chat;
#[cfg(target_os = "linux")]
mod domain;
mod door;
mod folding;
mod full_disk;
#[cfg(feature = "reach")]
mod gate;
mod hostile;
mod journey;
mod leftovers;
mod measurements;
mod media;
mod port;
mod private_network;
mod program;
mod reactions;
mod restart;
mod signing_in;
#[cfg(feature = "reach")]
mod through_gate;
