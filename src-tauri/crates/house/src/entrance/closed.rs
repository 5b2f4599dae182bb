//! The entrance where passages are not built in: nobody comes by it, and whoever wants to open it reads so.

use serambi_protocol::{
    GateState,
    link::{GateAddress, GateLink, PassageAddress},
};
use tokio::sync::watch;

use crate::{error::HouseError, outside_test::OutsideTests};

/// An entrance that no gate leads to.
pub struct Entrance {
    gates: watch::Sender<Vec<(GateAddress, GateState)>>,
    /// Whoever follows these waits for ever.
    _tests: watch::Sender<OutsideTests>,
}

impl Entrance {
    /// No gate tests an address either.
    pub fn new(tests: watch::Sender<OutsideTests>) -> Self {
        Self { gates: watch::Sender::new(Vec::new()), _tests: tests }
    }

    /// # Errors
    /// `internal`, for any gate.
    pub async fn open(&self, gates: Vec<GateLink>) -> Result<(), HouseError> {
        if gates.is_empty() { Ok(()) } else { Err(HouseError::System("built without passages".to_owned())) }
    }

    /// There is nothing to close.
    pub async fn close(&self) {}

    pub fn address(&self) -> Option<PassageAddress> {
        None
    }

    pub fn gates(&self) -> watch::Receiver<Vec<(GateAddress, GateState)>> {
        self.gates.subscribe()
    }
}
