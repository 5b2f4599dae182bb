//! Doors where passages are not built in: there are none, and who needs one reads so.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use serambi_protocol::{Code, Refusal, limits::PASSAGE_MEDIA, link::PassageAddress};

use super::PassageWay;
use crate::house_tls::Authorities;

/// No doors.
#[derive(Clone, Debug, Default)]
pub struct Doors {
    authorities: Authorities,
}

/// A door that cannot be.
#[derive(Debug)]
pub(crate) struct Door(Infallible);

/// A socket that cannot be.
#[derive(Debug)]
pub(crate) struct DoorPackets(Infallible);

impl Doors {
    /// None; houses known by name are to have certificates of these authorities.
    pub fn trusting(authorities: Authorities) -> Self {
        Self { authorities }
    }

    /// Whose certificates are believed of houses known by name.
    pub(crate) fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// # Errors
    /// `house_unreachable`, always.
    pub(crate) async fn open(&self, _to: &PassageAddress) -> Result<Arc<Door>, Refusal> {
        Err(Refusal::new(Code::HouseUnreachable, "this program was built without passages"))
    }

    /// There is nothing to close.
    pub async fn close(&self) {}
}

impl Door {
    pub(crate) fn address(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn bind(self: &Arc<Self>) -> DoorPackets {
        match self.0 {}
    }

    pub(crate) fn way(&self) -> PassageWay {
        match self.0 {}
    }
}

impl DoorPackets {
    pub(crate) const fn peer() -> SocketAddr {
        SocketAddr::V4(PASSAGE_MEDIA)
    }

    pub(crate) fn send(&self, _packet: &[u8]) {
        match self.0 {}
    }

    pub(crate) fn poll_receive(&self, _context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.0 {}
    }
}
