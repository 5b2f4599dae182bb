//! What the window is shown about who can reach the house in this program, and what was chosen about it.

use std::net::{IpAddr, SocketAddr};

use serambi_house::{GateState, PortMapping};
use serambi_protocol::{Code, link::GateAddress};
use serde::{Deserialize, Serialize};
use specta::Type;

/// How far away people may be to come in. Nobody outside was asked: it is what this computer, the router and the gate
/// know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Reach {
    /// Not known before the house opens, with its first room.
    NotOpen,
    /// On this computer alone: it has no network.
    Nowhere,
    /// On this computer alone, as the command line wants it.
    ThisComputer,
    /// On this network.
    ThisNetwork,
    /// Anywhere, through a gate.
    ThroughGate,
    /// Anywhere, straight to an address.
    Everywhere,
}

/// How it stands with a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum GateStanding {
    /// Not connected yet.
    Waiting,
    /// People come through it.
    Connected,
    /// They do not.
    Failed {
        /// `gate_refused`, `gate_unreachable` or `gate_not_the_one`.
        code: Code,
    },
}

/// A gate at which the house waits. Its token is not shown to anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct GateView {
    /// `host:port`.
    pub address: String,
    /// How it stands with it.
    pub standing: GateStanding,
}

impl GateView {
    /// A gate as the house tells of it.
    pub fn of(gate: &GateAddress, state: &GateState) -> Self {
        let standing = match (state, state.problem()) {
            (_, Some(code)) => GateStanding::Failed { code },
            (GateState::Connected, None) => GateStanding::Connected,
            (_, None) => GateStanding::Waiting,
        };
        Self { address: gate.address.clone(), standing }
    }
}

/// How it stands with the router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum RouterStanding {
    /// It was not asked.
    NotAsked,
    /// It has not answered yet.
    Asking,
    /// It passes the ports on.
    Mapped {
        /// From this `host:port`.
        address: String,
    },
    /// It does not.
    Refused,
}

impl RouterStanding {
    /// The same as the house tells of it; none: it does not ask.
    pub fn of(mapping: Option<PortMapping>) -> Self {
        match mapping {
            None => Self::NotAsked,
            Some(PortMapping::Asking) => Self::Asking,
            Some(PortMapping::Mapped { tcp, .. }) => Self::Mapped { address: tcp.to_string() },
            Some(PortMapping::Refused) => Self::Refused,
        }
    }
}

/// Where a router has to lead by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct RouterSteps {
    /// This computer's address in its network; none: it has none.
    pub to: Option<String>,
    /// The house's TCP port.
    pub tcp: u16,
    /// The UDP port of all sound.
    pub udp: Option<u16>,
}

/// Who can reach the house in this program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ReachView {
    /// How far away they may be.
    pub reach: Reach,
    /// Where the house waits, or will.
    pub gates: Vec<GateView>,
    /// The command line names the gates: what is chosen here has no effect.
    pub gates_given: bool,
    /// The router is asked to pass the ports on.
    pub ask_router: bool,
    /// What came of that.
    pub router: RouterStanding,
    /// How the house is seen from outside.
    pub outside: Option<String>,
    /// The command line names that address.
    pub outside_given: bool,
    /// The open house does not have the router or the outside address that were chosen: its next start will.
    pub applies_later: bool,
    /// What to set in a router; none: the house is not open.
    pub steps: Option<RouterSteps>,
    /// The link to the house as it is now, for others; none: it is not open.
    pub link: Option<String>,
}

/// How far a house is reached that is at these `host:port`s of this computer. `opened`: somebody passes its ports on.
///
/// An IPv6 address alone proves nothing: routers at home let nobody in unasked (RFC 6092).
pub fn how_far(addresses: &[String], opened: bool, through_gate: bool) -> Reach {
    let hosts: Vec<IpAddr> =
        addresses.iter().filter_map(|address| address.parse::<SocketAddr>().ok()).map(|a| a.ip()).collect();
    let has_network = hosts.iter().any(|host| !host.is_loopback());
    if has_network && (opened || hosts.iter().any(|host| is_public(*host))) {
        Reach::Everywhere
    } else if through_gate {
        Reach::ThroughGate
    } else if has_network {
        Reach::ThisNetwork
    } else {
        Reach::Nowhere
    }
}

/// Does the internet lead there? Not to addresses that every network has of its own (RFC 1918, 3927, 6598).
fn is_public(host: IpAddr) -> bool {
    let IpAddr::V4(ip) = host else { return false };
    let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    !(is_shared || ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(addresses: &[&str], opened: bool, through_gate: bool) -> Reach {
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        how_far(&addresses, opened, through_gate)
    }

    #[test]
    fn a_link_reaches_as_far_as_the_furthest_way_it_names() {
        const HOME: &[&str] = &["192.168.1.20:7410", "[2001:db8::5]:7410", "127.0.0.1:7410"];
        assert_eq!(reach(HOME, false, false), Reach::ThisNetwork);
        assert_eq!(reach(HOME, false, true), Reach::ThroughGate);
        assert_eq!(reach(HOME, true, false), Reach::Everywhere);
        assert_eq!(reach(HOME, true, true), Reach::Everywhere, "straight is said before the detour");
        assert_eq!(reach(&["203.0.113.7:7410"], false, false), Reach::Everywhere);
        for private in ["10.0.0.4:1", "172.16.0.1:1", "169.254.3.4:1", "100.64.0.1:1", "[fd12::1]:1"] {
            assert_eq!(reach(&[private, "127.0.0.1:1"], false, false), Reach::ThisNetwork, "{private}");
        }
    }

    #[test]
    fn a_computer_without_network_is_reached_by_nobody_whatever_was_set() {
        for addresses in [&[][..], &["127.0.0.1:7410"], &["[::1]:7410", "127.0.0.1:7410"]] {
            assert_eq!(reach(addresses, false, false), Reach::Nowhere);
            assert_eq!(reach(addresses, true, false), Reach::Nowhere);
        }
    }

    #[test]
    fn a_gate_is_shown_with_why_nobody_comes_through_it_and_without_its_token() {
        let gate = GateAddress { address: "gate.example:7410".into(), pin: None };
        let standing = |state| GateView::of(&gate, &state).standing;
        assert_eq!(standing(GateState::Waiting), GateStanding::Waiting);
        assert_eq!(standing(GateState::Connected), GateStanding::Connected);
        assert_eq!(standing(GateState::Refused), GateStanding::Failed { code: Code::GateRefused });
        let failed = standing(GateState::Failed("timed out".into()));
        assert_eq!(failed, GateStanding::Failed { code: Code::GateUnreachable });
    }
}
