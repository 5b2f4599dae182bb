//! Who can reach the own house: gates, the router and an outside address, chosen in the profile or given on the command
//! line, which wins.

use serambi_house::{House, HouseConfig, OutsideAddress, PortMapping};
use serambi_protocol::{
    Code, GateState, Link, Refusal,
    link::{GateLink, HouseAddress, Pin},
};
use tokio::sync::watch;

use super::{AppController, lock};
use crate::reach_view::{
    GateStanding, GateView, Reach, ReachView, RouterStanding, RouterSteps, TestedAddress, how_far, is_public_address,
};

/// The house that is open, and with what it was started: the router and the outside address stay until its next start.
pub(super) struct OpenHouse {
    house: House,
    outside: Option<OutsideAddress>,
    asks_router: bool,
    /// It listens on loopback, because somebody wanted it so.
    stays_here: bool,
}

impl OpenHouse {
    pub(super) fn new(house: House, config: &HouseConfig) -> Self {
        Self {
            house,
            outside: config.outside.clone(),
            asks_router: config.port_mapping,
            stays_here: config.listen.is_loopback(),
        }
    }

    pub(super) fn pin(&self) -> Pin {
        self.house.pin()
    }

    fn view(&self, chosen: ReachView) -> ReachView {
        let mapping = self.house.port_mapping().map(|mapping| *mapping.borrow());
        let mapped = mapping.as_ref().and_then(PortMapping::in_link);
        let outside = self.outside.as_ref().map(|outside| outside.in_link(self.house.port()));
        let passed_on: Vec<String> = mapped.into_iter().chain(outside).collect();
        let address = self.house.address();
        let here: Vec<String> = address.addresses.iter().filter(|here| !passed_on.contains(here)).cloned().collect();
        let public = here.iter().filter(|here| is_public_address(here)).cloned();
        let open: Vec<String> = passed_on.into_iter().chain(public).collect();
        let tests = self.house.outside_tests().borrow().clone();
        let steps = RouterSteps {
            to: here.iter().find(|here| !is_loopback(here)).and_then(|here| host_of(here)),
            tcp: self.house.port(),
            udp: self.house.media_port(),
        };
        ReachView {
            reach: self.reach(&here, open.iter().any(|address| !tests.refute(address))),
            gates: self.house.gates().borrow().iter().map(|(gate, state)| GateView::of(gate, state)).collect(),
            router: RouterStanding::of(mapping),
            tested: TestedAddress::best(&open, &tests),
            steps: Some(steps),
            link: Some(link_for_others(address)),
            ..chosen
        }
    }

    fn reach(&self, here: &[String], is_open: bool) -> Reach {
        let is_through = self.house.gates().borrow().iter().any(|(_, state)| *state == GateState::Connected);
        match how_far(here, is_open, is_through) {
            Reach::Nowhere if self.stays_here => Reach::ThisComputer,
            reach => reach,
        }
    }
}

impl AppController {
    /// Who can reach the own house.
    pub(super) fn reach_view(&self) -> ReachView {
        let chosen = self.settings().reach;
        let outside = self.outside();
        let arguments = &self.shared.arguments;
        let open = lock(&self.shared.open_house);
        let applies_later =
            open.as_ref().is_some_and(|open| open.outside != outside || open.asks_router != chosen.ask_router);
        let view = ReachView {
            reach: Reach::NotOpen,
            gates: self.gates().iter().map(waiting).collect(),
            gates_given: !arguments.gates.is_empty(),
            ask_router: chosen.ask_router,
            router: RouterStanding::NotAsked,
            tested: None,
            outside: outside.map(|outside| outside.to_string()),
            outside_given: arguments.outside.is_some(),
            applies_later,
            steps: None,
            link: None,
        };
        match open.as_ref() {
            Some(open) => open.view(view),
            None => view,
        }
    }

    /// Where the own house waits for guests; none: nowhere. An open house goes there at once.
    ///
    /// # Errors
    /// `link_wrong`, `profile_broken`.
    pub async fn set_gate(&self, link: Option<&str>) -> Result<(), Refusal> {
        let link = link.map(GateLink::read).transpose()?;
        self.change_settings(|settings| settings.reach.through = link.as_ref().map(ToString::to_string))?;
        if let Some(house) = self.shared.house.lock().await.as_ref() {
            house.set_gates(self.gates()).await?;
        }
        self.tell_changed();
        Ok(())
    }

    /// Whether the router is asked to pass the ports on, from the next start of the house on.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_ask_router(&self, on: bool) -> Result<(), Refusal> {
        self.change_settings(|settings| settings.reach.ask_router = on)
    }

    /// How the house is seen from outside, from its next start on; none: nobody passes its ports on.
    ///
    /// # Errors
    /// `link_wrong`: not `HOST[:TCP[:UDP]]`. `profile_broken`.
    pub fn set_outside_address(&self, address: Option<&str>) -> Result<(), Refusal> {
        let address = address.map(str::trim).filter(|address| !address.is_empty()).map(read_outside).transpose()?;
        self.change_settings(|settings| settings.reach.outside = address.map(|address| address.to_string()))
    }

    /// The gates of the command line, or else the one of the profile. A link of a newer program is passed over.
    pub(super) fn gates(&self) -> Vec<GateLink> {
        let given = &self.shared.arguments.gates;
        let chosen = || self.settings().reach.through.and_then(|link| GateLink::read(&link).ok());
        if given.is_empty() { chosen().into_iter().collect() } else { given.clone() }
    }

    /// The outside address of the command line, or else that of the profile.
    pub(super) fn outside(&self) -> Option<OutsideAddress> {
        let chosen = || self.settings().reach.outside.and_then(|address| read_outside(&address).ok());
        self.shared.arguments.outside.clone().or_else(chosen)
    }

    /// Tells the window whenever somebody else can reach the house, until it closes.
    pub(super) fn follow_reach(&self, house: &House) {
        let following = self.clone().tell_reach(house.clone());
        tauri::async_runtime::spawn(following);
    }

    async fn tell_reach(self, house: House) {
        let (mut gates, mut addresses, mut tests) = (house.gates(), house.addresses(), house.outside_tests());
        let mut mapping = house.port_mapping();
        // Whoever follows a house does not keep it open.
        drop(house);
        loop {
            let changed = tokio::select! {
                changed = gates.changed() => changed,
                changed = addresses.changed() => changed,
                changed = tests.changed() => changed,
                changed = next_answer(&mut mapping) => changed,
            };
            if changed.is_err() {
                return;
            }
            self.tell_changed();
        }
    }
}

async fn next_answer(mapping: &mut Option<watch::Receiver<PortMapping>>) -> Result<(), watch::error::RecvError> {
    match mapping {
        Some(mapping) => mapping.changed().await,
        None => std::future::pending().await,
    }
}

fn waiting(link: &GateLink) -> GateView {
    GateView { address: link.gate.address.clone(), standing: GateStanding::Waiting }
}

fn read_outside(text: &str) -> Result<OutsideAddress, Refusal> {
    text.parse().map_err(|error: serambi_house::NoOutsideAddress| Refusal::new(Code::LinkWrong, error.to_string()))
}

fn is_loopback(address: &str) -> bool {
    address.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
}

fn host_of(address: &str) -> Option<String> {
    address.parse::<std::net::SocketAddr>().ok().map(|address| address.ip().to_string())
}

/// Addresses that only this computer can reach are left out, unless there is no other.
fn link_for_others(house: HouseAddress) -> String {
    let addresses: Vec<String> = house.addresses.iter().filter(|address| !is_loopback(address)).cloned().collect();
    let addresses = if addresses.is_empty() { house.addresses.clone() } else { addresses };
    Link { house: HouseAddress { addresses, ..house }, room: None }.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serambi_protocol::link::Pin;

    use super::*;

    #[test]
    fn the_link_for_others_names_this_computer_alone_only_if_there_is_nothing_else() {
        let house = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
            HouseAddress::by_pin(addresses, Pin::from_digest(&[1; 32]))
        };
        let link = link_for_others(house(&["10.0.0.2:1", "[::1]:1", "127.0.0.1:1"]));
        assert!(link.starts_with("serambi://10.0.0.2:1?pin=") && !link.contains("via"), "{link}");
        assert!(link_for_others(house(&["127.0.0.1:1"])).starts_with("serambi://127.0.0.1:1?pin="));
    }

    #[test]
    fn an_outside_address_that_is_none_is_a_wrong_link() {
        assert_eq!(read_outside("http://x").unwrap_err().code, Code::LinkWrong);
        assert_eq!(read_outside("203.0.113.7:443").unwrap().to_string(), "203.0.113.7:443");
    }
}
