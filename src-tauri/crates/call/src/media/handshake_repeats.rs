//! The event loop under a connection: tokio's, with sockets that say each datagram of a DTLS handshake three times, and
//! believe nominations as [`super::ice_checks`] says.
//!
//! `rtc-dtls` 0.21.1 says a flight again after a second, and nothing can be set there (`transport/dtls/mod.rs` of `rtc`
//! makes its configuration with the default interval). With 20 % of its datagrams lost twelve joins took 90 ms to 7.2 s
//! to the first sound, and two of them more than 12 s; so said, 85 to 330 ms. The other end, told again what it knows,
//! says its own flight again (RFC 6347 section 4.2.4); our media server repeats its own as well
//! (`sfu::handshake_repeats`).

use std::{
    fmt, future, io,
    io::IoSliceMut,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{
    door_socket::DoorSocket,
    ice_checks::{IceChecks, NOMINATION_PAUSES},
    stream_paths::{SocketEnd, StreamPaths},
};
use crate::{
    doors::{Door, DoorPackets},
    tasks::Tasks,
};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

/// When a datagram is said again, counted from the time before. Longer than most round trips, so that on a good path
/// the other end knows by then what it is told; a few hundred milliseconds in all, which is what a join may take.
const PAUSES: [Duration; 2] = [Duration::from_millis(60), Duration::from_millis(120)];

/// Content types of the records that a handshake consists of (RFC 5246 section 6.2.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// Whether a datagram is part of a DTLS handshake, by the type of its first record.
fn is_of_handshake(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| [CHANGE_CIPHER_SPEC, HANDSHAKE].contains(first))
}

/// tokio, with such sockets. Where there is a door, sockets of loopback are behind it.
#[derive(Debug)]
pub(super) struct RepeatingRuntime {
    tokio: TokioRuntime,
    door: Option<Arc<Door>>,
    streams: Arc<StreamPaths>,
    checks: Arc<IceChecks>,
    /// In which datagrams wait until they are said again.
    tasks: Tasks,
}

impl RepeatingRuntime {
    pub(super) fn new(
        door: Option<Arc<Door>>,
        streams: Arc<StreamPaths>,
        checks: Arc<IceChecks>,
        tasks: Tasks,
    ) -> Self {
        Self { tokio: TokioRuntime, door, streams, checks, tasks }
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for RepeatingRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn spawn_reactor(&self, pool_size: usize, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn_reactor(pool_size, future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let door = self.door.as_ref().filter(|_| socket.local_addr().is_ok_and(|address| address.ip().is_loopback()));
        let (socket, is_behind_door): (Arc<dyn AsyncUdpSocket>, bool) = match door {
            Some(door) => (Arc::new(DoorSocket::new(door.bind(), socket)), true),
            None => (self.tokio.wrap_udp_socket(socket)?, false),
        };
        Ok(Arc::new(RepeatingSocket {
            socket,
            is_behind_door,
            streams: self.streams.clone(),
            stream_end: Arc::default(),
            checks: self.checks.clone(),
            tasks: self.tasks.clone(),
            refuses: AtomicBool::new(false),
        }))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.tokio.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        self.tokio.sleep(self.checks.sleep(duration, Instant::now()))
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        self.tokio.name()
    }
}

struct RepeatingSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    is_behind_door: bool,
    streams: Arc<StreamPaths>,
    /// What this socket gets from them, and from nominations that are believed.
    stream_end: Arc<SocketEnd>,
    checks: Arc<IceChecks>,
    tasks: Tasks,
    /// The last datagram was refused.
    refuses: AtomicBool,
}

impl RepeatingSocket {
    /// ICE pairs every socket with every candidate; what is behind the door is reached through it alone, and nothing
    /// else is.
    fn reaches(&self, destination: SocketAddr) -> bool {
        (destination == DoorPackets::peer()) == self.is_behind_door
    }

    /// Over TCP nothing gets lost that would have to be said again.
    fn say_again(&self, transmit: &Transmit<'_>, pauses: &'static [Duration]) {
        if !self.streams.leads_to(transmit.destination) {
            self.tasks.spawn(Datagram::of(transmit).repeat_on(Arc::downgrade(&self.socket), pauses));
        }
    }

    /// A datagram that a firewall or a missing route refuses is a lost one: ICE repeats its checks anyway, and `webrtc`
    /// logs an error for each, twenty a second for each pair of addresses. Said once for each row of refusals.
    fn forgive(&self, transmit: &Transmit<'_>, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let Poll::Ready(result) = sent else { return Poll::Pending };
        let refused = result.as_ref().err();
        if self.refuses.swap(refused.is_some(), Ordering::Relaxed) != refused.is_some()
            && let Some(error) = refused
        {
            tracing::debug!(%error, to = %transmit.destination, "datagrams are refused");
        }
        Poll::Ready(Ok(result.unwrap_or(transmit.contents.len())))
    }
}

impl fmt::Debug for RepeatingSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RepeatingSocket").field(&self.socket).finish()
    }
}

impl AsyncUdpSocket for RepeatingSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, context: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if !self.reaches(transmit.destination) {
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        if let Some(answer) = self.checks.believe(transmit.contents, Instant::now()) {
            self.stream_end.put(transmit.destination, answer);
            self.say_again(transmit, &NOMINATION_PAUSES);
        }
        if self.streams.leads_to(transmit.destination) {
            let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
            let datagrams = transmit.contents.chunks(size);
            datagrams.for_each(|datagram| self.streams.send(&self.stream_end, transmit.destination, datagram));
            return Poll::Ready(Ok(transmit.contents.len()));
        }
        let sent = self.forgive(transmit, self.socket.poll_send(context, transmit));
        if matches!(sent, Poll::Ready(Ok(_))) && transmit.segment_size.is_none() && is_of_handshake(transmit.contents) {
            self.say_again(transmit, &PAUSES);
        }
        sent
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        match (self.stream_end.poll_next(context), buffers.first_mut(), meta.first_mut()) {
            (Poll::Ready((from, contents)), Some(buffer), Some(meta)) => {
                let length = contents.len().min(buffer.len());
                buffer.iter_mut().zip(&contents).for_each(|(to, from)| *to = *from);
                *meta = RecvMeta::default();
                (meta.addr, meta.len, meta.stride) = (from, length, length.max(1));
                Poll::Ready(Ok(1))
            }
            _ => self.socket.poll_recv(context, buffers, meta),
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}

struct Datagram {
    destination: SocketAddr,
    source: Option<std::net::IpAddr>,
    contents: Vec<u8>,
}

impl Datagram {
    fn of(transmit: &Transmit<'_>) -> Self {
        Self { destination: transmit.destination, source: transmit.src_ip, contents: transmit.contents.to_vec() }
    }

    /// Says it again after each pause, as long as the socket is there.
    async fn repeat_on(self, socket: Weak<dyn AsyncUdpSocket>, pauses: &[Duration]) {
        for pause in pauses {
            tokio::time::sleep(*pause).await;
            let Some(socket) = socket.upgrade() else { return };
            let transmit = Transmit {
                destination: self.destination,
                ecn: None,
                contents: &self.contents,
                segment_size: None,
                src_ip: self.source,
            };
            if let Err(error) = future::poll_fn(|context| socket.poll_send(context, &transmit)).await {
                tracing::debug!(%error, "a datagram of a handshake cannot be said again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sockets() -> (Arc<dyn AsyncUdpSocket>, tokio::net::UdpSocket) {
        let bind = || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let ours = RepeatingRuntime::new(None, StreamPaths::new(Tasks::default()), Arc::default(), Tasks::default());
        let ours = ours.wrap_udp_socket(bind()).unwrap();
        (ours, tokio::net::UdpSocket::from_std(bind()).unwrap())
    }

    async fn next(socket: &tokio::net::UdpSocket) -> Vec<u8> {
        let mut datagram = [0; 100];
        let received = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut datagram)).await;
        datagram[..received.unwrap().unwrap()].to_vec()
    }

    #[tokio::test]
    async fn what_belongs_to_a_handshake_is_said_three_times_and_nothing_else_is() {
        let (ours, other) = sockets();
        let to = other.local_addr().unwrap();
        // A STUN check, a handshake, a record of data, a voice packet.
        for datagram in [&[0_u8, 1][..], &[HANDSHAKE, 2], &[23, 3], &[128, 4]] {
            ours.send_to(datagram, to).await.unwrap();
        }
        let mut heard = Vec::new();
        while heard.len() < 6 {
            heard.push(next(&other).await);
        }
        assert_eq!(heard[..4], [vec![0, 1], vec![HANDSHAKE, 2], vec![23, 3], vec![128, 4]]);
        assert_eq!(heard[4..], [vec![HANDSHAKE, 2], vec![HANDSHAKE, 2]]);
    }

    /// With a firewall that rejects, one error line came each 50 ms for each pair of addresses.
    #[tokio::test]
    async fn a_datagram_that_cannot_be_sent_is_a_lost_one() {
        let (ours, other) = sockets();
        let nowhere = "[2001:db8::1]:9".parse().unwrap();
        assert_eq!(ours.send_to(&[0, 1, 2], nowhere).await.unwrap(), 3, "an IPv4 socket has no way there");
        ours.send_to(&[7], other.local_addr().unwrap()).await.unwrap();
        assert_eq!(next(&other).await, [7]);
    }

    #[tokio::test]
    async fn a_closed_socket_is_not_kept_for_what_it_would_say_again() {
        let (ours, other) = sockets();
        let port = ours.local_addr().unwrap();
        ours.send_to(&[CHANGE_CIPHER_SPEC], other.local_addr().unwrap()).await.unwrap();
        drop(ours);
        assert!(std::net::UdpSocket::bind(port).is_ok());
    }
}
