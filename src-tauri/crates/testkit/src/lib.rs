//! What tests share: a private sound server with cards, programs that never outlive a test, and waiting with a limit.
//!
//! A dev-dependency only. Linux only in practice: the sound server is PulseAudio.
#![cfg(unix)]

pub mod error;
pub mod name_server;
pub mod own_process;
pub mod pebble;
pub mod program;
pub mod recording;
pub mod sound_server;
pub mod wait;

pub use error::Trouble;
