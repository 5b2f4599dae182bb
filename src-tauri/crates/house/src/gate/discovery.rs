//! Address discovery: on one UDP port a gate tells whoever asks under which address it sees them (QUIC address
//! discovery). House and guest need it to send to each other directly through their routers.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use iroh_relay::server::{QuicConfig, Server, ServerConfig};

use crate::error::HouseError;

/// An open port.
pub struct Discovery {
    server: Server,
    port: u16,
}

impl Discovery {
    /// Opens this port and no other: clients know only the one. 0: any. An unspecified address of either family stands
    /// for both.
    ///
    /// # Errors
    /// `port_taken`.
    pub async fn open(listen: IpAddr, port: u16, tls: &rustls::ServerConfig) -> Result<Self, HouseError> {
        if !listen.is_unspecified() {
            return Self::bind(listen, port, tls).await;
        }
        match Self::bind(Ipv6Addr::UNSPECIFIED.into(), port, tls).await {
            // A system without IPv6.
            Err(error) => match Self::bind(Ipv4Addr::UNSPECIFIED.into(), port, tls).await {
                Ok(discovery) => Ok(discovery),
                Err(_) => Err(error),
            },
            opened => opened,
        }
    }

    async fn bind(listen: IpAddr, port: u16, tls: &rustls::ServerConfig) -> Result<Self, HouseError> {
        let mut quic = QuicConfig::new(SocketAddr::new(listen, port));
        quic.server_config = Some(tls.clone());
        let mut config = ServerConfig::default();
        config.quic = Some(quic);
        let server =
            Server::spawn(config).await.map_err(|error| HouseError::GatePort { port, reason: format!("{error:#}") })?;
        let port = server.quic_addr().map_or(port, |address| address.port());
        Ok(Self { server, port })
    }

    /// The port in use.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads how often an address was told.
    pub fn counter(&self) -> impl Fn() -> u64 + Send + Sync + 'static + use<> {
        let metrics = Arc::clone(&self.server.metrics().server);
        move || metrics.qad_connections.get()
    }

    /// Ends all conversations.
    pub async fn close(self) {
        if let Err(error) = self.server.shutdown().await {
            tracing::warn!(%error, "address discovery did not end well");
        }
    }
}
