//! A client's channel of events, and somebody in a room who keeps up with them.

use std::{sync::Arc, time::Duration};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serambi_protocol::{
    Code, Command, Envelope, Notice, PersonId, RoomEvent, RoomId, RoomView,
    api::{ChannelSay, ChannelTell, Joined},
    chat::{ChatEvent, ChatLog, ChatMessage},
    event::ClosedReason,
    reaction::{Reacted, reactions_in},
};
use tokio::{net::TcpStream, sync::Mutex, task::JoinHandle};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::visitor::{Answer, LIMIT, Visitor};

/// As often as clients do.
const PING_EVERY: Duration = Duration::from_secs(3);

pub type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A client's WebSocket.
pub struct Channel {
    sink: Arc<Mutex<SplitSink<Socket, Message>>>,
    stream: SplitStream<Socket>,
    /// Where the house said last that it is reached.
    pub addresses: Vec<String>,
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
    /// Speaks over an open WebSocket.
    pub fn over(socket: Socket) -> Self {
        let (sink, stream) = socket.split();
        Self { sink: Arc::new(Mutex::new(sink)), stream, addresses: Vec::new(), pinging: None }
    }

    /// The next event; none if the house closed the channel.
    pub async fn next(&mut self) -> Option<Envelope> {
        loop {
            match self.tell().await? {
                ChannelTell::Event(envelope) => return Some(envelope),
                ChannelTell::Pong { .. }
                | ChannelTell::Received { .. }
                | ChannelTell::Marks { .. }
                | ChannelTell::Called(_)
                | ChannelTell::Addresses { .. } => {}
            }
        }
    }

    /// The next message that is not about where the house is reached; none if the house closed the channel.
    pub async fn tell(&mut self) -> Option<ChannelTell> {
        loop {
            let message = tokio::time::timeout(LIMIT, self.stream.next()).await.expect("the house says nothing");
            match message? {
                Ok(Message::Text(text)) => match serde_json::from_str(&text).unwrap() {
                    ChannelTell::Addresses { addresses } => self.addresses = addresses,
                    told => return Some(told),
                },
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
        let mut due = tokio::time::interval(PING_EVERY);
        self.pinging = Some(tokio::spawn(async move {
            loop {
                due.tick().await;
                if sink.lock().await.send(ping()).await.is_err() {
                    return;
                }
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
    /// The chat, folded.
    pub chat: ChatLog,
    /// Messages as they were told, one by one.
    pub said: Vec<ChatMessage>,
    /// What was shown, entry by entry.
    pub reacted: Vec<Reacted>,
    pub closed: Option<ClosedReason>,
    pub channel: Channel,
}

impl Follower {
    /// Somebody who has just come in.
    pub fn new(visitor: Visitor, joined: Joined, channel: Channel) -> Self {
        let Joined { view, seq, .. } = joined;
        let (notices, said, reacted) = (Vec::new(), Vec::new(), Vec::new());
        let (room, chat) = (view.room.id, ChatLog::default());
        Self { visitor, room, view, seq, notices, chat, said, reacted, closed: None, channel }
    }

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
        self.view.fold(&envelope.event);
        self.notices.extend(envelope.event.notices().cloned());
        for event in envelope.event.chat() {
            self.chat.apply(event);
            if let ChatEvent::Said { message } = event {
                self.said.push(message.clone());
            }
        }
        if let RoomEvent::Changed { changes, .. } = &envelope.event {
            self.reacted.extend(changes.iter().flat_map(|change| reactions_in(change)).cloned());
        }
        if let RoomEvent::Closed { reason } = envelope.event {
            self.closed = Some(reason);
        }
    }

    /// Listens until the view is so.
    pub async fn sees(&mut self, what: &str, is_so: impl Fn(&RoomView) -> bool) {
        let seen = async {
            while !is_so(&self.view) {
                self.hear().await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, seen).await.is_ok();
        assert!(in_time, "{} never saw: {what}\n{:#?}", self.visitor.name, self.view);
    }

    /// Listens until the chat is so.
    pub async fn reads(&mut self, what: &str, is_so: impl Fn(&ChatLog) -> bool) {
        let read = async {
            while !is_so(&self.chat) {
                self.hear().await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, read).await.is_ok();
        assert!(in_time, "{} never read: {what}\n{:#?}", self.visitor.name, self.chat);
    }

    /// Listens until that was shown.
    pub async fn is_shown(&mut self, what: &str, is_so: impl Fn(&[Reacted]) -> bool) {
        let shown = async {
            while !is_so(&self.reacted) {
                self.hear().await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, shown).await.is_ok();
        assert!(in_time, "{} was never shown {what}, but {:?}", self.visitor.name, self.reacted);
    }

    /// Listens until told that.
    pub async fn is_told(&mut self, notice: Notice) {
        let told = async {
            while !self.notices.contains(&notice) {
                self.hear().await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, told).await.is_ok();
        assert!(in_time, "{} was never told {notice:?}, but {:?}", self.visitor.name, self.notices);
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
