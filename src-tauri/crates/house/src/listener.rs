//! The one TCP port of a house: TLS, plain HTTP and framed media are told apart by the first byte.
//!
//! Plain HTTP is for this computer (a reverse proxy, a bot) and, within a private network, for guests who listen: what
//! they may do, and why no more, is said at [`Transport`]. From elsewhere it is sent on to TLS.
//! Each connection is its own task, so a slow or silent peer keeps nobody else waiting.

mod connection_limiter;
mod origin_policy;
mod request_body;

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, response::IntoResponse};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::Service,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use serambi_protocol::{Code, Refusal};
use serambi_sfu::Detour;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

pub use connection_limiter::ConnectionLimiter;
pub use origin_policy::{NoOrigin, Origin, OriginPolicy};

use self::{
    connection_limiter::{Admission, ConnectionPermit},
    request_body::RequestBody,
};
use crate::{
    api::Refused,
    error::HouseError,
    framed_media::{self, FramedMedia},
    network::{self, Peer, Transport},
};

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
/// How long a connection that is one too many may take to hear so, TLS handshake included.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);
/// When to try again after that.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// After `accept` failed for want of file handles: how long until the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Connections that may wait to be accepted, as with the runtime's own bind.
const CONNECTIONS_WAITING: i32 = 1024;
/// The system's send buffer of a framed stream, in bytes: 0.6 s of three voices. (Linux doubles it for its own needs.)
const FRAMED_BUFFER_BYTES: usize = 16 * 1024;
/// Ports tried, the first included.
pub const PORTS_TRIED: u16 = 20;

/// What a first byte means from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    Tls,
    /// Media over TCP.
    Framed,
    PlainWithin,
    PlainNear,
    PlainFar,
}

fn read_greeting(first: u8, from: IpAddr) -> Greeting {
    match first {
        TLS_HANDSHAKE => Greeting::Tls,
        _ if framed_media::may_begin_with(first) => Greeting::Framed,
        _ if from.is_loopback() => Greeting::PlainWithin,
        _ if network::is_private(from) => Greeting::PlainNear,
        _ => Greeting::PlainFar,
    }
}

/// Listens on `first` or the next free port of [`PORTS_TRIED`]. Port 0: any free one. An unspecified address of either
/// family stands for all networks of both.
///
/// # Errors
/// `port_taken`, or `internal` if the address is not this computer's.
pub async fn open(listen: IpAddr, first: u16) -> Result<TcpListener, HouseError> {
    use io::ErrorKind::{AddrInUse, PermissionDenied};
    let mut last = None;
    for port in first..=first.saturating_add(PORTS_TRIED - 1) {
        match bind(listen, port).await {
            Ok(listener) => return Ok(listener),
            // Windows keeps whole ranges of ports for itself and says that they are not permitted.
            Err(error) if matches!(error.kind(), AddrInUse | PermissionDenied) => last = Some(error),
            Err(source) => return Err(HouseError::Listen { listen, source }),
        }
    }
    let source = last.unwrap_or_else(|| AddrInUse.into());
    Err(HouseError::PortTaken { first, source })
}

async fn bind(listen: IpAddr, port: u16) -> io::Result<TcpListener> {
    if !listen.is_unspecified() {
        return TcpListener::bind((listen, port)).await;
    }
    match bind_both_families(port) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            tracing::debug!(%error, "IPv4 only");
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

/// One socket for both families; systems differ in what they do unasked (Windows: IPv6 only).
fn bind_both_families(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_only_v6(false)?;
    // As the runtime's own bind does: a port is free again at once after a restart. On Windows the option means another
    // thing, that somebody else may take the port away.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
    socket.listen(CONNECTIONS_WAITING)?;
    TcpListener::from_std(socket.into())
}

/// How whoever asks comes, for a whole connection.
#[derive(Clone)]
struct Arrival {
    peer: Peer,
    transport: Transport,
    /// How their media comes, if not directly.
    detour: Option<Detour>,
}

impl Arrival {
    const fn direct(peer: Peer, transport: Transport) -> Self {
        Self { peer, transport, detour: None }
    }
}

/// What every socket of a house is served with.
#[derive(Clone)]
pub struct Listener {
    tls: TlsAcceptor,
    router: Router,
    connections: ConnectionLimiter,
    origins: Arc<OriginPolicy>,
    /// None: another server carries the media.
    framed: Option<FramedMedia>,
    /// Open requests may end, and no new connection is taken.
    stop: CancellationToken,
    /// Everything ends.
    cut: CancellationToken,
}

impl Listener {
    /// Serves `router` with this certificate until `stop`.
    pub fn new(
        tls: Arc<ServerConfig>,
        router: Router,
        connections: ConnectionLimiter,
        origins: OriginPolicy,
        framed: Option<FramedMedia>,
        stop: CancellationToken,
    ) -> Self {
        let (tls, origins, cut) = (TlsAcceptor::from(tls), Arc::new(origins), CancellationToken::new());
        Self { tls, router, connections, origins, framed, stop, cut }
    }

    /// Serves everybody who connects to `socket` until the house closes; ends with the last connection.
    pub async fn serve(self, socket: TcpListener) {
        let tasks = TaskTracker::new();
        loop {
            let (stream, from) = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = socket.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                        continue;
                    }
                },
            };
            let (listener, peer) = (self.clone(), Peer { ip: from.ip().to_canonical() });
            match self.connections.admit(peer.ip) {
                Admission::Admitted(permit) => drop(tasks.spawn(listener.take(stream, permit, peer))),
                Admission::Refused(permit) => drop(tasks.spawn(async move {
                    listener.refuse(stream, peer).await;
                    drop(permit);
                })),
                Admission::Dropped => tracing::debug!(ip = %peer.ip, "far too many connections"),
            }
        }
        tasks.close();
        if tokio::time::timeout(FAREWELL_LIMIT, tasks.wait()).await.is_err() {
            self.cut.cancel();
            tasks.wait().await;
        }
    }

    /// Serves one connection, whatever it turns out to be.
    async fn take(self, stream: TcpStream, permit: ConnectionPermit, peer: Peer) {
        let greeting = tokio::select! {
            greeting = read_first(&stream, peer) => greeting,
            () = self.stop.cancelled() => return,
        };
        match (greeting, self.framed.clone()) {
            (Ok(Some(Greeting::Framed)), Some(framed)) => {
                let stop = self.stop.clone();
                let carried = framed.carry(permit.hold(for_voice(stream)));
                stop.run_until_cancelled(carried).await;
            }
            (Ok(Some(greeting)), _) => {
                let greeted = greet(stream, greeting, self.tls.clone());
                self.hold(greeted, permit, peer).await;
            }
            (Ok(None), _) => {}
            (Err(error), _) => tracing::debug!(ip = %peer.ip, %error, "a connection that says nothing"),
        }
    }

    /// Serves one connection that came another way than over TCP. It is TLS and from elsewhere, whatever it says.
    /// Ends with it; one that is one too many is closed without a word.
    #[cfg(feature = "reach")]
    pub async fn serve_stream<S>(self, stream: S, peer: Peer)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let Admission::Admitted(permit) = self.connections.admit(peer.ip) else {
            return tracing::debug!(ip = %peer.ip, "too many connections");
        };
        let tls = self.tls.clone();
        let secured = async move {
            let secured = tokio::time::timeout(GREETING_LIMIT, tls.accept(stream)).await??;
            Ok(Some((secured, Some(Transport::Tls))))
        };
        self.hold(secured, permit, peer).await;
    }

    /// Serves one connection of a browser inside a gate's passage: the gate has ended its TLS, and the passage is
    /// encrypted under the keys of both. Its media comes by `detour`.
    #[cfg(feature = "reach")]
    pub async fn serve_browser<S>(self, stream: S, peer: Peer, detour: Detour)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let Admission::Admitted(permit) = self.connections.admit(peer.ip) else {
            return tracing::debug!(ip = %peer.ip, "too many connections");
        };
        let arrival = Arrival { peer, transport: Transport::Gate, detour: Some(detour) };
        let conversation = self.converse(TokioIo::new(permit.hold(stream)), arrival);
        let ended = tokio::select! { ended = conversation => ended, () = self.cut.cancelled() => Ok(()) };
        if let Err(error) = ended {
            tracing::debug!(ip = %peer.ip, %error, "a browser's connection ended badly");
        }
    }

    /// Serves what `greeted` turns out to be.
    async fn hold<S>(
        self,
        greeted: impl Future<Output = Result<Option<(S, Option<Transport>)>, Failure>>,
        permit: ConnectionPermit,
        peer: Peer,
    ) where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (stop, cut) = (self.stop.clone(), self.cut.clone());
        let held = async {
            match until(&stop, greeted).await? {
                None => Ok(()),
                Some((stream, Some(transport))) => {
                    let arrival = Arrival::direct(peer, transport);
                    self.converse(TokioIo::new(permit.hold(stream)), arrival).await
                }
                Some((stream, None)) => send_on(TokioIo::new(permit.hold(stream))).await,
            }
        };
        let ended = tokio::select! { ended = held => ended, () = cut.cancelled() => Ok(()) };
        if let Err(error) = ended {
            tracing::debug!(ip = %peer.ip, %error, "a connection ended badly");
        }
    }

    /// Says over this one connection that there are too many.
    async fn refuse(self, stream: TcpStream, peer: Peer) {
        let refused = async {
            let Some(greeting) = read_first(&stream, peer).await? else { return Ok(()) };
            let Some((stream, _)) = greet(stream, greeting, self.tls.clone()).await? else { return Ok(()) };
            let service = hyper::service::service_fn(|request: Request<Incoming>| async {
                RequestBody::new(request.into_body()).drain().await;
                Ok::<_, Infallible>(too_many_connections())
            });
            http(TokioIo::new(stream), service, false).await.map_err(Failure::from)
        };
        tracing::debug!(ip = %peer.ip, "too many connections");
        tokio::select! {
            // Whoever does not listen for so long is not told.
            told = tokio::time::timeout(REFUSAL_LIMIT, refused) => {
                if let Ok(Err(error)) = told {
                    tracing::debug!(ip = %peer.ip, %error, "a refusal was not heard");
                }
            }
            () = self.stop.cancelled() => {}
        }
    }

    async fn converse<S>(&self, io: TokioIo<S>, arrival: Arrival) -> Result<(), Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let handler = TowerToHyperService::new(self.router.clone());
        let origins = self.origins.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            answer(handler.clone(), origins.clone(), request, arrival.clone())
        });
        let connection = http(io, service, true);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = &mut connection => return ended.map_err(Into::into),
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await.map_err(Into::into)
    }
}

/// What comes in until the house closes; then nothing.
async fn until<T>(
    stop: &CancellationToken,
    coming: impl Future<Output = Result<Option<T>, Failure>>,
) -> Result<Option<T>, Failure> {
    tokio::select! { came = coming => came, () = stop.cancelled() => Ok(None) }
}

type Stream = Either<TlsStream<TcpStream>, TcpStream>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Nothing: they hung up without a word.
async fn read_first(stream: &TcpStream, peer: Peer) -> Result<Option<Greeting>, Failure> {
    stream.set_nodelay(true)?;
    let mut first = [0; 1];
    let read = tokio::time::timeout(GREETING_LIMIT, stream.peek(&mut first)).await??;
    Ok((read > 0).then(|| read_greeting(first[0], peer.ip)))
}

/// What waits in the system is late when it arrives: seconds of voice, with the buffer of usual connections.
fn for_voice(stream: TcpStream) -> TcpStream {
    if let Err(error) = socket2::SockRef::from(&stream).set_send_buffer_size(FRAMED_BUFFER_BYTES) {
        tracing::debug!(%error, "the send buffer of a framed stream");
    }
    stream
}

/// No transport: plain HTTP from where it is not spoken.
async fn greet(
    stream: TcpStream,
    greeting: Greeting,
    tls: TlsAcceptor,
) -> Result<Option<(Stream, Option<Transport>)>, Failure> {
    match greeting {
        Greeting::Tls => {
            let secured = tokio::time::timeout(GREETING_LIMIT, tls.accept(stream)).await??;
            Ok(Some((Either::Left(secured), Some(Transport::Tls))))
        }
        Greeting::Framed => Err("media over TCP, which is not carried here".into()),
        Greeting::PlainWithin => Ok(Some((Either::Right(stream), Some(Transport::ThisComputer)))),
        Greeting::PlainNear => {
            let at = stream.local_addr()?.ip().to_canonical();
            Ok(Some((Either::Right(stream), Some(Transport::PrivateNetwork { at }))))
        }
        Greeting::PlainFar => Ok(Some((Either::Right(stream), None))),
    }
}

/// Answers one request of plain HTTP from where it is not spoken with the same address over TLS.
async fn send_on<S>(io: TokioIo<S>) -> Result<(), Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(|request: Request<Incoming>| async {
        let (head, body) = request.into_parts();
        RequestBody::new(body).drain().await;
        Ok::<_, Infallible>(over_tls(&head))
    });
    tokio::time::timeout(REFUSAL_LIMIT, http(io, service, false)).await?.map_err(Failure::from)
}

/// 308 (RFC 9110 section 15.4.9), so that a method is kept too; 400 for a request that does not say where it wants to
/// go.
fn over_tls(head: &hyper::http::request::Parts) -> Response<Body> {
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let location = host.and_then(|host| HeaderValue::try_from(format!("https://{host}{path}")).ok());
    let mut response = Response::new(Body::empty());
    match location {
        Some(location) => {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(header::LOCATION, location);
        }
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

/// One connection of HTTP/1.1, from which WebSockets start.
fn http<S, H>(io: TokioIo<S>, service: H, keep_alive: bool) -> http1::UpgradeableConnection<TokioIo<S>, H>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(keep_alive)
        .serve_connection(io, service)
        .with_upgrades()
}

/// The router's answer, unless the request comes from a page that may not ask. All of the request is read before it.
async fn answer(
    handler: TowerToHyperService<Router>,
    origins: Arc<OriginPolicy>,
    request: Request<Incoming>,
    arrival: Arrival,
) -> Result<Response<Body>, Infallible> {
    let Arrival { peer, transport, detour } = arrival;
    let (mut head, body) = request.into_parts();
    let body = RequestBody::new(body);
    let allowed = origins.check(&head.uri, &head.headers, transport);
    head.extensions.insert(peer);
    head.extensions.insert(transport);
    if let Some(detour) = detour {
        head.extensions.insert(detour);
    }
    let allowed = allowed.and_then(|()| match transport.reaches(head.uri.path()) {
        true => Ok(()),
        false => Err(Refusal::from(Code::NotSecure)),
    });
    let response = match allowed {
        Ok(()) => handler.call(Request::from_parts(head, Body::new(body.clone()))).await?,
        Err(refusal) => Refused::from(refusal).into_response(),
    };
    body.drain().await;
    Ok(response)
}

fn too_many_connections() -> Response<Body> {
    let refusal = Refusal::new(Code::RateLimited, "too many connections");
    Refused::after(refusal, RETRY_AFTER).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn plain_http_is_for_this_computer_and_private_networks_and_tls_for_everybody() {
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let here_v6: IpAddr = "::1".parse().unwrap();
        for first in [b'G', b'P', b'O', 2, 255] {
            assert_eq!(read_greeting(first, here), Greeting::PlainWithin);
            assert_eq!(read_greeting(first, here_v6), Greeting::PlainWithin);
            for (there, expected) in [
                ("192.168.1.20", Greeting::PlainNear),
                ("10.0.0.1", Greeting::PlainNear),
                ("fe80::1", Greeting::PlainNear),
                ("8.8.8.8", Greeting::PlainFar),
                ("100.64.0.1", Greeting::PlainFar),
                ("2001:db8::1", Greeting::PlainFar),
                ("0.0.0.0", Greeting::PlainFar),
            ] {
                let there: IpAddr = there.parse().unwrap();
                assert_eq!(read_greeting(first, there), expected, "{there}");
                assert_eq!(read_greeting(0x16, there), Greeting::Tls, "{there}");
            }
        }
        assert_eq!(read_greeting(0x16, here), Greeting::Tls);
        for first in [0, 1] {
            assert_eq!(read_greeting(first, here), Greeting::Framed);
        }
    }

    #[test]
    fn plain_http_from_elsewhere_is_sent_on_to_the_same_address_over_tls() {
        let ask = |host: Option<&str>| {
            let mut request = Request::get("/r/aB3dE5gH7k?a=b");
            if let Some(host) = host {
                request = request.header(header::HOST, host);
            }
            over_tls(&request.body(()).unwrap().into_parts().0)
        };
        let sent_on = ask(Some("house.example:7410"));
        assert_eq!(sent_on.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(sent_on.headers()[header::LOCATION], "https://house.example:7410/r/aB3dE5gH7k?a=b");
        for nowhere in [None, Some("")] {
            assert_eq!(ask(nowhere).status(), StatusCode::BAD_REQUEST);
        }
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
}
