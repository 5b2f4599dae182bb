//! A house that is a gate, between real endpoints that have no other way to each other.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Bytes;
use iroh::{
    Endpoint, EndpointAddr, RelayConfig, RelayMode, RelayUrl, Watcher,
    endpoint::{Connection, PortmapperConfig, RelayStatus, presets},
    tls::CaTlsConfig,
};
use iroh_relay::RelayQuicConfig;
use reqwest::StatusCode;
use serambi_house::{AdmittedHouses, GateCertificate, GateConfig, House, HouseConfig};
use serambi_protocol::{
    Code, GateState, Refusal,
    link::{GateLink, HouseKey, Pin},
};

use crate::{
    pinned::{pinned_http, pinned_verifier},
    program::program,
    visitor::{LIMIT, TestHouse},
};

const PROTOCOL: &[u8] = b"serambi/test";

/// An open gate.
pub struct Gate {
    pub house: TestHouse,
    pub link: GateLink,
}

impl Gate {
    pub async fn open() -> Self {
        Self::open_with(|config| config).await
    }

    async fn open_with(change: impl FnOnce(GateConfig) -> GateConfig) -> Self {
        let gate = change(GateConfig { discovery_port: 0, media_port: 0, ..GateConfig::default() });
        Self::open_as(|config| HouseConfig { gate: Some(gate), ..config }).await
    }

    /// A house that is a gate unless it is told otherwise.
    pub async fn open_as(change: impl FnOnce(HouseConfig) -> HouseConfig) -> Self {
        let gate = GateConfig { discovery_port: 0, media_port: 0, ..GateConfig::default() };
        let house = TestHouse::open_with(|config| change(HouseConfig { gate: Some(gate), ..config })).await;
        let link = house.house.gate_link().unwrap();
        Self { house, link }
    }

    pub fn url(&self) -> RelayUrl {
        format!("https://{}", self.link.gate.address).parse().unwrap()
    }

    pub fn pin(&self) -> Pin {
        self.link.gate.pin.clone().unwrap()
    }

    fn relay(&self) -> RelayConfig {
        RelayConfig::new(self.url(), None)
    }

    /// An endpoint that knows no way but this gate.
    pub async fn guest(&self) -> Endpoint {
        endpoint(self.relay(), &self.pin()).await
    }

    /// The same with the gate's token, waiting at it.
    async fn house(&self) -> Endpoint {
        let house = endpoint(self.relay().with_auth_token(&self.link.token), &self.pin()).await;
        online(&house).await;
        house
    }

    async fn connect(&self, from: &Endpoint, to: &Endpoint) -> Connection {
        let connecting = from.connect(EndpointAddr::new(to.id()).with_relay_url(self.url()), PROTOCOL);
        tokio::time::timeout(LIMIT, connecting).await.unwrap().unwrap()
    }

    /// What the gate counted.
    pub async fn report(&self) -> serde_json::Value {
        let url = format!("https://{}/gate", self.link.gate.address);
        let answer = pinned_http(&self.house.house.pin()).get(url).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    pub async fn count(&self, pointer: &str) -> u64 {
        self.report().await.pointer(pointer).unwrap().as_u64().unwrap()
    }

    pub async fn counts(&self, pointer: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        let counting = async {
            loop {
                let count = self.count(pointer).await;
                if wanted(count) {
                    return count;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, counting).await.unwrap_or_else(|_| panic!("{pointer}"))
    }
}

async fn endpoint(relay: RelayConfig, pin: &Pin) -> Endpoint {
    builder(relay, pin, &Arc::default()).clear_ip_transports().bind().await.unwrap()
}

fn builder(relay: RelayConfig, pin: &Pin, refused: &Arc<AtomicUsize>) -> iroh::endpoint::Builder {
    let (pin, refused) = (pin.clone(), refused.clone());
    let verifier = CaTlsConfig::custom_server_cert_verifier(Arc::new(move |_| Ok(pinned_verifier(&pin, &refused))));
    Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Custom(relay.into()))
        .ca_tls_config(verifier)
        .portmapper_config(PortmapperConfig::Disabled)
        .alpns(vec![PROTOCOL.to_vec()])
}

async fn online(endpoint: &Endpoint) {
    tokio::time::timeout(LIMIT, endpoint.online()).await.unwrap();
}

/// What an endpoint says of its gate once it fits.
async fn status<T>(endpoint: &Endpoint, wanted: impl Fn(&RelayStatus) -> Option<T>) -> T {
    let mut watcher = endpoint.home_relay_status();
    let watching = async {
        let mut now = watcher.get();
        loop {
            if let Some(found) = now.iter().find_map(&wanted) {
                return found;
            }
            now = watcher.updated().await.unwrap();
        }
    };
    tokio::time::timeout(LIMIT, watching).await.unwrap()
}

/// Sends every datagram back, of every connection.
fn echo(endpoint: &Endpoint) -> tokio::task::JoinHandle<()> {
    let endpoint = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let Ok(connection) = incoming.await else { continue };
            tokio::spawn(async move {
                while let Ok(datagram) = connection.read_datagram().await {
                    if connection.send_datagram(datagram).is_err() {
                        return;
                    }
                }
            });
        }
    })
}

/// Sends `datagram` until it comes back: any one may be lost.
async fn is_echoed(connection: &Connection, datagram: &'static [u8]) {
    let echoed = async {
        loop {
            connection.send_datagram(Bytes::from_static(datagram)).unwrap();
            let answer = tokio::time::timeout(Duration::from_millis(500), connection.read_datagram()).await;
            if matches!(answer, Ok(Ok(answer)) if answer == datagram) {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, echoed).await.unwrap();
}

#[tokio::test]
async fn a_guest_reaches_a_house_that_has_the_token_and_datagrams_go_both_ways() {
    let gate = Gate::open().await;
    let (house, guest) = (gate.house().await, gate.guest().await);
    let echoing = echo(&house);
    let connection = gate.connect(&guest, &house).await;
    for datagram in [&b"one"[..], b"two", &[7; 1_000]] {
        is_echoed(&connection, datagram).await;
    }
    let report = gate.report().await;
    assert_eq!((&report["clients"], &report["houses"]), (&2.into(), &1.into()), "{report}");
    assert!(report["bytesIn"].as_u64().unwrap() > 2 * 1_000, "{report}");
    assert!(report["datagramsOut"].as_u64().unwrap() >= 6, "{report}");
    guest.close().await;
    house.close().await;
    echoing.await.unwrap();
    gate.counts("/clients", |clients| clients == 0).await;
    assert_eq!(gate.count("/houses").await, 0);
}

#[tokio::test]
async fn a_house_with_another_gates_token_is_told_so() {
    let gate = Gate::open().await;
    let house = endpoint(gate.relay().with_auth_token("of-another-gate"), &gate.pin()).await;
    let reason = status(&house, |status| status.auth_denied_reason().map(str::to_owned)).await;
    assert!(reason.contains("not this gate's"), "{reason}");
    assert!(gate.count("/refused/wrongToken").await >= 1);
    assert_eq!(gate.count("/houses").await, 0);
}

#[tokio::test]
async fn guests_do_not_reach_each_other_unless_any_may_be_a_house() {
    let gate = Gate::open().await;
    let (first, second) = (gate.guest().await, gate.guest().await);
    online(&second).await;
    let echoing = echo(&second);
    let address = EndpointAddr::new(second.id()).with_relay_url(gate.url());
    tokio::select! {
        reached = first.connect(address, PROTOCOL) => panic!("{reached:?}"),
        _ = gate.counts("/dropped/toNoHouse", |dropped| dropped >= 3) => {}
    }
    assert_eq!(gate.count("/datagramsIn").await, 0);
    second.close().await;
    echoing.await.unwrap();

    let open_gate = Gate::open_with(|config| GateConfig { houses: AdmittedHouses::Any, ..config }).await;
    let (first, second) = (open_gate.guest().await, open_gate.guest().await);
    online(&second).await;
    let _echoing = echo(&second);
    is_echoed(&open_gate.connect(&first, &second).await, b"found").await;
}

#[tokio::test]
async fn a_house_whose_key_the_gate_knows_needs_no_token() {
    let key = iroh::SecretKey::from_bytes(&rand::random());
    let also = vec![HouseKey::from_bytes(*key.public().as_bytes())];
    let gate = Gate::open_with(|config| GateConfig { houses: AdmittedHouses::WithToken { also }, ..config }).await;
    let house =
        builder(gate.relay(), &gate.pin(), &Arc::default()).clear_ip_transports().secret_key(key).bind().await.unwrap();
    online(&house).await;
    let _echoing = echo(&house);
    is_echoed(&gate.connect(&gate.guest().await, &house).await, b"known").await;
}

#[tokio::test]
async fn one_client_too_many_is_refused_in_words_and_gets_in_when_another_leaves() {
    let gate = Gate::open_with(|config| GateConfig { max_clients: 1, ..config }).await;
    let first = gate.guest().await;
    online(&first).await;
    let answer = pinned_http(&gate.pin())
        .get(format!("https://{}/relay", gate.link.gate.address))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "iroh-relay-v2")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json::<Refusal>().await.unwrap().code, Code::Busy);
    let second = gate.guest().await;
    gate.counts("/refused/inAll", |refused| refused >= 2).await;
    assert_eq!(gate.count("/clients").await, 1);
    first.close().await;
    online(&second).await;
}

#[tokio::test]
async fn a_client_sends_no_more_than_its_bytes() {
    const FRAME_BYTES: u64 = 65_537;
    let slow = NonZeroU32::new(1_000).unwrap();
    let gate = Gate::open_with(|config| GateConfig { bytes_per_second: slow, ..config }).await;
    let (house, guest) = (gate.house().await, gate.guest().await);
    let began = std::time::Instant::now();
    let _echoing = echo(&house);
    let connection = gate.connect(&guest, &house).await;
    let flooding = async {
        loop {
            connection.send_datagram_wait(Bytes::from_static(&[1; 1_000])).await.unwrap();
        }
    };
    tokio::select! {
        () = flooding => {}
        _ = gate.counts("/dropped/overRate", |dropped| dropped >= 5) => {}
    }
    let passed = gate.count("/bytesIn").await;
    let allowed = 2 * (FRAME_BYTES + 1_000 * (began.elapsed().as_secs() + 2));
    assert!(passed > FRAME_BYTES / 2 && passed <= allowed, "{passed} of {allowed}");
}

#[tokio::test]
async fn a_gate_with_another_fingerprint_is_not_used() {
    let gate = Gate::open().await;
    let relay = gate.relay().with_auth_token(&gate.link.token);
    let refused = Arc::default();
    let house = builder(relay, &Pin::from_digest(&[1; 32]), &refused).clear_ip_transports().bind().await.unwrap();
    let trying = async {
        while refused.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = house.online() => panic!("it believes anybody"),
        tried = tokio::time::timeout(LIMIT, trying) => tried.unwrap(),
    }
    assert_eq!(gate.count("/clients").await, 0);
}

#[tokio::test]
async fn a_gate_that_was_restarted_is_found_again_by_house_and_guest() {
    let gate = Gate::open().await;
    let (house, guest) = (gate.house().await, gate.guest().await);
    let _echoing = echo(&house);
    let connection = gate.connect(&guest, &house).await;
    is_echoed(&connection, b"before").await;
    gate.house.house.close().await;
    let config = HouseConfig {
        port: gate.house.house.port(),
        discoverable: false,
        gate: Some(GateConfig { discovery_port: 0, media_port: 0, ..GateConfig::default() }),
        ..HouseConfig::new(gate.house.folder.path(), "Teras").on_loopback()
    };
    let again = House::start(config).await.unwrap();
    assert_eq!(again.gate_link().unwrap(), gate.link, "its link is still right");
    is_echoed(&connection, b"after").await;
    again.close().await;
}

#[tokio::test]
async fn a_gate_that_is_dropped_lets_everybody_go() {
    let gate = Gate::open().await;
    let (house, guest) = (gate.house().await, gate.guest().await);
    online(&guest).await;
    drop(gate);
    for client in [house, guest] {
        status(&client, |status| (!status.is_connected()).then_some(())).await;
        client.close().await;
    }
}

#[tokio::test]
async fn clients_ask_a_gate_for_their_addresses() {
    let gate = Gate::open().await;
    let port = gate.house.house.gate_discovery_port().unwrap();
    let relay = RelayConfig::new(gate.url(), Some(RelayQuicConfig::new(port)));
    let guest = builder(relay, &gate.pin(), &Arc::default()).bind().await.unwrap();
    gate.counts("/discoveries", |discoveries| discoveries >= 1).await;
    guest.close().await;
}

#[tokio::test]
async fn a_gate_with_a_certificate_of_the_public_web_has_no_fingerprint_in_its_link() {
    let web = |config| GateConfig { certificate: GateCertificate::PublicWeb, ..config };
    let gate = Gate::open_with(web).await;
    assert_eq!(gate.link.gate.pin, None);
}

#[tokio::test]
async fn a_taken_discovery_port_is_said_at_the_start() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let gate = GateConfig { discovery_port: taken.local_addr().unwrap().port(), ..GateConfig::default() };
    let folder = tempfile::tempdir().unwrap();
    let config = HouseConfig { gate: Some(gate), ..HouseConfig::new(folder.path(), "Teras").on_loopback() };
    assert_eq!(House::start(config).await.err().unwrap().code(), Code::PortTaken);
}

#[tokio::test]
async fn a_house_is_no_gate_unless_it_was_asked_to_be_one() {
    let house = TestHouse::open().await;
    assert_eq!(house.house.gate_link(), None);
    for path in ["relay", "ping", "gate", "gate/description", "h/KEY/api/v1/house"] {
        let url = format!("https://127.0.0.1:{}/{path}", house.house.port());
        let status = pinned_http(&house.house.pin()).get(url).send().await.unwrap().status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_message_is_not_collected_beyond_the_largest_frame() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    };
    let gate = Gate::open().await;
    let mut request = format!("wss://{}/relay", gate.link.gate.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "iroh-relay-v2".parse().unwrap());
    let stream = gate.house.stranger("").tls().await;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Binary(challenge))) if challenge[0] == 0));
    assert_eq!(gate.count("/clients").await, 1);
    // Two parts of a message that never ends: what the gate has read of it alone can make it hang up.
    for part in [Data::Binary, Data::Continue] {
        socket.send(Message::Frame(Frame::message(vec![1; 40_000], OpCode::Data(part), false))).await.unwrap();
    }
    let handshake_limit = Duration::from_secs(10);
    let hung_up = tokio::time::timeout(handshake_limit / 2, socket.next()).await.unwrap();
    assert!(!matches!(hung_up, Some(Ok(Message::Binary(_)))), "{hung_up:?}");
    gate.counts("/clients", |clients| clients == 0).await;
}

/// Starts the program and ends it when it has said its gate's link.
async fn printed_link(folder: &std::path::Path, arguments: &[&str]) -> GateLink {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut command = program(folder);
    command
        .args(["--gate", "--gate-udp-port", "0", "--gate-media-port", "0"])
        .args(arguments)
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = tokio::process::ChildStderr::from_std(child.stderr.take().unwrap()).unwrap();
    let mut lines = BufReader::new(stderr).lines();
    let reading = async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, link)) = line.split_once("gives it this link: ") {
                return GateLink::read(link).unwrap();
            }
        }
    };
    let link = tokio::time::timeout(LIMIT, reading).await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    link
}

#[tokio::test]
async fn the_program_prints_its_gates_link_which_stays_the_same_and_is_not_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let first = printed_link(folder.path(), &[]).await;
    assert!(first.gate.pin.is_some());
    let again = printed_link(folder.path(), &["--gate-for", "any", "--gate-rate", "1000000"]).await;
    assert_eq!(again.token, first.token);
    for file in std::fs::read_dir(folder.path().join("logs")).unwrap() {
        let log = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!log.contains(&first.token));
    }
}

#[tokio::test]
async fn the_program_refuses_what_it_cannot_read_as_a_key() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [&["--gate", "--gate-for", "somebody"][..], &["--gate-for", "any"], &["--gate", "--gate-rate", "0"]] {
        let output = program(folder.path()).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

/// Until the house says this of its only gate.
pub async fn stands(house: &House, wanted: impl Fn(&GateState) -> bool) -> GateState {
    let mut gates = house.gates();
    let told = gates.wait_for(|gates| matches!(&gates[..], [(_, state)] if wanted(state)));
    let gates = tokio::time::timeout(LIMIT, told).await.unwrap_or_else(|_| panic!("{:?}", *house.gates().borrow()));
    gates.unwrap()[0].1.clone()
}

#[tokio::test]
async fn an_open_house_goes_to_other_gates_and_says_how_it_stands_with_them() {
    let (gate, other) = (Gate::open().await, Gate::open().await);
    let teras = TestHouse::open().await;
    let house = &teras.house;
    assert!(house.gates().borrow().is_empty());
    assert_eq!(house.address().passage, None);
    for there in [&gate, &other] {
        house.set_gates(vec![there.link.clone()]).await.unwrap();
        stands(house, |state| *state == GateState::Connected).await;
        assert_eq!(house.address().passage.unwrap().gates, std::slice::from_ref(&there.link.gate));
    }
    gate.counts("/clients", |clients| clients == 0).await;
    house.set_gates(Vec::new()).await.unwrap();
    assert!(house.gates().borrow().is_empty());
    assert_eq!(house.address().passage, None);
    other.counts("/clients", |clients| clients == 0).await;
}

#[tokio::test]
async fn a_house_says_why_nobody_comes_through_its_gate() {
    let gate = Gate::open().await;
    let teras = TestHouse::open().await;
    let house = &teras.house;
    let is_problem = |state: &GateState| state.problem().is_some();

    house.set_gates(vec![GateLink { token: "another".to_owned(), ..gate.link.clone() }]).await.unwrap();
    assert_eq!(stands(house, is_problem).await.problem(), Some(Code::GateRefused));

    let mut other = gate.link.clone();
    other.gate.pin = Some(Pin::from_digest(&[9; 32]));
    house.set_gates(vec![other]).await.unwrap();
    let state = stands(house, is_problem).await;
    assert_eq!(state.problem(), Some(Code::GateNotTheOne), "{state:?}");

    let gone = gate.link.clone();
    gate.house.house.close().await;
    drop(gate);
    house.set_gates(vec![gone]).await.unwrap();
    let state = stands(house, is_problem).await;
    assert_eq!(state.problem(), Some(Code::GateUnreachable), "{state:?}");
}
