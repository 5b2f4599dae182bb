//! Media over TCP at the client (RFC 6544, active side): for whoever has no UDP.
//!
//! `webrtc` 0.21 has active TCP candidates of its own, but only beside a listening socket on every interface, it waits
//! with everything else while a stream takes no more, and it never connects again. So to it there is UDP alone: each
//! passive TCP candidate of the server becomes a UDP candidate at an address that no network has, and the connection's
//! sockets lead here what is sent there (`handshake_repeats`). ICE chooses between the ways as ever, and these
//! are the last.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    net::TcpStream,
    sync::Notify,
    time::{sleep, timeout},
};

use crate::tasks::Tasks;

/// UDP has so long to work before TCP is tried: with loss TCP might win, and would be kept.
const HEAD_START: Duration = Duration::from_secs(1);
/// After such a pause of the checks another round of them begins, with a head start of its own.
const ROUND_PAUSE: Duration = Duration::from_secs(2);
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// How long to wait before a stream that broke is connected again.
const CONNECT_AGAIN: Duration = Duration::from_secs(1);
/// Datagrams that wait in one direction: some 0.4 s of three voices. Then the oldest are dropped.
const WAITING: usize = 64;
/// The largest frame that is taken, in bytes, as of the house.
const FRAME_BYTES: usize = 2_048;
/// TCP candidates of one server that are tried.
const PATHS: usize = 32;

/// The address that stands for a candidate: benchmarking addresses (RFC 2544), and locally assigned ones (RFC 4193).
fn stand_in(number: u8, real: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match real.ip() {
        IpAddr::V4(_) => Ipv4Addr::new(198, 19, 255, number).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xfd5e, 0x7c, 0, 0, 0, 0, 0, number.into()).into(),
    };
    SocketAddr::new(ip, real.port())
}

/// The TCP ways of one peer connection.
pub(super) struct StreamPaths {
    paths: Mutex<HashMap<SocketAddr, Arc<StreamPath>>>,
    tasks: Tasks,
}

impl fmt::Debug for StreamPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamPaths({})", self.paths.lock().len())
    }
}

impl StreamPaths {
    pub(super) fn new(tasks: Tasks) -> Arc<Self> {
        Arc::new(Self { paths: Mutex::default(), tasks })
    }

    /// A description or a candidate line in which passive TCP candidates are UDP candidates that lead here.
    pub(super) fn translate(&self, text: &str) -> String {
        text.split_inclusive('\n').map(|line| self.translate_line(line)).collect()
    }

    fn translate_line(&self, line: &str) -> String {
        let candidate = line.trim_end();
        let words: Vec<&str> = candidate.split(' ').collect();
        // RFC 8839 section 5.1: foundation, component, transport, priority, address, port, "typ", type.
        let [foundation, component, transport, priority, ip, port, "typ", "host", .., "tcptype", "passive"] = words[..]
        else {
            return line.to_owned();
        };
        let is_candidate = foundation.trim_start_matches("a=").starts_with("candidate:");
        let address = ip.parse().ok().zip(port.parse().ok()).map(|(ip, port)| SocketAddr::new(ip, port));
        let stand_in = address.and_then(|address| self.stand_in_for(address));
        match stand_in {
            Some(stand_in) if is_candidate && transport.eq_ignore_ascii_case("tcp") => {
                let end = &line[candidate.len()..];
                let (ip, port) = (stand_in.ip(), stand_in.port());
                format!("{foundation} {component} udp {priority} {ip} {port} typ host{end}")
            }
            _ => line.to_owned(),
        }
    }

    fn stand_in_for(&self, real: SocketAddr) -> Option<SocketAddr> {
        let mut paths = self.paths.lock();
        if let Some((known, _)) = paths.iter().find(|(_, path)| path.real == real) {
            return Some(*known);
        }
        let number = u8::try_from(paths.len() + 1).ok().filter(|number| usize::from(*number) <= PATHS)?;
        let known = stand_in(number, real);
        paths.insert(known, Arc::new(StreamPath::new(real)));
        Some(known)
    }

    fn path(&self, stand_in: SocketAddr) -> Option<Arc<StreamPath>> {
        self.paths.lock().get(&stand_in).cloned()
    }

    /// Whether what is sent there goes over TCP.
    pub(super) fn leads_to(&self, destination: SocketAddr) -> bool {
        self.paths.lock().contains_key(&destination)
    }

    /// Sends a datagram of this socket, if it is its turn; a lost one otherwise.
    pub(super) fn send(&self, socket: &Arc<SocketEnd>, destination: SocketAddr, contents: &[u8]) {
        let Some(path) = self.path(destination) else { return };
        if path.belongs_to(socket) && path.is_due(Instant::now()) {
            path.start(destination, &self.tasks);
            path.outgoing.put(contents.to_vec());
        }
    }
}

impl Drop for StreamPaths {
    fn drop(&mut self) {
        self.paths.lock().values().for_each(|path| path.outgoing.close());
    }
}

/// What one socket of the connection gets from streams.
#[derive(Default)]
pub(super) struct SocketEnd {
    incoming: Mutex<Incoming>,
}

#[derive(Default)]
struct Incoming {
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

impl SocketEnd {
    /// The next datagram of a stream, and who it is from as the connection knows it.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<(SocketAddr, Vec<u8>)> {
        let mut incoming = self.incoming.lock();
        match incoming.waiting.pop_front() {
            Some(datagram) => Poll::Ready(datagram),
            None => {
                incoming.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn put(&self, from: SocketAddr, contents: Vec<u8>) {
        let mut incoming = self.incoming.lock();
        if incoming.waiting.len() == WAITING {
            incoming.waiting.pop_front();
        }
        incoming.waiting.push_back((from, contents));
        if let Some(waker) = incoming.waker.take() {
            waker.wake();
        }
    }
}

/// One way: a stream to one candidate, for the first socket that asked for it. The others' checks are lost.
struct StreamPath {
    real: SocketAddr,
    state: Mutex<PathState>,
    outgoing: Arc<Outgoing>,
}

#[derive(Default)]
struct PathState {
    owner: Weak<SocketEnd>,
    /// When this round of checks began, and when the last datagram was sent.
    round: Option<(Instant, Instant)>,
    is_running: bool,
}

impl StreamPath {
    fn new(real: SocketAddr) -> Self {
        Self { real, state: Mutex::default(), outgoing: Arc::default() }
    }

    fn belongs_to(&self, socket: &Arc<SocketEnd>) -> bool {
        let mut state = self.state.lock();
        match state.owner.upgrade() {
            Some(owner) => Arc::ptr_eq(&owner, socket),
            // None yet, or the connection has bound others since.
            None => {
                state.owner = Arc::downgrade(socket);
                true
            }
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let began = match state.round {
            Some((began, last)) if now.saturating_duration_since(last) < ROUND_PAUSE => began,
            _ => now,
        };
        state.round = Some((began, now));
        now.saturating_duration_since(began) >= HEAD_START
    }

    fn start(self: &Arc<Self>, stand_in: SocketAddr, tasks: &Tasks) {
        if std::mem::replace(&mut self.state.lock().is_running, true) {
            return;
        }
        let path = self.clone();
        tasks.spawn(async move {
            if let Err(error) = path.carry(stand_in).await {
                tracing::debug!(%error, "media over TCP");
            }
            // Whoever checks on connects it again.
            sleep(CONNECT_AGAIN).await;
            path.state.lock().is_running = false;
        });
    }

    async fn carry(&self, stand_in: SocketAddr) -> std::io::Result<()> {
        let stream = timeout(CONNECT_LIMIT, TcpStream::connect(self.real)).await??;
        stream.set_nodelay(true)?;
        tracing::debug!(to = %self.real, "media over TCP is connected");
        let (mut reader, mut writer) = split(stream);
        let reading = async {
            loop {
                let length = usize::from(reader.read_u16().await?);
                if length > FRAME_BYTES {
                    return Err(std::io::ErrorKind::InvalidData.into());
                }
                let mut frame = vec![0; length];
                reader.read_exact(&mut frame).await?;
                let owner = self.state.lock().owner.upgrade();
                if let Some(owner) = owner {
                    owner.put(stand_in, frame);
                }
            }
        };
        let writing = async {
            while let Some(contents) = self.outgoing.next().await {
                let Ok(length) = u16::try_from(contents.len()) else { continue };
                writer.write_all(&[&length.to_be_bytes()[..], &contents].concat()).await?;
            }
            Ok(())
        };
        tokio::select! { ended = reading => ended, ended = writing => ended }
    }
}

/// What waits for a stream; the oldest is dropped when it is full.
#[derive(Default)]
struct Outgoing {
    waiting: Mutex<(VecDeque<Vec<u8>>, bool)>,
    some: Notify,
}

impl Outgoing {
    fn put(&self, contents: Vec<u8>) {
        let mut waiting = self.waiting.lock();
        if waiting.0.len() == WAITING {
            waiting.0.pop_front();
        }
        waiting.0.push_back(contents);
        drop(waiting);
        self.some.notify_one();
    }

    fn close(&self) {
        self.waiting.lock().1 = true;
        self.some.notify_one();
    }

    /// None: the connection is gone.
    async fn next(&self) -> Option<Vec<u8>> {
        loop {
            let (contents, is_closed) = {
                let mut waiting = self.waiting.lock();
                (waiting.0.pop_front(), waiting.1)
            };
            if is_closed || contents.is_some() {
                return contents.filter(|_| !is_closed);
            }
            self.some.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::net::TcpListener;

    use super::*;

    fn paths() -> Arc<StreamPaths> {
        StreamPaths::new(Tasks::default())
    }

    #[test]
    fn a_passive_tcp_candidate_becomes_a_udp_one_that_no_network_has_and_everything_else_stays() {
        let paths = paths();
        let sdp = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=candidate:1 1 udp 2130 10.0.0.1 7411 typ host\r\n\
            a=candidate:2 1 tcp 99 10.0.0.1 7410 typ host tcptype passive\r\n\
            a=candidate:3 1 TCP 98 2001:db8::1 7410 typ host generation 0 tcptype passive\r\n\
            a=candidate:4 1 tcp 97 10.0.0.1 9 typ host tcptype active\r\na=end-of-candidates\r\n";
        let expected = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=candidate:1 1 udp 2130 10.0.0.1 7411 typ host\r\n\
            a=candidate:2 1 udp 99 198.19.255.1 7410 typ host\r\n\
            a=candidate:3 1 udp 98 fd5e:7c::2 7410 typ host\r\n\
            a=candidate:4 1 tcp 97 10.0.0.1 9 typ host tcptype active\r\na=end-of-candidates\r\n";
        assert_eq!(paths.translate(sdp), expected);
        let trickled = "candidate:9 1 tcp 99 10.0.0.1 7410 typ host tcptype passive";
        assert_eq!(paths.translate(trickled), "candidate:9 1 udp 99 198.19.255.1 7410 typ host", "known already");
    }

    #[tokio::test]
    async fn checks_go_over_tcp_once_udp_had_its_time_and_answers_come_to_the_socket_that_asked() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let paths = paths();
        let to = paths.stand_in_for(server.local_addr().unwrap()).unwrap();
        let (socket, other) = (Arc::<SocketEnd>::default(), Arc::<SocketEnd>::default());
        assert!(paths.leads_to(to) && !paths.leads_to(server.local_addr().unwrap()));
        paths.send(&socket, to, &[1]);
        paths.send(&other, to, &[2]);
        let path = paths.path(to).unwrap();
        assert!(!path.state.lock().is_running, "UDP is tried first");
        // A second of checks later.
        let begun = Instant::now().checked_sub(HEAD_START).unwrap();
        path.state.lock().round = Some((begun, Instant::now()));
        paths.send(&other, to, &[3]);
        paths.send(&socket, to, &[4, 5]);
        let (mut stream, _) = server.accept().await.unwrap();
        let mut frame = [0; 4];
        stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, [0, 2, 4, 5], "the one that asked first");
        stream.write_all(&[0, 1, 9]).await.unwrap();
        let answer = std::future::poll_fn(|context| socket.poll_next(context)).await;
        assert_eq!(answer, (to, vec![9]));
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_connection() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let paths = paths();
        let to = paths.stand_in_for(server.local_addr().unwrap()).unwrap();
        let path = paths.path(to).unwrap();
        path.start(to, &paths.tasks);
        let (mut stream, _) = server.accept().await.unwrap();
        drop((path, paths));
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
