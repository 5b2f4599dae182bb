//! The media server without sockets, clock, chance or tasks.
//!
//! Everything that happens is handed in with the time it happened: [`SfuCore::handle_datagram`],
//! [`SfuCore::handle_signal`], [`SfuCore::handle_command`], [`SfuCore::handle_timeout`] and their
//! neighbours. After any of them, [`SfuCore::poll_output`] is called until it says
//! [`Output::Deadline`]; what came out before is sent in that order. Time must not run back.
//! Chance comes from the seed in [`CoreConfig`] (TLS draws its own).

mod data;
mod demux;
mod detour;
mod engine_address;
mod forwarding;
mod identifiers;
mod limits;
mod media;
mod moderation;
mod participant;
mod passage;
mod presence;
mod probe;
mod publishing;
mod publishing_offer;
mod remote_address;
mod room;
mod sdp;
mod sdp_answer;
mod sdp_offer;
mod sdp_writer;
mod session;
mod signalling;
mod subscribing;
mod timers;
mod track;
mod transport;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use livekit_protocol::DisconnectReason;
use livekit_protocol::signal_response::Message;
use str0m::config::DtlsCert;
use thiserror::Error;

pub use demux::binding_request_fragment;
pub use detour::Detour;
pub use media::Datagram;
pub use moderation::{Command, Reply};
pub use passage::Passage;
pub use presence::SILENT_MS_ATTRIBUTE;
pub use room::RoomOptions;
pub use sdp::SdpError;
pub use session::{Join, Resume, TokenGrants};
pub use transport::Transmit;

use demux::Demux;
use identifiers::Identifiers;
use participant::{Participant, SignalLink};
use room::{Room, RoomId};
use timers::{Timer, Timers};
use transport::{Outbox, ParticipantId, TransportConfig, TransportEvent, TransportKey};

use crate::statistics::{ParticipantStatistics, RoomStatistics, ServerStatistics, Traffic};

/// A signalling connection, named by whoever owns the sockets. Never re-used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What a core is made of.
pub struct CoreConfig {
    /// Addresses offered as host candidates, in order of preference. Datagrams must be handed in
    /// with one of these as their local address.
    pub addresses: Vec<SocketAddr>,
    /// More such addresses, which no description names: only clients with a way of their own to one know it.
    pub unannounced: Vec<SocketAddr>,
    /// Addresses offered as passive TCP candidates (RFC 6544). What comes in there is handed in as datagrams, with one
    /// of `unannounced` as its local address.
    pub streams: Vec<SocketAddr>,
    /// One certificate for all connections.
    pub certificate: DtlsCert,
    /// Source of all names and passwords. Must be unpredictable outside of tests.
    pub seed: [u8; 32],
    /// Wall clock at the `now` of [`SfuCore::new`], milliseconds since 1970.
    pub unix_ms: i64,
}

/// What a core wants done.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram.
    Transmit(Transmit),
    /// Send a signalling message.
    Signal(ConnectionId, Box<Message>),
    /// Make a token with these grants and send it as `refresh_token`.
    RefreshToken(ConnectionId, Box<TokenGrants>),
    /// Close a signalling connection. What was said before is to arrive first.
    Close(ConnectionId),
    /// Nothing more for now. Call [`SfuCore::handle_timeout`] at this time.
    Deadline(Option<Instant>),
}

/// Why the core did not do what it was asked. Compare by variant; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such room, person or track.
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// Too long, empty, or not what it should be.
    #[error("{0}")]
    InvalidArgument(String),
    /// A voice is never opened from outside.
    #[error("a track can only be unmuted by its owner")]
    RemoteUnmute,
    /// The person was removed after this token was made.
    #[error("the token has been revoked")]
    TokenRevoked,
    /// The room has all the people it may have.
    #[error("the room is full")]
    RoomFull,
}

impl Refusal {
    /// Stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotFound(_) => "not_found",
            Refusal::InvalidArgument(_) => "invalid_argument",
            Refusal::RemoteUnmute => "failed_precondition",
            Refusal::TokenRevoked => "unauthenticated",
            Refusal::RoomFull => "resource_exhausted",
        }
    }
}

/// The media server. See the [module](self).
pub struct SfuCore {
    started: Instant,
    started_unix_ms: i64,
    node_sid: String,
    transport_config: TransportConfig,
    names: Identifiers,
    rooms: HashMap<RoomId, Room>,
    room_names: HashMap<String, RoomId>,
    participants: HashMap<ParticipantId, Participant>,
    connections: HashMap<ConnectionId, ParticipantId>,
    next_number: u64,
    demux: Demux,
    timers: Timers,
    outbox: Outbox,
    outputs: VecDeque<Output>,
    /// When the datagram that is being worked off was taken from its socket.
    received: Instant,
    /// Whose packets were forwarded and may not have been sent yet.
    unsent: Vec<ParticipantId>,
    /// What somebody was asked to send here.
    expected_probe: Option<Vec<u8>>,
}

impl SfuCore {
    /// An empty house.
    pub fn new(now: Instant, config: CoreConfig) -> Self {
        let mut names = Identifiers::new(config.seed);
        Self {
            started: now,
            started_unix_ms: config.unix_ms,
            node_sid: names.node(),
            transport_config: TransportConfig::new(
                config.addresses,
                config.unannounced,
                config.streams,
                config.certificate,
            ),
            names,
            rooms: HashMap::new(),
            room_names: HashMap::new(),
            participants: HashMap::new(),
            connections: HashMap::new(),
            next_number: 0,
            demux: Demux::default(),
            timers: Timers::default(),
            outbox: Outbox::default(),
            outputs: VecDeque::new(),
            received: now,
            unsent: Vec::new(),
            expected_probe: None,
        }
    }

    /// The addresses of now. Peer connections that begin or restart ICE from here on offer them.
    pub fn set_addresses(&mut self, addresses: Vec<SocketAddr>, streams: Vec<SocketAddr>) {
        (self.transport_config.addresses, self.transport_config.streams) = (addresses, streams);
    }

    /// The next thing to do. To be called until it answers [`Output::Deadline`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(transmit) = self.outbox.transmits.pop_front() {
            return Output::Transmit(transmit);
        }
        match self.outputs.pop_front() {
            Some(output) => output,
            None => Output::Deadline(self.timers.next()),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            self.fire(now, timer);
        }
        self.settle(now);
    }

    /// Peer connections that ended with a panic of the WebRTC engine: each is a bug, there or here.
    pub fn engine_panics(&self) -> u64 {
        self.outbox.panics
    }

    /// Numbers of one room, if it exists.
    pub fn statistics(&self, room: &str) -> Option<RoomStatistics> {
        let id = self.room_names.get(room)?;
        let mut totals = Traffic::default();
        let mut participants = std::collections::BTreeMap::new();
        for participant in self.members(*id).iter().filter_map(|id| self.participants.get(id)) {
            let mut traffic = participant.traffic;
            let present = participant.tracks.iter().map(|track| track.munger.lost());
            traffic.packets_lost_in += present.sum::<u64>();
            totals.add(&traffic);
            participants.insert(
                participant.identity.clone(),
                ParticipantStatistics {
                    hidden: participant.is_hidden(),
                    may_publish: participant.permission.can_publish,
                    connected: participant.state == participant::State::Active,
                    signalling: matches!(participant.link, SignalLink::Up { .. }),
                    tracks: participant.tracks.len(),
                    traffic,
                },
            );
        }
        let server = ServerStatistics { engine_panics: self.engine_panics(), ..ServerStatistics::default() };
        Some(RoomStatistics { room: room.to_owned(), participants, totals, server })
    }

    /// Everything that [`Self::poll_output`] gave out has been sent.
    pub fn note_sent(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.unsent) {
            let participant = self.participants.get_mut(&id);
            participant.into_iter().flat_map(|one| &mut one.tracks).for_each(|track| track.passages.note_sent(now));
        }
    }

    /// The way of the packet to which somebody in a room gave this RTP timestamp; `None` if it never came, or too long
    /// ago.
    pub fn passage(&self, room: &str, identity: &str, timestamp: u32) -> Option<Passage> {
        let members = self.members(*self.room_names.get(room)?).into_iter();
        let owner = members.filter_map(|id| self.participants.get(&id)).find(|one| one.identity == identity)?;
        owner.tracks.iter().find_map(|track| track.passages.find(timestamp))
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Transport(key) => self.wake_transport(now, key),
            Timer::Negotiate(id) => self.negotiate(now, id),
            Timer::Answer(id) => self.check_answer(now, id),
            Timer::Seat(id) => self.check_seat(now, id),
            Timer::Join(id) => self.check_joined(now, id),
            Timer::Token(id) => self.renew_token(now, id),
            Timer::Room(id) => self.check_room(now, id),
        }
    }

    /// Handles what peer connections reported until none reports any more.
    fn settle(&mut self, now: Instant) {
        while let Some((key, event)) = self.outbox.events.pop_front() {
            self.handle_event(now, key, event);
        }
        for (deadline, key) in self.outbox.wakeups.drain(..) {
            self.timers.set(deadline, Timer::Transport(key));
        }
    }

    fn handle_event(&mut self, now: Instant, key: TransportKey, event: TransportEvent) {
        match event {
            TransportEvent::Media(packet) => self.forward(now, key, &packet),
            TransportEvent::Connected => self.media_connected(now, key),
            TransportEvent::ChannelOpen(id, label) => self.channel_opened(now, key, id, label),
            TransportEvent::ChannelClosed(id) => self.channel_closed(key, id),
            TransportEvent::Data(id, data) => self.relay_data(now, key, id, &data),
            TransportEvent::Closed => {
                self.remove(now, key.participant, DisconnectReason::ClientInitiated);
            }
            TransportEvent::Failed(reason) => self.transport_failed(now, key, &reason),
        }
    }

    fn signal(&mut self, id: ParticipantId, message: Message) {
        if let Some(connection) = self.participants.get(&id).and_then(Participant::connection) {
            self.signal_connection(connection, message);
        }
    }

    fn signal_connection(&mut self, connection: ConnectionId, message: Message) {
        self.outputs.push_back(Output::Signal(connection, Box::new(message)));
    }

    fn close_connection(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
        self.outputs.push_back(Output::Close(connection));
    }

    fn members(&self, room: RoomId) -> Vec<ParticipantId> {
        self.rooms.get(&room).map(|room| room.members.iter().copied().collect()).unwrap_or_default()
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn unix_ms(&self, now: Instant) -> i64 {
        let elapsed = now.saturating_duration_since(self.started).as_millis();
        self.started_unix_ms.saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }
}
