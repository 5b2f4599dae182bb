//! What the window is shown about who can reach the house in this program, and what was chosen about it.

use std::net::{IpAddr, SocketAddr};

use serambi_house::{OutsideTest, OutsideTests, PortMapping};
use serambi_protocol::{Code, GateState, link::GateAddress};
use serde::{Deserialize, Serialize};
use specta::Type;

/// How far away people may be to come in, as far as this computer, the router and the gate know.
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

/// What came of trying an address outside from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct TestedAddress {
    /// `host:port`.
    pub address: String,
    /// What came of it.
    pub result: TestResult,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum TestResult {
    /// Nobody has tried it.
    NotTested {
        /// Why the gate did not, if it said so: `outside_elsewhere`.
        code: Option<Code>,
    },
    /// The house answered.
    Answered {
        /// After so many milliseconds.
        ms: u32,
        /// Datagrams come through as well: sound needs no detour over TCP.
        datagrams: bool,
    },
    /// It did not answer there.
    Failed {
        /// `outside_closed` or `outside_not_the_one`.
        code: Code,
    },
}

impl TestedAddress {
    /// The one of these that says most: one that answered, else one that failed, else any.
    pub fn best(addresses: &[String], tests: &OutsideTests) -> Option<Self> {
        let tested =
            addresses.iter().map(|address| Self { address: address.clone(), result: tests.of(address).into() });
        tested.min_by_key(|tested| match tested.result {
            TestResult::Answered { .. } => 0,
            TestResult::Failed { .. } => 1,
            TestResult::NotTested { .. } => 2,
        })
    }
}

impl From<OutsideTest> for TestResult {
    fn from(test: OutsideTest) -> Self {
        match test {
            OutsideTest::NotTested(code) => Self::NotTested { code },
            OutsideTest::Answered(answered) => {
                Self::Answered { ms: answered.ms, datagrams: answered.udp.unwrap_or(true) }
            }
            OutsideTest::Failed(code) => Self::Failed { code },
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
    /// What a gate said of an address that is open to everybody, as far as is known; none: there is none.
    pub tested: Option<TestedAddress>,
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

/// How far a house is reached that is at these `host:port`s of this computer. `open`: somebody passes its ports on, or
/// it has an address of its own on the internet, and nobody has found that address shut.
pub fn how_far(addresses: &[String], open: bool, through_gate: bool) -> Reach {
    let mut hosts = addresses.iter().filter_map(|address| address.parse::<SocketAddr>().ok());
    let has_network = hosts.any(|host| !host.ip().is_loopback());
    if has_network && open {
        Reach::Everywhere
    } else if through_gate {
        Reach::ThroughGate
    } else if has_network {
        Reach::ThisNetwork
    } else {
        Reach::Nowhere
    }
}

/// Does the internet lead to this `host:port` of an interface?
///
/// An IPv6 address alone proves nothing: routers at home let nobody in unasked (RFC 6092).
pub fn is_public_address(address: &str) -> bool {
    address.parse::<SocketAddr>().is_ok_and(|address| is_public(address.ip()))
}

/// Not an address that every network has of its own (RFC 1918, 3927, 6598).
fn is_public(host: IpAddr) -> bool {
    let IpAddr::V4(ip) = host else { return false };
    let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    !(is_shared || ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(addresses: &[&str], open: bool, through_gate: bool) -> Reach {
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        how_far(&addresses, open, through_gate)
    }

    #[test]
    fn a_link_reaches_as_far_as_the_furthest_way_it_names() {
        const HOME: &[&str] = &["192.168.1.20:7410", "[2001:db8::5]:7410", "127.0.0.1:7410"];
        assert_eq!(reach(HOME, false, false), Reach::ThisNetwork);
        assert_eq!(reach(HOME, false, true), Reach::ThroughGate);
        assert_eq!(reach(HOME, true, false), Reach::Everywhere);
        assert_eq!(reach(HOME, true, true), Reach::Everywhere, "straight is said before the detour");
    }

    #[test]
    fn an_address_that_every_network_has_of_its_own_is_not_public() {
        assert!(is_public_address("203.0.113.7:7410"));
        for private in ["10.0.0.4:1", "172.16.0.1:1", "169.254.3.4:1", "100.64.0.1:1", "[fd12::1]:1", "127.0.0.1:1"] {
            assert!(!is_public_address(private), "{private}");
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
    fn of_two_addresses_the_one_that_answered_is_told() {
        use serambi_protocol::outside_test::OutsideAnswered;
        let addresses = ["203.0.113.7:1", "203.0.113.7:2", "203.0.113.7:3"].map(str::to_owned);
        let told = |tests: &OutsideTests| TestedAddress::best(&addresses, tests).map(|tested| tested.result);
        assert_eq!(told(&OutsideTests::default()), Some(TestResult::NotTested { code: None }));
        let failed = (addresses[1].clone(), OutsideTest::Failed(Code::OutsideClosed));
        assert_eq!(
            told(&[failed.clone()].into_iter().collect()),
            Some(TestResult::Failed { code: Code::OutsideClosed })
        );
        let answered = (addresses[2].clone(), OutsideTest::Answered(OutsideAnswered { ms: 42, udp: Some(false) }));
        let expected = TestResult::Answered { ms: 42, datagrams: false };
        assert_eq!(told(&[failed, answered].into_iter().collect()), Some(expected));
        assert_eq!(TestedAddress::best(&[], &OutsideTests::default()), None);
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
