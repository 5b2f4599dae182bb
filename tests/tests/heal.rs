//! Sound heals by itself: for whoever no voice reaches though the connection stands, for a guest who walks from one
//! network to another, in a house that moves; and where there is no way for it, that is said in words. Real programs in
//! networks of their own. Times are printed, not judged.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use serambi_tests::{
    namespace::{Namespace, wire},
    network, places,
    program::run,
    talking_house::{Listener, TalkingHouse},
    wait,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Counts voice that reaches a place; STUN and DTLS are not counted (RFC 7983: RTP begins with the bits 10).
const COUNTED: &str = "table inet watch {
    counter voice { }
    chain arriving {
        type filter hook input priority -300; policy accept;
        meta l4proto udp @th,64,2 2 counter name voice
    }
}
";

/// Voice is lost before it is counted; checks and handshakes come through.
const DEAF: &str = "table inet deaf {
    chain arriving {
        type filter hook input priority -400; policy accept;
        meta l4proto udp @th,64,2 2 drop
    }
}
";

/// Packets of voice that have reached a place that counts them.
fn voice_at(place: &Namespace) -> u64 {
    let listed = run(place.command("nft").args(["-j", "list", "counter", "inet", "watch", "voice"])).unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    let counters = listed["nftables"].as_array().unwrap();
    counters.iter().find_map(|one| one["counter"]["packets"].as_u64()).unwrap()
}

/// Waits until voice reaches a place that it does not reach now, and says how long that took.
fn voice_is_back(place: &Namespace, what: &str) {
    let (began, before) = (Instant::now(), voice_at(place));
    let back = || Ok((voice_at(place) >= before + 10).then_some(()));
    wait::until(what, LIMIT, back, String::new).unwrap();
    println!("{what}: {:.2} s", began.elapsed().as_secs_f32());
}

/// Waits until somebody reads this of their connection, and says how long that took.
fn reads(listener: &mut Listener, state: &str) -> serde_json::Value {
    let began = Instant::now();
    let said = listener.reads(state).unwrap();
    println!("{state} is said after {:.2} s", began.elapsed().as_secs_f32());
    said
}

#[test]
fn whoever_no_voice_reaches_though_the_connection_stands_reads_so_and_hears_again() {
    if !network::may_be_made_for("whoever_no_voice_reaches_though_the_connection_stands_reads_so_and_hears_again")
        .unwrap()
    {
        return;
    }
    let output = places::fresh_output("reach-deaf").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "10.8.0.1/24"), (&guest, "eth0", "10.8.0.2/24")).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output).unwrap();
    let mut listener = Listener::join(&guest, &house.link_at("10.8.0.1:7410"), &output).unwrap();
    listener.hears_more().unwrap();
    guest.nft(COUNTED).unwrap();
    guest.nft(DEAF).unwrap();
    reads(&mut listener, "sound_reconnecting");
    guest.nft("delete table inet deaf").unwrap();
    voice_is_back(&guest, "voice after it was let through again");
    listener.reads_at_last("connected").unwrap();
    listener.hears_more().unwrap();
    house.still_runs().unwrap();
}

#[test]
fn a_network_that_lets_no_media_through_is_said_with_the_port_to_ask_for() {
    if !network::may_be_made_for("a_network_that_lets_no_media_through_is_said_with_the_port_to_ask_for").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-no-way").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "10.8.0.1/24"), (&guest, "eth0", "10.8.0.2/24")).unwrap();
    let mut house = TalkingHouse::open(&home, &["--media-port", "7420"], &output).unwrap();
    let mut listener = Listener::join(&guest, &house.link_at("10.8.0.1:7410"), &output).unwrap();
    listener.hears_more().unwrap();
    guest.nft(COUNTED).unwrap();
    guest.nft(&no_media("drop")).unwrap();
    let said = reads(&mut listener, "sound_impossible");
    assert_eq!((&said["code"], &said["udpPort"]), (&"media_failed".into(), &7420.into()), "{said}");
    guest.nft("delete table inet firewall\ndelete table inet no_frames").unwrap();
    voice_is_back(&guest, "voice after UDP was let through again");
    listener.reads_at_last("connected").unwrap();
    drop(listener);
    // The same from the beginning, behind one that says no.
    guest.nft(&no_media("reject")).unwrap();
    let mut late = Listener::join(&guest, &house.link_at("10.8.0.1:7410"), &output).unwrap();
    late.peer.event("joined", LIMIT).unwrap();
    reads(&mut late, "sound_impossible");
    let log = std::fs::read_to_string(output.join("peer-Budi.log")).unwrap_or_default();
    assert!(log.lines().count() < 60, "{log}");
    house.still_runs().unwrap();
}

/// A firewall at a guest's that treats UDP so and passes no media over TCP either: such segments begin with the length
/// of a frame, TLS and HTTP with other bytes.
fn no_media(treatment: &str) -> String {
    format!(
        "{}{}",
        no_udp(treatment),
        "table inet no_frames {
        chain leaving {
            type filter hook output priority 0; policy accept;
            meta l4proto tcp @ih,0,8 { 0, 1 } reject with tcp reset
        }
    }
    "
    )
}

fn no_udp(treatment: &str) -> String {
    format!(
        "table inet firewall {{
            chain leaving {{
                type filter hook output priority 0; policy accept;
                meta l4proto udp {treatment}
            }}
            chain arriving {{
                type filter hook input priority -400; policy accept;
                meta l4proto udp drop
            }}
        }}
        "
    )
}

/// A guest with two ways to a house, of which the second is down; everything between is one router.
fn two_ways(home: &Namespace, router: &Namespace, guest: &Namespace) {
    wire((router, "home", "10.7.0.254/24"), (home, "eth0", "10.7.0.1/24")).unwrap();
    wire((router, "cable", "10.8.0.254/24"), (guest, "eth0", "10.8.0.2/24")).unwrap();
    wire((router, "air", "10.9.0.254/24"), (guest, "wlan0", "10.9.0.2/24")).unwrap();
    home.ip("route add default via 10.7.0.254").unwrap();
    guest.ip("link set wlan0 down").unwrap();
    guest.ip("route add default via 10.8.0.254").unwrap();
    run(router.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"])).unwrap();
}

#[test]
fn a_guest_who_walks_from_one_network_to_another_hears_on_and_keeps_the_raised_hand() {
    if !network::may_be_made_for("a_guest_who_walks_from_one_network_to_another_hears_on_and_keeps_the_raised_hand")
        .unwrap()
    {
        return;
    }
    let output = places::fresh_output("reach-walk").unwrap();
    let [home, router, guest] = ["home", "router", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    two_ways(&home, &router, &guest);
    let mut house = TalkingHouse::open(&home, &[], &output).unwrap();
    let listener = {
        let link = house.link_at("10.7.0.1:7410");
        Listener::join_with("Budi", &["--do", "on joined hand"], &guest, &link, &output).unwrap()
    };
    listener.hears_more().unwrap();
    guest.nft(COUNTED).unwrap();
    house.speaker.wait_for("a hand", LIMIT, |line| line["event"] == "hands" && line["count"] == 1).unwrap();
    // To the other network, and back again after some steps without any.
    guest.ip("link set eth0 down").unwrap();
    guest.ip("link set wlan0 up").unwrap();
    guest.ip("route add default via 10.9.0.254").unwrap();
    voice_is_back(&guest, "voice on the other network");
    listener.hears_more().unwrap();
    guest.ip("link set wlan0 down").unwrap();
    listener.reads_at_last("reconnecting").unwrap();
    guest.ip("link set eth0 up").unwrap();
    guest.ip("route add default via 10.8.0.254").unwrap();
    voice_is_back(&guest, "voice after some seconds without a network");
    listener.reads_at_last("connected").unwrap();
    listener.hears_more().unwrap();
    let hands: Vec<_> = house.speaker.said().into_iter().filter(|line| line["event"] == "hands").collect();
    assert!(hands.iter().skip_while(|line| line["count"] == 0).all(|line| line["count"] == 1), "{hands:?}");
    house.still_runs().unwrap();
}

#[test]
fn a_house_that_moves_to_another_network_keeps_its_guests() {
    if !network::may_be_made_for("a_house_that_moves_to_another_network_keeps_its_guests").unwrap() {
        return;
    }
    let output = places::fresh_output("reach-moves").unwrap();
    let [home, router, guest] = ["home", "router", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&router, "old", "10.7.0.254/24"), (&home, "eth0", "10.7.0.1/24")).unwrap();
    wire((&router, "cable", "10.8.0.254/24"), (&guest, "eth0", "10.8.0.2/24")).unwrap();
    home.ip("route add default via 10.7.0.254").unwrap();
    guest.ip("route add default via 10.8.0.254").unwrap();
    run(router.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"])).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output).unwrap();
    let mut listener = Listener::join(&guest, &house.link_at("10.7.0.1:7410"), &output).unwrap();
    listener.hears_more().unwrap();
    guest.nft(COUNTED).unwrap();
    // The house is on both for a moment, as a computer is that is plugged in and then leaves its Wi-Fi.
    wire((&router, "new", "10.9.0.254/24"), (&home, "eth1", "10.9.0.1/24")).unwrap();
    listener
        .peer
        .wait_for("the new link", LIMIT, |line| {
            line["event"] == "link" && line["link"].as_str().is_some_and(|link| link.contains("10.9.0.1"))
        })
        .unwrap();
    home.ip("link delete eth0").unwrap();
    home.ip("route add default via 10.9.0.254").unwrap();
    voice_is_back(&guest, "voice of a house that moved");
    listener.hears_more().unwrap();
    house.still_runs().unwrap();
}

#[test]
fn whoever_has_no_udp_hears_over_tcp_from_the_beginning_and_in_mid_call() {
    if !network::may_be_made_for("whoever_has_no_udp_hears_over_tcp_from_the_beginning_and_in_mid_call").unwrap() {
        return;
    }
    let output = places::fresh_output("heal-tcp").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "10.8.0.1/24"), (&guest, "eth0", "10.8.0.2/24")).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output).unwrap();
    let link = house.link_at("10.8.0.1:7410");
    let early = Listener::join_as("Budi", &guest, &link, &output).unwrap();
    early.hears_more().unwrap();
    guest.nft(&no_udp("drop")).unwrap();
    let (began, before) = (Instant::now(), early.statistic("packets_received").as_u64().unwrap());
    let back = || Ok(early.statistic("packets_received").as_u64().is_some_and(|now| now >= before + 25).then_some(()));
    wait::until("voice over TCP", LIMIT, back, String::new).unwrap();
    println!("voice over TCP in mid-call: {:.1} s", began.elapsed().as_secs_f32());
    let mut late = Listener::join_as("Citra", &guest, &link, &output).unwrap();
    let first = late.peer.event("first_sound", LIMIT).unwrap();
    println!("first sound over TCP: {} ms", first["ms"]);
    late.hears_more().unwrap();
    early.hears_more().unwrap();
    house.still_runs().unwrap();
}
