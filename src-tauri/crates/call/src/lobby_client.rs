//! Looking at a house from outside, without signing in: what it is and which rooms are open.

use reqwest::Method;
use serambi_protocol::{
    Refusal,
    api::{HouseInfo, RoomCard},
    link::HouseAddress,
};

use crate::{doors::Doors, house_client, house_tls};

/// Looks at a house without signing in. Keeps the connection, so that looking again is cheap.
#[derive(Clone, Debug)]
pub struct LobbyClient {
    house: HouseAddress,
    http: reqwest::Client,
    doors: Doors,
}

impl LobbyClient {
    /// A client of this house.
    ///
    /// # Errors
    /// `internal`: no TLS on this system.
    pub fn new(house: HouseAddress, doors: &Doors) -> Result<Self, Refusal> {
        let http = house_client::http_client(&house_tls::client_config(&house.proof, doors.authorities())?)?;
        Ok(Self { house, http, doors: doors.clone() })
    }

    /// The house that is looked at.
    pub fn house(&self) -> &HouseAddress {
        &self.house
    }

    /// The house and its open rooms, by the first way to it that answers.
    ///
    /// # Errors
    /// `house_unreachable`, `house_not_the_one`.
    pub async fn look(&self) -> Result<(HouseInfo, Vec<RoomCard>), Refusal> {
        let looking = house_client::first_way(&self.house, &self.doors, |address| self.look_through(address));
        looking.await.map(|(_, seen)| seen)
    }

    async fn look_through(&self, address: String) -> Result<(HouseInfo, Vec<RoomCard>), Refusal> {
        let info = house_client::ask(&self.http, &address, Method::GET, "/house", None, None::<&()>).await?;
        let rooms = house_client::ask(&self.http, &address, Method::GET, "/rooms", None, None::<&()>).await?;
        Ok((info, rooms))
    }
}
