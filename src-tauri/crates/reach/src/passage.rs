//! One guest's connection to one house, as both ends see it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use iroh::endpoint::{Connection, RecvStream, SendDatagramError, SendStream, VarInt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use crate::datagram::PassageDatagram;
use crate::{BROWSERS_ALPN, datagram};

/// An application error code for "no longer needed" (RFC 9000 section 20.2).
const DONE: u32 = 0;

/// The passage has ended.
#[derive(Debug, thiserror::Error)]
#[error("the passage has ended")]
pub struct Closed;

/// How packets of a passage go at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From router to router.
    Direct,
    /// Carried by a gate.
    Gate,
}

/// A passage. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Passage {
    connection: Connection,
}

impl Passage {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The public key of the other end. A guest's is thrown away with its process.
    pub fn other_end(&self) -> [u8; 32] {
        *self.connection.remote_id().as_bytes()
    }

    /// Is it a gate's own, in which it brings browsers? Whether the other end is a gate stands in its key alone.
    pub fn is_for_browsers(&self) -> bool {
        self.connection.alpn() == BROWSERS_ALPN
    }

    /// From now on the other end may have this many streams open at once.
    pub fn allow_streams(&self, number: u32) {
        self.connection.set_max_concurrent_bi_streams(VarInt::from_u32(number));
    }

    /// Opens a stream, as a client opens a TCP connection. The other end learns of it with the first byte.
    ///
    /// # Errors
    /// [`Closed`]. Waits while the other end takes no more streams.
    pub async fn open_stream(&self) -> Result<PassageStream, Closed> {
        let (send, receive) = self.connection.open_bi().await.map_err(|_| Closed)?;
        Ok(PassageStream { send, receive })
    }

    /// The next stream that the other end opens.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn accept_stream(&self) -> Result<PassageStream, Closed> {
        let (send, receive) = self.connection.accept_bi().await.map_err(|_| Closed)?;
        Ok(PassageStream { send, receive })
    }

    /// Sends a packet of a socket; false: it was dropped, because it is too large for the path or the passage is gone.
    /// It may be lost like any UDP packet; of those that wait the oldest go first.
    pub fn send(&self, socket: u16, packet: &[u8]) -> bool {
        match self.connection.send_datagram(datagram::write(socket, packet)) {
            Ok(()) => true,
            Err(SendDatagramError::TooLarge) => {
                tracing::debug!(bytes = packet.len(), "a packet is too large for the passage");
                false
            }
            Err(_) => false,
        }
    }

    /// The next packet. What cannot be read is passed over.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn receive(&self) -> Result<PassageDatagram, Closed> {
        loop {
            let bytes: Bytes = self.connection.read_datagram().await.map_err(|_| Closed)?;
            if let Some(datagram) = datagram::read(bytes) {
                return Ok(datagram);
            }
        }
    }

    /// How its packets go; none while no path is chosen.
    pub fn way(&self) -> Option<Way> {
        let paths = self.connection.paths();
        let chosen = paths.iter().find(|path| path.is_selected())?;
        Some(if chosen.is_relay() { Way::Gate } else { Way::Direct })
    }

    /// The same connection?
    pub fn is_same(&self, other: &Self) -> bool {
        self.connection.stable_id() == other.connection.stable_id()
    }

    /// Whether it has ended, whoever ended it.
    pub fn is_closed(&self) -> bool {
        self.connection.close_reason().is_some()
    }

    /// Until it has ended.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Ends it.
    pub fn close(&self) {
        self.connection.close(VarInt::from_u32(DONE), b"");
    }
}

/// What a TCP connection is elsewhere.
#[derive(Debug)]
pub struct PassageStream {
    send: SendStream,
    receive: RecvStream,
}

impl AsyncRead for PassageStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.receive), context, buffer)
    }
}

impl AsyncWrite for PassageStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.send), context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.send), context)
    }
}
