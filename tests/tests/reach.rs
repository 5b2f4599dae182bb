//! A house is heard wherever it is reached: behind a router that passes its ports on, on the ninth network, without
//! IPv4, over a cable beside another network, on a network that comes later; and a listener whose router forgets them
//! hears on. Real programs in networks of their own, with the kernel's own address translation between them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use serambi_tests::{
    namespace::{Namespace, wire},
    network, places,
    program::run,
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
    wire((router, "inside", "10.1.0.1/24"), (inside, "eth0", "10.1.0.2/24")).unwrap();
    wire((router, "outside", "203.0.113.1/24"), (outside, "eth0", "203.0.113.2/24")).unwrap();
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
