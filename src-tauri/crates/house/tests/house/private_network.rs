//! Plain HTTP from another computer on the own network: a guest may listen, and nothing that a reader on the way could
//! misuse is done.

use std::net::IpAddr;

use ed25519_dalek::SigningKey;
use reqwest::{Method, StatusCode, header};
use serambi_house::{HouseConfig, Page};
use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomId,
    api::{Challenge, ChallengeAsked, JoinRoom, Joined, MediaGrant, RoomCard, Session, SignIn, StartRoom, TakeKeys},
    sign_in,
    view::Role,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};

use crate::visitor::{TestHouse, Visitor};

const PAGE: &[(&str, &[u8])] = &[("index.html", b"<!doctype html><title>Serambi</title>")];

async fn open() -> (TestHouse, String) {
    let near = private_address();
    let house = TestHouse::open_with(|config| HouseConfig {
        listen: IpAddr::from([0, 0, 0, 0]),
        page: Page::Inside(PAGE),
        ..config
    })
    .await;
    let authority = std::net::SocketAddr::new(near, house.house.port()).to_string();
    (house, authority)
}

/// From there this computer comes to itself as another one on its network would.
fn private_address() -> IpAddr {
    let interfaces = if_addrs::get_if_addrs().unwrap();
    let is_private = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    };
    interfaces.iter().map(if_addrs::Interface::ip).find(is_private).expect("a computer in a private network")
}

/// A browser without TLS.
struct Guest {
    key: SigningKey,
    at: String,
    session: String,
    http: reqwest::Client,
}

impl Guest {
    fn new(at: &str, key: SigningKey) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { key, at: at.into(), session: String::new(), http }
    }

    async fn signed_in(at: &str) -> Self {
        let mut guest = Self::new(at, SigningKey::from_bytes(&rand::random()));
        guest.sign_in().await;
        guest
    }

    async fn sign_in(&mut self) {
        let person = PersonId::from_key(self.key.verifying_key().as_bytes());
        let asked: Challenge = self.post("challenge", &ChallengeAsked { person }).await.unwrap();
        let signature = sign_in::sign(&self.key, &asked.pin, &asked.challenge);
        let answer = SignIn { person, challenge: asked.challenge, signature, name: "Guest".into() };
        self.session = self.post::<Session>("session", &answer).await.unwrap().session;
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Result<T, Code> {
        let url = format!("http://{}/api/v1/{path}", self.at);
        let response = self.http.request(method, url).bearer_auth(&self.session).json(body).send().await.unwrap();
        let ok = response.status().is_success();
        let text = response.text().await.unwrap();
        let json = if text.is_empty() { "null" } else { &text };
        if ok {
            Ok(serde_json::from_str(json).unwrap())
        } else {
            Err(serde_json::from_str::<Refusal>(json).unwrap().code)
        }
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Code> {
        self.ask(Method::POST, path, body).await
    }

    async fn wish(&self, room: &RoomId, command: Command) -> Result<(), Code> {
        self.post(&format!("rooms/{room}/commands"), &command).await
    }
}

#[tokio::test]
async fn a_guest_sees_the_page_joins_gets_a_pass_for_the_sound_and_leaves() {
    let (house, at) = open().await;
    let room = house.visitor("Sari").await.start("Porch").await.view.room.id;
    let page = reqwest::get(format!("http://{at}/r/{room}")).await.unwrap();
    assert!(page.headers().contains_key(header::CONTENT_SECURITY_POLICY));
    assert!(page.text().await.unwrap().contains("Serambi"));

    let guest = Guest::signed_in(&at).await;
    let cards: Vec<RoomCard> = guest.ask(Method::GET, "rooms", &()).await.unwrap();
    assert_eq!(cards[0].title, "Porch");
    let joined: Joined = guest.post(&format!("rooms/{room}/join"), &JoinRoom::default()).await.unwrap();
    assert_eq!(joined.view.you.role, Role::Listener);
    guest.post::<MediaGrant>(&format!("rooms/{room}/media"), &()).await.unwrap();
    let address = format!("ws://{at}/api/v1/events?session={}", guest.session);
    let (_channel, response) = tokio_tungstenite::connect_async(address).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    guest.wish(&room, Command::Leave).await.unwrap();
}

#[tokio::test]
async fn a_session_over_plain_http_never_comes_on_stage_and_starts_and_keeps_nothing() {
    let (house, at) = open().await;
    let sari = house.visitor("Sari").await;
    let room = sari.start("Porch").await.view.room.id;
    let guest = Guest::signed_in(&at).await;
    guest.post::<Joined>(&format!("rooms/{room}/join"), &JoinRoom::default()).await.unwrap();
    let person = PersonId::from_key(guest.key.verifying_key().as_bytes());
    sari.wish(&room, Command::Invite { person }).await.unwrap();
    for command in [
        Command::RaiseHand,
        Command::AcceptInvitation,
        Command::SetMuted { muted: false },
        Command::EndRoom,
        Command::Remove { person: sari.id(), block: true },
    ] {
        assert_eq!(guest.wish(&room, command.clone()).await, Err(Code::NotSecure), "{command:?}");
    }
    let started = guest.post::<Joined>("rooms", &StartRoom::default()).await;
    assert_eq!(started.map(|_| ()), Err(Code::NotSecure));
    assert_eq!(guest.post::<()>("keeper", &TakeKeys { code: "x".into() }).await, Err(Code::NotSecure));
    let counted = guest.ask::<serde_json::Value>(Method::GET, &format!("rooms/{room}/statistics"), &()).await;
    assert_eq!(counted, Err(Code::NotSecure));
    guest.wish(&room, Command::DeclineInvitation).await.unwrap();

    // The stolen key is no better over TLS.
    let thief = Visitor { session: guest.session.clone(), key: guest.key.clone(), ..house.stranger("Thief") };
    assert_eq!(thief.wish(&room, Command::RaiseHand).await.unwrap_err().1.code, Code::NotSecure);
}

#[tokio::test]
async fn what_began_over_tls_is_not_continued_where_others_read_it() {
    let (house, at) = open().await;
    let sari = house.visitor("Sari").await;
    let room = sari.start("Porch").await.view.room.id;
    let mut guest = Guest::new(&at, sari.key.clone());
    guest.session = sari.session.clone();
    let looked = guest.post::<MediaGrant>(&format!("rooms/{room}/media"), &()).await;
    assert_eq!(looked.map(|_| ()), Err(Code::NotSecure), "the session");
    let address = format!("ws://{at}/api/v1/events?session={}", guest.session);
    let refused = tokio_tungstenite::connect_async(address).await.unwrap_err();
    assert!(matches!(&refused, tungstenite::Error::Http(answer) if answer.status() == 403), "{refused}");
    guest.sign_in().await;
    let joined = guest.post::<Joined>(&format!("rooms/{room}/join"), &JoinRoom::default()).await;
    assert_eq!(joined.map(|_| ()), Err(Code::NotSecure), "the seat on stage");
}

#[tokio::test]
async fn orders_to_the_media_server_and_other_names_are_refused_over_plain_http() {
    let (_house, at) = open().await;
    let http = reqwest::Client::new();
    for path in ["twirp/livekit.RoomService/ListRooms", "metrics", "index.html"] {
        assert_eq!(
            http.post(format!("http://{at}/{path}")).send().await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    for host in ["evil.example", "127.0.0.1", "localhost"] {
        let answer = http.get(format!("http://{at}/api/v1/house")).header(header::HOST, host).send().await.unwrap();
        assert_eq!(answer.json::<Refusal>().await.unwrap().code, Code::OriginRefused, "{host}");
    }
    let mut page_elsewhere = format!("ws://{at}/rtc?access_token=x").into_client_request().unwrap();
    page_elsewhere.headers_mut().insert(header::ORIGIN, "http://evil.example".parse().unwrap());
    let refused = tokio_tungstenite::connect_async(page_elsewhere).await.unwrap_err();
    assert!(matches!(&refused, tungstenite::Error::Http(answer) if answer.status() == 403), "{refused}");
}
