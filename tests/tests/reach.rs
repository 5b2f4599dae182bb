//! A house is heard wherever it is reached: behind a router that passes its ports on, on the ninth network, without
//! IPv4, over a cable beside another network, on a network that comes later; and a listener whose router forgets them
//! hears on. Real programs in networks of their own, with the kernel's own address translation between them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serambi_tests::{
    namespace::{Namespace, wire},
    network,
    peer::Peer,
    places,
    program::{Program, run},
    recording::write_wav,
    speech::{self, PORCH},
    wait,
};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than any of these stories.
const TALK_SECONDS: usize = 240;
/// Packets that are not there by chance: a second of voice.
const MANY: u64 = 50;

/// A house somewhere, a room in it, and somebody who talks there all the time.
struct TalkingHouse {
    house: Program,
    link: String,
    speaker: Peer,
    _folders: [TempDir; 2],
}

impl TalkingHouse {
    fn open(place: &Namespace, arguments: &[&str], output: &Path) -> Self {
        let folders: [TempDir; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let mut command = place.command(places::program("serambi-house").unwrap());
        command.arg("--folder").arg(folders[0].path()).arg("--no-discovery").args(arguments);
        command.env("SERAMBI_LOG", "info");
        let mut house = Program::start(&command, Stdio::piped(), &output.join("house.log")).unwrap();
        let mut link = String::new();
        BufReader::new(house.take_stdout().unwrap()).read_line(&mut link).unwrap();
        let link = link.trim().to_owned();
        let talk = talk(output);
        let host = ["host", "--house", &link, "--microphone", talk.to_str().unwrap(), "--loudspeaker", "none"];
        let host = [&host[..], &["--do", "on joined unmute"]].concat();
        let peer = place.command(places::program("serambi-peer").unwrap());
        let mut speaker = Peer::start_in(peer, "Ani", folders[1].path(), &host, output).unwrap();
        let joined = speaker.event("joined", LIMIT).unwrap();
        let link = joined["link"].as_str().unwrap().to_owned();
        speaker.event("unmuted", LIMIT).unwrap();
        Self { house, link, speaker, _folders: folders }
    }

    /// The link with this address alone.
    fn link_at(&self, address: &str) -> String {
        let (_, rest) = self.link.strip_prefix("serambi://").unwrap().split_once('/').unwrap();
        let pin = rest.split_once("pin=").unwrap().1.split('&').next().unwrap();
        format!("serambi://{address}/{}?pin={pin}", rest.split('?').next().unwrap())
    }

    fn still_runs(&mut self) {
        self.house.still_runs().unwrap();
        self.speaker.still_runs().unwrap();
    }
}

/// A file of somebody who says the same sentence again and again.
fn talk(output: &Path) -> PathBuf {
    let sentence = speech::say("en-us+f3", PORCH).unwrap().samples;
    let path = output.join("talk.wav");
    let samples: Vec<f32> = sentence.iter().copied().cycle().take(TALK_SECONDS * 48_000).collect();
    write_wav(&path, &samples).unwrap();
    path
}

/// Somebody who comes to listen.
struct Listener {
    peer: Peer,
    _folder: TempDir,
}

impl Listener {
    fn join(place: &Namespace, link: &str, output: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["join", link, "--microphone", "none", "--loudspeaker", "none"];
        let command = place.command(places::program("serambi-peer").unwrap());
        let peer = Peer::start_in(command, "Budi", folder.path(), &arguments, output).unwrap();
        Self { peer, _folder: folder }
    }

    fn packets(&self) -> u64 {
        let said = self.peer.said();
        said.iter().rev().find_map(|line| line["packets_received"].as_u64()).unwrap_or_default()
    }

    /// Waits for a second more of voice than there is now.
    fn hears_more(&self) {
        let before = self.packets();
        let look = || Ok((self.packets() >= before + MANY).then_some(()));
        let said = || self.peer.said().iter().rev().take(20).map(|line| format!("{line}\n")).collect();
        wait::until("more of the voice", LIMIT, look, said).unwrap();
    }
}

/// Runs this test with networks of its own, as whoever may make them; false: it has been run so in another process.
fn may_make_networks(test: &str) -> bool {
    let may = network::may_be_made();
    if !may {
        network::run_again_as_root(&["--exact", test, "--nocapture"]).unwrap();
    }
    may
}

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
    if !may_make_networks("a_house_behind_a_router_that_passes_other_ports_on_is_heard_by_its_link") {
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
    let mut house = TalkingHouse::open(&home, &["--outside", "203.0.113.1:443:9000"], &output);
    assert!(house.link.starts_with("serambi://203.0.113.1:443/"), "{}", house.link);
    let away = Listener::join(&away, &house.link, &output);
    away.hears_more();
    house.still_runs();
}

#[test]
fn a_listener_whose_router_forgets_them_hears_on() {
    if !may_make_networks("a_listener_whose_router_forgets_them_hears_on") {
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
    let mut house = TalkingHouse::open(&away, &[], &output);
    let listener = Listener::join(&home, &house.link_at("203.0.113.2:7410"), &output);
    listener.hears_more();
    // Other ports for the same sockets; TCP is left alone.
    router.nft(&format!("delete table ip nat\n{}", masquerade("50000-50099"))).unwrap();
    run(router.command("conntrack").args(["-D", "-p", "udp"])).unwrap();
    listener.hears_more();
    let lost =
        listener.peer.said().into_iter().find(|line| line["event"] == "connection" && line["state"] != "connected");
    println!("the client itself noticed: {lost:?}");
    house.still_runs();
}

#[test]
fn a_guest_on_the_ninth_network_of_a_house_hears() {
    if !may_make_networks("a_guest_on_the_ninth_network_of_a_house_hears") {
        return;
    }
    let output = places::fresh_output("reach-ninth").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    for number in 0..8 {
        leads_nowhere(&home, &format!("eth{number}"), &format!("10.20.{number}.1/24"));
    }
    wire((&home, "eth8", "10.20.8.1/24"), (&guest, "eth0", "10.20.8.2/24")).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output);
    assert!(house.link.contains("10.20.8.1"), "{}", house.link);
    Listener::join(&guest, &house.link_at("10.20.8.1:7410"), &output).hears_more();
    house.still_runs();
}

#[test]
fn a_house_without_ipv4_is_heard() {
    if !may_make_networks("a_house_without_ipv4_is_heard") {
        return;
    }
    let output = places::fresh_output("reach-ipv6").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "fd00:5e::1/64"), (&guest, "eth0", "fd00:5e::2/64")).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output);
    assert!(house.link.contains("[fd00:5e::1]:7410"), "{}", house.link);
    Listener::join(&guest, &house.link_at("[fd00:5e::1]:7410"), &output).hears_more();
    house.still_runs();
}

#[test]
fn a_cable_of_its_own_beside_another_network_carries_sound() {
    if !may_make_networks("a_cable_of_its_own_beside_another_network_carries_sound") {
        return;
    }
    let output = places::fresh_output("reach-cable").unwrap();
    let [home, guest] = ["home", "guest"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "169.254.7.1/16"), (&guest, "eth0", "169.254.7.2/16")).unwrap();
    leads_nowhere(&guest, "wlan0", "192.168.9.2/24");
    guest.ip("route add default dev wlan0").unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output);
    Listener::join(&guest, &house.link_at("169.254.7.1:7410"), &output).hears_more();
    house.still_runs();
}

#[test]
fn a_network_that_comes_while_the_house_is_open_has_sound() {
    if !may_make_networks("a_network_that_comes_while_the_house_is_open_has_sound") {
        return;
    }
    let output = places::fresh_output("reach-later").unwrap();
    let [home, first, second] = ["home", "first", "second"].map(|name| Namespace::open(name, &output).unwrap());
    wire((&home, "eth0", "10.8.0.1/24"), (&first, "eth0", "10.8.0.2/24")).unwrap();
    let mut house = TalkingHouse::open(&home, &[], &output);
    let early = Listener::join(&first, &house.link_at("10.8.0.1:7410"), &output);
    early.hears_more();
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
    Listener::join(&second, &house.link_at("10.9.0.1:7410"), &output).hears_more();
    house.still_runs();
}
