//! The one TCP port of a house: TLS and plain HTTP are told apart by the first byte.
//!
//! Plain HTTP is for this computer only: a reverse proxy, a bot, and the house itself talking to its media server.
//! Each connection is its own task, so a slow or silent peer keeps nobody else waiting.

mod connection_limiter;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

pub use connection_limiter::{ConnectionLimiter, ConnectionPermit};

use crate::error::HouseError;

/// A TLS handshake record begins with this byte (RFC 8446 section 5.1); no HTTP method does.
const TLS_HANDSHAKE: u8 = 0x16;
/// How long a new connection may stay silent, and a TLS handshake may take.
const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may stay open without one.
const HEADER_LIMIT: Duration = Duration::from_secs(30);
/// The largest head of a request, in bytes. Media clients put a few kilobytes into the address.
const HEAD_BYTES: usize = 64 * 1024;
/// How long open requests may take after the house was told to close.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
/// After `accept` failed for want of file handles: how long until the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Ports tried, the first included.
pub const PORTS_TRIED: u16 = 20;

/// Who is at the other end; handlers find it among a request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address. Behind a reverse proxy that is the proxy's.
    pub ip: IpAddr,
}

impl Peer {
    /// A peer on this computer, which a limit per address must not hit: it may be a proxy for many.
    pub fn is_this_computer(self) -> bool {
        self.ip.is_loopback()
    }
}

/// What a first byte means from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    Tls,
    Plain,
    Refused,
}

fn read_greeting(first: u8, from: IpAddr) -> Greeting {
    match first {
        TLS_HANDSHAKE => Greeting::Tls,
        _ if from.is_loopback() => Greeting::Plain,
        _ => Greeting::Refused,
    }
}

/// Listens on `first` or the next free port of [`PORTS_TRIED`]. Port 0: any free one.
///
/// # Errors
/// `port_taken`, or `internal` if the address is not this computer's.
pub async fn open(listen: IpAddr, first: u16) -> Result<TcpListener, HouseError> {
    use io::ErrorKind::{AddrInUse, PermissionDenied};
    let mut last = None;
    for port in first..=first.saturating_add(PORTS_TRIED - 1) {
        match TcpListener::bind((listen, port)).await {
            Ok(listener) => return Ok(listener),
            // Windows keeps whole ranges of ports for itself and says that they are not permitted.
            Err(error) if matches!(error.kind(), AddrInUse | PermissionDenied) => last = Some(error),
            Err(source) => return Err(HouseError::Listen { listen, source }),
        }
    }
    let source = last.unwrap_or_else(|| AddrInUse.into());
    Err(HouseError::PortTaken { first, source })
}

/// Where the house finds itself over plain HTTP, given where it listens.
pub fn own_address(listening: SocketAddr) -> Option<SocketAddr> {
    match listening.ip() {
        ip if ip.is_unspecified() => Some((Ipv4Addr::LOCALHOST, listening.port()).into()),
        ip if ip.is_loopback() => Some(listening),
        _ => None,
    }
}

/// Serves everybody who knocks until `stop`.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    connections: ConnectionLimiter,
    stop: CancellationToken,
) {
    let tls = TlsAcceptor::from(tls);
    let visits = TaskTracker::new();
    loop {
        let (stream, from) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            },
        };
        let peer = Peer { ip: from.ip().to_canonical() };
        let Some(permit) = connections.admit(peer.ip) else {
            tracing::debug!(ip = %peer.ip, "too many connections");
            continue;
        };
        let visit = receive(stream, permit, peer, tls.clone(), router.clone(), stop.clone());
        visits.spawn(async move {
            if let Err(error) = visit.await {
                tracing::debug!(ip = %peer.ip, %error, "a connection ended badly");
            }
        });
    }
    visits.close();
    // Whatever is still open after that is cut off by the end of the program or of its peer.
    let _ = tokio::time::timeout(FAREWELL_LIMIT, visits.wait()).await;
}

type Stream = Either<TlsStream<TcpStream>, TcpStream>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn receive(
    stream: TcpStream,
    permit: ConnectionPermit,
    peer: Peer,
    tls: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let stream = tokio::select! {
        greeted = greet(stream, peer, tls) => match greeted? {
            Some(stream) => stream,
            None => return Ok(()),
        },
        () = stop.cancelled() => return Ok(()),
    };
    converse(TokioIo::new(permit.hold(stream)), peer, router, stop).await
}

/// Nothing: they hung up without a word.
async fn greet(stream: TcpStream, peer: Peer, tls: TlsAcceptor) -> Result<Option<Stream>, Failure> {
    stream.set_nodelay(true)?;
    let mut first = [0; 1];
    if tokio::time::timeout(GREETING_LIMIT, stream.peek(&mut first)).await?? == 0 {
        return Ok(None);
    }
    match read_greeting(first[0], peer.ip) {
        Greeting::Tls => {
            let secured = tokio::time::timeout(GREETING_LIMIT, tls.accept(stream)).await??;
            Ok(Some(Either::Left(secured)))
        }
        Greeting::Plain => Ok(Some(Either::Right(stream))),
        Greeting::Refused => Err("plain HTTP from another computer".into()),
    }
}

async fn converse<S>(io: TokioIo<S>, peer: Peer, router: Router, stop: CancellationToken) -> Result<(), Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let handler = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        handler.call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = &mut connection => return ended.map_err(Into::into),
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plain_http_is_for_this_computer_only_and_tls_for_everybody() {
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let here_v6: IpAddr = "::1".parse().unwrap();
        for first in [b'G', b'P', b'O', 0, 255] {
            assert_eq!(read_greeting(first, here), Greeting::Plain);
            assert_eq!(read_greeting(first, here_v6), Greeting::Plain);
            for there in ["192.168.1.20", "10.0.0.1", "8.8.8.8", "fe80::1", "2001:db8::1", "0.0.0.0"] {
                let there: IpAddr = there.parse().unwrap();
                assert_eq!(read_greeting(first, there), Greeting::Refused, "{there}");
                assert_eq!(read_greeting(0x16, there), Greeting::Tls, "{there}");
            }
        }
        assert_eq!(read_greeting(0x16, here), Greeting::Tls);
    }

    #[tokio::test]
    async fn a_taken_port_gives_the_next_free_one() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let taken = open(here, 0).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let next = open(here, port).await.unwrap().local_addr().unwrap().port();
        assert!(next > port && next < port + PORTS_TRIED, "{port} then {next}");
    }

    #[tokio::test]
    async fn an_address_of_another_computer_cannot_be_listened_on() {
        let error = open("192.0.2.1".parse().unwrap(), 0).await.unwrap_err();
        assert!(matches!(error, HouseError::Listen { .. }), "{error}");
    }

    #[test]
    fn the_house_knows_where_to_find_itself() {
        let find = |text: &str| own_address(text.parse().unwrap()).map(|found| found.to_string());
        assert_eq!(find("0.0.0.0:7410").as_deref(), Some("127.0.0.1:7410"));
        assert_eq!(find("[::]:7410").as_deref(), Some("127.0.0.1:7410"));
        assert_eq!(find("127.0.0.1:7411").as_deref(), Some("127.0.0.1:7411"));
        assert_eq!(find("192.168.1.20:7410"), None);
    }
}
