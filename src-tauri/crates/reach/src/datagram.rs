//! Datagrams of several UDP sockets in one passage: the socket's number, then the packet.

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes in front of a packet: the number, in network order.
pub(crate) const HEADER_BYTES: usize = 2;

/// A packet of one of the guest's sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassageDatagram {
    /// The number the guest gave to its socket.
    pub socket: u16,
    /// What would be a UDP payload.
    pub packet: Bytes,
}

pub(crate) fn write(socket: u16, packet: &[u8]) -> Bytes {
    let mut datagram = BytesMut::with_capacity(HEADER_BYTES + packet.len());
    datagram.put_u16(socket);
    datagram.put_slice(packet);
    datagram.freeze()
}

/// None: too short to be one.
pub(crate) fn read(datagram: Bytes) -> Option<PassageDatagram> {
    let socket = u16::from_be_bytes(*datagram.first_chunk::<HEADER_BYTES>()?);
    Some(PassageDatagram { socket, packet: datagram.slice(HEADER_BYTES..) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_without_a_packet_is_one_and_half_a_number_is_none() {
        assert_eq!(read(Bytes::from_static(&[1, 2])), Some(PassageDatagram { socket: 0x0102, packet: Bytes::new() }));
        assert_eq!(read(Bytes::from_static(&[1])), None);
        assert_eq!(read(Bytes::new()), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(socket: u16, packet in prop::collection::vec(any::<u8>(), 0..1500)) {
            let read = read(write(socket, &packet)).unwrap();
            prop_assert_eq!(read.socket, socket);
            prop_assert_eq!(&read.packet[..], &packet[..]);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(bytes.into());
        }
    }
}
