//! The one TCP port of a house: TLS, plain HTTP and framed media are told apart by the first byte.
//!
//! Plain HTTP is for this computer (a reverse proxy, a bot) and, within a private network, for guests who listen: what
//! they may do, and why no more, is said at [`Transport`]. From elsewhere it is sent on to TLS.
//! Each connection is its own task, so a slow or silent peer keeps nobody else waiting.

mod connection_limiter;
mod conversation;
mod origin_policy;
mod port;
mod request_body;

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::IntoResponse};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    service::Service,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rustls::ServerConfig;
use serambi_protocol::{Code, Refusal};
use serambi_sfu::Detour;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

pub use connection_limiter::ConnectionLimiter;
pub use origin_policy::{NoOrigin, Origin, OriginPolicy};
pub use port::{open, open_at, open_for_redirects};

use self::{
    connection_limiter::{Admission, ConnectionPermit},
    conversation::{Http, converse},
    request_body::RequestBody,
};
use crate::{
    api::Refused,
    framed_media::{self, FramedMedia},
    network::{self, Peer, Transport},
    tls::{ACME_TLS, HTTP_2},
};

/// A TLS handshake record begins with this byte (RFC 8446 section 5.1); no HTTP method does.
const TLS_HANDSHAKE: u8 = 0x16;
/// How long a new connection may stay silent, and a TLS handshake may take.
const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// How long open requests may take after the house was told to close.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
/// How long a connection that is one too many may take to hear so, TLS handshake included.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);
/// When to try again after that.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// After `accept` failed for want of file handles: how long until the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The system's send buffer of a framed stream, in bytes: 0.6 s of three voices. (Linux doubles it for its own needs.)
const FRAMED_BUFFER_BYTES: usize = 16 * 1024;

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
        self.hold(secure(stream, tls), permit, peer).await;
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
        let conversation = self.converse(TokioIo::new(permit.hold(stream)), Http::One, arrival);
        let ended = tokio::select! { ended = conversation => ended, () = self.cut.cancelled() => Ok(()) };
        if let Err(error) = ended {
            tracing::debug!(ip = %peer.ip, %error, "a browser's connection ended badly");
        }
    }

    /// Serves what `greeted` turns out to be.
    async fn hold<S>(
        self,
        greeted: impl Future<Output = Result<Option<Greeted<S>>, Failure>>,
        permit: ConnectionPermit,
        peer: Peer,
    ) where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (stop, cut) = (self.stop.clone(), self.cut.clone());
        let held = async {
            match until(&stop, greeted).await? {
                None => Ok(()),
                Some(Greeted { stream, http, transport: Some(transport) }) => {
                    let arrival = Arrival::direct(peer, transport);
                    self.converse(TokioIo::new(permit.hold(stream)), http, arrival).await
                }
                Some(Greeted { stream, transport: None, .. }) => send_on(TokioIo::new(permit.hold(stream))).await,
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
            let Some(greeted) = greet(stream, greeting, self.tls.clone()).await? else { return Ok(()) };
            let told = CancellationToken::new();
            let service = hyper::service::service_fn(|request: Request<Incoming>| {
                let (told, http) = (told.clone(), greeted.http);
                async move {
                    RequestBody::new(request.into_body()).drain().await;
                    told.cancel();
                    Ok::<_, Infallible>(last(too_many_connections(), http))
                }
            });
            converse(TokioIo::new(greeted.stream), service, greeted.http, &told).await.map_err(Failure::from)
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

    async fn converse<S>(&self, io: TokioIo<S>, http: Http, arrival: Arrival) -> Result<(), Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let handler = TowerToHyperService::new(self.router.clone());
        let origins = self.origins.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            answer(handler.clone(), origins.clone(), request, arrival.clone())
        });
        converse(io, service, http, &self.stop).await.map_err(Into::into)
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

/// A connection of which it is known what is spoken over it.
struct Greeted<S> {
    stream: S,
    http: Http,
    /// None: plain HTTP from where it is not spoken.
    transport: Option<Transport>,
}

/// Nothing: what they came for was the greeting.
async fn greet(stream: TcpStream, greeting: Greeting, tls: TlsAcceptor) -> Result<Option<Greeted<Stream>>, Failure> {
    let transport = match greeting {
        Greeting::Tls => {
            let secured = secure(stream, tls).await?;
            return Ok(secured.map(|Greeted { stream, http, transport }| Greeted {
                stream: Either::Left(stream),
                http,
                transport,
            }));
        }
        Greeting::Framed => return Err("media over TCP, which is not carried here".into()),
        Greeting::PlainWithin => Some(Transport::ThisComputer),
        Greeting::PlainNear => Some(Transport::PrivateNetwork { at: stream.local_addr()?.ip().to_canonical() }),
        Greeting::PlainFar => None,
    };
    Ok(Some(Greeted { stream: Either::Right(stream), http: Http::One, transport }))
}

/// Nothing: an authority that only asks whether a name leads here has had its answer.
async fn secure<S>(stream: S, tls: TlsAcceptor) -> Result<Option<Greeted<TlsStream<S>>>, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let stream = tokio::time::timeout(GREETING_LIMIT, tls.accept(stream)).await??;
    let http = match stream.get_ref().1.alpn_protocol() {
        Some(spoken) if spoken == ACME_TLS => return Ok(None),
        Some(spoken) if spoken == HTTP_2 => Http::Two,
        _ => Http::One,
    };
    Ok(Some(Greeted { stream, http, transport: Some(Transport::Tls) }))
}

/// Answers one request of plain HTTP from where it is not spoken with the same address over TLS.
async fn send_on<S>(io: TokioIo<S>) -> Result<(), Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let told = CancellationToken::new();
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let told = told.clone();
        async move {
            let (head, body) = request.into_parts();
            RequestBody::new(body).drain().await;
            told.cancel();
            Ok::<_, Infallible>(last(over_tls(&head), Http::One))
        }
    });
    tokio::time::timeout(REFUSAL_LIMIT, converse(io, service, Http::One, &told)).await?.map_err(Failure::from)
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
    name_host(&mut head);
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

/// HTTP/2 names the host in the request line only (RFC 9113 section 8.3.1).
fn name_host(head: &mut hyper::http::request::Parts) {
    let named = head.uri.authority().and_then(|named| HeaderValue::from_str(named.as_str()).ok());
    if let (hyper::Version::HTTP_2, Some(named)) = (head.version, named) {
        head.headers.entry(header::HOST).or_insert(named);
    }
}

/// An answer after which the connection is closed. In HTTP/2 a header cannot say so.
fn last(mut response: Response<Body>, http: Http) -> Response<Body> {
    if http == Http::One {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn too_many_connections() -> Response<Body> {
    let refusal = Refusal::new(Code::RateLimited, "too many connections");
    Refused::after(refusal, RETRY_AFTER).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
}
