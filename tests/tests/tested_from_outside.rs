//! A house learns from its gate whether the address under which it thinks it is reached leads to it, and offers no
//! other. Real programs in a small Internet of network namespaces.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{path::Path, time::Duration};

use serambi_tests::{
    internet::{Home, Internet, Router},
    network, places,
    public_gate::PublicGate,
    talking_house::{Listener, TalkingHouse},
    wait,
};

const LIMIT: Duration = Duration::from_secs(60);

/// A house at home that says it is reached at its router, and its gate.
struct Story {
    gate: PublicGate,
    home: Home,
    internet: Internet,
    output: std::path::PathBuf,
}

impl Story {
    fn begin(name: &str) -> Self {
        let output = places::fresh_output(name).unwrap();
        let mut internet = Internet::open(&output).unwrap();
        let gate = PublicGate::open(&mut internet, &output).unwrap();
        let home = internet.home("house", Router::Cone).unwrap();
        Self { gate, home, internet, output }
    }

    fn open_house(&self) -> TalkingHouse {
        let outside = format!("{}:443:9000", self.home.outside);
        TalkingHouse::open(&self.home.place, &["--through", &self.gate.link, "--outside", &outside], &self.output)
            .unwrap()
    }

    /// The link that the host has now, which begins with the address outside or does not.
    fn is_offered(&self, house: &mut TalkingHouse, expected: bool) {
        let outside = format!("serambi://{}:443/", self.home.outside);
        let fits = |link: &serde_json::Value| link.as_str().is_some_and(|link| link.starts_with(&outside) == expected);
        house.speaker.wait_for("the link", LIMIT, |line| line["event"] == "link" && fits(&line["link"])).unwrap();
    }
}

/// What a router passes on.
fn passes_on(home: &Home, rules: &str) {
    home.router
        .nft(&format!(
            "table ip given {{
                chain incoming {{
                    type nat hook prerouting priority -100;
                    {rules}
                }}
            }}
            insert rule ip filter forwarding ct status dnat accept
            "
        ))
        .unwrap();
}

/// Waits until the house's log says this of an address outside.
fn says(output: &Path, words: &str) {
    let look = || {
        let log = std::fs::read_to_string(output.join("house.log")).unwrap_or_default();
        Ok(log.lines().any(|line| line.contains("an address outside") && line.contains(words)).then_some(()))
    };
    wait::until(words, LIMIT, look, || std::fs::read_to_string(output.join("house.log")).unwrap_or_default()).unwrap();
}

#[test]
fn an_address_that_a_router_passes_on_is_found_open_with_its_datagrams() {
    if !network::may_be_made_for("an_address_that_a_router_passes_on_is_found_open_with_its_datagrams").unwrap() {
        return;
    }
    let mut story = Story::begin("tested-open");
    passes_on(
        &story.home,
        "iifname \"outside\" tcp dport 443 dnat to 10.1.2.2:7410
         iifname \"outside\" udp dport 9000 dnat to 10.1.2.2:7411",
    );
    let mut house = story.open_house();
    says(&story.output, "udp: Some(true)");
    assert!(house.link.starts_with(&format!("serambi://{}:443/", story.home.outside)), "{}", house.link);
    let (away, _) = story.internet.public("away").unwrap();
    Listener::join(&away, &house.link, &story.output).unwrap().hears_more().unwrap();
    house.still_runs().unwrap();
}

#[test]
fn an_address_without_its_udp_port_is_open_and_said_to_be_without_it() {
    if !network::may_be_made_for("an_address_without_its_udp_port_is_open_and_said_to_be_without_it").unwrap() {
        return;
    }
    let story = Story::begin("tested-tcp-alone");
    passes_on(&story.home, "iifname \"outside\" tcp dport 443 dnat to 10.1.2.2:7410");
    let mut house = story.open_house();
    says(&story.output, "udp: Some(false)");
    house.still_runs().unwrap();
}

#[test]
fn an_address_that_nobody_passes_on_is_not_offered_and_the_gate_leads_there_all_the_same() {
    let name = "an_address_that_nobody_passes_on_is_not_offered_and_the_gate_leads_there_all_the_same";
    if !network::may_be_made_for(name).unwrap() {
        return;
    }
    let mut story = Story::begin("tested-shut");
    let mut house = story.open_house();
    says(&story.output, "OutsideClosed");
    story.is_offered(&mut house, false);
    let (away, _) = story.internet.public("away").unwrap();
    Listener::join(&away, &house.link, &story.output).unwrap().hears_more().unwrap();
    house.still_runs().unwrap();
}

/// The router forgot the house and gave its port to somebody else.
#[test]
fn an_address_at_which_somebody_else_answers_is_not_offered() {
    if !network::may_be_made_for("an_address_at_which_somebody_else_answers_is_not_offered").unwrap() {
        return;
    }
    let story = Story::begin("tested-taken");
    let neighbour = story.home.neighbour("neighbour", &story.output).unwrap();
    let other =
        TalkingHouse::open(&neighbour, &["--port", "8443"], &places::fresh_output("tested-taken-other").unwrap());
    let _other = other.unwrap();
    passes_on(&story.home, "iifname \"outside\" tcp dport 443 dnat to 10.2.2.2:8443");
    let mut house = story.open_house();
    says(&story.output, "OutsideNotTheOne");
    story.is_offered(&mut house, false);
    house.still_runs().unwrap();
}
