//! The one thread that owns the core and the sockets.
//!
//! Each turn it takes what has come (datagrams, commands, due timers), then sends everything at
//! once. A turn is bounded, so that no source can starve another.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use livekit_protocol::signal_response::Message;
use livekit_protocol::{SignalRequest, SignalResponse};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::core::{
    Command, ConnectionId, CoreConfig, Datagram, Join, Output, Passage, Refusal, Reply, Resume, SfuCore, Transmit,
};
use crate::handshake_repeats::HandshakeRepeats;
use crate::inbox::Inbox;
use crate::sockets::{Bound, MediaAddresses, Rebound, rebind, send_all};
use crate::statistics::{RoomStatistics, ServerStatistics};
use crate::token::Tokens;
use crate::tunnel::{Tunnel, TunnelDatagram};

/// Datagrams after which everything they caused is sent. More saves system calls; fewer keeps the
/// first from waiting for the last. 48 was measured to be best with 300 listeners.
const DATAGRAMS_PER_FLUSH: usize = 48;

/// Messages waiting for one slow signalling client before it is cut off.
pub(crate) const SIGNALS_WAITING: usize = 512;

/// How a client comes.
pub(crate) enum Admission {
    Join(Box<Join>),
    Resume(Resume),
}

/// What the rest of the server asks of the media thread.
pub(crate) enum Request {
    Connect {
        admission: Admission,
        outlet: mpsc::Sender<SignalResponse>,
        reply: oneshot::Sender<Result<ConnectionId, Refusal>>,
    },
    /// Whether a client would be let in; nothing changes.
    Check {
        join: Box<Join>,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    Signal(ConnectionId, Box<SignalRequest>),
    SignalLost(ConnectionId),
    Command {
        command: Command,
        reply: oneshot::Sender<Result<Reply, Refusal>>,
    },
    Statistics {
        room: String,
        reply: oneshot::Sender<Option<RoomStatistics>>,
    },
    Passages {
        room: String,
        /// Identities and RTP timestamps.
        packets: Vec<(String, u32)>,
        reply: oneshot::Sender<Vec<Option<Passage>>>,
    },
    /// The datagram that is sent back to whoever sends it.
    ExpectProbe(Option<Vec<u8>>),
    /// The addresses of now.
    Move(MediaAddresses),
    Close {
        done: oneshot::Sender<()>,
    },
}

/// The thread's belongings.
pub(crate) struct MediaThread {
    core: SfuCore,
    tokens: Tokens,
    sockets: Vec<std::net::UdpSocket>,
    /// What comes other ways, as far as somebody carries it.
    tunnels: Vec<Tunnel>,
    /// The address and the port that were asked for.
    listen: SocketAddr,
    /// Per socket, the address that is announced for it.
    announced: Vec<SocketAddr>,
    requests: mpsc::Receiver<Request>,
    outlets: HashMap<ConnectionId, mpsc::Sender<SignalResponse>>,
    next_connection: u64,
    /// Per socket, what this turn sends.
    batches: Vec<Vec<Transmit>>,
    deadline: Option<Instant>,
    repeats: HandshakeRepeats,
    inbox: Inbox,
    /// What the core does not count itself.
    failures: ServerStatistics,
}

impl MediaThread {
    pub(crate) fn new(
        bound: Bound,
        tunnels: Vec<Tunnel>,
        config: CoreConfig,
        tokens: Tokens,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        let announced: Vec<SocketAddr> = bound.sockets.iter().map(|s| s.announced).collect();
        Self {
            core: SfuCore::new(Instant::now(), config),
            tokens,
            batches: announced.iter().map(|_| Vec::new()).collect(),
            announced,
            listen: bound.listen,
            tunnels,
            sockets: bound.sockets.into_iter().map(|s| s.socket).collect(),
            requests,
            outlets: HashMap::new(),
            next_connection: 0,
            deadline: None,
            repeats: HandshakeRepeats::default(),
            inbox: Inbox::default(),
            failures: ServerStatistics::default(),
        }
    }

    /// Runs until it is closed or nobody can ask anything any more.
    pub(crate) fn run(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.turn_until_closed()),
            Err(error) => error!(%error, "media thread has no event loop"),
        }
    }

    async fn turn_until_closed(&mut self) {
        let sockets: Result<Vec<UdpSocket>, _> =
            std::mem::take(&mut self.sockets).into_iter().map(UdpSocket::from_std).collect();
        let mut sockets = match sockets {
            Ok(sockets) => sockets,
            Err(error) => {
                error!(%error, "media sockets cannot be watched");
                return;
            }
        };
        loop {
            let wake = self.deadline.into_iter().chain(self.repeats.due_at()).min();
            let wake = wake.map(tokio::time::Instant::from_std);
            let done = tokio::select! {
                request = self.requests.recv() => match request {
                    Some(Request::Close { done }) => Some(Some(done)),
                    Some(Request::Move(addresses)) => {
                        sockets = self.move_to(addresses, sockets);
                        None
                    }
                    Some(request) => {
                        self.handle_request(request);
                        None
                    }
                    None => Some(None),
                },
                () = readable(&sockets) => {
                    self.read(&sockets, None);
                    None
                }
                (index, arrived) = receive(&mut self.tunnels) => {
                    match arrived {
                        Some(datagram) => self.read(&sockets, Some((index, datagram))),
                        None => drop(self.tunnels.swap_remove(index)),
                    }
                    None
                }
                () = sleep_until(wake) => None,
            };
            let now = Instant::now();
            if done.is_some() {
                self.guarded(|core| core.shut_down(now));
            } else if self.deadline.is_some_and(|deadline| deadline <= now) {
                self.guarded(|core| core.handle_timeout(now));
            }
            self.flush(&sockets);
            if let Some(done) = done {
                info!("media server closed");
                self.outlets.clear();
                if let Some(done) = done {
                    let _ = done.send(());
                }
                return;
            }
        }
    }

    /// Takes everything that waits at the sockets and in the tunnels (`first` was taken already, from the tunnel of
    /// that number), then works it off in portions. Reading first tells how long each datagram has waited: behind a
    /// thread that cannot keep up, sound is dropped instead of heard seconds late.
    fn read(&mut self, sockets: &[UdpSocket], first: Option<(usize, TunnelDatagram)>) {
        let received = Instant::now();
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.clear();
        inbox.fill_from_sockets(sockets, &self.announced);
        if let Some((index, datagram)) = first
            && let Some(tunnel) = self.tunnels.get(index)
        {
            inbox.push(datagram, tunnel.address());
        }
        self.tunnels.iter_mut().for_each(|tunnel| inbox.fill_from_tunnel(tunnel));
        for portion in inbox.arrivals.chunks(DATAGRAMS_PER_FLUSH) {
            for arrival in portion {
                let bytes = inbox.contents(arrival);
                let datagram = Datagram { received, source: arrival.source, local: arrival.local, bytes };
                let now = Instant::now();
                self.guarded(|core| core.handle_datagram(now, datagram));
            }
            self.flush(sockets);
        }
        self.inbox = inbox;
    }

    fn handle_request(&mut self, request: Request) {
        let now = Instant::now();
        match request {
            Request::Connect { admission, outlet, reply } => self.connect(now, admission, outlet, reply),
            Request::Check { join, reply } => {
                if let Some(outcome) = self.guarded(|core| core.check_join(&join)) {
                    // Whoever asked may have gone.
                    let _ = reply.send(outcome);
                }
            }
            Request::Signal(connection, request) => {
                self.guarded(|core| core.handle_signal(now, connection, *request));
            }
            Request::SignalLost(connection) => {
                self.outlets.remove(&connection);
                self.guarded(|core| core.handle_signal_lost(now, connection));
            }
            Request::Command { command, reply } => {
                let outcome = self.guarded(|core| core.handle_command(now, command));
                if let Some(outcome) = outcome {
                    // Whoever asked may have gone.
                    let _ = reply.send(outcome);
                }
            }
            Request::Statistics { room, reply } => {
                let _ = reply.send(self.statistics(&room));
            }
            Request::Passages { room, packets, reply } => {
                let passage = |(identity, timestamp): &(String, u32)| self.core.passage(&room, identity, *timestamp);
                let _ = reply.send(packets.iter().map(passage).collect());
            }
            Request::ExpectProbe(probe) => self.core.expect_probe(probe),
            // Dealt with where the sockets are.
            Request::Move(_) => {}
            Request::Close { done } => {
                let _ = done.send(());
            }
        }
    }

    fn move_to(&mut self, addresses: MediaAddresses, sockets: Vec<UdpSocket>) -> Vec<UdpSocket> {
        let Rebound { sockets, candidates, streams } = rebind(self.listen, addresses, sockets);
        info!(?candidates, ?streams, "media is reached at other addresses");
        let (announced, sockets): (Vec<SocketAddr>, Vec<UdpSocket>) = sockets.into_iter().unzip();
        self.batches = announced.iter().map(|_| Vec::new()).collect();
        self.announced = announced;
        self.core.set_addresses(candidates, streams);
        sockets
    }

    fn statistics(&self, room: &str) -> Option<RoomStatistics> {
        let mut statistics = self.core.statistics(room)?;
        let engine_panics = statistics.server.engine_panics;
        statistics.server = ServerStatistics { engine_panics, ..self.failures };
        Some(statistics)
    }

    fn connect(
        &mut self,
        now: Instant,
        admission: Admission,
        outlet: mpsc::Sender<SignalResponse>,
        reply: oneshot::Sender<Result<ConnectionId, Refusal>>,
    ) {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        self.outlets.insert(connection, outlet);
        let outcome = self.guarded(|core| match admission {
            Admission::Join(join) => core.join(now, connection, *join),
            Admission::Resume(resume) => {
                core.resume(now, connection, &resume);
                Ok(())
            }
        });
        let outcome = outcome.unwrap_or(Err(Refusal::NotFound("participant")));
        let refused = outcome.is_err();
        let gone = reply.send(outcome.map(|()| connection)).is_err();
        if refused {
            self.outlets.remove(&connection);
        } else if gone {
            self.outlets.remove(&connection);
            self.guarded(|core| core.handle_signal_lost(now, connection));
        }
    }

    /// A panic in the core is a bug of ours; it must not silence a house. What it was about is
    /// lost, the rest goes on.
    fn guarded<T>(&mut self, act: impl FnOnce(&mut SfuCore) -> T) -> Option<T> {
        let core = &mut self.core;
        let outcome = catch_unwind(AssertUnwindSafe(|| act(core)));
        if outcome.is_err() {
            self.failures.core_panics += 1;
            error!("the media core panicked; going on without what it was doing");
        }
        outcome.ok()
    }

    /// Does everything the core wants done.
    fn flush(&mut self, sockets: &[UdpSocket]) {
        let now = Instant::now();
        loop {
            match self.core.poll_output() {
                Output::Transmit(transmit) => {
                    self.repeats.note(&transmit, now);
                    self.collect(transmit);
                }
                Output::Signal(connection, message) => self.signal(connection, *message),
                Output::RefreshToken(connection, grants) => match self.tokens.refresh(&grants) {
                    Some(token) => self.signal(connection, Message::RefreshToken(token)),
                    None => warn!("a token could not be made"),
                },
                Output::Close(connection) => {
                    self.outlets.remove(&connection);
                }
                Output::Deadline(deadline) => {
                    self.deadline = deadline;
                    break;
                }
            }
        }
        while let Some(transmit) = self.repeats.take_due(now) {
            self.collect(transmit);
        }
        for (socket, batch) in sockets.iter().zip(&mut self.batches) {
            send_all(socket, batch, &mut self.failures.send_errors);
            batch.clear();
        }
        self.core.note_sent(Instant::now());
    }

    fn collect(&mut self, transmit: Transmit) {
        if let Some(tunnel) = self.tunnels.iter().find(|tunnel| tunnel.address() == transmit.source) {
            return tunnel.send(transmit, &mut self.failures.send_errors);
        }
        let same_address = self.announced.iter().position(|a| *a == transmit.source);
        let same_family = || {
            let is_ipv4 = transmit.destination.is_ipv4();
            self.announced.iter().position(|a| a.is_ipv4() == is_ipv4)
        };
        if let Some(batch) = same_address.or_else(same_family).and_then(|index| self.batches.get_mut(index)) {
            batch.push(transmit);
        }
    }

    /// A client that does not read is cut off rather than remembered for ever.
    fn signal(&mut self, connection: ConnectionId, message: Message) {
        let Some(outlet) = self.outlets.get(&connection) else {
            return;
        };
        let response = SignalResponse { message: Some(message) };
        if let Err(error) = outlet.try_send(response) {
            self.failures.slow_readers += u64::from(matches!(error, mpsc::error::TrySendError::Full(_)));
            self.outlets.remove(&connection);
        }
    }
}

/// Until some socket has something to read.
async fn readable(sockets: &[UdpSocket]) {
    let waits = sockets.iter().map(|socket| {
        Box::pin(async move {
            // An error shows again when reading.
            let _ = socket.readable().await;
        })
    });
    futures_util::future::select_all(waits).await;
}

/// The next datagram of any tunnel, with the tunnel's number; none: nobody carries it any more. Waits for ever where
/// there is no tunnel.
async fn receive(tunnels: &mut [Tunnel]) -> (usize, Option<TunnelDatagram>) {
    if tunnels.is_empty() {
        return std::future::pending().await;
    }
    let waits = tunnels.iter_mut().map(|tunnel| Box::pin(tunnel.receive()));
    let (arrived, index, _others) = futures_util::future::select_all(waits).await;
    (index, arrived)
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
