//! A link that opens for everybody: Firefox and Chromium, into which nothing was installed, hear a room, raise a hand,
//! are invited and speak; directly, and through a gate to a house that no address leads to.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{path::Path, sync::Arc, time::Duration};

use serambi_protocol::Link;
use serambi_tests::{
    Trouble,
    browser::Browser,
    internet::{Internet, Router},
    namespace::Namespace,
    network, places,
    public_gate::PublicGate,
    sound_server::{Card, SoundServer},
    talking_house::TalkingHouse,
};

const LIMIT: Duration = Duration::from_secs(30);

type Open = fn(&Arc<Namespace>, &Card, &Path) -> Result<Browser, Trouble>;

/// From a link into the room, onto the stage, and heard there. On the way in the guest's network changes once, which
/// makes Chromium end whatever it is loading: it once never heard anything then.
fn visits(mut browser: Browser, guest: &Namespace, url: &str, house: &mut TalkingHouse, trusts: &str) {
    browser.open(url).unwrap();
    browser.write("^Your name", "Dewi").unwrap();
    browser.reads(trusts).unwrap();
    browser.press("button", "^Listen").unwrap();
    guest.ip("address add 192.168.7.7/32 dev eth0").unwrap();
    browser.hears().unwrap();
    browser.press("button", "^Raise hand").unwrap();
    browser.press("button", "^Join the stage").unwrap();
    browser.press("button", "^Unmute microphone").unwrap();
    let is_heard = |line: &serde_json::Value| {
        line["event"] == "statistics" && line["packets_received"].as_u64().is_some_and(|packets| packets > 50)
    };
    house.speaker.wait_for("a second of the browser's voice", LIMIT, is_heard).unwrap();
    browser.still_runs().unwrap();
    house.still_runs().unwrap();
}

fn directly(name: &str, open: Open) {
    let output = places::fresh_output(name).unwrap();
    let mut internet = Internet::open(&output).unwrap();
    let (place, address) = internet.public("house").unwrap();
    let mut house = TalkingHouse::open(&place, &[], &output).unwrap();
    let guest_home = internet.home("guest", Router::Cone).unwrap();
    let guest = Arc::new(guest_home.place);
    let sound = SoundServer::start(&output).unwrap();
    let card = sound.add_card("guest").unwrap();
    let browser = open(&guest, &card, &output).unwrap();
    let room = Link::read(&house.link).unwrap().room.unwrap();
    visits(browser, &guest, &format!("https://{address}:7410/r/{room}"), &mut house, "sends this page and the sound");
}

fn through_a_gate(name: &str, open: Open) {
    let output = places::fresh_output(name).unwrap();
    let mut internet = Internet::open(&output).unwrap();
    let gate = PublicGate::open(&mut internet, &output).unwrap();
    let home = internet.home("house", Router::Cone).unwrap();
    let mut house = TalkingHouse::open(&home.place, &["--through", &gate.link], &output).unwrap();
    let guest_home = internet.home("guest", Router::Cone).unwrap();
    let guest = Arc::new(guest_home.place);
    let sound = SoundServer::start(&output).unwrap();
    let card = sound.add_card("guest").unwrap();
    let browser = open(&guest, &card, &output).unwrap();
    let link = Link::read(&house.link).unwrap();
    let (key, room) = (link.house.passage.unwrap().key, link.room.unwrap());
    let address = &gate.address;
    let trusts = format!("whoever runs {address}:7410 can read and change");
    visits(browser, &guest, &format!("https://{address}:7410/h/{key}/r/{room}"), &mut house, &trusts);
}

#[test]
fn in_firefox_a_guest_hears_raises_a_hand_is_invited_and_speaks() {
    if !network::may_be_made_for("in_firefox_a_guest_hears_raises_a_hand_is_invited_and_speaks").unwrap() {
        return;
    }
    directly("browsers-firefox", Browser::firefox);
}

#[test]
fn in_firefox_a_guest_speaks_through_a_gate_in_a_house_behind_a_router() {
    if !network::may_be_made_for("in_firefox_a_guest_speaks_through_a_gate_in_a_house_behind_a_router").unwrap() {
        return;
    }
    through_a_gate("browsers-firefox-gate", Browser::firefox);
}

#[test]
fn in_chromium_a_guest_speaks_through_a_gate_in_a_house_behind_a_router() {
    if !network::may_be_made_for("in_chromium_a_guest_speaks_through_a_gate_in_a_house_behind_a_router").unwrap() {
        return;
    }
    through_a_gate("browsers-chromium-gate", Browser::chromium);
}
