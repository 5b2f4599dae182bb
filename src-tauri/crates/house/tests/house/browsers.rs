//! Browsers at a gate: what they reach of a house behind it, and what they do not.

use reqwest::{Client, StatusCode, header};
use serambi_house::{HouseConfig, Page};
use serambi_protocol::{
    Code, GateState, Refusal,
    api::HouseInfo,
    gate::GateDescription,
    limits::PASSAGE_MEDIA,
    link::{HouseKey, PassageAddress},
};
use serambi_reach::GuestEndpoint;
use tokio::net::UdpSocket;

use crate::{
    gate::{Gate, stands},
    pinned::pinned_http,
    visitor::{LIMIT, TestHouse, Visitor},
};

/// A gate, and a house that waits at it.
struct Porch {
    gate: Gate,
    house: TestHouse,
    way: PassageAddress,
    http: Client,
}

impl Porch {
    async fn open() -> Self {
        let gate = Gate::open().await;
        let link = gate.link.clone();
        let house = TestHouse::open_with(|config| HouseConfig { gates: vec![link], ..config }).await;
        stands(&house.house, |state| *state == GateState::Connected).await;
        let way = house.house.address().passage.unwrap();
        let http = pinned_http(&gate.pin());
        Self { gate, house, way, http }
    }

    fn at(&self, path: &str) -> String {
        under(&self.gate, &self.way.key, path)
    }

    /// Somebody whose browser goes through the gate.
    async fn visitor(&self, name: &str) -> Visitor {
        let mut visitor = self.house.stranger(name);
        visitor.http = self.http.clone();
        visitor.server = self.gate.pin();
        visitor.under = format!("/h/{}", self.way.key);
        visitor.port = self.gate.house.house.port();
        visitor.sign_in().await;
        visitor
    }
}

fn under(gate: &Gate, key: &HouseKey, path: &str) -> String {
    format!("https://{}/h/{key}{path}", gate.link.gate.address)
}

#[tokio::test]
async fn a_browser_signs_in_at_a_house_behind_its_gate_starts_a_room_and_is_told_of_it() {
    let porch = Porch::open().await;
    let info: HouseInfo = porch.http.get(porch.at("/api/v1/house")).send().await.unwrap().json().await.unwrap();
    assert_eq!(info.pin, porch.house.house.pin().to_string());
    let ratna = porch.visitor("Ratna").await;
    let mut room = ratna.open_room("Evening on the porch").await;
    let budi = porch.house.visitor("Budi").await;
    let id = room.room;
    budi.join(&id).await.unwrap();
    room.sees("one listener", |view| view.counts.listeners == 1).await;
    let browsers = &porch.gate.report().await["browsers"];
    assert!(browsers["requests"].as_u64().unwrap() >= 5, "{browsers}");
}

#[tokio::test]
async fn a_key_of_no_house_at_the_gate_leads_nowhere_and_the_gate_asks_nobody() {
    let porch = Porch::open().await;
    let guest = GuestEndpoint::open().await.unwrap();
    let _passage = guest.open_passage(&porch.way).await.unwrap();
    for key in [HouseKey::from_bytes([7; 32]), guest.key()] {
        let answer = porch.http.get(under(&porch.gate, &key, "/api/v1/house")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json::<Refusal>().await.unwrap().code, Code::HouseUnreachable);
    }
    let nonsense = format!("https://{}/h/nonsense/api/v1/house", porch.gate.link.gate.address);
    let answer = porch.http.get(nonsense).send().await.unwrap().json::<Refusal>().await.unwrap();
    assert_eq!(answer.code, Code::LinkWrong);
    assert_eq!(porch.gate.report().await["browsers"]["refused"], 3);
}

#[tokio::test]
async fn through_a_gate_nothing_is_reached_that_this_computer_or_the_houses_own_orders_may() {
    let porch = Porch::open().await;
    for path in ["/rtc/../twirp/livekit.RoomService/ListRooms", "/api/../gate", "/api/../relay"] {
        let answer = porch.http.get(porch.at(path)).send().await.unwrap();
        assert_ne!(answer.status(), StatusCode::OK, "{path}");
    }
    let encoded = porch.at("/api/%2e%2e/gate");
    let answer = porch.http.get(encoded).send().await.unwrap();
    assert_ne!(answer.status(), StatusCode::OK, "the house is a gate's guest, not this computer");
    // Whoever runs a house reads its counters on its own computer; through the gate they are somebody from elsewhere.
    let evil = porch.http.get(porch.at("/api/v1/house")).header(header::ORIGIN, "https://evil.example");
    assert_eq!(evil.send().await.unwrap().json::<Refusal>().await.unwrap().code, Code::OriginRefused);
}

#[tokio::test]
async fn an_answer_through_the_gate_is_data_alone() {
    let porch = Porch::open().await;
    let answer = porch.http.get(porch.at("/api/v1/rooms")).send().await.unwrap();
    let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.contains("sandbox"), "{policy}");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
}

#[tokio::test]
async fn the_page_of_a_house_is_the_gates_own() {
    const FILES: serambi_house::PageFiles = &[("index.html", b"the gate's page")];
    let gate = Gate::open_as(|config| HouseConfig { page: Page::Inside(FILES), ..config }).await;
    let key = HouseKey::from_bytes([7; 32]);
    for path in ["", "/", "/r/aB3dE5gH7k"] {
        let answer = pinned_http(&gate.pin()).get(under(&gate, &key, path)).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "the gate's page", "{path}");
    }
}

#[tokio::test]
async fn a_guest_who_says_that_it_brings_browsers_is_sent_away() {
    let porch = Porch::open().await;
    let liar = GuestEndpoint::open_for_browsers().await.unwrap();
    let passage = liar.open_passage(&porch.way).await.unwrap();
    tokio::time::timeout(LIMIT, passage.closed()).await.unwrap();
    // And the gate itself is still believed.
    porch.visitor("Ratna").await;
}

#[tokio::test]
async fn the_gate_comes_under_the_key_that_it_names() {
    let porch = Porch::open().await;
    let url = format!("https://{}/gate/description", porch.gate.link.gate.address);
    let description: GateDescription = porch.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(description.pin, Some(porch.gate.pin()));
    assert_ne!(description.forwarder, porch.way.key);
    assert_ne!(description.media_port, PASSAGE_MEDIA.port());
}

#[tokio::test]
async fn a_check_for_a_house_goes_there_through_the_media_port_and_anything_else_is_dropped() {
    let porch = Porch::open().await;
    porch.visitor("Ratna").await;
    let url = format!("https://{}/gate/description", porch.gate.link.gate.address);
    let description: GateDescription = porch.http.get(url).send().await.unwrap().json().await.unwrap();
    let browser = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    browser.connect(("127.0.0.1", description.media_port)).await.unwrap();
    for packet in [&[0x80; 40][..], &check("00112233445566778899"), &check(&porch.way.key.media_tag())] {
        browser.send(packet).await.unwrap();
    }
    let counted = async {
        loop {
            let browsers = porch.gate.report().await["browsers"].clone();
            let counts = ["packetsIn", "dropped", "sockets"].map(|name| browsers[name].as_u64().unwrap());
            if counts == [1, 2, 1] {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, counted).await.unwrap();
}

/// A binding request (RFC 8489) with a user name alone.
fn check(tag: &str) -> Vec<u8> {
    let name = format!("{tag}rest:browser");
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([9; 12]);
    request.extend([0, 6, 0, name.len() as u8]);
    request.extend(name.bytes());
    request.resize(request.len().next_multiple_of(4), 0);
    request
}
