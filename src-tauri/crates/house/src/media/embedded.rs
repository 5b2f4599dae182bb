//! The media server inside this program: the same as any other, only closer.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use serambi_protocol::{
    Code, Refusal, RoomId,
    measurement::{HousePassage, VoiceMark},
};
use serambi_sfu::{MediaAddresses, Passage, RoomOptions, Sfu, SfuConfig, Tunnel};

use super::{keys::Keys, room_service::EMPTY_ROOM_SECONDS};
use crate::{clock::Clock, error::HouseError};

/// A handle to it.
#[derive(Clone)]
pub struct Embedded {
    sfu: Sfu,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedded(UDP {})", self.udp_port())
    }
}

impl Embedded {
    /// Starts it on `first` or the next free UDP port, offering these addresses. Port 0: any.
    ///
    /// # Errors
    /// `media_failed`.
    pub fn start(
        keys: &Keys,
        listen: IpAddr,
        first: u16,
        addresses: MediaAddresses,
        tunnels: Vec<Tunnel>,
    ) -> Result<Self, HouseError> {
        let config = SfuConfig {
            api_key: keys.key.clone(),
            api_secret: keys.secret.clone(),
            udp_bind: SocketAddr::new(listen, first),
            addresses,
            tunnels,
        };
        let sfu = Sfu::start(config).map_err(|error| HouseError::Media(error.to_string()))?;
        Ok(Self { sfu })
    }

    /// Its signalling and its RoomService, to be served on the house's port.
    pub fn router(&self) -> Router {
        self.sfu.router()
    }

    /// The UDP port in use.
    pub fn udp_port(&self) -> u16 {
        self.sfu.udp_port()
    }

    /// Offers these addresses from now on.
    ///
    /// # Errors
    /// `media_failed`: it has too much to do, or has been closed.
    pub fn move_to(&self, addresses: MediaAddresses) -> Result<(), HouseError> {
        self.sfu.move_to(addresses).map_err(|error| HouseError::Media(error.to_string()))
    }

    /// Sends this datagram back to whoever sends it; none: none.
    ///
    /// # Errors
    /// `media_failed`: it has too much to do, or has been closed.
    #[cfg(feature = "reach")]
    pub fn expect_probe(&self, probe: Option<Vec<u8>>) -> Result<(), HouseError> {
        self.sfu.expect_probe(probe).map_err(|error| HouseError::Media(error.to_string()))
    }

    /// Creates a media room. Whoever joins after this call finds it: the first person must not come before it is there.
    ///
    /// # Errors
    /// `media_failed`: it has too much to do, or has been closed.
    pub fn create_room(&self, room: &RoomId) -> Result<(), HouseError> {
        let options = RoomOptions {
            empty_timeout: EMPTY_ROOM_SECONDS,
            departure_timeout: EMPTY_ROOM_SECONDS,
            ..RoomOptions::default()
        };
        self.sfu.create_room(room.as_str(), options).map_err(|error| HouseError::Media(error.to_string()))
    }

    /// What it counted in a room; nothing if there is no such room.
    ///
    /// # Errors
    /// `internal`.
    pub async fn statistics(&self, room: &RoomId) -> Result<Option<serde_json::Value>, Refusal> {
        let counted = self.sfu.room_statistics(room.as_str()).await;
        let json = counted.map(serde_json::to_value).transpose();
        json.map_err(|error| Refusal::new(Code::Internal, error.to_string()))
    }

    /// Adds to each mark when its packet came and went, and gives it the timestamp that listeners see.
    pub async fn find_passages(&self, room: &RoomId, marks: Vec<VoiceMark>, clock: &Clock) -> Vec<VoiceMark> {
        let packets = marks.iter().map(|voice| (voice.person.to_string(), voice.mark.timestamp)).collect();
        let passages = self.sfu.passages(room.as_str(), packets).await;
        let add = |(mut voice, passage): (VoiceMark, Option<Passage>)| {
            if let Some(Passage { timestamp, arrived, forwarded }) = passage {
                voice.mark.timestamp = timestamp;
                voice.passage = Some(HousePassage { arrived: clock.at(arrived), forwarded: clock.at(forwarded) });
            }
            voice
        };
        marks.into_iter().zip(passages).map(add).collect()
    }

    /// Says goodbye to everybody in it and ends it.
    pub async fn close(&self) {
        self.sfu.close().await;
    }
}
