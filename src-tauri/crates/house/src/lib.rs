//! The server of a house: identity, rooms, tokens, storage, HTTP and WebSocket.
//!
//! ```text
//! TCP ─► listener ─► api ─► registry ─► room actors ─► room (rules)
//!                    │       └────► media: RoomService over HTTP ─► embedded server or LiveKit
//!                    └─► authenticator (who is who)
//! ```
//!
//! [`House::start`] opens one. Nothing in it knows who else runs in the same program.

mod addresses;
mod api;
mod authenticator;
mod capture_marks;
mod certificate;
mod clock;
mod domain;
#[cfg(feature = "reach")]
mod entrance;
#[cfg(not(feature = "reach"))]
#[path = "entrance/closed.rs"]
mod entrance;
mod ephemeral;
mod error;
mod framed_media;
#[cfg(feature = "reach")]
mod gate;
mod house;
mod house_config;
mod listener;
mod loss_reports;
mod mailbox;
mod media;
mod network;
mod open_files;
mod outside_address;
mod outside_test;
mod page;
mod port_mapping;
mod rate;
mod reached;
mod recent_calls;
mod registry;
mod room_actor;
mod storage;
mod tls;

pub use clock::Clock;
pub use domain::{AcmeConfig, DomainCertificate, DomainConfig, DomainState, LETS_ENCRYPT};
pub use error::HouseError;
#[cfg(feature = "reach")]
pub use gate::{AdmittedHouses, DEFAULT_BYTES_PER_SECOND, DEFAULT_MAX_CLIENTS, GateCertificate, GateConfig};
pub use house::House;
pub use house_config::HouseConfig;
pub use listener::{NoOrigin, Origin};
pub use media::MediaServer;
pub use outside_address::{NoOutsideAddress, OutsideAddress};
pub use outside_test::{OutsideTest, OutsideTests};
pub use page::{Page, PageFiles};
pub use port_mapping::PortMapping;
pub use registry::{Presence, RoomStarters};
