//! TLS connections to gates, for questions besides iroh's own.

use std::{io, sync::Arc};

use rustls::{crypto::ring::default_provider, pki_types::ServerName};
use serambi_protocol::link::GateAddress;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::gate_verifier::{GatePins, host};

/// A connection to a gate.
pub type GateStream = TlsStream<TcpStream>;

/// Connects, and checks the certificate as iroh does. Waits as long as the system does.
pub(crate) async fn connect(gate: &GateAddress, pins: &GatePins) -> io::Result<GateStream> {
    let config = pins.tls().client_config(Arc::new(default_provider()))?;
    let name = ServerName::try_from(host(&gate.address).to_owned()).map_err(io::Error::other)?;
    let socket = TcpStream::connect(&gate.address).await?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}
