//! What is wrong with a gate that is silent: iroh goes to relays that answered its probes and says nothing of others.

use std::time::Duration;

use serambi_protocol::link::GateAddress;
use tokio::time::timeout;

use crate::{gate_tls, gate_verifier::GatePins};

/// How long a gate may take to show its certificate.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Why no TLS connection to this gate is made; none: it answers, with the certificate of its link.
pub(crate) async fn find(gate: &GateAddress, pins: &GatePins) -> Option<String> {
    match timeout(ANSWER_LIMIT, gate_tls::connect(gate, pins)).await {
        Ok(Ok(_answered)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer".to_owned()),
    }
}
