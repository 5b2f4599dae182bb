//! A UDP socket behind a door, as `webrtc` takes sockets.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    task::{Context, Poll},
};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use crate::doors::DoorPackets;

/// It is known by the address of a socket of loopback, which is kept so that nobody else gets the same one.
#[derive(Debug)]
pub(super) struct DoorSocket {
    packets: DoorPackets,
    place: std::net::UdpSocket,
}

impl DoorSocket {
    pub(super) fn new(packets: DoorPackets, place: std::net::UdpSocket) -> Self {
        Self { packets, place }
    }
}

impl AsyncUdpSocket for DoorSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.place.local_addr()
    }

    fn poll_send(&self, _context: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.packets.send(transmit.contents);
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        let packet = match self.packets.poll_receive(context) {
            Poll::Ready(Some(packet)) => packet,
            // Nothing comes any more; that the peer connection finds out as with any path that dies.
            Poll::Ready(None) | Poll::Pending => return Poll::Pending,
        };
        let length = packet.len().min(buffer.len());
        buffer.iter_mut().zip(&packet).for_each(|(to, from)| *to = *from);
        *meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (DoorPackets::peer(), length, length.max(1));
        Poll::Ready(Ok(1))
    }

    fn max_gso_segments(&self) -> usize {
        1
    }

    fn max_gro_segments(&self) -> usize {
        1
    }
}
