//! How a house is opened.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use serambi_protocol::{
    PersonId,
    limits::{HOUSE_PORT, MEDIA_PORT},
    link::GateLink,
};

#[cfg(feature = "reach")]
use crate::gate::GateConfig;
use crate::{
    domain::DomainConfig, listener::Origin, media::MediaServer, outside_address::OutsideAddress, page::Page,
    registry::RoomStarters,
};

/// Everything that is decided before.
#[derive(Clone, Debug)]
pub struct HouseConfig {
    /// Where `house.sqlite` is, or will be.
    pub folder: PathBuf,
    /// The house's name: one readable line.
    pub name: String,
    /// Where it listens: `0.0.0.0` or `::` for every network of this computer, IPv4 and IPv6; `127.0.0.1` for this
    /// computer only.
    pub listen: IpAddr,
    /// How it is seen from outside, where a router or a cloud passes its ports on.
    pub outside: Option<OutsideAddress>,
    /// Gates through which it is reached besides, in order. Without the feature `reach` there are none.
    pub gates: Vec<GateLink>,
    /// Ask the router to pass the ports on. Nobody is asked otherwise.
    pub port_mapping: bool,
    /// The TCP port; the next free one of twenty is used if it is taken. 0: any.
    pub port: u16,
    /// The UDP port of the embedded media server; the next free one of twenty. 0: any.
    pub media_port: u16,
    /// Announce the house on the local network.
    pub discoverable: bool,
    /// Its domain, if it has one: listens on this very port, or not at all.
    pub domain: Option<DomainConfig>,
    /// Origins besides the house's own whose web pages may use it.
    pub origins: Vec<Origin>,
    /// Which media server carries the sound.
    pub media: MediaServer,
    /// Who runs the house from its first start on.
    pub owner: Option<PersonId>,
    /// Who may start rooms.
    pub starters: RoomStarters,
    /// The page for people without the app.
    pub page: Page,
    /// Be a gate, for houses that nobody can reach directly.
    #[cfg(feature = "reach")]
    pub gate: Option<GateConfig>,
}

impl HouseConfig {
    /// A house with the usual ports, open to the local network and announced there.
    pub fn new(folder: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            name: name.into(),
            listen: Ipv4Addr::UNSPECIFIED.into(),
            outside: None,
            gates: Vec::new(),
            port_mapping: false,
            port: HOUSE_PORT,
            media_port: MEDIA_PORT,
            discoverable: true,
            domain: None,
            origins: Vec::new(),
            media: MediaServer::Embedded,
            owner: None,
            starters: RoomStarters::default(),
            page: Page::None,
            #[cfg(feature = "reach")]
            gate: None,
        }
    }

    /// The same, but nothing leaves this computer, and any free port will do.
    pub fn on_loopback(mut self) -> Self {
        self.listen = Ipv4Addr::LOCALHOST.into();
        self.port = 0;
        self.media_port = 0;
        self
    }
}
