//! What can go wrong when a media server is started or asked.

use std::net::SocketAddr;

use thiserror::Error;

/// Why a media server did not start.
#[derive(Debug, Error)]
pub enum SfuError {
    /// No port of the range is free at any address.
    #[error("no free UDP port from {address} on: {cause}")]
    NoPort {
        /// Where the search began.
        address: SocketAddr,
        /// What the last attempt said.
        cause: std::io::Error,
    },
    /// The public development pair, an empty key, or a secret under 32 bytes.
    #[error("the API key pair is too weak: the secret must have at least 32 bytes")]
    WeakKey,
    /// The system gave no randomness, or the engine no certificate.
    #[error("no certificate could be made")]
    Certificate,
    /// The media thread could not be started.
    #[error("the media thread did not start: {0}")]
    Thread(std::io::Error),
    /// More is asked of the server than it can do at the moment, or it has been closed.
    #[error("the media server takes no more requests")]
    Busy,
}

impl SfuError {
    /// Stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            SfuError::NoPort { .. } => "no_free_port",
            SfuError::WeakKey => "weak_key",
            SfuError::Certificate => "no_certificate",
            SfuError::Thread(_) => "no_media_thread",
            SfuError::Busy => "busy",
        }
    }
}
