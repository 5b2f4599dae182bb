//! A small Internet: public machines, and homes behind routers of several kinds, each a network namespace, with the
//! kernel's own address translation; or the same with IPv6 alone, where routers translate nothing.

use std::path::{Path, PathBuf};

use crate::{
    Trouble,
    namespace::{Namespace, wire},
    path_condition::Condition,
    program::run,
    slow_wire::SlowWire,
};

/// What a router does with what goes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// One outside port for each inside port, whoever is spoken to, like most at home.
    Cone,
    /// Another outside port for each destination, like many in companies.
    Symmetric,
    /// A cone behind the cone of a carrier.
    CarrierNat,
    /// A cone that lets no UDP out but names.
    NoUdp,
    /// A cone behind a carrier's router with another outside port for each destination.
    SymmetricCarrier,
    /// No translation: it lets in what was asked for, and nothing else. For IPv6.
    Firewall,
}

/// The addresses that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// nft's name for it.
    const fn table(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }

    const fn forwarding(self) -> &'static str {
        match self {
            Self::V4 => "net.ipv4.ip_forward=1",
            Self::V6 => "net.ipv6.conf.all.forwarding=1",
        }
    }

    /// What a router and a machine have in this public network, and the prefix's length.
    fn public(self, network: u8) -> ([String; 2], u8) {
        match self {
            Self::V4 => ([1, 2].map(|host| format!("203.0.{network}.{host}")), 24),
            Self::V6 => ([1, 2].map(|host| format!("2600:{network}::{host}")), 64),
        }
    }

    /// The same in a network behind a router: `part` tells several of one router apart.
    fn inside(self, network: u8, part: u8) -> ([String; 2], u8) {
        match self {
            Self::V4 => ([1, 2].map(|host| format!("10.{part}.{network}.{host}")), 24),
            Self::V6 => ([1, 2].map(|host| format!("2600:{network}:{part}::{host}")), 64),
        }
    }
}

/// The hub that everybody is wired to.
pub struct Internet {
    hub: Namespace,
    output: PathBuf,
    networks: u8,
    family: Family,
    /// What the wires of those who come now do to all that they carry.
    slowness: Option<Condition>,
    slow_wires: Vec<SlowWire>,
}

/// A machine at home, and what stands between it and the hub.
pub struct Home {
    /// The machine.
    pub place: Namespace,
    /// Its router.
    pub router: Namespace,
    /// The carrier's, if there is one.
    carrier: Option<Namespace>,
    /// The address it has outside.
    pub outside: String,
    /// The number of its network at the hub.
    network: u8,
    family: Family,
}

impl Internet {
    /// A hub without anybody.
    ///
    /// # Errors
    /// When this user may not make networks.
    pub fn open(output: &Path) -> Result<Self, Trouble> {
        Self::open_with(Family::V4, output)
    }

    /// The same where nobody has an IPv4 address.
    ///
    /// # Errors
    /// When this user may not make networks.
    pub fn open_without_ipv4(output: &Path) -> Result<Self, Trouble> {
        Self::open_with(Family::V6, output)
    }

    fn open_with(family: Family, output: &Path) -> Result<Self, Trouble> {
        let hub = Namespace::open("hub", output)?;
        forward(&hub, family)?;
        Ok(Self { hub, output: output.to_owned(), networks: 0, family, slowness: None, slow_wires: Vec::new() })
    }

    /// Whoever comes from now on has a wire to the hub that does this to all that it carries.
    pub fn slow_from_now(&mut self, wires: Condition) {
        self.slowness = Some(wires);
    }

    /// A machine with a public address, which is given with it.
    ///
    /// # Errors
    /// With what ip(8) said.
    pub fn public(&mut self, name: &str) -> Result<(Namespace, String), Trouble> {
        let place = Namespace::open(name, &self.output)?;
        let (address, _) = self.attach(&place)?;
        Ok((place, address))
    }

    /// A machine behind a router of this kind.
    ///
    /// # Errors
    /// With what ip(8) or nft(8) said.
    pub fn home(&mut self, name: &str, kind: Router) -> Result<Home, Trouble> {
        let family = self.family;
        let place = Namespace::open(name, &self.output)?;
        let router = Namespace::open(&format!("{name}-router"), &self.output)?;
        forward(&router, family)?;
        let carrier = match kind {
            Router::CarrierNat | Router::SymmetricCarrier => Some(self.carrier(name, &router)?),
            Router::Cone | Router::Symmetric | Router::NoUdp | Router::Firewall => None,
        };
        let (outside, network) = self.attach(carrier.as_ref().unwrap_or(&router))?;
        wire_inside(&router, "inside", &place, family.inside(network, 1))?;
        router.nft(&rules(kind, family))?;
        if let Some(carrier) = &carrier {
            let kind = if kind == Router::SymmetricCarrier { Router::Symmetric } else { Router::Cone };
            carrier.nft(&rules(kind, family))?;
        }
        let outside = match kind {
            Router::Firewall => self.lead_inside(network, &outside)?,
            _ => outside,
        };
        Ok(Home { place, router, carrier, outside, network, family })
    }

    /// Everybody finds a network behind a router that translates nothing; gives the address of the machine there.
    fn lead_inside(&self, network: u8, router: &str) -> Result<String, Trouble> {
        let ([_, own], _) = self.family.inside(network, 1);
        self.hub.ip(&format!("route add {own} via {router}"))?;
        Ok(own)
    }

    /// Lets no packet larger than this through between a home and everybody else.
    ///
    /// # Errors
    /// With what ip(8) said.
    pub fn narrow(&self, home: &Home, largest_bytes: u16) -> Result<(), Trouble> {
        let at_home = home.carrier.as_ref().unwrap_or(&home.router);
        at_home.ip(&format!("link set outside mtu {largest_bytes}"))?;
        self.hub.ip(&format!("link set {} mtu {largest_bytes}", at_hub(home.network)))
    }

    /// A carrier's router with this one behind it (RFC 6598 addresses between them).
    fn carrier(&mut self, name: &str, router: &Namespace) -> Result<Namespace, Trouble> {
        let carrier = Namespace::open(&format!("{name}-carrier"), &self.output)?;
        forward(&carrier, self.family)?;
        wire((&carrier, "inside", "100.64.0.1/24"), (router, "outside", "100.64.0.2/24"))?;
        router.ip("route add default via 100.64.0.1")?;
        Ok(carrier)
    }

    /// Wires a machine's `outside` to the hub, in a public network of its own, whose number is given with the address.
    fn attach(&mut self, place: &Namespace) -> Result<(String, u8), Trouble> {
        self.networks += 1;
        let ([gateway, address], bits) = self.family.public(self.networks);
        let (hub, outside) = (at_hub(self.networks), format!("{address}/{bits}"));
        let ends = ((&self.hub, &*hub, &*format!("{gateway}/{bits}")), (place, "outside", &*outside));
        match self.slowness {
            None => wire(ends.0, ends.1)?,
            Some(slowness) => {
                let wire = SlowWire::lay(ends.0, ends.1)?;
                wire.impair(slowness, self.networks.into());
                self.slow_wires.push(wire);
            }
        }
        place.ip(&format!("route add default via {gateway}"))?;
        Ok((address, self.networks))
    }
}

/// The hub's end of the wire to this network.
fn at_hub(network: u8) -> String {
    format!("to-{network}")
}

impl Home {
    /// Another machine behind the same router, in a network of its own, and its address there.
    ///
    /// # Errors
    /// With what ip(8) said.
    pub fn neighbour(&self, name: &str, output: &Path) -> Result<Namespace, Trouble> {
        let place = Namespace::open(name, output)?;
        wire_inside(&self.router, "lan", &place, self.family.inside(self.network, 2))?;
        Ok(place)
    }

    /// Takes the machine from its network to another one of the same router, as from a cable to the Wi-Fi.
    ///
    /// # Errors
    /// With what ip(8) said.
    pub fn walk(&self) -> Result<(), Trouble> {
        self.place.ip("link delete eth0")?;
        wire_inside(&self.router, "air", &self.place, self.family.inside(self.network, 3))
    }

    /// Nothing of UDP goes out any more, but names.
    ///
    /// # Errors
    /// With what nft(8) said.
    pub fn block_udp(&self) -> Result<(), Trouble> {
        let rules = rules(Router::NoUdp, self.family);
        self.router.nft(&format!("delete table ip filter\ndelete table ip nat\n{rules}"))?;
        self.forget_ports()
    }

    /// Counts from now on what goes out to anybody but these public addresses and private ones.
    ///
    /// # Errors
    /// With what nft(8) said.
    pub fn watch_all_but(&self, known: &[&str]) -> Result<(), Trouble> {
        let table = self.family.table();
        let known = known.join(", ");
        let private = match self.family {
            Family::V4 => "10.0.0.0/8",
            Family::V6 => "fc00::/7",
        };
        self.router.nft(&format!(
            "table {table} watch {{
                counter strangers {{
                }}
                chain leaving {{
                    type filter hook forward priority -10;
                    iifname \"inside\" {table} daddr {{ {private}, {known} }} accept
                    iifname \"inside\" counter name \"strangers\"
                }}
            }}
            "
        ))
    }

    /// How many packets went out to them.
    ///
    /// # Errors
    /// With what nft(8) said.
    pub fn packets_to_strangers(&self) -> Result<u64, Trouble> {
        let mut nft = self.router.command("nft");
        let said = run(nft.args(["list", "counter", self.family.table(), "watch", "strangers"]))?;
        let said = String::from_utf8_lossy(&said);
        let packets = said.split_once("packets ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        packets.ok_or_else(|| Trouble::Unexpected(format!("nft: {said}")))
    }

    /// The router forgets what it translated, as after a restart.
    ///
    /// # Errors
    /// With what conntrack(8) said.
    pub fn forget_ports(&self) -> Result<(), Trouble> {
        for router in [Some(&self.router), self.carrier.as_ref()].into_iter().flatten() {
            // It ends badly when there is nothing to forget.
            run(router.command("conntrack").args(["-F"])).map(drop)?;
        }
        Ok(())
    }
}

fn forward(place: &Namespace, family: Family) -> Result<(), Trouble> {
    run(place.command("sysctl").args(["-qw", family.forwarding()])).map(drop)
}

/// A machine's `eth0` and its way out, at this end of its router.
fn wire_inside(
    router: &Namespace,
    at_router: &str,
    place: &Namespace,
    ([gateway, own], bits): ([String; 2], u8),
) -> Result<(), Trouble> {
    wire((router, at_router, &format!("{gateway}/{bits}")), (place, "eth0", &format!("{own}/{bits}")))?;
    place.ip(&format!("route add default via {gateway}"))
}

/// What was not asked for from inside does not come in, nor to the router itself: a packet that it took would hold the
/// outside port which the machine inside needs for the same stranger.
fn rules(kind: Router, family: Family) -> String {
    let udp = match kind {
        Router::NoUdp => "iifname \"inside\" meta l4proto udp udp dport != 53 drop",
        _ => "",
    };
    // Who has which address on the wire is asked in ICMPv6.
    let neighbours = match family {
        Family::V4 => "",
        Family::V6 => "meta l4proto ipv6-icmp accept",
    };
    let table = family.table();
    format!(
        "table {table} filter {{
            chain arriving {{
                type filter hook input priority 0; policy drop;
                iifname != \"outside\" accept
                {neighbours}
                ct state established,related accept
            }}
            chain forwarding {{
                type filter hook forward priority 0; policy drop;
                {udp}
                iifname != \"outside\" accept
                ct state established,related accept
            }}
        }}
        {}",
        translation(kind)
    )
}

fn translation(kind: Router) -> String {
    let outgoing = match kind {
        Router::Firewall => return String::new(),
        Router::Symmetric => "oifname \"outside\" masquerade fully-random",
        _ => "oifname \"outside\" masquerade",
    };
    format!(
        "table ip nat {{
            chain outgoing {{
                type nat hook postrouting priority 100;
                {outgoing}
            }}
        }}
        "
    )
}
