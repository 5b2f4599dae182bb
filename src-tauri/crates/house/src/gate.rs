//! A gate: carries what cannot go directly between a house behind a router and its guests, and tells both how they are
//! seen from outside.
//!
//! ```text
//! house ─── WebSocket at /relay ──► ┌──────┐ ◄── WebSocket at /relay ─── guest
//!       ─── UDP, address discovery ►│ gate │◄─ UDP, address discovery ───
//!                                   └──────┘
//! ```
//!
//! Both ends speak iroh's relay protocol (`iroh-relay`) on the gate's own TCP port, each message an encrypted QUIC
//! datagram that the gate cannot read. A gate knows the keys of those who are connected, their addresses, and how much
//! they send. Besides it goes to a house's address outside when the house asks it to (`dial_back`).
//!
//! For browsers it is more: their TLS ends at the gate, which is a guest of the house for them and takes their media at
//! a UDP port of its own ([`browsers`], [`media_port`]). They have to trust it, and its page says so.

mod admission;
mod browser_counters;
mod browsers;
mod counters;
mod dial_back;
mod discovery;
mod forwarded_head;
mod frame;
mod house_passages;
mod media_port;
mod media_table;
mod page;
mod places;
mod relay;
mod traffic;
mod websocket;

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
};

use axum::{Router, http::StatusCode, routing::get};
use iroh_relay::http::{RELAY_PATH, RELAY_PROBE_PATH};
use serambi_protocol::{
    gate::GateDescription,
    limits::{GATE_DISCOVERY_PORT, GATE_MEDIA_PORT},
    link::{GateAddress, GateLink, HouseAddress, Pin},
};
use tokio_util::sync::CancellationToken;

pub use self::admission::AdmittedHouses;
use self::{
    admission::Admission, browser_counters::BrowserCounters, browsers::Browsers, discovery::Discovery,
    house_passages::HousePassages, media_port::MediaPort, relay::Relay,
};
use crate::{clock::Clock, error::HouseError, storage::Storage};

/// Bytes per second of one client: a house that sends three voices to 170 guests through the gate (some 7 kB/s each).
pub const DEFAULT_BYTES_PER_SECOND: NonZeroU32 = match NonZeroU32::new(4_000_000) {
    Some(bytes) => bytes,
    None => NonZeroU32::MIN,
};
/// Clients in all.
pub const DEFAULT_MAX_CLIENTS: usize = 2_048;

/// How a gate is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateConfig {
    /// Which houses it leads to.
    pub houses: AdmittedHouses,
    /// What one client may send.
    pub bytes_per_second: NonZeroU32,
    /// Connections of houses and guests in all.
    pub max_clients: usize,
    /// The UDP port of address discovery. From outside it must be [`GATE_DISCOVERY_PORT`]. 0: any.
    pub discovery_port: u16,
    /// The UDP port of browsers' media. From outside it must be the same one. 0: any.
    pub media_port: u16,
    /// How the gate is known to be the right one.
    pub certificate: GateCertificate,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            houses: AdmittedHouses::default(),
            bytes_per_second: DEFAULT_BYTES_PER_SECOND,
            max_clients: DEFAULT_MAX_CLIENTS,
            discovery_port: GATE_DISCOVERY_PORT,
            media_port: GATE_MEDIA_PORT,
            certificate: GateCertificate::Own,
        }
    }
}

/// Whose certificate clients of a gate see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateCertificate {
    /// The house's own: links carry its fingerprint.
    Own,
    /// One of the public web, for the name in the links.
    PublicWeb,
}

/// How a gate is known.
pub struct Gate {
    token: String,
    certificate: GateCertificate,
    discovery_port: u16,
}

impl Gate {
    /// What admits a house, for a gate that is this house. A secret.
    pub fn link(&self, house: &HouseAddress) -> Option<GateLink> {
        let pin = house.proof.pin().filter(|_| self.certificate == GateCertificate::Own).cloned();
        let address = house.addresses.first()?.clone();
        Some(GateLink { gate: GateAddress { address, pin }, token: self.token.clone() })
    }

    /// The UDP port of address discovery.
    pub fn discovery_port(&self) -> u16 {
        self.discovery_port
    }
}

/// What a gate does: its paths on the house's port, and its own UDP port.
pub struct GateService {
    relay: Arc<Relay>,
    browsers: Arc<Browsers>,
    media: MediaPort,
    discovery: Discovery,
    clock: Clock,
    stop: CancellationToken,
}

impl GateService {
    /// Its paths.
    pub fn router(&self) -> Router {
        Router::new()
            .route(RELAY_PATH, get(relay::connect))
            .route(RELAY_PROBE_PATH, get(StatusCode::OK))
            .with_state(self.relay.clone())
            .merge(page::router(self.relay.clone(), self.browsers.clone(), self.discovery.counter()))
            .merge(browsers::router(self.browsers.clone()))
            .merge(dial_back::router(self.relay.clone(), &self.clock))
    }

    /// Stays until the house closes, and then lets everybody go: the relay's own tasks know nothing of the house.
    pub async fn serve(self) {
        self.media.serve(self.stop).await;
        self.browsers.close().await;
        self.relay.close().await;
        self.discovery.close().await;
    }
}

/// A gate on a house's port.
pub struct Site<'a> {
    /// Where the house listens, the port included.
    pub listening: SocketAddr,
    /// The fingerprint of its certificate.
    pub pin: &'a Pin,
    /// With which the gate's other port serves as well.
    pub tls: &'a rustls::ServerConfig,
}

/// Opens the gate's UDP ports and prepares the relay, until `stop`.
///
/// # Errors
/// `port_taken`, `profile_broken`, `internal`.
pub async fn open(
    config: &GateConfig,
    site: Site<'_>,
    storage: &Storage,
    clock: &Clock,
    stop: CancellationToken,
) -> Result<(Gate, GateService), HouseError> {
    let listen: IpAddr = site.listening.ip();
    let token = admission::load_or_make_token(storage).await?;
    let admission = Admission::new(&token, &config.houses);
    let relay = Relay::new(admission, config.max_clients, config.bytes_per_second, clock.clone(), stop.clone());
    let discovery = Discovery::open(listen, config.discovery_port, site.tls).await?;
    let counters = Arc::<BrowserCounters>::default();
    let media = MediaPort::open(listen, config.media_port, config.bytes_per_second, clock, counters.clone())?;
    let passages = HousePassages::new(site.listening, site.pin.clone(), media.clone(), stop.clone()).await?;
    let pin = (config.certificate == GateCertificate::Own).then(|| site.pin.clone());
    let description = GateDescription { forwarder: passages.key(), media_port: media.port(), pin };
    let houses = relay.houses();
    let browsers = Browsers::new(houses, passages, media.clone(), description, counters, clock, stop.clone());
    let gate = Gate { token, certificate: config.certificate, discovery_port: discovery.port() };
    let (relay, browsers) = (Arc::new(relay), Arc::new(browsers));
    Ok((gate, GateService { relay, browsers, media, discovery, clock: clock.clone(), stop }))
}
