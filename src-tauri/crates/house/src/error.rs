//! Why a house could not be opened, or could not do what it was asked to do as a whole.

use serambi_protocol::{Code, Refusal};

/// A house that does not come up, or stops. Refusals of single requests are [`serambi_protocol::Refusal`]s instead.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// The house's name is not one readable line.
    #[error("the house's name: {0}")]
    Name(Refusal),
    /// No TCP port of those tried is free.
    #[error("no free TCP port from {first}: {source}")]
    PortTaken {
        /// The first that was tried.
        first: u16,
        /// What the system said about the last.
        source: std::io::Error,
    },
    /// The system keeps that TCP port for programs with more rights.
    #[error("{}", port_not_allowed(.port, .source))]
    PortNotAllowed {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// A UDP port that a gate needs and its clients know by number cannot be opened.
    #[error("the gate's UDP port {port}: {reason}")]
    GatePort {
        /// The port.
        port: u16,
        /// What is wrong with it.
        reason: String,
    },
    /// The address to listen on cannot be used.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: std::net::IpAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// `house.sqlite` cannot be read or written.
    #[error("the house's file: {0}")]
    Storage(String),
    /// Another program has this house's file open.
    #[error("this house is already open in another program")]
    InUse,
    /// The certificate cannot be made or read.
    #[error("the house's certificate: {0}")]
    Certificate(String),
    /// The media server does not start.
    #[error("the media server: {0}")]
    Media(String),
    /// Passages cannot be taken.
    #[cfg(feature = "reach")]
    #[error("passages: {0}")]
    Reach(#[from] serambi_reach::ReachError),
    /// The system refuses something that should always work.
    #[error("{0}")]
    System(String),
}

impl HouseError {
    /// The stable code, to match on and to translate.
    pub fn code(&self) -> Code {
        match self {
            Self::Name(refusal) => refusal.code,
            Self::PortTaken { .. } | Self::GatePort { .. } => Code::PortTaken,
            Self::PortNotAllowed { .. } => Code::PortNotAllowed,
            Self::Storage(_) | Self::Certificate(_) => Code::ProfileBroken,
            Self::InUse => Code::ProfileInUse,
            Self::Media(_) => Code::MediaFailed,
            #[cfg(feature = "reach")]
            Self::Reach(error) => error.code(),
            Self::Listen { .. } | Self::System(_) => Code::Internal,
        }
    }
}

/// With what to do about it.
fn port_not_allowed(port: &u16, source: &std::io::Error) -> String {
    format!(
        "TCP port {port} is for programs that may take low ports: {source}. Under systemd give the service \
         AmbientCapabilities=CAP_NET_BIND_SERVICE, or have the router pass {port} on to another port and name that one \
         with --port"
    )
}

impl From<HouseError> for Refusal {
    fn from(error: HouseError) -> Self {
        Refusal::new(error.code(), error.to_string())
    }
}
