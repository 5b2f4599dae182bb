//! What is wrong with a gate that is silent: iroh goes to relays that answered its probes and says nothing of others.

use std::{io, sync::Arc, time::Duration};

use rustls::{crypto::ring::default_provider, pki_types::ServerName};
use serambi_protocol::link::GateAddress;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::gate_verifier::{GatePins, host};

/// How long a gate may take to show its certificate.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Why no TLS connection to this gate is made; none: it answers, with the certificate of its link.
pub(crate) async fn find(gate: &GateAddress, pins: &GatePins) -> Option<String> {
    match timeout(ANSWER_LIMIT, shake_hands(gate, pins)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer".to_owned()),
    }
}

async fn shake_hands(gate: &GateAddress, pins: &GatePins) -> io::Result<()> {
    let config = pins.tls().client_config(Arc::new(default_provider()))?;
    let name = ServerName::try_from(host(&gate.address).to_owned()).map_err(io::Error::other)?;
    let socket = TcpStream::connect(&gate.address).await?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    Ok(())
}
