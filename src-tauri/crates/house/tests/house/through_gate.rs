//! Houses behind a gate, asked by guests that have no other way to them: a crowd at once, and two houses with one key.

use std::path::Path;

use iroh::{Endpoint, EndpointAddr, EndpointId, endpoint::Connection};
use rustls::pki_types::ServerName;
use serambi_house::{House, HouseConfig, OutsideTest};
use serambi_protocol::{
    Code, GateState, Refusal,
    api::HouseInfo,
    link::{HouseKey, Pin},
    outside_test::{Probe, TEST_PATH, TestOutside},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    gate::{Gate, stands},
    pinned::{pinned_http, pinned_tls},
    visitor::LIMIT,
};

/// The application protocol of a passage.
const PASSAGE: &[u8] = b"serambi/passage/1";

/// A passage of a guest that the gate carries, and its other end, both held until they are dropped.
struct Passage {
    connection: Connection,
    _guest: Endpoint,
}

impl Passage {
    async fn open(gate: &Gate, key: &HouseKey) -> Self {
        let guest = gate.guest().await;
        let house = EndpointAddr::new(EndpointId::from_bytes(key.as_bytes()).unwrap()).with_relay_url(gate.url());
        let connection = timeout(LIMIT, guest.connect(house, PASSAGE)).await.unwrap().unwrap();
        Self { connection, _guest: guest }
    }

    /// What the house says of itself, over TLS inside the passage.
    async fn ask(&self, pin: &Pin) -> HouseInfo {
        let asking = async {
            let (send, receive) = self.connection.open_bi().await.unwrap();
            let tls = TlsConnector::from(std::sync::Arc::new(pinned_tls(pin)));
            let name = ServerName::try_from("house").unwrap();
            let mut stream = tls.connect(name, tokio::io::join(receive, send)).await.unwrap();
            stream.write_all(b"GET /api/v1/house HTTP/1.1\r\nhost: house\r\nconnection: close\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            // A stream that ends without TLS's goodbye has said everything before.
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            serde_json::from_str(body).unwrap()
        };
        timeout(LIMIT, asking).await.unwrap()
    }
}

/// A house in this folder that waits at the gate.
async fn open_house(folder: &Path, name: &str, gate: &Gate) -> (House, HouseKey) {
    let mut config = HouseConfig::new(folder, name).on_loopback();
    config.discoverable = false;
    config.gates = vec![gate.link.clone()];
    let house = House::start(config).await.unwrap();
    stands(&house, |state| *state == GateState::Connected).await;
    let key = house.address().passage.unwrap().key;
    (house, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_guests_are_carried_by_one_gate_and_each_is_answered() {
    const GUESTS: u64 = 200;
    const AT_ONCE: usize = 16;
    let gate = Gate::open().await;
    let folder = tempfile::tempdir().unwrap();
    let (house, key) = open_house(folder.path(), "Teras", &gate).await;
    let began = std::time::Instant::now();
    let gate = std::sync::Arc::new(gate);
    let (mut coming, mut here) = (JoinSet::new(), Vec::new());
    for _ in 0..GUESTS {
        if coming.len() >= AT_ONCE {
            here.push(coming.join_next().await.unwrap().unwrap());
        }
        let (gate, key, pin) = (gate.clone(), key.clone(), house.pin());
        coming.spawn(async move {
            let passage = Passage::open(&gate, &key).await;
            assert_eq!(passage.ask(&pin).await.name, "Teras");
            passage
        });
    }
    here.extend(coming.join_all().await);
    println!("{GUESTS} guests were answered within {:.1} s", began.elapsed().as_secs_f32());
    // The last ones have not driven out the first.
    assert_eq!(here[0].ask(&house.pin()).await.name, "Teras");
    assert_eq!(gate.count("/clients").await, GUESTS + 1);
    assert_eq!(gate.count("/refused/inAll").await + gate.count("/refused/ofNetwork").await, 0);
    house.close().await;
}

/// One that sends without end and opens streams in which it says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_floods_its_passage_keeps_nobody_else_from_the_house() {
    const STREAMS: usize = 32;
    let gate = Gate::open().await;
    let folder = tempfile::tempdir().unwrap();
    let (house, key) = open_house(folder.path(), "Teras", &gate).await;
    let flooder = Passage::open(&gate, &key).await;
    let mut silent = Vec::new();
    for _ in 0..STREAMS {
        let (mut send, receive) = flooder.connection.open_bi().await.unwrap();
        send.write_all(&[0x16]).await.unwrap();
        silent.push((send, receive));
    }
    let flooding = async {
        loop {
            flooder.connection.send_datagram_wait(axum::body::Bytes::from_static(&[1; 1_000])).await.unwrap();
        }
    };
    let asking = async {
        let guest = Passage::open(&gate, &key).await;
        for _ in 0..5 {
            assert_eq!(guest.ask(&house.pin()).await.name, "Teras");
        }
    };
    tokio::select! {
        () = flooding => {}
        () = asking => {}
    }
    assert!(flooder.connection.close_reason().is_none(), "it was served while it lasted");
    house.close().await;
}

/// Somebody copied the folder of a house to a second computer, and both are open.
#[tokio::test]
async fn of_two_houses_with_one_key_the_one_that_came_last_is_found_and_the_other_when_it_leaves() {
    let gate = Gate::open().await;
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open_house(folder.path(), "Teras", &gate).await.0.close().await;
    std::fs::copy(folder.path().join("house.sqlite"), copy.path().join("house.sqlite")).unwrap();

    let (first, key) = open_house(folder.path(), "Teras", &gate).await;
    let early = Passage::open(&gate, &key).await;
    assert_eq!(early.ask(&first.pin()).await.name, "Teras");
    let (second, same_key) = open_house(copy.path(), "Kembar", &gate).await;
    assert_eq!((&key, first.pin()), (&same_key, second.pin()));
    assert_eq!(gate.count("/houses").await, 1);
    let late = Passage::open(&gate, &key).await;
    assert_eq!(late.ask(&first.pin()).await.name, "Kembar");

    second.close().await;
    let again = Passage::open(&gate, &key).await;
    assert_eq!(again.ask(&first.pin()).await.name, "Teras");
    first.close().await;
}

/// Asks the gate to test an address, and gives what it refuses with.
async fn refused_test(gate: &Gate, token: &str, body: String) -> Refusal {
    let url = format!("https://{}{TEST_PATH}", gate.link.gate.address);
    let request = pinned_http(&gate.house.house.pin()).post(url).bearer_auth(token);
    let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert!(!answer.status().is_success());
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_gate_tests_addresses_for_its_houses_alone_and_never_its_own_computers() {
    let gate = Gate::open().await;
    let question = TestOutside {
        host: "127.0.0.1".to_owned(),
        tcp: gate.house.house.port(),
        udp: None,
        pin: gate.house.house.pin(),
        probe: Probe::new([7; 16]),
    };
    let question = serde_json::to_string(&question).unwrap();
    let token = gate.link.token.as_str();
    for (token, body, code) in [
        ("of-another-gate", question.as_str(), Code::GateRefused),
        (token, "{}", Code::BadRequest),
        (token, &"x".repeat(10_000), Code::BadRequest),
        (token, &question, Code::OutsideElsewhere),
    ] {
        assert_eq!(refused_test(&gate, token, body.to_owned()).await.code, code);
    }
}

#[tokio::test]
async fn a_house_whose_gate_cannot_test_its_address_goes_on_offering_it_as_not_tested() {
    let gate = Gate::open().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = HouseConfig::new(folder.path(), "Teras").on_loopback();
    config.discoverable = false;
    config.outside = Some("rooms.invalid:443".parse().unwrap());
    config.gates = vec![gate.link.clone()];
    let house = House::start(config).await.unwrap();
    let mut tests = house.outside_tests();
    let elsewhere = OutsideTest::NotTested(Some(Code::OutsideElsewhere));
    let tested = tests.wait_for(|tests| tests.of("rooms.invalid:443") == elsewhere);
    timeout(LIMIT, tested).await.unwrap().unwrap();
    assert_eq!(house.address().addresses[0], "rooms.invalid:443");
    house.close().await;
}
