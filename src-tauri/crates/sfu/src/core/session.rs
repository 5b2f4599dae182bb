//! Coming, coming back, and leaving.

use std::collections::HashMap;
use std::time::Instant;

use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    DisconnectReason, JoinResponse, LeaveRequest, ParticipantPermission, ReconnectResponse, ServerInfo, leave_request,
    server_info,
};
use tracing::{debug, error_span};

use super::detour::Detour;
use super::limits::{
    JOIN_TIMEOUT, PING_INTERVAL, PING_TIMEOUT, SEAT_KEPT, TOKEN_INTERVAL, check_attributes, check_given,
    check_metadata, check_name,
};
use super::participant::{ClientTraits, Participant, SignalLink, State, SubscriptionChoice, short};
use super::presence::{enabled_codecs, participant_info, update};
use super::room::{Room, RoomId, RoomOptions};
use super::timers::Timer;
use super::transport::{Leg, ParticipantId, TransportKey};
use super::{ConnectionId, Output, Refusal, SfuCore};
use crate::statistics::Traffic;

/// Signalling protocol we announce. With 18 the Rust-based clients would stop announcing their
/// data channels in-band.
const PROTOCOL: i32 = 16;

/// LiveKit server version whose behaviour we announce. JS refuses an empty one.
const VERSION: &str = "1.9.12";

/// A join, as the token and the query of the signalling request say it.
#[derive(Debug, Clone)]
pub struct Join {
    /// Name of the room; it must exist.
    pub room: String,
    /// Who; replaces an earlier session of the same identity.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Free text.
    pub metadata: String,
    /// Free keys and values.
    pub attributes: HashMap<String, String>,
    /// What the token says the participant may do. The last decision about them can be less.
    pub permission: ParticipantPermission,
    /// Place of the token in the order of tokens and decisions: its `nbf`, in seconds; 0 when it does not say.
    pub issued: i64,
    /// Number of `ParticipantInfo.Kind`.
    pub kind: i32,
    /// Signalling protocol of the client.
    pub protocol: u32,
    /// All tracks come unasked.
    pub auto_subscribe: bool,
    /// The client can re-use sections of an offer; Safari cannot.
    pub reuses_sections: bool,
    /// How its media comes here, if not directly.
    pub detour: Option<Detour>,
}

/// A client that was here and has a new signalling connection.
#[derive(Debug, Clone)]
pub struct Resume {
    /// Name of the room.
    pub room: String,
    /// Who.
    pub identity: String,
    /// The participant sid the client had; empty when it does not say.
    pub sid: String,
    /// How its media comes here from now on, if not directly.
    pub detour: Option<Detour>,
}

/// What a `refresh_token` is to grant.
#[derive(Debug, Clone)]
pub struct TokenGrants {
    /// Name of the room.
    pub room: String,
    /// Who.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Free text.
    pub metadata: String,
    /// Free keys and values.
    pub attributes: HashMap<String, String>,
    /// What the participant may do now.
    pub permission: ParticipantPermission,
    /// `nbf` of the token the participant came with, in seconds: a refreshed token is the same pass with a longer
    /// life, and dies with it.
    pub issued: i64,
}

impl SfuCore {
    /// Seats a participant and answers on `connection`: `join`, `refresh_token`, `offer`.
    ///
    /// # Errors
    /// As of [`SfuCore::check_join`]. Nobody's session has changed then.
    pub fn join(&mut self, now: Instant, connection: ConnectionId, mut join: Join) -> Result<(), Refusal> {
        let (room_id, permission) = self.admit(&join)?;
        join.permission = permission;
        let earlier = self.rooms.get(&room_id).and_then(|room| room.identities.get(&join.identity).copied());
        if let Some(earlier) = earlier {
            self.remove(now, earlier, DisconnectReason::DuplicateIdentity);
        }

        let id = ParticipantId(self.number());
        if let Some(room) = self.rooms.get_mut(&room_id) {
            room.enter(id, &join.identity);
        }
        let participant = self.seat(now, room_id, connection, join);
        debug!(parent: &participant.span, hidden = participant.is_hidden(), "joined");
        self.participants.insert(id, participant);
        self.connections.insert(connection, id);
        self.timers.set(now + JOIN_TIMEOUT, Timer::Join(id));
        self.timers.set(now + TOKEN_INTERVAL, Timer::Token(id));

        self.send_join(id);
        self.send_token(id);
        self.open_subscriber(now, id);
        self.settle(now);
        Ok(())
    }

    /// Whether somebody may join. Nothing changes.
    ///
    /// # Errors
    /// [`Refusal::InvalidArgument`] for names, [`Refusal::NotFound`] for the room, [`Refusal::TokenRevoked`],
    /// [`Refusal::RoomFull`].
    pub fn check_join(&self, join: &Join) -> Result<(), Refusal> {
        self.admit(join).map(drop)
    }

    /// The room somebody comes into, and what they may do there.
    fn admit(&self, join: &Join) -> Result<(RoomId, ParticipantPermission), Refusal> {
        check_given("room name", &join.room)?;
        check_given("identity", &join.identity)?;
        check_name("name", &join.name)?;
        check_metadata(&join.metadata)?;
        check_attributes(&join.attributes)?;
        let id = self.room_names.get(&join.room).copied();
        let room = id.and_then(|id| Some((id, self.rooms.get(&id)?)));
        let (id, room) = room.ok_or(Refusal::NotFound("requested room"))?;
        let permission = room.judge(&join.identity, join.issued, join.permission.clone())?;
        if room.is_full() && !room.identities.contains_key(&join.identity) {
            return Err(Refusal::RoomFull);
        }
        Ok((id, permission))
    }

    /// Gives a seat its new signalling connection, or tells the client to start from scratch.
    pub fn resume(&mut self, now: Instant, connection: ConnectionId, resume: &Resume) {
        let seat = self
            .room_names
            .get(&resume.room)
            .and_then(|room| self.rooms.get(room))
            .and_then(|room| room.identities.get(&resume.identity).copied())
            .and_then(|id| Some((id, self.participants.get_mut(&id)?)))
            .filter(|(_, seat)| resume.sid.is_empty() || resume.sid == seat.sid);
        let Some((id, seat)) = seat else {
            let message = leave(DisconnectReason::StateMismatch, leave_request::Action::Reconnect);
            self.signal_connection(connection, message);
            self.outputs.push_back(Output::Close(connection));
            return;
        };
        let (earlier, lost_since) = match seat.link {
            SignalLink::Up { connection, heard } => (Some(connection), heard),
            SignalLink::Lost { since } => (None, since),
        };
        let room = seat.room;
        seat.link = SignalLink::Up { connection, heard: now };
        seat.detour.clone_from(&resume.detour);
        debug!(parent: &seat.span, "resumed");
        if let Some(earlier) = earlier {
            self.close_connection(earlier);
        }
        self.connections.insert(connection, id);

        self.signal(id, Message::Reconnect(self.reconnect_response()));
        self.send_presence(id, room, lost_since);
        if let Some(info) = self.room_info(room) {
            self.signal(id, Message::RoomUpdate(livekit_protocol::RoomUpdate { room: Some(info) }));
        }
        self.send_token(id);
        self.restart_subscriber(now, id);
        self.settle(now);
    }

    /// The signalling connection is gone; the seat is kept for a while.
    pub fn handle_signal_lost(&mut self, now: Instant, connection: ConnectionId) {
        let Some(id) = self.connections.remove(&connection) else {
            return;
        };
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        participant.link = SignalLink::Lost { since: now };
        if participant.state == State::Active {
            debug!(parent: &participant.span, "signalling lost, seat kept");
            self.timers.set(now + SEAT_KEPT, Timer::Seat(id));
        } else {
            self.remove(now, id, DisconnectReason::SignalClose);
        }
        self.settle(now);
    }

    /// Says goodbye to everybody. The core is empty afterwards.
    pub fn shut_down(&mut self, now: Instant) {
        let everybody: Vec<ParticipantId> = self.participants.keys().copied().collect();
        for id in everybody {
            self.remove(now, id, DisconnectReason::ServerShutdown);
        }
        self.settle(now);
    }

    /// Ends a participant. The client is told why unless it left by itself.
    pub(super) fn remove(&mut self, now: Instant, id: ParticipantId, reason: DisconnectReason) {
        if !self.participants.contains_key(&id) {
            return;
        }
        if reason != DisconnectReason::ClientInitiated {
            self.signal(id, leave(reason, leave_action(reason)));
        }
        self.unpublish_all(now, id);
        self.detach_receiver(id);
        if self.participants.get(&id).is_some_and(|p| !p.is_hidden()) {
            self.announce_departure(now, id, reason);
        }
        let Some(mut participant) = self.participants.remove(&id) else {
            return;
        };
        debug!(parent: &participant.span, reason = reason.as_str_name(), "left");
        let publisher = participant.publisher.as_mut().map(|leg| &mut leg.transport);
        let subscriber = participant.subscriber.as_mut().map(|leg| &mut leg.transport);
        for transport in publisher.into_iter().chain(subscriber) {
            transport.close(now, &mut self.outbox);
        }
        for leg in [Leg::Publisher, Leg::Subscriber] {
            self.demux.forget(TransportKey { participant: id, leg });
        }
        if let Some(connection) = participant.connection() {
            self.close_connection(connection);
        }
        self.leave_room(now, participant.room, id, &participant.identity);
    }

    pub(super) fn room_for(&mut self, now: Instant, name: &str, options: RoomOptions) -> RoomId {
        if let Some(id) = self.room_names.get(name) {
            return *id;
        }
        let id = RoomId(self.number());
        let sid = self.names.room();
        let room = Room::new(sid, name.to_owned(), self.unix_ms(now), now, options);
        debug!(room = name, sid = room.sid, "room created");
        self.arm_room(id, &room);
        self.rooms.insert(id, room);
        self.room_names.insert(name.to_owned(), id);
        id
    }

    pub(super) fn check_room(&mut self, now: Instant, id: RoomId) {
        let due = self.rooms.get(&id).and_then(Room::closes_at);
        if due.is_some_and(|due| due <= now) {
            self.close_room(id);
        }
    }

    pub(super) fn close_room(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.remove(&id) {
            self.room_names.remove(&room.name);
            debug!(room = room.name, sid = room.sid, "room ended");
        }
    }

    pub(super) fn check_seat(&mut self, now: Instant, id: ParticipantId) {
        let expired = self.participants.get(&id).is_some_and(
            |participant| matches!(participant.link, SignalLink::Lost { since } if now >= since + SEAT_KEPT),
        );
        if expired {
            self.remove(now, id, DisconnectReason::ConnectionTimeout);
        }
    }

    pub(super) fn check_joined(&mut self, now: Instant, id: ParticipantId) {
        let state = self.participants.get(&id).map(|p| p.state);
        if state.is_some_and(|state| state != State::Active) {
            self.remove(now, id, DisconnectReason::JoinFailure);
        }
    }

    pub(super) fn renew_token(&mut self, now: Instant, id: ParticipantId) {
        if self.participants.contains_key(&id) {
            self.send_token(id);
            self.timers.set(now + TOKEN_INTERVAL, Timer::Token(id));
        }
    }

    /// Sends a token that grants what the participant may do now.
    pub(super) fn send_token(&mut self, id: ParticipantId) {
        let Some(participant) = self.participants.get(&id) else {
            return;
        };
        let (Some(connection), Some(room)) = (participant.connection(), self.rooms.get(&participant.room)) else {
            return;
        };
        let grants = TokenGrants {
            room: room.name.clone(),
            identity: participant.identity.clone(),
            name: participant.name.clone(),
            metadata: participant.metadata.clone(),
            attributes: participant.attributes.clone(),
            permission: participant.permission.clone(),
            issued: participant.issued,
        };
        self.outputs.push_back(Output::RefreshToken(connection, Box::new(grants)));
    }

    fn seat(&mut self, now: Instant, room: RoomId, connection: ConnectionId, join: Join) -> Participant {
        let sid = self.names.participant();
        // At the highest level: no line about a person is without room and name, however little is logged.
        let span = error_span!("participant", room = join.room, person = short(&join.identity), sid);
        Participant {
            room,
            span,
            sid,
            identity: join.identity,
            name: join.name,
            metadata: join.metadata,
            attributes: join.attributes,
            permission: join.permission,
            issued: join.issued,
            kind: join.kind,
            state: State::Joining,
            version: 0,
            joined_ms: self.unix_ms(now),
            client: ClientTraits {
                protocol: join.protocol,
                reuses_sections: join.reuses_sections,
                auto_subscribe: join.auto_subscribe,
            },
            detour: join.detour,
            link: SignalLink::Up { connection, heard: now },
            pending: Vec::new(),
            tracks: Vec::new(),
            publisher: None,
            subscriber: None,
            choice: SubscriptionChoice::default(),
            traffic: Traffic::default(),
            arrived: None,
        }
    }

    fn send_join(&mut self, id: ParticipantId) {
        let Some(participant) = self.participants.get(&id) else {
            return;
        };
        let seconds = |duration: std::time::Duration| duration.as_secs() as i32;
        let join = JoinResponse {
            room: self.room_info(participant.room),
            participant: Some(participant_info(participant)),
            other_participants: self.others_of(participant.room, id),
            server_version: VERSION.to_owned(),
            subscriber_primary: participant.permission.can_subscribe,
            ping_timeout: seconds(PING_TIMEOUT),
            ping_interval: seconds(PING_INTERVAL),
            server_info: Some(self.server_info()),
            enabled_publish_codecs: enabled_codecs(),
            fast_publish: participant.permission.can_publish,
            ..JoinResponse::default()
        };
        self.signal(id, Message::Join(join));
    }

    /// Departures that were missed, then everybody, self included.
    fn send_presence(&mut self, id: ParticipantId, room: RoomId, since: Instant) {
        let mut infos = self.rooms.get(&room).map(|room| room.departures_since(since)).unwrap_or_default();
        infos.extend(self.others_of(room, id));
        infos.extend(self.participants.get(&id).map(participant_info));
        self.signal(id, update(infos));
    }

    fn reconnect_response(&self) -> ReconnectResponse {
        ReconnectResponse { server_info: Some(self.server_info()), ..ReconnectResponse::default() }
    }

    fn server_info(&self) -> ServerInfo {
        ServerInfo {
            edition: server_info::Edition::Standard as i32,
            version: VERSION.to_owned(),
            protocol: PROTOCOL,
            node_id: self.node_sid.clone(),
            ..ServerInfo::default()
        }
    }

    fn leave_room(&mut self, now: Instant, room_id: RoomId, id: ParticipantId, identity: &str) {
        if let Some(room) = self.rooms.get_mut(&room_id) {
            room.exit(now, id, identity);
            if let Some(due) = room.closes_at() {
                self.timers.set(due, Timer::Room(room_id));
            }
        }
    }

    fn arm_room(&mut self, id: RoomId, room: &Room) {
        if let Some(due) = room.closes_at() {
            self.timers.set(due, Timer::Room(id));
        }
    }
}

/// What a client should do after being told to leave.
fn leave_action(reason: DisconnectReason) -> leave_request::Action {
    match reason {
        DisconnectReason::StateMismatch | DisconnectReason::MediaFailure => leave_request::Action::Reconnect,
        _ => leave_request::Action::Disconnect,
    }
}

/// `can_reconnect` says the same to clients before protocol 13.
fn leave(reason: DisconnectReason, action: leave_request::Action) -> Message {
    Message::Leave(LeaveRequest {
        can_reconnect: action != leave_request::Action::Disconnect,
        reason: reason as i32,
        action: action as i32,
        regions: None,
    })
}
