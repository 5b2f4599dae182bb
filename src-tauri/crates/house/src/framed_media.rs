//! Media over TCP on the house's own port, for whoever has no UDP (RFC 6544): datagrams in frames (RFC 4571), each
//! stream a client's socket to the media server, under an address that no network has.
//!
//! The media server's answer to a binding request is what tells a guest from a stranger: only who was told the
//! passwords over signalling gets one.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serambi_sfu::{Tunnel, TunnelDatagram, TunnelEnd};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Where the media server is in the tunnel, and where all streams are: benchmarking addresses (RFC 2544) beside those
/// of passages. A stream's port is its number.
const MEDIA: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 2);
const STREAMS: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 3);
const MEDIA_PORT: u16 = 1;
/// A stream that the media server has not answered for so long is a stranger's.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
/// A client that says nothing for so long is gone: it checks the connection several times in 30 s (RFC 7675).
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// The largest frame of a client, in bytes: no datagram of ICE, DTLS or voice is larger.
const FRAME_BYTES: usize = 2_048;
/// Datagrams that wait for a client that does not read: 0.4 s of three voices. Then the oldest are dropped.
const WAITING: usize = 64;
/// The first byte of a frame that begins with a binding request is the upper half of its length, in bytes.
const LONGEST_REQUEST: u8 = 1;
/// RFC 8489 section 5: a binding request, its success response, and the cookie of all of them.
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Whether a connection that begins with this byte may be a framed stream. Neither TLS nor HTTP does.
pub const fn may_begin_with(first: u8) -> bool {
    first <= LONGEST_REQUEST
}

fn is_binding_request(frame: &[u8]) -> bool {
    frame.starts_with(&BINDING_REQUEST) && frame.get(4..8) == Some(&COOKIE)
}

/// The media server's end of the tunnel through which all framed streams go, and the carrier's.
pub fn tunnel() -> (Tunnel, TunnelEnd) {
    Tunnel::new((MEDIA, MEDIA_PORT).into())
}

/// All framed streams of one house. Clones are the same.
#[derive(Clone)]
pub struct FramedMedia {
    to_media: mpsc::Sender<TunnelDatagram>,
    streams: Arc<Mutex<Streams>>,
}

#[derive(Default)]
struct Streams {
    by_port: HashMap<u16, Arc<Outlet>>,
    last_port: u16,
}

/// What waits for one client.
#[derive(Default)]
struct Outlet {
    waiting: Mutex<VecDeque<Vec<u8>>>,
    some: Notify,
    /// The media server has answered a request of it.
    is_known: watch::Sender<bool>,
}

/// Why a stream is closed by the house.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("a frame of {0} bytes")]
    TooLong(usize),
    #[error("it does not begin with a binding request")]
    NotMedia,
    #[error("the media server does not know it")]
    Stranger,
    #[error("silence")]
    Silent,
}

impl FramedMedia {
    /// The carrier, and what carries the media server's datagrams to the streams until the tunnel or the house ends.
    pub fn new(tunnel: TunnelEnd, stop: CancellationToken) -> (Self, impl Future<Output = ()> + use<>) {
        let media = Self { to_media: tunnel.arrivals, streams: Arc::default() };
        let (streams, mut departures) = (media.streams.clone(), tunnel.departures);
        let carrying = async move {
            while let Some(Some(datagram)) = stop.run_until_cancelled(departures.recv()).await {
                let outlet = streams.lock().by_port.get(&datagram.peer.port()).cloned();
                if let Some(outlet) = outlet {
                    outlet.put(datagram.contents);
                }
            }
        };
        (media, carrying)
    }

    /// Carries one stream until it ends, or its client turns out to be nobody.
    pub async fn carry<S: AsyncRead + AsyncWrite + Send>(&self, stream: S) {
        let Some(entry) = Entry::new(self.streams.clone()) else {
            return tracing::debug!("too many framed streams");
        };
        let (reader, writer) = tokio::io::split(stream);
        let ended = tokio::select! {
            closed = self.take_frames(reader, entry.peer()) => closed,
            closed = send_frames(writer, &entry.outlet) => closed,
            closed = expect_guest(&entry.outlet) => closed,
        };
        tracing::debug!(stream = entry.port, ended = %ended, "a framed stream has ended");
    }

    async fn take_frames(&self, mut reader: impl AsyncRead + Unpin, peer: SocketAddr) -> Closed {
        let mut is_first = true;
        loop {
            let frame = match timeout(SILENCE_LIMIT, read_frame(&mut reader)).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(closed)) => return closed,
                Err(_) => return Closed::Silent,
            };
            if is_first && !is_binding_request(&frame) {
                return Closed::NotMedia;
            }
            is_first = false;
            // A full tunnel drops, as a full socket does.
            if self.to_media.try_send(TunnelDatagram { peer, contents: frame }).is_err() {
                tracing::debug!(%peer, "the media server has too much to do");
            }
        }
    }
}

async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Closed> {
    let length = usize::from(reader.read_u16().await?);
    if length > FRAME_BYTES {
        return Err(Closed::TooLong(length));
    }
    let mut frame = vec![0; length];
    reader.read_exact(&mut frame).await?;
    Ok(frame)
}

async fn send_frames(mut writer: impl AsyncWrite + Unpin, outlet: &Outlet) -> Closed {
    let mut frame = Vec::with_capacity(FRAME_BYTES);
    loop {
        let contents = outlet.next().await;
        let Ok(length) = u16::try_from(contents.len()) else { continue };
        frame.clear();
        frame.extend(length.to_be_bytes());
        frame.extend(contents);
        if let Err(error) = writer.write_all(&frame).await {
            return error.into();
        }
    }
}

/// Ends with a stream whose requests the media server does not answer in time.
async fn expect_guest(outlet: &Outlet) -> Closed {
    let deadline = Instant::now() + KNOWN_WITHIN;
    let mut is_known = outlet.is_known.subscribe();
    tokio::select! {
        known = is_known.wait_for(|known| *known) => drop(known),
        () = sleep_until(deadline) => return Closed::Stranger,
    }
    std::future::pending().await
}

impl Outlet {
    fn put(&self, contents: Vec<u8>) {
        if contents.starts_with(&BINDING_SUCCESS) {
            self.is_known.send_if_modified(|known| !std::mem::replace(known, true));
        }
        let mut waiting = self.waiting.lock();
        if waiting.len() == WAITING {
            waiting.pop_front();
        }
        waiting.push_back(contents);
        drop(waiting);
        self.some.notify_one();
    }

    async fn next(&self) -> Vec<u8> {
        loop {
            if let Some(contents) = self.waiting.lock().pop_front() {
                return contents;
            }
            self.some.notified().await;
        }
    }
}

/// A stream on the list, until dropped.
struct Entry {
    streams: Arc<Mutex<Streams>>,
    port: u16,
    outlet: Arc<Outlet>,
}

impl Entry {
    /// Takes the next number in turn, so that what is on its way to a stream that ended reaches no other; none: all are
    /// taken.
    fn new(streams: Arc<Mutex<Streams>>) -> Option<Self> {
        let outlet = Arc::<Outlet>::default();
        let mut list = streams.lock();
        let ports = (0..=u16::MAX).map(|ahead| list.last_port.wrapping_add(ahead).wrapping_add(1));
        let port = ports.into_iter().find(|port| *port != 0 && !list.by_port.contains_key(port))?;
        list.last_port = port;
        list.by_port.insert(port, outlet.clone());
        drop(list);
        Some(Self { streams, port, outlet })
    }

    fn peer(&self) -> SocketAddr {
        (STREAMS, self.port).into()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.streams.lock().by_port.remove(&self.port);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    fn request(last: u8) -> Vec<u8> {
        let mut request = [&BINDING_REQUEST[..], &[0, 0], &COOKIE, &[7; 11], &[last]].concat();
        request.truncate(20);
        request
    }

    fn framed(contents: &[u8]) -> Vec<u8> {
        [&u16::try_from(contents.len()).unwrap().to_be_bytes()[..], contents].concat()
    }

    /// A house's streams and the media server behind them, played by the test.
    struct House {
        media: FramedMedia,
        arrivals: mpsc::Receiver<TunnelDatagram>,
        departures: mpsc::Sender<TunnelDatagram>,
    }

    fn house() -> House {
        let (to_media, arrivals) = mpsc::channel(WAITING);
        let (departures, from_media) = mpsc::channel(1_024);
        let end = TunnelEnd { arrivals: to_media, departures: from_media };
        let (media, carrying) = FramedMedia::new(end, CancellationToken::new());
        tokio::spawn(carrying);
        House { media, arrivals, departures }
    }

    fn join(house: &House, bytes: usize) -> (DuplexStream, tokio::task::JoinHandle<()>) {
        let (ours, theirs) = duplex(bytes);
        let media = house.media.clone();
        (ours, tokio::spawn(async move { media.carry(theirs).await }))
    }

    async fn next(stream: &mut DuplexStream) -> Vec<u8> {
        read_frame(stream).await.unwrap()
    }

    #[tokio::test]
    async fn each_frame_is_a_datagram_of_a_socket_of_its_own_however_the_stream_was_cut() {
        let mut house = house();
        let (mut one, _) = join(&house, 64);
        let (mut other, _) = join(&house, 64);
        for byte in [framed(&request(1)), framed(&[0x80, 9])].concat() {
            one.write_all(&[byte]).await.unwrap();
        }
        other.write_all(&framed(&request(2))).await.unwrap();
        let mut came = Vec::new();
        while came.len() < 3 {
            came.push(house.arrivals.recv().await.unwrap());
        }
        let one_s: Vec<_> = came.iter().filter(|datagram| datagram.contents != request(2)).collect();
        let other_s = came.iter().find(|datagram| datagram.contents == request(2)).unwrap();
        assert_eq!((&one_s[0].contents, &one_s[1].contents[..]), (&request(1), &[0x80, 9][..]));
        assert!(one_s[0].peer == one_s[1].peer && one_s[0].peer != other_s.peer);
        house.departures.send(TunnelDatagram { peer: other_s.peer, contents: vec![1, 1, 5] }).await.unwrap();
        assert_eq!(next(&mut other).await, [1, 1, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_not_known_to_the_media_server_is_closed_and_whoever_is_stays() {
        let mut house = house();
        let (mut stranger, closed) = join(&house, 64);
        stranger.write_all(&framed(&request(1))).await.unwrap();
        let (mut guest, stays) = join(&house, 64);
        guest.write_all(&framed(&request(2))).await.unwrap();
        let (one, other) = (house.arrivals.recv().await.unwrap(), house.arrivals.recv().await.unwrap());
        let known = if one.contents == request(2) { one } else { other };
        house.departures.send(TunnelDatagram { peer: known.peer, contents: BINDING_SUCCESS.into() }).await.unwrap();
        closed.await.unwrap();
        guest.write_all(&framed(&[0x80])).await.unwrap();
        assert_eq!(house.arrivals.recv().await.unwrap().contents, [0x80]);
        assert_eq!(house.media.streams.lock().by_port.len(), 1);
        // A guest that is silent is gone.
        stays.await.unwrap();
        assert_eq!(house.media.streams.lock().by_port.len(), 0);
    }

    #[tokio::test]
    async fn what_is_no_media_is_closed_at_once() {
        let house = house();
        for beginning in [framed(&[0x80; 12]), framed(&[0, 1, 0, 0, 9, 9, 9, 9]), vec![0xff, 0xff, 0], framed(&[])] {
            let (mut stream, closed) = join(&house, 64);
            stream.write_all(&beginning).await.unwrap();
            closed.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_gets_the_newest_of_what_waited() {
        let mut house = house();
        let (mut stream, _) = join(&house, 64);
        stream.write_all(&framed(&request(1))).await.unwrap();
        let peer = house.arrivals.recv().await.unwrap().peer;
        let last = 500_u16;
        for number in 1..=last {
            let contents = number.to_be_bytes().repeat(10);
            house.departures.send(TunnelDatagram { peer, contents }).await.unwrap();
        }
        // All of it has come to the outlet when the queue is free again.
        let _all = house.departures.reserve_many(1_024).await.unwrap();
        let (mut heard, mut frames) = (0, 0);
        while heard < last {
            let frame = next(&mut stream).await;
            heard = u16::from_be_bytes([frame[0], frame[1]]);
            frames += 1;
        }
        assert!(frames <= WAITING + 8, "{frames}");
    }

    proptest! {
        #[test]
        fn no_stream_of_bytes_does_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let house = house();
                let (mut stream, closed) = join(&house, 512);
                stream.write_all(&bytes).await.unwrap_or_default();
                drop(stream);
                closed.await.unwrap();
            });
        }
    }
}
