//! Tools of the whole-system tests: sound cards that are not there, speech, an ear that finds a sentence again,
//! real windows driven from outside, people without a window, and clients that nobody here wrote.
//!
//! Linux only: the sound cards are PulseAudio's, the windows WebKitGTK's.
#![cfg(unix)]

pub mod conversation;
pub mod delay;
pub mod display;
pub mod error;
pub mod likeness;
pub mod peer;
pub mod places;
pub mod process_load;
pub mod program;
pub mod recording;
pub mod sound_card;
pub mod speech;
pub mod strangers;
pub mod wait;
pub mod webdriver;
pub mod window;

pub use error::Trouble;
