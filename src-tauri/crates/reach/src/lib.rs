//! Being reached where no address leads: passages between a house and its guests, through the routers of both where
//! those let it, through a gate where they do not.
//!
//! A passage is one QUIC connection (iroh). Streams carry what goes over TCP elsewhere (HTTP, the house's channel,
//! media signalling), datagrams carry what goes over UDP (media); TLS with the house's pin and DTLS-SRTP run inside as
//! they do on any other way. Nobody is asked but the gates that were named: no address lookup, no relay of anybody
//! else, no port mapping.
#![forbid(unsafe_code)]

mod datagram;
mod gate_fault;
mod gate_name;
mod gate_tls;
mod gate_verifier;
mod guest;
mod house;
mod passage;
mod transport;

use serambi_protocol::{
    Code,
    link::{GateAddress, GateLink},
};

pub use self::{
    gate_tls::GateStream,
    gate_verifier::tls_to,
    guest::GuestEndpoint,
    house::{Arriving, HouseEndpoint},
    passage::{Closed, Passage, PassageDatagram, PassageStream, Way},
};

/// The application protocol of a guest's passage (RFC 7301).
const ALPN: &[u8] = b"serambi/passage/1";
/// That of a gate's own, in which it brings many browsers: a stream is 16 bytes that stand for the browser's network,
/// then HTTP; a datagram's number stands for a browser's socket.
const BROWSERS_ALPN: &[u8] = b"serambi/browsers/1";

/// Why a passage or an endpoint is not there.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// The system gives no UDP socket.
    #[error("no socket for passages: {0}")]
    Socket(String),
    /// An address of a gate that no URL can be made of.
    #[error("{0} is no address of a gate")]
    GateAddress(String),
    /// Key bytes that are no Ed25519 public key.
    #[error("the house's key is not a key")]
    Key,
    /// No gate led to the house.
    #[error("no passage through {gates}: {why}")]
    NoPassage {
        /// Which were tried.
        gates: String,
        /// What the last one said.
        why: String,
    },
}

impl ReachError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Socket(_) => Code::Internal,
            Self::GateAddress(_) | Self::Key => Code::LinkWrong,
            Self::NoPassage { .. } => Code::HouseUnreachable,
        }
    }
}

/// A gate and, for a house, what admits it there.
#[derive(Clone, PartialEq, Eq)]
pub struct Gate {
    address: GateAddress,
    token: Option<String>,
}

impl Gate {
    /// Where it is.
    pub const fn address(&self) -> &GateAddress {
        &self.address
    }
}

impl From<GateAddress> for Gate {
    fn from(address: GateAddress) -> Self {
        Self { address, token: None }
    }
}

impl From<GateLink> for Gate {
    fn from(link: GateLink) -> Self {
        Self { address: link.gate, token: Some(link.token) }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate({})", self.address.address)
    }
}
