//! UDP sockets behind a door: numbers in the passage's datagrams, with a queue for each.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use parking_lot::Mutex;
use serambi_protocol::limits::PASSAGE_MEDIA;
use serambi_reach::{Closed, Passage, PassageDatagram};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Packets that wait for one socket's reader: a second of twelve voices. What does not fit is dropped.
const PACKETS_WAITING: usize = 600;

/// The sockets of one door.
#[derive(Debug)]
pub(crate) struct Packets {
    passage: Passage,
    next: AtomicU16,
    queues: Mutex<HashMap<u16, mpsc::Sender<Bytes>>>,
}

impl Packets {
    pub(crate) fn new(passage: Passage) -> Self {
        Self { passage, next: AtomicU16::new(1), queues: Mutex::default() }
    }
}

/// Gives each packet of the passage to its socket, until the passage ends or the door closes.
pub(crate) async fn carry_arrivals(passage: Passage, packets: Arc<Packets>, stop: CancellationToken) {
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = passage.receive() => received,
        };
        let PassageDatagram { socket, packet } = match received {
            Ok(datagram) => datagram,
            Err(Closed) => return,
        };
        let queue = packets.queues.lock().get(&socket).cloned();
        if queue.is_none_or(|queue| queue.try_send(packet).is_err()) {
            tracing::trace!(socket, "a packet that nobody takes");
        }
    }
}

/// A UDP socket behind a door. It reaches the house's media server and nobody else.
#[derive(Debug)]
pub(crate) struct DoorPackets {
    packets: Arc<Packets>,
    socket: u16,
    queue: Mutex<mpsc::Receiver<Bytes>>,
}

impl DoorPackets {
    pub(crate) fn new(packets: Arc<Packets>) -> Self {
        let (sender, queue) = mpsc::channel(PACKETS_WAITING);
        // Numbers come round after 65,536 sockets of one passage; a call has two.
        let socket = packets.next.fetch_add(1, Ordering::Relaxed);
        packets.queues.lock().insert(socket, sender);
        Self { packets, socket, queue: Mutex::new(queue) }
    }

    /// The only address it reaches.
    pub(crate) const fn peer() -> SocketAddr {
        SocketAddr::V4(PASSAGE_MEDIA)
    }

    /// Sends a packet, or drops it, as UDP may.
    pub(crate) fn send(&self, packet: &[u8]) {
        self.packets.passage.send(self.socket, packet);
    }

    /// The next packet; none once the passage has ended.
    pub(crate) fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.queue.lock().poll_recv(context)
    }
}

impl Drop for DoorPackets {
    fn drop(&mut self) {
        self.packets.queues.lock().remove(&self.socket);
    }
}
