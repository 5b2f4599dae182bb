//! A small Internet: public machines, and homes behind routers of several kinds, each a network namespace, with the
//! kernel's own address translation.

use std::path::{Path, PathBuf};

use crate::{
    Trouble,
    namespace::{Namespace, wire},
    program::run,
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
}

/// The hub that everybody is wired to.
pub struct Internet {
    hub: Namespace,
    output: PathBuf,
    networks: u8,
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
}

impl Internet {
    /// A hub without anybody.
    ///
    /// # Errors
    /// When this user may not make networks.
    pub fn open(output: &Path) -> Result<Self, Trouble> {
        let hub = Namespace::open("hub", output)?;
        forward(&hub)?;
        Ok(Self { hub, output: output.to_owned(), networks: 0 })
    }

    /// A machine with a public address, which is given with it.
    ///
    /// # Errors
    /// With what ip(8) said.
    pub fn public(&mut self, name: &str) -> Result<(Namespace, String), Trouble> {
        let place = Namespace::open(name, &self.output)?;
        let address = self.attach(&place)?;
        Ok((place, address))
    }

    /// A machine behind a router of this kind.
    ///
    /// # Errors
    /// With what ip(8) or nft(8) said.
    pub fn home(&mut self, name: &str, kind: Router) -> Result<Home, Trouble> {
        let place = Namespace::open(name, &self.output)?;
        let router = Namespace::open(&format!("{name}-router"), &self.output)?;
        forward(&router)?;
        let carrier = match kind {
            Router::CarrierNat => Some(self.carrier(name, &router)?),
            Router::Cone | Router::Symmetric | Router::NoUdp => None,
        };
        let outside = match &carrier {
            Some(carrier) => self.attach(carrier)?,
            None => self.attach(&router)?,
        };
        let number = self.networks;
        wire((&router, "inside", &format!("10.1.{number}.1/24")), (&place, "eth0", &format!("10.1.{number}.2/24")))?;
        place.ip(&format!("route add default via 10.1.{number}.1"))?;
        router.nft(&rules(kind))?;
        if let Some(carrier) = &carrier {
            carrier.nft(&rules(Router::Cone))?;
        }
        Ok(Home { place, router, carrier, outside })
    }

    /// A carrier's router with this one behind it (RFC 6598 addresses between them).
    fn carrier(&mut self, name: &str, router: &Namespace) -> Result<Namespace, Trouble> {
        let carrier = Namespace::open(&format!("{name}-carrier"), &self.output)?;
        forward(&carrier)?;
        wire((&carrier, "inside", "100.64.0.1/24"), (router, "outside", "100.64.0.2/24"))?;
        router.ip("route add default via 100.64.0.1")?;
        Ok(carrier)
    }

    /// Wires a machine's `outside` to the hub, in a public network of its own.
    fn attach(&mut self, place: &Namespace) -> Result<String, Trouble> {
        self.networks += 1;
        let number = self.networks;
        let (gateway, address) = (format!("203.0.{number}.1"), format!("203.0.{number}.2"));
        let at_hub = format!("to-{number}");
        wire((&self.hub, &at_hub, &format!("{gateway}/24")), (place, "outside", &format!("{address}/24")))?;
        place.ip(&format!("route add default via {gateway}"))?;
        Ok(address)
    }
}

impl Home {
    /// Nothing of UDP goes out any more, but names.
    ///
    /// # Errors
    /// With what nft(8) said.
    pub fn block_udp(&self) -> Result<(), Trouble> {
        self.router.nft(&format!("delete table ip filter\ndelete table ip nat\n{}", rules(Router::NoUdp)))?;
        self.forget_ports()
    }

    /// Counts from now on what goes out to anybody but these public addresses and private ones.
    ///
    /// # Errors
    /// With what nft(8) said.
    pub fn watch_all_but(&self, known: &[&str]) -> Result<(), Trouble> {
        let known = known.join(", ");
        self.router.nft(&format!(
            "table ip watch {{
                counter strangers {{
                }}
                chain leaving {{
                    type filter hook forward priority -10;
                    iifname \"inside\" ip daddr {{ 10.0.0.0/8, {known} }} accept
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
        let said = run(self.router.command("nft").args(["list", "counter", "ip", "watch", "strangers"]))?;
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

fn forward(place: &Namespace) -> Result<(), Trouble> {
    run(place.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"])).map(drop)
}

/// What was not asked for from inside does not come in, nor to the router itself: a packet that it took would hold the
/// outside port which the machine inside needs for the same stranger.
fn rules(kind: Router) -> String {
    let outgoing = match kind {
        Router::Symmetric => "oifname \"outside\" masquerade fully-random",
        Router::Cone | Router::CarrierNat | Router::NoUdp => "oifname \"outside\" masquerade",
    };
    let udp = match kind {
        Router::NoUdp => "iifname \"inside\" meta l4proto udp udp dport != 53 drop",
        Router::Cone | Router::Symmetric | Router::CarrierNat => "",
    };
    format!(
        "table ip filter {{
            chain arriving {{
                type filter hook input priority 0; policy drop;
                iifname != \"outside\" accept
                ct state established,related accept
            }}
            chain forwarding {{
                type filter hook forward priority 0; policy drop;
                {udp}
                iifname \"inside\" accept
                ct state established,related accept
            }}
        }}
        table ip nat {{
            chain outgoing {{
                type nat hook postrouting priority 100;
                {outgoing}
            }}
        }}
        "
    )
}
