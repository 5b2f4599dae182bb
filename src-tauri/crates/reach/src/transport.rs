//! QUIC for voice: a congestion window that loss does not close, and paths that are given up as soon as ICE would give
//! them up.

use std::{
    any::Any,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use iroh::{
    Endpoint, RelayConfig, RelayMap, RelayMode, RelayUrl, SecretKey,
    dns::DnsResolver,
    endpoint::{Controller, ControllerFactory, PortmapperConfig, QuicTransportConfig, VarInt, presets},
};
use iroh_relay::RelayQuicConfig;
use serambi_protocol::limits::GATE_DISCOVERY_PORT;

use crate::{
    ALPN, BROWSERS_ALPN, Gate, ReachError,
    gate_name::{self, GateNames},
    gate_verifier::GatePins,
};

/// Bytes in flight on one path. Twelve voices of 70 kbit/s over a round trip of a second are 105 kB; a stream of
/// control data beside them is a few kB. Cubic's window fell to 2.9 kB at 10 % loss and made datagrams wait: the 95th
/// percentile of their delay was 88 ms instead of 44 (40 ms each way).
const WINDOW_BYTES: u64 = 512 * 1024;
/// Voice that waits longer than this takes is of no use: 16 kB are some 30 packets. The oldest is dropped first.
pub(crate) const DATAGRAMS_WAITING_BYTES: usize = 16 * 1024;
/// The same where one connection carries a room full of browsers: a packet of each of three voices for each of a
/// hundred.
pub(crate) const DATAGRAMS_OF_MANY_BYTES: usize = 64 * 1024;
/// As long as ICE waits before it takes a connection for cut (`call::media::settings`). The default of 15 s was 15 s of
/// silence when a router changed its address.
const PATH_IDLE: Duration = Duration::from_secs(3);
const PATH_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Streams one guest may have open at once: each is one connection of a client that needs three to five.
const STREAMS_PER_PASSAGE: u32 = 32;

/// A window of one size: the rate is bounded by the room's speakers, not by the path.
#[derive(Clone, Debug)]
struct ConstantWindow;

impl Controller for ConstantWindow {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: bool, _: u64, _: u64) {}

    fn on_mtu_update(&mut self, _new_mtu: u16) {}

    fn window(&self) -> u64 {
        WINDOW_BYTES
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        WINDOW_BYTES
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl ControllerFactory for ConstantWindow {
    fn build(self: Arc<Self>, _now: Instant, _current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Self)
    }
}

fn quic(datagrams_waiting_bytes: usize) -> QuicTransportConfig {
    QuicTransportConfig::builder()
        .congestion_controller_factory(Arc::new(ConstantWindow))
        .datagram_send_buffer_size(datagrams_waiting_bytes)
        .default_path_max_idle_timeout(PATH_IDLE)
        .default_path_keep_alive_interval(PATH_KEEP_ALIVE)
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_PER_PASSAGE))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .build()
}

/// An endpoint that knows these gates and nobody else, and keeps so many bytes of datagrams of one connection waiting.
///
/// # Errors
/// [`ReachError::Socket`].
pub(crate) async fn bind(
    key: SecretKey,
    relays: RelayMap,
    pins: &GatePins,
    datagrams_waiting_bytes: usize,
) -> Result<Endpoint, ReachError> {
    Endpoint::builder(presets::Minimal)
        .secret_key(key)
        .alpns(vec![ALPN.to_vec(), BROWSERS_ALPN.to_vec()])
        .relay_mode(RelayMode::Custom(relays))
        .ca_tls_config(pins.tls())
        .dns_resolver(DnsResolver::custom(GateNames::default()))
        .portmapper_config(PortmapperConfig::Disabled)
        .transport_config(quic(datagrams_waiting_bytes))
        .bind()
        .await
        .map_err(|error| ReachError::Socket(error.to_string()))
}

/// What iroh knows a gate by.
///
/// # Errors
/// [`ReachError::GateAddress`].
pub(crate) fn relay(gate: &Gate) -> Result<RelayConfig, ReachError> {
    let url = relay_url(&gate.address.address)?;
    let config = RelayConfig::new(url, Some(RelayQuicConfig::new(GATE_DISCOVERY_PORT)));
    Ok(match &gate.token {
        Some(token) => config.with_auth_token(token.clone()),
        None => config,
    })
}

/// # Errors
/// [`ReachError::GateAddress`].
pub(crate) fn relay_url(address: &str) -> Result<RelayUrl, ReachError> {
    format!("https://{}", gate_name::for_iroh(address)).parse().map_err(|_| ReachError::GateAddress(address.to_owned()))
}

/// `host:port` of a gate that iroh names by its URL.
pub(crate) fn gate_of(url: &RelayUrl) -> String {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    gate_name::meaning(host).map_or_else(|| format!("{host}:{port}"), |ip| SocketAddr::from((ip, port)).to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_gate_is_known_by_the_address_of_its_link() {
        for address in ["gate.example:7410", "gate.example:443", "203.0.113.7:7410", "[2001:db8::1]:7410"] {
            assert_eq!(gate_of(&relay_url(address).unwrap()), address);
        }
        assert!(relay_url("not a gate").is_err());
    }
}
