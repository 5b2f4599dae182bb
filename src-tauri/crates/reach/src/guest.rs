//! The end of passages at a guest: one endpoint per process, whose key is thrown away with it, so that no gate can tell
//! that the same person came twice.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMap, SecretKey};
use serambi_protocol::link::{GateAddress, HouseKey, PassageAddress};
use tokio::time::{sleep, timeout};

use crate::{
    ALPN, BROWSERS_ALPN, Gate, Passage, ReachError,
    gate_verifier::GatePins,
    transport::{self, DATAGRAMS_OF_MANY_BYTES, DATAGRAMS_WAITING_BYTES},
};

/// How long one gate may take to lead to a house.
const GATE_LIMIT: Duration = Duration::from_secs(8);
/// The next gate of a link is tried this much later, beside those before it.
const NEXT_GATE_AFTER: Duration = Duration::from_millis(700);

/// A guest's endpoint. Clones are the same one.
#[derive(Clone, Debug)]
pub struct GuestEndpoint {
    endpoint: Endpoint,
    pins: GatePins,
    protocol: &'static [u8],
}

impl GuestEndpoint {
    /// One that knows no gate yet and has asked nobody anything.
    ///
    /// # Errors
    /// [`ReachError::Socket`].
    pub async fn open() -> Result<Self, ReachError> {
        Self::bind(ALPN, DATAGRAMS_WAITING_BYTES).await
    }

    /// That of a gate, which brings browsers to its houses.
    ///
    /// # Errors
    /// [`ReachError::Socket`].
    pub async fn open_for_browsers() -> Result<Self, ReachError> {
        Self::bind(BROWSERS_ALPN, DATAGRAMS_OF_MANY_BYTES).await
    }

    async fn bind(protocol: &'static [u8], datagrams_waiting_bytes: usize) -> Result<Self, ReachError> {
        let pins = GatePins::default();
        let key = SecretKey::generate();
        let endpoint = transport::bind(key, RelayMap::empty(), &pins, datagrams_waiting_bytes).await?;
        Ok(Self { endpoint, pins, protocol })
    }

    /// Who it is at the other end of its passages.
    pub fn key(&self) -> HouseKey {
        HouseKey::from_bytes(*self.endpoint.id().as_bytes())
    }

    /// A passage to the house, through whichever of its gates leads there first; the earlier ones have a start.
    ///
    /// # Errors
    /// [`ReachError::NoPassage`], [`ReachError::Key`], [`ReachError::GateAddress`].
    pub async fn open_passage(&self, to: &PassageAddress) -> Result<Passage, ReachError> {
        let house = EndpointId::from_bytes(to.key.as_bytes()).map_err(|_| ReachError::Key)?;
        let tries = (0..).zip(&to.gates).map(|(place, gate)| async move {
            sleep(NEXT_GATE_AFTER * place).await;
            self.open_through(gate, house).await
        });
        let mut tries: FuturesUnordered<_> = tries.collect();
        let mut last = None;
        while let Some(tried) = tries.next().await {
            match tried {
                Ok(passage) => return Ok(passage),
                Err(error) => last = Some(error),
            }
        }
        let gates = to.gates.iter().map(|gate| gate.address.as_str()).collect::<Vec<_>>().join(", ");
        Err(last.unwrap_or(ReachError::NoPassage { gates, why: "no gate".to_owned() }))
    }

    async fn open_through(&self, gate: &GateAddress, house: EndpointId) -> Result<Passage, ReachError> {
        let relay = transport::relay(&Gate::from(gate.clone()))?;
        let url = relay.url.clone();
        self.pins.trust(gate);
        self.endpoint.insert_relay(url.clone(), Arc::new(relay)).await;
        let connecting = self.endpoint.connect(EndpointAddr::new(house).with_relay_url(url), self.protocol);
        let failed = |why: String| ReachError::NoPassage { gates: gate.address.clone(), why };
        match timeout(GATE_LIMIT, connecting).await {
            Ok(Ok(connection)) => Ok(Passage::new(connection)),
            Ok(Err(error)) => Err(failed(format!("{error:#}"))),
            Err(_) => Err(failed("no answer".to_owned())),
        }
    }

    /// Ends all passages.
    pub async fn close(&self) {
        self.endpoint.close().await;
    }
}
