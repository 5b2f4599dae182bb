//! What one turn of the media thread reads, in one piece of memory that is used again.

use std::net::SocketAddr;
use std::ops::Range;

use tokio::net::UdpSocket;

use crate::tunnel::{Tunnel, TunnelDatagram};

/// Datagrams taken from one source in one turn: more than a full stage sends while a turn lasts.
const DATAGRAMS_PER_TURN: usize = 1024;

/// Larger than any datagram the engine makes or takes.
const DATAGRAM_BYTES: usize = 2048;

/// Datagrams that wait to be worked off.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Bytes in use.
    end: usize,
    pub(crate) arrivals: Vec<Arrival>,
}

pub(crate) struct Arrival {
    pub(crate) source: SocketAddr,
    pub(crate) local: SocketAddr,
    range: Range<usize>,
}

impl Inbox {
    pub(crate) fn clear(&mut self) {
        self.arrivals.clear();
        self.end = 0;
    }

    pub(crate) fn contents(&self, arrival: &Arrival) -> &[u8] {
        self.bytes.get(arrival.range.clone()).unwrap_or_default()
    }

    /// Takes what waits at the sockets; `announced` are their addresses.
    pub(crate) fn fill_from_sockets(&mut self, sockets: &[UdpSocket], announced: &[SocketAddr]) {
        for (socket, local) in sockets.iter().zip(announced) {
            for _ in 0..DATAGRAMS_PER_TURN {
                match socket.try_recv_from(self.free(DATAGRAM_BYTES)) {
                    Ok((length, source)) => self.keep(source, *local, length),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    // Windows reports an earlier send that nobody took; the socket is fine.
                    Err(_) => {}
                }
            }
        }
    }

    /// Takes what waits in the tunnel.
    pub(crate) fn fill_from_tunnel(&mut self, tunnel: &mut Tunnel) {
        for _ in 0..DATAGRAMS_PER_TURN {
            let Some(datagram) = tunnel.try_receive() else { return };
            self.push(datagram, tunnel.address());
        }
    }

    /// Takes one datagram of the tunnel. The engine takes no longer ones than a socket gives.
    pub(crate) fn push(&mut self, datagram: TunnelDatagram, local: SocketAddr) {
        let length = datagram.contents.len().min(DATAGRAM_BYTES);
        self.free(length).iter_mut().zip(&datagram.contents).for_each(|(to, from)| *to = *from);
        self.keep(datagram.peer, local, length);
    }

    fn free(&mut self, wanted: usize) -> &mut [u8] {
        let end = self.end + wanted;
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes.get_mut(self.end..end).unwrap_or_default()
    }

    fn keep(&mut self, source: SocketAddr, local: SocketAddr, length: usize) {
        self.arrivals.push(Arrival { source, local, range: self.end..self.end + length });
        self.end += length;
    }
}
