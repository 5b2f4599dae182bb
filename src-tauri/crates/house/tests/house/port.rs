//! The house's ports, its file, and what happens when they are taken or broken.

use std::net::{Ipv4Addr, UdpSocket};

use serambi_discovery::{FoundHouse, Sighting};
use serambi_house::{House, HouseConfig};
use serambi_protocol::{Code, Link, api::HouseInfo, link::HouseProof};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::visitor::{LIMIT, TestHouse};

#[tokio::test]
async fn tls_and_plain_http_answer_on_the_same_port() {
    let house = TestHouse::open().await;
    let over_tls: HouseInfo = house.stranger("").get("house").await.unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", house.house.port())).await.unwrap();
    stream.write_all(b"GET /api/v1/house HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(serde_json::from_str::<HouseInfo>(body).unwrap(), over_tls);
}

#[tokio::test]
async fn a_taken_port_gives_the_next_free_one_and_the_link_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let house = TestHouse::open_with(|config| HouseConfig { port, ..config }).await;
    assert_ne!(house.house.port(), port);
    let link = Link::read(&house.house.link().to_string()).unwrap();
    assert_eq!(link.house.addresses, [format!("127.0.0.1:{}", house.house.port())]);
    assert_eq!(link.house.proof.pin(), Some(&house.house.pin()));
}

#[tokio::test]
async fn a_taken_media_port_gives_another() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let media_port = taken.local_addr().unwrap().port();
    let house = TestHouse::open_with(|config| HouseConfig { media_port, ..config }).await;
    assert_ne!(house.house.media_port(), Some(media_port));
}

#[tokio::test]
async fn a_house_that_is_open_cannot_be_opened_again_until_it_is_closed() {
    let house = TestHouse::open().await;
    let mut config = HouseConfig::new(house.folder.path(), "Teras").on_loopback();
    config.discoverable = false;
    let refused = House::start(config.clone()).await.err().unwrap();
    assert_eq!(refused.code(), Code::ProfileInUse);
    let port = house.house.port();
    house.house.close().await;
    let again = House::start(HouseConfig { port, ..config }).await.unwrap();
    assert_eq!(again.port(), port, "closing frees the port");
}

#[tokio::test]
async fn a_broken_file_and_a_bad_name_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("house.sqlite"), "rubbish ".repeat(1_000)).unwrap();
    let broken = House::start(HouseConfig::new(folder.path(), "Teras").on_loopback()).await.err().unwrap();
    assert_eq!(broken.code(), Code::ProfileBroken);
    let nameless = House::start(HouseConfig::new(folder.path(), "  ").on_loopback()).await.err().unwrap();
    assert_eq!(nameless.code(), Code::NameEmpty);
}

#[tokio::test]
async fn a_discoverable_house_is_seen_with_its_address_and_not_after_it_closed() {
    let house = TestHouse::open_with(|config| HouseConfig { discoverable: true, ..config }).await;
    let mut browser = serambi_discovery::browse(Ipv4Addr::LOCALHOST.into()).unwrap();
    let (address, pin) = (house.house.address(), house.house.pin());
    let here = Sighting::Here(FoundHouse { name: "Teras".into(), address });
    let mut sees = async |wanted: Sighting| while browser.next().await.unwrap() != wanted {};
    tokio::time::timeout(LIMIT, sees(here)).await.unwrap();
    house.house.close().await;
    tokio::time::timeout(LIMIT, sees(Sighting::Gone(HouseProof::Pin(pin)))).await.unwrap();
}
