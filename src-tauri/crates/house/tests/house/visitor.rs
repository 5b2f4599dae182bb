//! A house to test and a client that visits it: sign-in, commands, and a way to its channel.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use ed25519_dalek::SigningKey;
use reqwest::{Method, StatusCode};
use rustls::pki_types::ServerName;
use serambi_house::{House, HouseConfig};
use serambi_protocol::{
    Command, PersonId, Refusal, RoomId,
    api::{Challenge, ChallengeAsked, Joined, Session, SignIn, StartRoom},
    link::Pin,
    sign_in,
};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};

use crate::{
    follower::{Channel, Follower},
    pinned::{pinned_http, pinned_tls},
};

/// Nothing in a test may take longer.
pub const LIMIT: Duration = Duration::from_secs(15);

/// An open house in a folder of its own.
pub struct TestHouse {
    pub house: House,
    pub folder: TempDir,
}

impl TestHouse {
    pub async fn open() -> Self {
        Self::open_with(|config| config).await
    }

    pub async fn open_with(change: impl FnOnce(HouseConfig) -> HouseConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = HouseConfig::new(folder.path(), "Teras").on_loopback();
        config.discoverable = false;
        let house = House::start(change(config)).await.unwrap();
        Self { house, folder }
    }

    /// Where it answers, with the scheme.
    pub fn at(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/api/v1/{path}", self.house.port())
    }

    /// Somebody who has not signed in.
    pub fn stranger(&self, name: &str) -> Visitor {
        Visitor {
            key: SigningKey::from_bytes(&rand::random()),
            name: name.into(),
            pin: self.house.pin(),
            server: self.house.pin(),
            under: String::new(),
            port: self.house.port(),
            http: pinned_http(&self.house.pin()),
            session: String::new(),
        }
    }

    /// Somebody new who has signed in.
    pub async fn visitor(&self, name: &str) -> Visitor {
        let mut visitor = self.stranger(name);
        visitor.sign_in().await;
        visitor
    }
}

/// One person with one session.
#[derive(Clone)]
pub struct Visitor {
    pub key: SigningKey,
    pub name: String,
    pub pin: Pin,
    /// Whose certificate they see: the house's own, or a gate's.
    pub server: Pin,
    /// Where its paths begin.
    pub under: String,
    pub port: u16,
    pub http: reqwest::Client,
    pub session: String,
}

/// A status and a refusal, as they came over the wire.
pub type Answer<T> = Result<T, (StatusCode, Refusal)>;

impl Visitor {
    pub fn id(&self) -> PersonId {
        PersonId::from_key(self.key.verifying_key().as_bytes())
    }

    pub async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Answer<T> {
        let url = format!("https://127.0.0.1:{}{}/api/v1/{path}", self.port, self.under);
        let request = self.http.request(method, url).bearer_auth(&self.session).json(body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        if status.is_success() {
            Ok(serde_json::from_str(if text.is_empty() { "null" } else { &text }).unwrap())
        } else {
            let refusal = serde_json::from_str(&text);
            Err((status, refusal.unwrap_or_else(|error| panic!("{status} {text:?} is no refusal: {error}"))))
        }
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answer<T> {
        self.ask(Method::POST, path, body).await
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        self.ask(Method::GET, path, &()).await
    }

    pub async fn challenge(&self) -> Challenge {
        self.post("challenge", &ChallengeAsked { person: self.id() }).await.unwrap()
    }

    pub fn answer_to(&self, challenge: &Challenge) -> SignIn {
        SignIn {
            person: self.id(),
            challenge: challenge.challenge.clone(),
            signature: sign_in::sign(&self.key, self.pin.as_str(), &challenge.challenge),
            name: self.name.clone(),
        }
    }

    pub async fn sign_in(&mut self) {
        let answer = self.answer_to(&self.challenge().await);
        self.session = self.post::<Session>("session", &answer).await.unwrap().session;
    }

    /// The same person, signed in once more.
    pub async fn again(&self) -> Self {
        let mut again = self.clone();
        again.sign_in().await;
        again
    }

    pub async fn start(&self, title: &str) -> Joined {
        self.post("rooms", &StartRoom { title: title.into(), leave_other: false }).await.unwrap()
    }

    pub async fn join(&self, room: &RoomId) -> Answer<Joined> {
        self.post(&format!("rooms/{room}/join"), &serde_json::json!({})).await
    }

    pub async fn wish(&self, room: &RoomId, command: Command) -> Answer<()> {
        self.post(&format!("rooms/{room}/commands"), &command).await
    }

    pub async fn channel(&self, after: u64) -> Channel {
        self.try_channel(after).await.unwrap()
    }

    pub async fn try_channel(&self, after: u64) -> Result<Channel, tungstenite::Error> {
        self.channel_over(self.tls().await, after).await
    }

    /// A channel over a connection that takes no more than so many bytes before they are read.
    pub async fn channel_with_buffer(&self, after: u64, bytes: u32) -> Channel {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        let stream = socket.connect((Ipv4Addr::LOCALHOST, self.port).into()).await.unwrap();
        self.channel_over(self.tls_over(stream).await, after).await.unwrap()
    }

    async fn channel_over(&self, stream: TlsStream<TcpStream>, after: u64) -> Result<Channel, tungstenite::Error> {
        let url = format!("wss://127.0.0.1:{}{}/api/v1/events?after={after}", self.port, self.under);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", self.session).parse().unwrap());
        Ok(Channel::over(tokio_tungstenite::client_async(request, stream).await?.0))
    }

    pub async fn tls(&self) -> TlsStream<TcpStream> {
        self.tls_over(TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()).await
    }

    async fn tls_over(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let name = ServerName::from("127.0.0.1".parse::<IpAddr>().unwrap());
        TlsConnector::from(Arc::new(pinned_tls(&self.server))).connect(name, stream).await.unwrap()
    }

    /// Joins and keeps up with what happens.
    pub async fn enter(&self, room: &RoomId) -> Follower {
        let joined = self.join(room).await.unwrap();
        self.follow(joined).await
    }

    /// Starts a room and keeps up with it.
    pub async fn open_room(&self, title: &str) -> Follower {
        let joined = self.start(title).await;
        self.follow(joined).await
    }

    pub async fn follow(&self, joined: Joined) -> Follower {
        let channel = self.channel(joined.seq).await.kept_alive();
        Follower::new(self.clone(), joined, channel)
    }
}
