//! What a house and a client say to each other: ids, links, sign-in, commands, views, events, error codes and limits.
//!
//! Everything here is data. A house answers commands and queries over HTTP with the shapes of [`api`], and tells what
//! changed over one WebSocket per client with the numbered [`event::Envelope`]s. A client keeps a [`view::RoomView`]
//! and folds [`event::TopicChange`]s into it.

pub mod act;
pub mod api;
pub mod chat;
pub mod code;
pub mod command;
pub mod domain_name;
pub mod door;
pub mod event;
pub mod fold;
pub mod gate;
pub mod gate_state;
pub mod id;
mod known_entries;
pub mod limits;
pub mod link;
pub mod measurement;
pub mod name;
pub mod outside_test;
pub mod reaction;
pub mod sign_in;
pub mod streams;
pub mod switch;
pub mod view;

pub use act::Act;
pub use code::{Code, Refusal};
pub use command::Command;
pub use domain_name::DomainName;
pub use event::{Envelope, Notice, RoomEvent, TopicChange};
pub use gate_state::GateState;
pub use id::{PersonId, RoomId};
pub use link::Link;
pub use streams::{RoomSnapshot, Streams};
pub use switch::RoomSwitch;
pub use view::RoomView;
