//! Being told: the house's numbered events over one WebSocket that keeps itself connected, and what is measured, both
//! ways.

use std::{
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use futures_util::{SinkExt, StreamExt};
use serambi_protocol::{
    Code, Envelope, Refusal, RoomId,
    api::{ChannelSay, ChannelTell},
    door::Called,
    measurement::{HouseTime, VoiceMark, VoiceReception},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{self, Message, protocol::frame::coding::CloseCode};

use crate::{
    house_client::HouseClient,
    house_clock::micros_between,
    own_path::OwnPath,
    retry::Retry,
    websocket::{self, OpenError, WebSocket, host_of},
};

/// How often the channel says that it is alive.
const PING_EVERY: Duration = Duration::from_secs(2);
/// A new connection learns the house's clock from so many pings in quick succession.
const PINGS_AT_FIRST: u32 = 5;
const PING_SOON: Duration = Duration::from_millis(200);
/// Measurements that wait for the connection; more are not worth waiting for.
const SAID_WAITING: usize = 8;
/// Silence after which a connection is given up: three pings unanswered.
const SILENCE_LIMIT: Duration = Duration::from_secs(6);
/// The same for a connection that is doubted: the answer to one ping, lost once on the way.
const DOUBT_LIMIT: Duration = Duration::from_millis(1_500);
/// And at least so many round trips, where they are long.
const DOUBT_ROUND_TRIPS: u32 = 4;
/// A house that was lost without a word is looked for more often than one that refuses.
const LOST_WAIT: Duration = Duration::from_secs(1);
/// How long all addresses of a house that was lost are asked before they are asked again. An address that cannot be
/// reached yet answers nobody, and who asks it would wait for the whole limit of a connection.
const FIND_LIMIT: Duration = Duration::from_millis(1_500);

/// Events that may wait for their reader; then the house waits, which drops readers that are too slow.
const NEWS_WAITING: usize = 64;

/// Why the channel is not connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The house is not reached, for this reason.
    Unreachable(Refusal),
    /// The house said that it goes away, or its computer refuses connections: it is not running.
    HouseStopped,
}

/// What comes out of the channel.
#[derive(Debug)]
pub enum ChannelNews {
    /// Connected, at first or again.
    Up,
    /// Not connected; it is tried again by itself.
    Down(Outage),
    /// The house did not know the session any more (it was restarted, or away too long). A new one was made:
    /// numbers start anew and every room must be joined again.
    SessionNew,
    /// An event.
    Event(Box<Envelope>),
    /// The house's clock showed this between these two moments.
    Clock {
        /// When it was asked.
        sent: Moment,
        /// What it said.
        house: HouseTime,
        /// When the answer came.
        received: Moment,
    },
    /// What the listeners of the own voice receive, in a room.
    Received {
        /// Which room.
        room: RoomId,
        /// All of them together.
        reception: VoiceReception,
    },
    /// The house says that it is reached elsewhere: [`HouseClient::house_now`] is news.
    Addresses,
    /// Somebody calls this person into a room.
    Called(Box<Called>),
    /// When the voices in a room were made.
    Marks {
        /// Which room.
        room: RoomId,
        /// The newest of each speaker.
        marks: Vec<VoiceMark>,
    },
}

/// The receiving end; dropping it ends the connection.
#[derive(Debug)]
pub struct HouseChannel {
    news: mpsc::Receiver<ChannelNews>,
    said: mpsc::Sender<ChannelSay>,
    doubts: Arc<Notify>,
    task: JoinHandle<()>,
}

impl HouseChannel {
    pub(crate) fn open(house: HouseClient, after: u64) -> Self {
        let (sender, news) = mpsc::channel(NEWS_WAITING);
        let (said, saying) = mpsc::channel(SAID_WAITING);
        let connector = Connector {
            house,
            after,
            session: None,
            news: sender,
            saying,
            doubts: Arc::default(),
            is_lost: false,
            round_trip: Duration::ZERO,
            retry: Retry::default(),
            began: Moment::now(),
        };
        let doubts = connector.doubts.clone();
        Self { news, said, doubts, task: tokio::spawn(connector.run()) }
    }

    /// The next news; never ends by itself.
    pub async fn next(&mut self) -> Option<ChannelNews> {
        self.news.recv().await
    }

    /// Tells the house what was measured. Lost while the channel is down or the house has no use for it.
    pub fn say(&self, measured: ChannelSay) {
        if self.said.try_send(measured).is_err() {
            tracing::debug!("a measurement was not told");
        }
    }

    /// Something else of the house was lost: is this still there? It is known soon, within [`DOUBT_LIMIT`] mostly.
    pub(crate) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Ends the connection; its task has ended when this returns.
    pub async fn close(mut self) {
        self.task.abort();
        if let Err(error) = (&mut self.task).await
            && !error.is_cancelled()
        {
            tracing::warn!(%error, "the house channel's task");
        }
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
    news: mpsc::Sender<ChannelNews>,
    saying: mpsc::Receiver<ChannelSay>,
    doubts: Arc<Notify>,
    /// The house was silent, or this computer has another network: it is looked for before it is connected to.
    is_lost: bool,
    /// Of the last ping.
    round_trip: Duration,
    retry: Retry,
    /// Pings carry the time since then.
    began: Moment,
}

/// Nobody listens any more.
struct Unwanted;

fn broken(why: impl std::fmt::Display) -> Outage {
    Outage::Unreachable(Refusal::new(Code::HouseUnreachable, why.to_string()))
}

/// What a message was.
#[derive(PartialEq, Eq)]
enum Read {
    /// An answer with the house's clock.
    Clock,
    Other,
}

async fn say(socket: &mut WebSocket, said: &ChannelSay) -> Result<(), tungstenite::Error> {
    let text = serde_json::to_string(said).map_err(|error| tungstenite::Error::Io(error.into()))?;
    socket.send(Message::text(text)).await
}

impl Connector {
    async fn run(mut self) {
        loop {
            let ended = match self.connect_soon().await {
                Ok(socket) => self.listen(socket).await,
                Err(outage) => self.tell(ChannelNews::Down(outage)).await,
            };
            if ended.is_err() {
                return;
            }
        }
    }

    /// Connects after a wait; at once when this computer gets another network.
    async fn connect_soon(&mut self) -> Result<WebSocket, Outage> {
        loop {
            let wait = self.retry.next_wait(rand::random());
            let wait = if self.is_lost { wait.min(LOST_WAIT) } else { wait };
            let mut path = self.path();
            let attempt = async {
                sleep(wait).await;
                self.connect().await
            };
            tokio::select! {
                connected = attempt => return connected,
                _ = path.changed() => {}
            }
            self.lose();
        }
    }

    /// What was open leads nowhere.
    fn lose(&mut self) {
        self.house.forget_connections();
        self.is_lost = true;
        self.retry.succeeded();
    }

    fn path(&self) -> OwnPath {
        OwnPath::to(host_of(&self.house.address()))
    }

    async fn connect(&mut self) -> Result<WebSocket, Outage> {
        if self.is_lost {
            let found = timeout(FIND_LIMIT, self.house.find_again()).await;
            found.unwrap_or(Err(Code::HouseUnreachable.into())).map_err(Outage::Unreachable)?;
        }
        let session = self.house.session().await;
        if self.session.as_ref().is_some_and(|known| *known != session) {
            // Whoever noticed it first has renewed it, perhaps not this channel.
            self.after = 0;
            // If nobody listens the next `tell` ends the task.
            let _unwanted = self.tell(ChannelNews::SessionNew).await;
        }
        self.session = Some(session.clone());
        let address = self.house.address();
        let url = format!("wss://{address}/api/v1/events?after={}", self.after);
        let headers = [("authorization".to_owned(), format!("Bearer {session}"))];
        let error = match websocket::open(&url, &address, Some(self.house.tls()), headers).await {
            Ok(socket) => {
                self.is_lost = false;
                return Ok(socket);
            }
            Err(error) => error,
        };
        match error {
            OpenError::Status(401) => {
                self.house.renew_session(&session).await.map_err(Outage::Unreachable)?;
                self.retry.succeeded();
                Err(Outage::Unreachable(Code::SessionExpired.into()))
            }
            OpenError::Status(503) => Err(Outage::HouseStopped),
            OpenError::Status(status) => {
                let refusal = Refusal::new(Code::HouseUnreachable, format!("events: HTTP status {status}"));
                Err(Outage::Unreachable(refusal))
            }
            OpenError::Refused(_) => {
                self.house.find_again().await.map_err(|_| Outage::HouseStopped)?;
                Err(Outage::Unreachable(Code::HouseUnreachable.into()))
            }
            OpenError::Connection(refusal) => {
                // The address may be the stale one of several; the next try uses whichever answers.
                self.house.find_again().await.map_err(|_| Outage::Unreachable(refusal))?;
                Err(Outage::Unreachable(Code::HouseUnreachable.into()))
            }
        }
    }

    async fn listen(&mut self, mut socket: WebSocket) -> Result<(), Unwanted> {
        self.tell(ChannelNews::Up).await?;
        let (mut pings, mut ping_at) = (0, Instant::now());
        let mut silent_at = Instant::now() + SILENCE_LIMIT;
        let mut path = self.path();
        // Until the house has shown its clock it may be an older one, that closes the channel on words it does not
        // know.
        let mut takes_measurements = false;
        // What was measured before is of another time.
        while self.saying.try_recv().is_ok() {}
        let (mut callable, mut told_callable) = (self.house.callable(), false);
        let outage = loop {
            let is_callable = *callable.borrow_and_update();
            if takes_measurements && is_callable != told_callable {
                told_callable = is_callable;
                if let Err(error) = say(&mut socket, &ChannelSay::Callable { callable: is_callable }).await {
                    break broken(error);
                }
            }
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.map(|frame| frame.code);
                        let goes_away = matches!(code, Some(CloseCode::Away | CloseCode::Restart));
                        break if goes_away { Outage::HouseStopped } else { broken("closed") };
                    }
                    Some(Ok(message)) => {
                        silent_at = Instant::now() + SILENCE_LIMIT;
                        self.retry.succeeded();
                        takes_measurements |= self.read(message).await? == Read::Clock;
                    }
                    Some(Err(error)) => break broken(error),
                    None => break broken("closed"),
                },
                () = sleep_until(ping_at) => {
                    pings += 1;
                    ping_at = Instant::now() + if pings < PINGS_AT_FIRST { PING_SOON } else { PING_EVERY };
                    let sent_micros = Some(micros_between(self.began, Moment::now()));
                    if let Err(error) = say(&mut socket, &ChannelSay::Ping { sent_micros }).await {
                        break broken(error);
                    }
                }
                Some(measured) = self.saying.recv() => {
                    if takes_measurements && let Err(error) = say(&mut socket, &measured).await {
                        break broken(error);
                    }
                }
                Ok(()) = callable.changed() => {}
                () = self.doubts.notified() => {
                    ping_at = Instant::now();
                    silent_at = silent_at.min(ping_at + DOUBT_LIMIT.max(self.round_trip * DOUBT_ROUND_TRIPS));
                }
                () = path.moved() => {
                    self.lose();
                    break broken("this computer has another network");
                }
                () = sleep_until(silent_at) => {
                    self.lose();
                    break broken("silence");
                }
            }
        };
        self.tell(ChannelNews::Down(outage)).await
    }

    async fn read(&mut self, message: Message) -> Result<Read, Unwanted> {
        let received = Moment::now();
        let Message::Text(text) = message else { return Ok(Read::Other) };
        match serde_json::from_str(&text) {
            Ok(ChannelTell::Pong { sent_micros: Some(sent), house_time: Some(house) }) => {
                let ago = u64::try_from(micros_between(self.began, received).saturating_sub(sent)).unwrap_or(0);
                self.round_trip = Duration::from_micros(ago);
                let sent = received.checked_sub(self.round_trip).unwrap_or(received);
                self.tell(ChannelNews::Clock { sent, house, received }).await?;
                return Ok(Read::Clock);
            }
            Ok(ChannelTell::Pong { .. }) => {}
            Ok(ChannelTell::Event(envelope)) => {
                self.after = envelope.seq;
                self.tell(ChannelNews::Event(Box::new(envelope))).await?;
            }
            Ok(ChannelTell::Received { room, reception }) => {
                self.tell(ChannelNews::Received { room, reception }).await?;
            }
            Ok(ChannelTell::Addresses { addresses }) => {
                self.house.take_addresses(addresses);
                self.tell(ChannelNews::Addresses).await?;
            }
            Ok(ChannelTell::Marks { room, marks }) => self.tell(ChannelNews::Marks { room, marks }).await?,
            Ok(ChannelTell::Called(called)) => self.tell(ChannelNews::Called(called)).await?,
            // A newer house may say more than we understand.
            Err(error) => tracing::debug!(%error, "an event that is not understood"),
        }
        Ok(Read::Other)
    }

    async fn tell(&self, news: ChannelNews) -> Result<(), Unwanted> {
        self.news.send(news).await.map_err(|_| Unwanted)
    }
}
