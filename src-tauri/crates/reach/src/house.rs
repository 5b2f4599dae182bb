//! The end of passages at a house: it waits at its gates and takes whoever comes through.

use std::io;

use futures_util::future::join_all;
use iroh::{
    Endpoint, RelayMap, SecretKey, Watcher,
    endpoint::{Accepting, RelayStatus},
};
use serambi_protocol::{
    GateState,
    link::{GateAddress, HouseKey},
};
use tokio::time::{Duration, sleep, timeout};

use crate::{
    Gate, GateStream, Passage, ReachError, gate_fault, gate_tls,
    gate_verifier::GatePins,
    transport::{self, DATAGRAMS_OF_MANY_BYTES},
};

/// How long a handshake with a guest may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long saying good-bye to guests and gates may take.
const GOOD_BYE_LIMIT: Duration = Duration::from_secs(1);

/// How long a house waits for its gates before it looks what is wrong with them.
const SILENCE: Duration = Duration::from_secs(3);
/// How often it looks again while no gate takes it.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A house's endpoint. Clones are the same one.
#[derive(Clone, Debug)]
pub struct HouseEndpoint {
    endpoint: Endpoint,
    gates: Vec<Gate>,
    pins: GatePins,
}

/// What is wrong with gates, by their addresses.
type Faults = Vec<(String, String)>;

impl HouseEndpoint {
    /// Goes to these gates and waits there under the key of this seed.
    ///
    /// # Errors
    /// [`ReachError::Socket`], [`ReachError::GateAddress`].
    pub async fn open(seed: &[u8; 32], gates: Vec<Gate>) -> Result<Self, ReachError> {
        let pins = GatePins::default();
        gates.iter().for_each(|gate| pins.trust(&gate.address));
        let relays: RelayMap = gates.iter().map(transport::relay).collect::<Result<_, _>>()?;
        let endpoint = transport::bind(SecretKey::from_bytes(seed), relays, &pins, DATAGRAMS_OF_MANY_BYTES).await?;
        Ok(Self { endpoint, gates, pins })
    }

    /// Who the house is at the end of a passage.
    pub fn key(&self) -> HouseKey {
        HouseKey::from_bytes(*self.endpoint.id().as_bytes())
    }

    /// The next guest; none: the endpoint is closed.
    ///
    /// A handshake that does not end keeps nobody waiting: the caller finishes it on a task of its own.
    pub async fn accept(&self) -> Option<Arriving> {
        loop {
            let incoming = self.endpoint.accept().await?;
            match incoming.accept() {
                Ok(accepting) => return Some(Arriving { accepting }),
                Err(error) => tracing::debug!(%error, "a passage that was none"),
            }
        }
    }

    /// How it stands with each gate, in the order in which they were given.
    pub fn gates(&self) -> Vec<(GateAddress, GateState)> {
        self.states(&self.endpoint.home_relay_status().get(), &[])
    }

    /// Tells how it stands with the gates, now and whenever that changes, until the endpoint is closed.
    pub async fn follow_gates(&self, tell: impl Fn(Vec<(GateAddress, GateState)>)) {
        let mut statuses = self.endpoint.home_relay_status();
        let (mut now, mut faults, mut pause) = (statuses.get(), Faults::new(), SILENCE);
        loop {
            tell(self.states(&now, &faults));
            let is_connected = now.iter().any(RelayStatus::is_connected);
            tokio::select! {
                changed = statuses.updated() => match changed {
                    Ok(changed) => now = changed,
                    Err(_) => return,
                },
                found = self.find_faults(pause), if !is_connected => (faults, pause) = (found, LOOK_AGAIN),
            }
            if now.iter().any(RelayStatus::is_connected) {
                (faults, pause) = (Faults::new(), SILENCE);
            }
        }
    }

    async fn find_faults(&self, after: Duration) -> Faults {
        sleep(after).await;
        let faults = self.gates.iter().map(|Gate { address, .. }| async {
            gate_fault::find(address, &self.pins).await.map(|why| (address.address.clone(), why))
        });
        join_all(faults).await.into_iter().flatten().collect()
    }

    fn states(&self, statuses: &[RelayStatus], faults: &[(String, String)]) -> Vec<(GateAddress, GateState)> {
        let state = |gate: &Gate| {
            let status = statuses.iter().find(|status| transport::gate_of(status.url()) == gate.address.address);
            let fault = faults.iter().find(|(address, _)| *address == gate.address.address);
            match (status.map_or(GateState::Waiting, read_status), fault) {
                (GateState::Waiting, Some((_, why))) => GateState::Failed(why.clone()),
                (state, _) => state,
            }
        };
        self.gates.iter().map(|gate| (gate.address.clone(), state(gate))).collect()
    }

    /// A connection to one of its gates, whose certificate is the one of the gate's link.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub async fn connect_to_gate(&self, gate: &GateAddress) -> io::Result<GateStream> {
        gate_tls::connect(gate, &self.pins).await
    }

    /// Ends all passages.
    pub async fn close(&self) {
        if timeout(GOOD_BYE_LIMIT, self.endpoint.close()).await.is_err() {
            tracing::debug!("guests or gates were not told that the house goes");
        }
    }
}

fn read_status(status: &RelayStatus) -> GateState {
    if status.is_connected() {
        return GateState::Connected;
    }
    if status.auth_denied_reason().is_some() {
        return GateState::Refused;
    }
    status.last_error().map_or(GateState::Waiting, |error| GateState::Failed(format!("{error:#}")))
}

/// A guest whose handshake is not complete.
#[derive(Debug)]
pub struct Arriving {
    accepting: Accepting,
}

impl Arriving {
    /// The passage; none: the guest did not complete it in time.
    pub async fn complete(self) -> Option<Passage> {
        match timeout(HANDSHAKE_LIMIT, self.accepting).await {
            Ok(Ok(connection)) => Some(Passage::new(connection)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a guest did not come through");
                None
            }
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serambi_protocol::Code;

    use super::*;

    #[test]
    fn a_certificate_that_is_not_the_gates_is_known_by_the_words_of_the_library() {
        let other = rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure);
        assert_eq!(GateState::Failed(format!("tls: {other}")).problem(), Some(Code::GateNotTheOne));
    }
}
