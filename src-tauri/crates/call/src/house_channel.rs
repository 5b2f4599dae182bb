//! Being told: the house's numbered events over one WebSocket that keeps itself connected.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serambi_protocol::{
    Code, Envelope, Refusal,
    api::{ChannelSay, ChannelTell},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, interval, sleep, sleep_until},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    house_client::HouseClient,
    retry::Retry,
    websocket::{self, OpenError, PinnedWebSocket},
};

/// How often the channel says that it is alive.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Silence after which a connection is given up: three pings unanswered.
const SILENCE_LIMIT: Duration = Duration::from_secs(6);

/// What comes out of the channel.
#[derive(Debug)]
pub enum ChannelNews {
    /// Connected, at first or again.
    Up,
    /// Not connected; it is tried again by itself.
    Down(Refusal),
    /// The house did not know the session any more (it was restarted, or away too long). A new one was made:
    /// numbers start anew and every room must be joined again.
    SessionNew,
    /// An event.
    Event(Box<Envelope>),
}

/// The receiving end; dropping it ends the connection.
#[derive(Debug)]
pub struct HouseChannel {
    news: mpsc::UnboundedReceiver<ChannelNews>,
    task: JoinHandle<()>,
}

impl HouseChannel {
    pub(crate) fn open(house: HouseClient, after: u64) -> Self {
        let (sender, news) = mpsc::unbounded_channel();
        let task = tokio::spawn(Connector { house, after, session: None, news: sender, retry: Retry::default() }.run());
        Self { news, task }
    }

    /// The next news; never ends by itself.
    pub async fn next(&mut self) -> Option<ChannelNews> {
        self.news.recv().await
    }
}

impl Drop for HouseChannel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Connector {
    house: HouseClient,
    /// The number of the last event seen.
    after: u64,
    /// The session in which it was seen.
    session: Option<String>,
    news: mpsc::UnboundedSender<ChannelNews>,
    retry: Retry,
}

/// Nobody listens any more.
struct Unwanted;

impl Connector {
    async fn run(mut self) {
        loop {
            sleep(self.retry.next_wait(rand::random())).await;
            let ended = match self.connect().await {
                Ok(socket) => self.listen(socket).await,
                Err(refusal) => self.tell(ChannelNews::Down(refusal)),
            };
            if ended.is_err() {
                return;
            }
        }
    }

    async fn connect(&mut self) -> Result<PinnedWebSocket, Refusal> {
        let session = self.house.session().await;
        if self.session.as_ref().is_some_and(|known| *known != session) {
            // Whoever noticed it first has renewed it, perhaps not this channel.
            self.after = 0;
            // If nobody listens the next `tell` ends the task.
            let _unwanted = self.tell(ChannelNews::SessionNew);
        }
        self.session = Some(session.clone());
        let address = self.house.address();
        let url = format!("wss://{address}/api/v1/events?after={}", self.after);
        let headers = [("authorization".to_owned(), format!("Bearer {session}"))];
        match websocket::open(&url, &address, self.house.tls(), headers).await {
            Ok(socket) => Ok(socket),
            Err(OpenError::Status(401)) => {
                self.house.renew_session(&session).await?;
                self.retry.succeeded();
                Err(Code::SessionExpired.into())
            }
            Err(OpenError::Status(status)) => {
                Err(Refusal::new(Code::HouseUnreachable, format!("events: HTTP status {status}")))
            }
            Err(OpenError::Connection(refusal)) => {
                // The address may be the stale one of several; the next try uses whichever answers.
                self.house.find_again().await.map_err(|_| refusal)?;
                Err(Code::HouseUnreachable.into())
            }
        }
    }

    async fn listen(&mut self, mut socket: PinnedWebSocket) -> Result<(), Unwanted> {
        self.tell(ChannelNews::Up)?;
        let mut pings = interval(PING_EVERY);
        let mut heard_at = Instant::now();
        let why = loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(message)) => {
                        heard_at = Instant::now();
                        self.retry.succeeded();
                        self.read(message)?;
                    }
                    Some(Err(error)) => break error.to_string(),
                    None => break "closed".to_owned(),
                },
                _ = pings.tick() => {
                    let ping = serde_json::to_string(&ChannelSay::Ping).unwrap_or_default();
                    if let Err(error) = socket.send(Message::text(ping)).await {
                        break error.to_string();
                    }
                }
                () = sleep_until(heard_at + SILENCE_LIMIT) => break "silence".to_owned(),
            }
        };
        self.tell(ChannelNews::Down(Refusal::new(Code::HouseUnreachable, why)))
    }

    fn read(&mut self, message: Message) -> Result<(), Unwanted> {
        let Message::Text(text) = message else { return Ok(()) };
        match serde_json::from_str(&text) {
            Ok(ChannelTell::Pong) => Ok(()),
            Ok(ChannelTell::Event(envelope)) => {
                self.after = envelope.seq;
                self.tell(ChannelNews::Event(Box::new(envelope)))
            }
            Err(error) => {
                // A newer house may say more than we understand.
                tracing::debug!(%error, "an event that is not understood");
                Ok(())
            }
        }
    }

    fn tell(&self, news: ChannelNews) -> Result<(), Unwanted> {
        self.news.send(news).map_err(|_| Unwanted)
    }
}
