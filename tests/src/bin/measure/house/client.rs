//! One person at a house without a window and without sound: HTTP and a WebSocket over loopback, plain or with TLS.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use reqwest::{Upgraded, header};
use serambi_call::Identity;
use serambi_protocol::{
    Command, Link, PersonId, RoomEvent, RoomId,
    api::{Challenge, ChallengeAsked, ChannelSay, ChannelTell, JoinRoom, Joined, Session, SignIn, StartRoom},
};
use serambi_tests::Trouble;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::broadcast, task::AbortHandle};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::client::generate_key, protocol::Role},
};

const PING_EVERY: Duration = Duration::from_secs(2);
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// A house closes connections that it has heard nothing on for 30 s; this side is to do so first.
const KEPT_ALIVE: Duration = Duration::from_secs(20);
/// Events that a slow reader of its own channel may leave waiting.
const MAX_EVENTS: usize = 1_024;

fn trouble(error: impl std::fmt::Display) -> Trouble {
    Trouble::Unexpected(error.to_string())
}

/// Where the house answers, and one HTTP client for everybody.
#[derive(Clone)]
pub struct House {
    /// Up to the path.
    address: Arc<str>,
    pin: Arc<str>,
    http: reqwest::Client,
}

/// How people speak to a house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
}

impl House {
    pub fn at(link: &Link, transport: Transport) -> Result<Self, Trouble> {
        // The client wants to know how TLS would be made even where there is none; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Whose certificate it is does not matter here: what is asked is what the house pays for it.
        let http = reqwest::Client::builder().http1_only().danger_accept_invalid_certs(true);
        let http = http.pool_idle_timeout(KEPT_ALIVE).build().map_err(trouble)?;
        let scheme = if transport == Transport::Tls { "https" } else { "http" };
        let first = link.house.addresses.first().map(String::as_str).unwrap_or_default();
        Ok(Self { address: format!("{scheme}://{first}").into(), pin: link.house.proof.as_str().into(), http })
    }

    /// The channel of a session, from an event on.
    async fn channel(&self, session: &str, after: u64) -> Result<WebSocketStream<Upgraded>, Trouble> {
        let request = self.http.get(format!("{}/api/v1/events?after={after}", self.address)).bearer_auth(session);
        let request = request.header(header::CONNECTION, "upgrade").header(header::UPGRADE, "websocket");
        let request = request.header(header::SEC_WEBSOCKET_VERSION, "13").timeout(ANSWER_LIMIT);
        let response = request.header(header::SEC_WEBSOCKET_KEY, generate_key()).send().await.map_err(trouble)?;
        let stream = response.upgrade().await.map_err(trouble)?;
        Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    async fn post<A: DeserializeOwned>(&self, path: &str, session: &str, body: &impl Serialize) -> Result<A, Trouble> {
        let request = self.http.post(format!("{}/api/v1/{path}", self.address)).timeout(ANSWER_LIMIT);
        let response = request.bearer_auth(session).json(body).send().await.map_err(trouble)?;
        let status = response.status();
        let text = response.text().await.map_err(trouble)?;
        if !status.is_success() {
            return Err(trouble(format!("{path}: {status} {text}")));
        }
        serde_json::from_str(if text.is_empty() { "null" } else { &text }).map_err(trouble)
    }
}

/// Somebody who has signed in.
pub struct Client {
    house: House,
    identity: Arc<Identity>,
    name: String,
    session: String,
}

impl Client {
    pub async fn sign_in(house: &House, name: &str) -> Result<Self, Trouble> {
        Self::sign_in_as(house, Arc::new(Identity::make()), name.to_owned()).await
    }

    /// The same person at a house that was started again.
    pub async fn again(&self, house: &House) -> Result<Self, Trouble> {
        Self::sign_in_as(house, self.identity.clone(), self.name.clone()).await
    }

    async fn sign_in_as(house: &House, identity: Arc<Identity>, name: String) -> Result<Self, Trouble> {
        let person = identity.id();
        let challenge: Challenge = house.post("challenge", "", &ChallengeAsked { person }).await?;
        let signature = identity.sign_in(&house.pin, &challenge.challenge);
        let answer = SignIn { person, challenge: challenge.challenge, signature, name: name.clone() };
        let session = house.post::<Session>("session", "", &answer).await?.session;
        Ok(Self { house: house.clone(), identity, name, session })
    }

    pub fn id(&self) -> PersonId {
        self.identity.id()
    }

    pub async fn start_room(self) -> Result<Joining, Trouble> {
        let joined = self.house.post("rooms", &self.session, &StartRoom::default()).await?;
        Joining::follow(self, joined).await
    }

    pub async fn join(self, room: RoomId) -> Result<Joining, Trouble> {
        let joined = self.house.post(&format!("rooms/{room}/join"), &self.session, &JoinRoom::default()).await?;
        Joining::follow(self, joined).await
    }

    pub async fn command(&self, room: RoomId, command: &Command) -> Result<(), Trouble> {
        self.house.post(&format!("rooms/{room}/commands"), &self.session, command).await
    }
}

/// Somebody in a room, with an open channel.
pub struct Joining {
    pub client: Client,
    pub room: RoomId,
    received: Arc<AtomicU64>,
    events: broadcast::Sender<RoomEvent>,
    reading: AbortHandle,
}

impl Joining {
    async fn follow(client: Client, joined: Joined) -> Result<Self, Trouble> {
        let socket = client.house.channel(&client.session, joined.seq).await?;
        let (received, events) = (Arc::new(AtomicU64::new(0)), broadcast::Sender::new(MAX_EVENTS));
        let reading = tokio::spawn(read(socket, received.clone(), events.clone())).abort_handle();
        Ok(Self { client, room: joined.view.room.id, received, events, reading })
    }

    /// Bytes of text that the house sent on the channel.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<RoomEvent> {
        self.events.subscribe()
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut socket: WebSocketStream<Upgraded>, received: Arc<AtomicU64>, events: broadcast::Sender<RoomEvent>) {
    let Ok(ping) = serde_json::to_string(&ChannelSay::Ping { sent_micros: None }) else { return };
    let mut due = tokio::time::interval(PING_EVERY);
    loop {
        tokio::select! {
            _ = due.tick() => if socket.send(Message::text(ping.as_str())).await.is_err() { return },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    received.fetch_add(text.len() as u64, Ordering::Relaxed);
                    // Only who is asked about is parsed: 3,000 readers would measure themselves otherwise.
                    if events.receiver_count() > 0
                        && let Ok(ChannelTell::Event(envelope)) = serde_json::from_str(&text)
                    {
                        // Whoever asked may have stopped listening in this moment.
                        let _ = events.send(envelope.event);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}
