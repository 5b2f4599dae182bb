//! Media that reaches this computer another way than through its UDP sockets: datagrams in queues, under addresses that
//! no network has.
//!
//! The tunnel's own address is a candidate that no description announces: only a client that has a way to it knows it,
//! and everybody else would send checks to a stranger's network.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::core::Transmit;
use crate::statistics::SendErrors;

/// Datagrams that wait in one direction: 0.1 s of 100 listeners with 3 speakers. What does not fit is dropped, as a
/// full socket drops it.
const DATAGRAMS_WAITING: usize = 2048;

/// A datagram in a tunnel.
#[derive(Debug)]
pub struct TunnelDatagram {
    /// The address that stands for the client's socket, at which the media server answers.
    pub peer: SocketAddr,
    /// What would be a UDP payload.
    pub contents: Vec<u8>,
}

/// The media server's end.
pub struct Tunnel {
    address: SocketAddr,
    arrivals: mpsc::Receiver<TunnelDatagram>,
    departures: mpsc::Sender<TunnelDatagram>,
}

/// The end of whoever carries the datagrams.
#[derive(Debug)]
pub struct TunnelEnd {
    /// To the media server.
    pub arrivals: mpsc::Sender<TunnelDatagram>,
    /// From the media server.
    pub departures: mpsc::Receiver<TunnelDatagram>,
}

impl Tunnel {
    /// A tunnel whose media server is at this address, and its other end.
    pub fn new(address: SocketAddr) -> (Self, TunnelEnd) {
        let (arrivals_in, arrivals) = mpsc::channel(DATAGRAMS_WAITING);
        let (departures, departures_out) = mpsc::channel(DATAGRAMS_WAITING);
        (Self { address, arrivals, departures }, TunnelEnd { arrivals: arrivals_in, departures: departures_out })
    }

    /// The candidate that is not announced.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next datagram; none: nobody carries any more.
    pub(crate) async fn receive(&mut self) -> Option<TunnelDatagram> {
        self.arrivals.recv().await
    }

    /// A datagram that is there already.
    pub(crate) fn try_receive(&mut self) -> Option<TunnelDatagram> {
        self.arrivals.try_recv().ok()
    }

    /// Sends what goes this way; what is not taken is counted in `errors`.
    pub(crate) fn send(&self, transmit: Transmit, errors: &mut SendErrors) {
        let datagram = TunnelDatagram { peer: transmit.destination, contents: transmit.contents };
        if self.departures.try_send(datagram).is_err() {
            errors.count(&std::io::ErrorKind::WouldBlock.into());
        }
    }
}
