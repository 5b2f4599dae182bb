//! A house is heard wherever it is reached: behind a router that passes its ports on, by hand or when asked, on the
//! ninth network, without IPv4, over a cable beside another network, on a network that comes later; and a listener
//! whose router forgets them hears on. Real programs in networks of their own, with the kernel's own address
//! translation between them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{path::Path, process::Stdio, time::Duration};

use serambi_tests::{
    namespace::{Namespace, wire},
    network, places,
    program::{Program, run},
    talking_house::{Listener, TalkingHouse},
    wait,
};

const LIMIT: Duration = Duration::from_secs(60);

/// An interface at whose other end nobody is.
fn leads_nowhere(place: &Namespace, name: &str, address: &str) {
    place.ip(&format!("link add {name} type veth peer name far-{name}")).unwrap();
    place.ip(&format!("address add {address} dev {name}")).unwrap();
    place.ip(&format!("link set far-{name} up")).unwrap();
    place.ip(&format!("link set {name} up")).unwrap();
}

/// House, router and guest: the router's outside is 203.0.113.1, what is inside has 10.1.0.0/24.
fn behind_a_router(inside: &Namespace, router: &Namespace, outside: &Namespace) {
    behind_a_router_at("203.0.113", inside, router, outside);
}

/// The same with another network outside, of which the router has the first address and the guest the second.
fn behind_a_router_at(network: &str, inside: &Namespace, router: &Namespace, outside: &Namespace) {
    wire((router, "inside", "10.1.0.1/24"), (inside, "eth0", "10.1.0.2/24")).unwrap();
    let (its, theirs) = (format!("{network}.1/24"), format!("{network}.2/24"));
    wire((router, "outside", &its), (outside, "eth0", &theirs)).unwrap();
    inside.ip("route add default via 10.1.0.1").unwrap();
    run(router.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"])).unwrap();
}

/// What is not asked for from inside does not come in, as with every router at home.
const CLOSED: &str = "table ip filter {
    chain forwarding {
        type filter hook forward priority 0; policy drop;
        iifname \"inside\" accept
        ct state established,related accept
        ct status dnat accept
    }
}
";

#[test]
fn a_house_behind_a_router_that_passes_other_ports_on_is_heard_by_its_link() {
    if !network::may_be_made_for("a_house_behind_a_router_that_passes_other_ports_on_is_heard_by_its_link").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-passed-on").unwrap();
    let [home, router, away] = ["home", "router", "away"].map(|name| Namespace::open(name, &output).unwrap());
    behind_a_router(&home, &router, &away);
    let passed_on = "table ip nat {
        chain incoming {
            type nat hook prerouting priority -100;
            iifname \"outside\" tcp dport 443 dnat to 10.1.0.2:7410
            iifname \"outside\" udp dport 9000 dnat to 10.1.0.2:7411
        }
        chain outgoing {
            type nat hook postrouting priority 100;
            oifname \"outside\" masquerade
        }
    }";
    router.nft(&format!("{CLOSED}{passed_on}")).unwrap();
    let mut house = TalkingHouse::open(&home, &["--outside", "203.0.113.1:443:9000"], &output).unwrap();
    assert!(house.link.starts_with("serambi://203.0.113.1:443/"), "{}", house.link);
    let away = Listener::join(&away, &house.link, &output).unwrap();
    away.hears_more().unwrap();
    house.still_runs().unwrap();
}

/// What the daemon of a router at home needs: its own rules in chains of these names, and addresses to translate.
const GIVES_PORTS: &str = "table inet router {
    chain given { }
    chain given_in { }
    chain given_out { }
    chain incoming {
        type nat hook prerouting priority -100;
        jump given_in
    }
    chain outgoing {
        type nat hook postrouting priority 100;
        jump given_out
        oifname \"outside\" masquerade
    }
}
";

/// A router's daemon that passes ports on when it is asked by one of its protocols. It refuses to do so behind an
/// outside address that is private or for documentation (RFC 5737).
struct PortGiver {
    daemon: Program,
}

impl PortGiver {
    fn start(router: &Namespace, protocols: &str, output: &Path, name: &str) -> Self {
        router.nft(&format!("{CLOSED}{GIVES_PORTS}")).unwrap();
        let path = |what: &str| output.join(format!("{name}.{what}"));
        let settings = format!(
            "ext_ifname=outside
            listening_ip=inside
            upnp_table_name=router
            upnp_nat_table_name=router
            upnp_forward_chain=given
            upnp_nat_chain=given_in
            upnp_nat_postrouting_chain=given_out
            uuid=86661c87-b1d4-458e-852a-b8500e52c53d
            secure_mode=yes
            {protocols}
            allow 1024-65535 10.0.0.0/8 1024-65535
            deny 0-65535 0.0.0.0/0 0-65535
            "
        );
        let settings: String = settings.lines().map(|line| format!("{}\n", line.trim())).collect();
        std::fs::write(path("conf"), settings).unwrap();
        let mut command = router.command("miniupnpd");
        command.args(["-d", "-f"]).arg(path("conf")).arg("-P").arg(path("pid"));
        Self { daemon: Program::start(&command, Stdio::null(), &path("log")).unwrap() }
    }

    /// The rules that it has made.
    fn given(&mut self, router: &Namespace) -> usize {
        self.daemon.still_runs().unwrap();
        let chain = run(router.command("nft").args(["list", "chain", "inet", "router", "given_in"])).unwrap();
        String::from_utf8(chain).unwrap().matches("dnat").count()
    }
}

/// A house that asks its router is heard from outside by the link that it prints, and takes back what it was given.
fn is_heard_through_given_ports(protocols: &str, name: &str, is_right: impl Fn(&str) -> bool) {
    let output = places::fresh_output(&format!("reach-{name}")).unwrap();
    let [home, router, away] = ["home", "router", "away"].map(|name| Namespace::open(name, &output).unwrap());
    behind_a_router_at("8.8.4", &home, &router, &away);
    let mut giver = PortGiver::start(&router, protocols, &output, "giver");
    let mut house = TalkingHouse::open(&home, &["--map-ports"], &output).unwrap();
    assert!(is_right(&house.link), "{}", house.link);
    assert_eq!(giver.given(&router), 2);
    let away = Listener::join(&away, &house.link, &output).unwrap();
    away.hears_more().unwrap();
    house.still_runs().unwrap();
    house.close().unwrap();
    assert_eq!(giver.given(&router), 0, "what was given is taken back");
}

#[test]
fn a_house_whose_router_gives_it_ports_by_pcp_is_heard_by_its_link() {
    if !network::may_be_made_for("a_house_whose_router_gives_it_ports_by_pcp_is_heard_by_its_link").unwrap() {
        return;
    }
    let same_port = |link: &str| link.starts_with("serambi://8.8.4.1:7410/");
    is_heard_through_given_ports("enable_natpmp=yes\nenable_upnp=no", "pcp", same_port);
}

#[test]
fn a_house_whose_router_gives_it_any_ports_by_upnp_is_heard_by_its_link() {
    if !network::may_be_made_for("a_house_whose_router_gives_it_any_ports_by_upnp_is_heard_by_its_link").unwrap() {
        return;
    }
    let other_port = |link: &str| link.starts_with("serambi://8.8.4.1:") && !link.starts_with("serambi://8.8.4.1:7410");
    is_heard_through_given_ports("enable_natpmp=no\nenable_upnp=yes", "upnp", other_port);
}

#[test]
fn a_house_whose_router_gives_no_ports_is_open_to_its_own_network() {
    if !network::may_be_made_for("a_house_whose_router_gives_no_ports_is_open_to_its_own_network").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-refused").unwrap();
    let [home, router, away] = ["home", "router", "away"].map(|name| Namespace::open(name, &output).unwrap());
    behind_a_router_at("8.8.4", &home, &router, &away);
    router.nft(CLOSED).unwrap();
    let mut house = TalkingHouse::open(&home, &["--map-ports"], &output).unwrap();
    assert!(house.link.starts_with("serambi://10.1.0.2:7410/"), "{}", house.link);
    Listener::join(&router, &house.link, &output).unwrap().hears_more().unwrap();
    house.still_runs().unwrap();
}

#[test]
fn a_house_that_moves_to_another_router_asks_that_one() {
    if !network::may_be_made_for("a_house_that_moves_to_another_router_asks_that_one").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-moved").unwrap();
    let names = ["home", "first", "second", "away"];
    let [home, first, second, away] = names.map(|name| Namespace::open(name, &output).unwrap());
    behind_a_router_at("8.8.4", &home, &first, &away);
    let protocols = "enable_natpmp=yes\nenable_upnp=no";
    let _first_giver = PortGiver::start(&first, protocols, &output, "first");
    let mut house = TalkingHouse::open(&home, &["--map-ports"], &output).unwrap();
    assert!(house.link.starts_with("serambi://8.8.4.1:7410/"), "{}", house.link);
    // A cable to another router is plugged in, and outside nothing leads to the first one any more.
    away.ip("link delete eth0").unwrap();
    wire((&second, "inside", "10.2.0.1/24"), (&home, "eth1", "10.2.0.2/24")).unwrap();
    wire((&second, "outside", "8.8.5.1/24"), (&away, "eth0", "8.8.5.2/24")).unwrap();
    home.ip("route replace default via 10.2.0.1").unwrap();
    run(second.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"])).unwrap();
    let _second_giver = PortGiver::start(&second, protocols, &output, "second");
    let log = output.join("house.log");
    let mapped = || {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        Ok(said.lines().any(|line| line.contains("media is reached at") && line.contains("8.8.5.1")).then_some(()))
    };
    wait::until("the second router's ports", LIMIT, mapped, String::new).unwrap();
    Listener::join(&away, &house.link_at("8.8.5.1:7410"), &output).unwrap().hears_more().unwrap();
    house.still_runs().unwrap();
}

#[test]
fn a_listener_whose_router_forgets_them_hears_on() {
    if !network::may_be_made_for("a_listener_whose_router_forgets_them_hears_on").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-forgotten").unwrap();
    let [home, router, away] = ["home", "router", "away"].map(|name| Namespace::open(name, &output).unwrap());
    behind_a_router(&home, &router, &away);
    let masquerade = |ports: &str| {
        format!(
            "table ip nat {{
                chain outgoing {{
                    type nat hook postrouting priority 100;
                    oifname \"outside\" meta l4proto udp masquerade to :{ports}
                    oifname \"outside\" masquerade
                }}
            }}
            "
        )
    };
    router.nft(&format!("{CLOSED}{}", masquerade("40000-40099"))).unwrap();
    let mut house = TalkingHouse::open(&away, &[], &output).unwrap();
    let listener = Listener::join(&home, &house.link_at("203.0.113.2:7410"), &output).unwrap();
    listener.hears_more().unwrap();
    // Other ports for the same sockets; TCP is left alone.
    router.nft(&format!("delete table ip nat\n{}", masquerade("50000-50099"))).unwrap();
    run(router.command("conntrack").args(["-D", "-p", "udp"])).unwrap();
    listener.hears_more().unwrap();
    let lost =
        listener.peer.said().into_iter().find(|line| line["event"] == "connection" && line["state"] != "connected");
    println!("the client itself noticed: {lost:?}");
    house.still_runs().unwrap();
}

#[test]
fn a_guest_on_the_ninth_network_of_a_house_hears() {
    if !network::may_be_made_for("a_guest_on_the_ninth_network_of_a_house_hears").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-ninth").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    for number in 0..8 {
        leads_nowhere(&home, &format!("eth{number}"), &format!("10.20.{number}.1/24"));
    }
    wire((&home, "eth8", "10.20.8.1/24"), (&guest, "eth0", "10.20.8.2/24")).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output).unwrap();
    assert!(house.link.contains("10.20.8.1"), "{}", house.link);
    Listener::join(&guest, &house.link_at("10.20.8.1:7410"), &output).unwrap().hears_more().unwrap();
    house.still_runs().unwrap();
}

#[test]
fn a_house_without_ipv4_is_heard() {
    if !network::may_be_made_for("a_house_without_ipv4_is_heard").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-ipv6").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "fd00:5e::1/64"), (&guest, "eth0", "fd00:5e::2/64")).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output).unwrap();
    assert!(house.link.contains("[fd00:5e::1]:7410"), "{}", house.link);
    Listener::join(&guest, &house.link_at("[fd00:5e::1]:7410"), &output).unwrap().hears_more().unwrap();
    house.still_runs().unwrap();
}

#[test]
fn a_cable_of_its_own_beside_another_network_carries_sound() {
    if !network::may_be_made_for("a_cable_of_its_own_beside_another_network_carries_sound").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-cable").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "169.254.7.1/16"), (&guest, "eth0", "169.254.7.2/16")).unwrap();
    leads_nowhere(&guest, "wlan0", "192.168.9.2/24");
    guest.ip("route add default dev wlan0").unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output).unwrap();
    Listener::join(&guest, &house.link_at("169.254.7.1:7410"), &output).unwrap().hears_more().unwrap();
    house.still_runs().unwrap();
}

#[test]
fn a_network_that_comes_while_the_house_is_open_has_sound() {
    if !network::may_be_made_for("a_network_that_comes_while_the_house_is_open_has_sound").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-later").unwrap();
    let [home, first, second] = ["home", "first", "second"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "10.8.0.1/24"), (&first, "eth0", "10.8.0.2/24")).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output).unwrap();
    let early = Listener::join(&first, &house.link_at("10.8.0.1:7410"), &output).unwrap();
    early.hears_more().unwrap();
    // Another cable is plugged in, and the first one pulled.
    wire((&home, "eth1", "10.9.0.1/24"), (&second, "eth0", "10.9.0.2/24")).unwrap();
    home.ip("link delete eth0").unwrap();
    let log = output.join("house.log");
    let told = || {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        Ok(said
            .lines()
            .rfind(|line| line.contains("media is reached at"))
            .is_some_and(|line| line.contains("10.9.0.1") && !line.contains("10.8.0.1"))
            .then_some(()))
    };
    wait::until("the new network", LIMIT, told, String::new).unwrap();
    Listener::join(&second, &house.link_at("10.9.0.1:7410"), &output).unwrap().hears_more().unwrap();
    house.still_runs().unwrap();
}
