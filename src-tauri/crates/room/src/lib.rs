//! The rules of one room as a pure state machine: no input or output, no clock, no randomness.
//!
//! A [`Room`] is told what people want and what time it is, and answers with an [`Outcome`]: who is to be told what,
//! who is no longer in the room, and what the media server must know. A wish that is refused changes nothing.
//! What one person may see of the room is [`Room::view_for`]; nothing else leaves it.
//!
//! Whoever drives a room calls [`Room::pass_time`] when [`Room::next_deadline`] comes. Every other call lets due time
//! pass first by itself, so being late changes when something is said, never what is decided.

mod chat;
mod door;
mod hand_queue;
mod invitation;
mod outcome;
pub mod permission;
mod reactions;
mod room;
mod seat;
mod settings;
mod stage;
mod succession;
mod view;

pub use outcome::{MediaChange, Outcome};
pub use permission::may;
pub use room::{Knocking, Member, PersonRow, Room};
pub use settings::Settings;
