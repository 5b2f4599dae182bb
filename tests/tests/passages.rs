//! A house that no address leads to is heard through its gate: from router to router where they let it, carried by the
//! gate where they do not, also without UDP. Real programs in a small Internet of network namespaces.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use serambi_tests::{
    Trouble,
    internet::{Home, Internet, Router},
    network, places,
    public_gate::PublicGate,
    talking_house::{Listener, TalkingHouse},
};
use serde_json::{Value, json};

/// A house behind one router, its gate, and a guest behind another.
struct Story {
    gate: PublicGate,
    house: TalkingHouse,
    house_home: Home,
    guest_home: Home,
    guest: Listener,
    _internet: Internet,
}

impl Story {
    fn begin(name: &str, house: Router, guest: Router) -> Self {
        Self::begin_on(name, Internet::open, house, guest, |_, _| {})
    }

    /// The same on another Internet, of which something is changed before anybody is there.
    fn begin_on(
        name: &str,
        internet: fn(&Path) -> Result<Internet, Trouble>,
        house: Router,
        guest: Router,
        change: impl FnOnce(&Internet, [&Home; 2]),
    ) -> Self {
        let output = places::fresh_output(name).unwrap();
        let mut internet = internet(&output).unwrap();
        let gate = PublicGate::open(&mut internet, &output).unwrap();
        let house_home = internet.home("house", house).unwrap();
        let guest_home = internet.home("guest", guest).unwrap();
        change(&internet, [&house_home, &guest_home]);
        let house = TalkingHouse::open(&house_home.place, &["--through", &gate.link], &output).unwrap();
        guest_home.watch_all_but(&[&gate.address, &house_home.outside]).unwrap();
        let guest = Listener::join(&guest_home.place, &house.link, &output).unwrap();
        Self { gate, house, house_home, guest_home, guest, _internet: internet }
    }

    fn is_heard(&mut self, way: &Value) {
        self.guest.hears_more().unwrap();
        self.guest.becomes("passage", way).unwrap();
        self.guest.hears_more().unwrap();
        self.house.still_runs().unwrap();
        assert_eq!(self.guest_home.packets_to_strangers().unwrap(), 0, "somebody else was asked");
        println!("first sound after {} ms, {way}", self.guest.statistic("first_sound_ms"));
    }
}

#[test]
fn a_house_and_a_guest_behind_routers_at_home_hear_each_other_without_the_gate_between_them() {
    if !network::may_be_made_for(
        "a_house_and_a_guest_behind_routers_at_home_hear_each_other_without_the_gate_between_them",
    )
    .unwrap()
    {
        return;
    }
    Story::begin("passage-cone-cone", Router::Cone, Router::Cone).is_heard(&json!("direct"));
}

#[test]
fn a_house_behind_a_carriers_nat_is_heard() {
    if !network::may_be_made_for("a_house_behind_a_carriers_nat_is_heard").unwrap() {
        return;
    }
    Story::begin("passage-carrier-cone", Router::CarrierNat, Router::Cone).is_heard(&json!("direct"));
}

#[test]
fn two_routers_with_a_port_for_each_destination_are_joined_by_the_gate() {
    if !network::may_be_made_for("two_routers_with_a_port_for_each_destination_are_joined_by_the_gate").unwrap() {
        return;
    }
    Story::begin("passage-symmetric-symmetric", Router::Symmetric, Router::Symmetric).is_heard(&json!("gate"));
}

#[test]
fn a_guest_without_udp_hears_through_the_gate() {
    if !network::may_be_made_for("a_guest_without_udp_hears_through_the_gate").unwrap() {
        return;
    }
    Story::begin("passage-cone-noudp", Router::Cone, Router::NoUdp).is_heard(&json!("gate"));
}

#[test]
fn a_call_goes_on_when_udp_is_forbidden_in_the_middle_of_it() {
    if !network::may_be_made_for("a_call_goes_on_when_udp_is_forbidden_in_the_middle_of_it").unwrap() {
        return;
    }
    let mut story = Story::begin("passage-forbidden", Router::Cone, Router::Cone);
    story.is_heard(&json!("direct"));
    story.guest_home.block_udp().unwrap();
    story.is_heard(&json!("gate"));
    assert_eq!(story.guest.statistic("rejoins"), json!(0), "nobody rejoined");
}

#[test]
fn a_house_whose_router_gives_new_ports_is_heard_on() {
    if !network::may_be_made_for("a_house_whose_router_gives_new_ports_is_heard_on").unwrap() {
        return;
    }
    let mut story = Story::begin("passage-new-ports", Router::Cone, Router::Symmetric);
    story.is_heard(&json!("gate"));
    story.house_home.forget_ports().unwrap();
    story.guest_home.forget_ports().unwrap();
    story.is_heard(&json!("gate"));
}

#[test]
fn a_gate_that_restarts_costs_a_direct_call_nothing() {
    if !network::may_be_made_for("a_gate_that_restarts_costs_a_direct_call_nothing").unwrap() {
        return;
    }
    let mut story = Story::begin("passage-gate-restarts", Router::Cone, Router::Cone);
    story.is_heard(&json!("direct"));
    let guest = &story.guest;
    story.gate.restart(|| guest.hears_more()).unwrap();
    story.is_heard(&json!("direct"));
    assert_eq!(story.guest.statistic("resumes"), json!(0));
    assert_eq!(story.guest.statistic("rejoins"), json!(0));
}

#[test]
fn a_house_and_a_guest_without_ipv4_hear_each_other_through_their_firewalls() {
    if !network::may_be_made_for("a_house_and_a_guest_without_ipv4_hear_each_other_through_their_firewalls").unwrap() {
        return;
    }
    let (house, guest) = (Router::Firewall, Router::Firewall);
    let mut story = Story::begin_on("passage-ipv6", Internet::open_without_ipv4, house, guest, |_, _| {});
    story.is_heard(&json!("direct"));
}

/// The smallest that IPv6 allows (RFC 8200 section 5), as in tunnels.
const NARROW_BYTES: u16 = 1_280;

#[test]
fn a_house_and_a_guest_on_paths_for_small_packets_hear_each_other_directly_and_through_the_gate() {
    let name = "a_house_and_a_guest_on_paths_for_small_packets_hear_each_other_directly_and_through_the_gate";
    if !network::may_be_made_for(name).unwrap() {
        return;
    }
    let narrow = |internet: &Internet, homes: [&Home; 2]| {
        homes.iter().for_each(|home| internet.narrow(home, NARROW_BYTES).unwrap());
    };
    let mut story = Story::begin_on("passage-narrow", Internet::open, Router::Cone, Router::Cone, narrow);
    story.is_heard(&json!("direct"));
    story.guest_home.block_udp().unwrap();
    story.is_heard(&json!("gate"));
}
