//! A core, some clients, and a network between them, all on one clock that jumps to the next event.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::{ParticipantInfo, ParticipantPermission, SignalRequest};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serambi_sfu::core::{
    Command, ConnectionId, CoreConfig, Datagram, Detour, Join, Output, Refusal, Reply, Resume, RoomOptions, SfuCore,
};
use serambi_sfu::{ParticipantStatistics, RoomStatistics};

use crate::client::Client;

pub const ROOM: &str = "serambi";

/// One way, without jitter.
const LATENCY: Duration = Duration::from_millis(5);

/// The server's only address.
pub const SERVER: &str = "10.0.0.1:7881";

/// One Opus packet.
pub const FRAME: Duration = Duration::from_millis(20);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct InFlight {
    arrives: Instant,
    order: u64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// A client by its place in the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest(pub usize);

pub struct Simulation {
    pub core: SfuCore,
    pub now: Instant,
    pub clients: Vec<Client>,
    /// When the tokens people come with were made, seconds since 1970.
    pub token_made: i64,
    /// When permissions are changed, by the clock of whoever makes tokens.
    pub decided_at: i64,
    /// How long datagrams waited before the core got them.
    pub waited: Duration,
    /// What clients sent to the server.
    pub recorded: Vec<(SocketAddr, Vec<u8>)>,
    /// Share of media and data datagrams that vanish.
    pub loss: f64,
    /// Own addresses of clients behind a router, and the addresses it shows outside. What is not in it stands open.
    router: HashMap<SocketAddr, SocketAddr>,
    wire: BinaryHeap<Reverse<InFlight>>,
    order: u64,
    chance: StdRng,
    core_deadline: Option<Instant>,
    next_connection: u64,
}

pub fn speaker() -> ParticipantPermission {
    ParticipantPermission { can_publish: true, can_publish_data: true, ..listener() }
}

pub fn listener() -> ParticipantPermission {
    ParticipantPermission { can_subscribe: true, ..ParticipantPermission::default() }
}

pub fn hidden_listener() -> ParticipantPermission {
    ParticipantPermission { hidden: true, ..listener() }
}

impl Simulation {
    /// A room, and nobody in it yet.
    pub fn new() -> Self {
        let mut sim = Self::without_room();
        sim.create_room(RoomOptions::default());
        sim
    }

    pub fn without_room() -> Self {
        let now = Instant::now();
        let provider = str0m::crypto::from_feature_flags();
        let config = CoreConfig {
            addresses: vec![SERVER.parse().unwrap()],
            unannounced: Vec::new(),
            streams: Vec::new(),
            certificate: provider.dtls_provider.generate_certificate().unwrap(),
            seed: [3; 32],
            unix_ms: 1_700_000_000_000,
        };
        Self {
            core: SfuCore::new(now, config),
            now,
            clients: Vec::new(),
            token_made: 1_699_999_990,
            decided_at: 1_700_000_000,
            waited: Duration::ZERO,
            recorded: Vec::new(),
            loss: 0.0,
            router: HashMap::new(),
            wire: BinaryHeap::new(),
            order: 0,
            chance: StdRng::seed_from_u64(1),
            core_deadline: None,
            next_connection: 0,
        }
    }

    pub fn create_room(&mut self, options: RoomOptions) {
        self.command(Command::CreateRoom { name: ROOM.into(), options }).unwrap();
    }

    /// Somebody comes in, and media comes up.
    pub fn enter(&mut self, identity: &str, permission: ParticipantPermission) -> Guest {
        let guest = self.ring(identity, permission).unwrap();
        self.run_until("media is up", |sim| sim.client(guest).is_up());
        guest
    }

    /// Somebody comes to the door; media is left to itself.
    pub fn ring(&mut self, identity: &str, permission: ParticipantPermission) -> Result<Guest, Refusal> {
        self.ring_by(identity, permission, None)
    }

    /// The same, for somebody whose media comes by a detour.
    pub fn ring_by(
        &mut self,
        identity: &str,
        permission: ParticipantPermission,
        detour: Option<Detour>,
    ) -> Result<Guest, Refusal> {
        let connection = self.new_connection();
        let join = Join {
            room: ROOM.into(),
            identity: identity.into(),
            name: identity.to_uppercase(),
            metadata: String::new(),
            attributes: Default::default(),
            permission,
            issued: self.token_made,
            kind: 0,
            protocol: 17,
            auto_subscribe: true,
            reuses_sections: true,
            detour,
        };
        self.core.join(self.now, connection, join)?;
        let guest = Guest(self.clients.len());
        self.clients.push(Client::new(guest, connection, self.now));
        self.flush();
        Ok(guest)
    }

    /// The signalling connection breaks without a word.
    pub fn cut(&mut self, guest: Guest) {
        let connection = self.client_mut(guest).connection.take().unwrap();
        self.core.handle_signal_lost(self.now, connection);
        self.flush();
    }

    /// The router of somebody forgets what it mapped and gives the same sockets other ports; nobody is told.
    pub fn remap(&mut self, guest: Guest, first_port: u16) {
        for (own, port) in self.client(guest).addresses().into_iter().zip(first_port..) {
            self.router.insert(own, SocketAddr::from(([203, 0, 113, 9], port)));
        }
    }

    /// The client is back with a new signalling connection.
    pub fn resume(&mut self, guest: Guest, identity: &str) {
        self.resume_by(guest, identity, None);
    }

    /// The same, by a detour.
    pub fn resume_by(&mut self, guest: Guest, identity: &str, detour: Option<Detour>) {
        let connection = self.new_connection();
        let client = self.client_mut(guest);
        client.connection = Some(connection);
        client.messages.clear();
        let resume = Resume { room: ROOM.into(), identity: identity.into(), sid: client.sid.clone(), detour };
        self.core.resume(self.now, connection, &resume);
        self.flush();
    }

    pub fn command(&mut self, command: Command) -> Result<Reply, Refusal> {
        let reply = self.core.handle_command(self.now, command);
        self.flush();
        reply
    }

    pub fn permit(&mut self, identity: &str, permission: ParticipantPermission) {
        self.command(Command::UpdateParticipant {
            room: ROOM.into(),
            identity: identity.into(),
            permission: Some(permission),
            decided_at: self.decided_at,
            name: String::new(),
            metadata: String::new(),
            attributes: Default::default(),
        })
        .unwrap();
    }

    /// A client says something.
    pub fn say(&mut self, guest: Guest, message: Request) {
        let Some(connection) = self.client(guest).connection else {
            return;
        };
        self.core.handle_signal(self.now, connection, SignalRequest { message: Some(message) });
        self.flush();
    }

    /// Publishes a microphone and waits until the client may send. Gives the track's sid.
    pub fn publish(&mut self, guest: Guest) -> String {
        self.announce_track(guest);
        self.run_until("a track is published", |sim| {
            let client = sim.client(guest);
            client.may_send() && client.published.is_some()
        });
        self.client(guest).published.clone().unwrap()
    }

    /// The first half of publishing.
    pub fn announce_track(&mut self, guest: Guest) {
        let now = self.now;
        let client = self.client_mut(guest);
        let requests = client.publish_microphone(now);
        for request in requests {
            self.say(guest, request);
        }
    }

    pub fn unpublish(&mut self, guest: Guest) {
        let now = self.now;
        let offer = self.client_mut(guest).stop_microphone(now);
        self.say(guest, offer);
        self.run(Duration::from_millis(50));
    }

    /// Sends `frames` packets, one each 20 ms. Gives their payloads.
    pub fn talk(&mut self, guest: Guest, frames: usize) -> Vec<Vec<u8>> {
        (0..frames)
            .map(|_| {
                let now = self.now;
                let payload = self.client_mut(guest).send_frame(now);
                self.collect(guest);
                self.run(FRAME);
                payload
            })
            .collect()
    }

    pub fn client(&self, guest: Guest) -> &Client {
        &self.clients[guest.0]
    }

    pub fn client_mut(&mut self, guest: Guest) -> &mut Client {
        &mut self.clients[guest.0]
    }

    /// The record of somebody, as whoever runs the room gets it.
    pub fn listed(&mut self, identity: &str) -> ParticipantInfo {
        let Ok(Reply::Participants(people)) = self.command(Command::ListParticipants { room: ROOM.into() }) else {
            panic!("the room cannot be listed")
        };
        people.into_iter().find(|info| info.identity == identity).unwrap()
    }

    /// Sends one packet of padding only.
    pub fn pad(&mut self, guest: Guest) {
        let now = self.now;
        self.client_mut(guest).send_padding(now);
        self.collect(guest);
        self.run(FRAME);
    }

    pub fn room(&self) -> RoomStatistics {
        self.core.statistics(ROOM).unwrap()
    }

    pub fn numbers(&self, identity: &str) -> ParticipantStatistics {
        self.room().participants[identity].clone()
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.flush();
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until something is so, for at most 20 simulated seconds.
    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(20);
        self.flush();
        while !done(self) {
            let next = self.next_event().unwrap_or_else(|| panic!("nothing more happens before {what}"));
            assert!(next <= end, "20 s passed before {what}");
            self.now = self.now.max(next);
            self.step();
        }
    }

    /// Puts a datagram on the wire that no client made.
    pub fn inject(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.deliver(from, SERVER.parse().unwrap(), &bytes);
        self.flush();
    }

    fn deliver(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8]) {
        let datagram = Datagram { received: self.now - self.waited, source, local, bytes };
        self.core.handle_datagram(self.now, datagram);
    }

    fn new_connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    fn next_event(&self) -> Option<Instant> {
        let wire = self.wire.peek().map(|Reverse(datagram)| datagram.arrives);
        let clients = self.clients.iter().filter_map(Client::deadline);
        clients.chain(wire).chain(self.core_deadline).min()
    }

    fn step(&mut self) {
        while self.wire.peek().is_some_and(|Reverse(datagram)| datagram.arrives <= self.now) {
            let Some(Reverse(datagram)) = self.wire.pop() else { break };
            let behind = self.router.iter().find(|(_, outside)| **outside == datagram.to);
            let to = behind.map_or(datagram.to, |(own, _)| *own);
            if to == SERVER.parse().unwrap() {
                self.deliver(datagram.from, to, &datagram.bytes);
            } else if self.router.contains_key(&to) && behind.is_none() {
                // Sent to a mapping that the router has forgotten.
            } else if let Some(client) = self.clients.iter_mut().find(|client| client.owns(to)) {
                client.handle_datagram(self.now, datagram.from, to, &datagram.bytes);
            }
        }
        if self.core_deadline.is_some_and(|deadline| deadline <= self.now) {
            self.core.handle_timeout(self.now);
        }
        for client in &mut self.clients {
            if client.deadline().is_some_and(|deadline| deadline <= self.now) {
                client.handle_timeout(self.now);
            }
        }
        self.flush();
    }

    /// Carries everything that came out to where it belongs.
    fn flush(&mut self) {
        loop {
            match self.core.poll_output() {
                Output::Transmit(transmit) => {
                    self.send(transmit.source, transmit.destination, transmit.contents);
                }
                Output::Signal(connection, message) => {
                    let now = self.now;
                    let client = self.clients.iter_mut().find(|client| client.connection == Some(connection));
                    if let Some(client) = client {
                        let guest = client.guest;
                        if let Some(answer) = client.handle_message(now, *message) {
                            self.say(guest, answer);
                        }
                    }
                }
                Output::RefreshToken(connection, grants) => {
                    if let Some(client) = self.clients.iter_mut().find(|c| c.connection == Some(connection)) {
                        client.tokens.push(grants.permission);
                        client.token_issued = grants.issued;
                    }
                }
                Output::Close(connection) => {
                    if let Some(client) = self.clients.iter_mut().find(|c| c.connection == Some(connection)) {
                        client.connection = None;
                    }
                }
                Output::Deadline(deadline) => {
                    self.core_deadline = deadline;
                    self.core.note_sent(self.now);
                    break;
                }
            }
        }
        for index in 0..self.clients.len() {
            self.collect(Guest(index));
        }
    }

    fn collect(&mut self, guest: Guest) {
        let transmits = self.client_mut(guest).take_transmits();
        if self.client(guest).unplugged {
            return;
        }
        for (from, to, bytes) in transmits {
            let outside = self.router.get(&from).copied();
            self.send(outside.unwrap_or(from), to, bytes);
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let is_sound = bytes.first().is_some_and(|byte| (128..192).contains(byte));
        if is_sound && self.chance.random_bool(self.loss) {
            return;
        }
        if to == SERVER.parse().unwrap() {
            self.recorded.push((from, bytes.clone()));
        }
        self.order += 1;
        self.wire.push(Reverse(InFlight { arrives: self.now + LATENCY, order: self.order, from, to, bytes }));
    }
}
