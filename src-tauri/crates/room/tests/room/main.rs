//! The rules of a room, as sentences: the numbered checks, the smaller rules between them, and what holds always.
#![allow(clippy::unwrap_used, clippy::panic)]

mod chat;
mod checks;
mod door;
mod fixtures;
mod invariants;
mod reactions;
mod rules;
mod timetable;
