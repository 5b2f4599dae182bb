//! Tools of the whole-system tests: sound cards that are not there, speech, an ear that finds a sentence again,
//! real windows driven from outside, people without a window, clients that nobody here wrote, a network that loses and
//! delays, and a system that has nothing yet.
//!
//! Linux only: the sound cards are PulseAudio's, the windows WebKitGTK's.
#![cfg(unix)]

pub mod accessibility_tree;
pub mod bare_system;
#[cfg(target_os = "linux")]
pub mod browser;
#[cfg(target_os = "linux")]
pub mod cable;
pub mod conversation;
pub mod datagram;
pub mod delay;
pub mod display;
#[cfg(target_os = "linux")]
pub mod internet;
pub mod key_portal;
pub mod likeness;
pub mod login_service;
pub mod marionette;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
pub mod network;
pub mod notification_service;
pub mod path_condition;
pub mod peer;
pub mod places;
#[cfg(target_os = "linux")]
pub mod precedence;
pub mod process_load;
#[cfg(target_os = "linux")]
pub mod public_gate;
pub mod release_server;
pub mod screen_reader;
#[cfg(target_os = "linux")]
pub mod slow_wire;
pub mod speech;
pub mod strangers;
#[cfg(target_os = "linux")]
pub mod talking_house;
pub mod tray;
#[cfg(target_os = "linux")]
pub mod tun;
pub mod webdriver;
pub mod window;
#[cfg(target_os = "linux")]
pub mod wine;

pub use serambi_testkit::{Trouble, error, name_server, pebble, program, recording, sound_server, wait};
