//! A house to test and a client that visits it: pinned certificate, sign-in, commands, and a channel of events.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ed25519_dalek::SigningKey;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use reqwest::{Method, StatusCode};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serambi_house::{House, HouseConfig};
use serambi_protocol::{
    Code, Command, Envelope, Notice, PersonId, Refusal, RoomEvent, RoomId, RoomView,
    api::{Challenge, ChallengeAsked, ChannelSay, ChannelTell, Joined, Session, SignIn, StartRoom},
    event::ClosedReason,
    link::Pin,
    sign_in,
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::Mutex, task::JoinHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

/// Nothing in a test may take longer.
pub const LIMIT: Duration = Duration::from_secs(15);

/// Accepts the one certificate with this fingerprint.
#[derive(Debug)]
struct Pinned(Pin, Arc<CryptoProvider>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.0.fits(&Sha256::digest(certificate).into()) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("another house".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.1.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS that believes only this fingerprint.
pub fn pinned_tls(pin: &Pin) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(pin.clone(), provider)))
        .with_no_client_auth()
}

/// An HTTP client that believes only this fingerprint.
pub fn pinned_http(pin: &Pin) -> reqwest::Client {
    reqwest::Client::builder().use_preconfigured_tls(pinned_tls(pin)).no_proxy().timeout(LIMIT).build().unwrap()
}

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
        let url = format!("https://127.0.0.1:{}/api/v1/{path}", self.port);
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

    pub async fn try_channel(&self, after: u64) -> Result<Channel, tokio_tungstenite::tungstenite::Error> {
        let url = format!("wss://127.0.0.1:{}/api/v1/events?after={after}", self.port);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", self.session).parse().unwrap());
        let socket = tokio_tungstenite::client_async(request, self.tls().await).await?.0;
        let (sink, stream) = socket.split();
        Ok(Channel { sink: Arc::new(Mutex::new(sink)), stream, pinging: None })
    }

    pub async fn tls(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::from("127.0.0.1".parse::<IpAddr>().unwrap());
        TlsConnector::from(Arc::new(pinned_tls(&self.pin))).connect(name, stream).await.unwrap()
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
        let room = joined.view.id.clone();
        Follower {
            visitor: self.clone(),
            room,
            view: joined.view,
            seq: joined.seq,
            notices: Vec::new(),
            closed: None,
            channel,
        }
    }
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A client's WebSocket.
pub struct Channel {
    sink: Arc<Mutex<SplitSink<Socket, Message>>>,
    stream: SplitStream<Socket>,
    pinging: Option<JoinHandle<()>>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(pinging) = &self.pinging {
            pinging.abort();
        }
    }
}

impl Channel {
    /// The next event; none if the house closed the channel.
    pub async fn next(&mut self) -> Option<Envelope> {
        loop {
            match self.tell().await? {
                ChannelTell::Event(envelope) => return Some(envelope),
                ChannelTell::Pong { .. } | ChannelTell::Received { .. } | ChannelTell::Marks { .. } => {}
            }
        }
    }

    /// The next message; none if the house closed the channel.
    pub async fn tell(&mut self) -> Option<ChannelTell> {
        loop {
            let message = tokio::time::timeout(LIMIT, self.stream.next()).await.expect("the house says nothing");
            match message? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The code with which the house closes; everything before it is passed over.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            match tokio::time::timeout(LIMIT, self.stream.next()).await.expect("the house says nothing")? {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Says something, whatever it is.
    pub async fn say(&self, message: Message) {
        self.sink.lock().await.send(message).await.unwrap();
    }

    /// Says what a client can say.
    pub async fn says(&self, said: &ChannelSay) {
        self.say(Message::text(serde_json::to_string(said).unwrap())).await;
    }

    pub async fn ping(&self) {
        self.say(ping()).await;
    }

    /// Pings as clients do, until it is dropped or closed.
    pub fn kept_alive(mut self) -> Self {
        let sink = self.sink.clone();
        self.pinging = Some(tokio::spawn(async move {
            while sink.lock().await.send(ping()).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        }));
        self
    }
}

fn ping() -> Message {
    Message::text(serde_json::to_string(&ChannelSay::Ping { sent_micros: None }).unwrap())
}

/// Somebody in a room whose view is kept up to date, as a client's is.
pub struct Follower {
    pub visitor: Visitor,
    pub room: RoomId,
    pub view: RoomView,
    pub seq: u64,
    pub notices: Vec<Notice>,
    pub closed: Option<ClosedReason>,
    pub channel: Channel,
}

impl Follower {
    pub fn id(&self) -> PersonId {
        self.visitor.id()
    }

    pub async fn wish(&self, command: Command) -> Answer<()> {
        self.visitor.wish(&self.room, command).await
    }

    pub async fn does(&self, command: Command) {
        self.wish(command).await.unwrap();
    }

    /// The code with which the house refuses that.
    pub async fn is_refused(&self, command: Command) -> Code {
        let (status, refusal) = self.wish(command).await.unwrap_err();
        assert_eq!(status.as_u16(), refusal.code.status());
        refusal.code
    }

    /// Takes in one event.
    pub async fn hear(&mut self) {
        let envelope = self.channel.next().await.expect("the channel was closed");
        self.take(envelope);
    }

    fn take(&mut self, envelope: Envelope) {
        assert_eq!(envelope.seq, self.seq + 1, "numbers grow by one");
        assert_eq!(envelope.room, self.room);
        self.seq = envelope.seq;
        self.view.apply(&envelope.event);
        match envelope.event {
            RoomEvent::Notice { notice } => self.notices.push(notice),
            RoomEvent::Closed { reason } => self.closed = Some(reason),
            _ => {}
        }
    }

    /// Listens until the view is so.
    pub async fn sees(&mut self, what: &str, is_so: impl Fn(&RoomView) -> bool) {
        let seen = async {
            while !is_so(&self.view) {
                let envelope = self.channel.next().await.expect("the channel was closed");
                self.take(envelope);
            }
        };
        let in_time = tokio::time::timeout(LIMIT, seen).await.is_ok();
        assert!(in_time, "{} never saw: {what}\n{:#?}", self.visitor.name, self.view);
    }

    /// Listens until told that.
    pub async fn is_told(&mut self, notice: Notice) {
        let told = async {
            while !self.notices.contains(&notice) {
                self.hear_next().await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, told).await.is_ok();
        assert!(in_time, "{} was never told {notice:?}, but {:?}", self.visitor.name, self.notices);
    }

    async fn hear_next(&mut self) {
        let envelope = self.channel.next().await.expect("the channel was closed");
        self.take(envelope);
    }

    /// Listens until out of the room.
    pub async fn is_out(&mut self) -> ClosedReason {
        while self.closed.is_none() {
            self.hear().await;
        }
        self.closed.unwrap()
    }

    /// Invites, waits for the invitation, accepts.
    pub async fn brings_on_stage(&mut self, other: &mut Follower) {
        self.does(Command::Invite { person: other.id() }).await;
        other.sees("an invitation", |view| view.you.invitation.is_some()).await;
        other.does(Command::AcceptInvitation).await;
        let id = other.id();
        other.sees("themselves on stage", |view| view.you.role.is_on_stage()).await;
        self.sees("them on stage", |view| view.stage.iter().any(|person| person.id == id)).await;
    }
}

/// Tries until it is so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let trying = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, trying).await.is_ok(), "never: {what}");
}
