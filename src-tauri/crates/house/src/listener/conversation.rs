//! HTTP over one connection, as the two ends agreed in TLS: HTTP/1.1, from which WebSockets start, or HTTP/2.

use std::{convert::Infallible, time::Duration};

use axum::body::Body;
use hyper::{
    Request, Response,
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long the head of a request may take, and how long a connection of HTTP/1.1 may stay open without one. Over
/// HTTP/2 the other end is asked so often whether it is there.
const HEADER_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const SIGN_OF_LIFE_LIMIT: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes. Media clients put a few kilobytes into the address.
const HEAD_BYTES: u32 = 64 * 1024;
/// Requests at once over one connection of HTTP/2: a browser's page has some twenty files.
const STREAMS: u32 = 64;
/// What may be on its way to the house over one connection of HTTP/2, in bytes. Questions are small.
const WINDOW_BYTES: u32 = 64 * 1024;
/// What may wait to be sent in one stream of HTTP/2, in bytes.
const UNSENT_BYTES: usize = 64 * 1024;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1 and older.
    One,
    /// HTTP/2.
    Two,
}

/// Serves one connection to its end; after `stop` what is open is answered and nothing more.
///
/// # Errors
/// What the other end did wrong.
pub async fn converse<S, H>(
    io: TokioIo<S>,
    service: H,
    http: Http,
    stop: &CancellationToken,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    H::Future: Send + 'static,
{
    match http {
        Http::One => converse_in_one(io, service, stop).await,
        Http::Two => converse_in_two(io, service, stop).await,
    }
}

async fn converse_in_one<S, H>(io: TokioIo<S>, service: H, stop: &CancellationToken) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(HEAD_BYTES as usize)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = &mut connection => return ended,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn converse_in_two<S, H>(io: TokioIo<S>, service: H, stop: &CancellationToken) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    H::Future: Send + 'static,
{
    let streams = Streams::default();
    let _end_of_streams = streams.end.clone().drop_guard();
    let connection = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_LIMIT)
        .keep_alive_timeout(SIGN_OF_LIFE_LIMIT)
        .max_header_list_size(HEAD_BYTES)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(UNSENT_BYTES)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let early = tokio::select! {
        ended = &mut connection => Some(ended),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            None
        }
    };
    let ended = match early {
        Some(ended) => ended,
        None => connection.await,
    };
    streams.end().await;
    ended
}

/// The tasks of one connection's streams, which end with it.
#[derive(Clone, Default)]
struct Streams {
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Streams {
    async fn end(self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        let end = self.end.clone();
        self.tasks.spawn(async move {
            end.run_until_cancelled(stream).await;
        });
    }
}
