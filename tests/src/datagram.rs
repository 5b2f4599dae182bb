//! What a packet on the wire holds, as far as counting and impairing it needs: IPv4, UDP, RTP.

use std::net::Ipv4Addr;

const UDP: u8 = 17;
const UDP_HEADER_BYTES: usize = 8;
const RTP_HEADER_BYTES: usize = 12;

/// Where an IPv4 packet goes; `None` for anything else.
pub fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let address: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    (packet[0] >> 4 == 4).then(|| Ipv4Addr::from(address))
}

/// What a UDP datagram carries, inside its IPv4 packet; `None` for anything else, TCP above all.
pub fn udp_payload(packet: &[u8]) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    if *packet.get(9)? != UDP || packet[0] >> 4 != 4 {
        return None;
    }
    packet.get(header + UDP_HEADER_BYTES..)
}

/// How much an RTP packet carries behind its header (RFC 3550 section 5.1), authentication tag included; `None` for
/// everything else that shares the socket: STUN, DTLS (RFC 7983 section 7) and RTCP (RFC 5761 section 4).
pub fn rtp_payload_bytes(datagram: &[u8]) -> Option<usize> {
    let (first, second) = (*datagram.first()?, *datagram.get(1)?);
    if !(128..192).contains(&first) || (64..96).contains(&(second & 0x7f)) {
        return None;
    }
    let mut header = RTP_HEADER_BYTES + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = u16::from_be_bytes([*datagram.get(header + 2)?, *datagram.get(header + 3)?]);
        header += 4 + usize::from(words) * 4;
    }
    datagram.len().checked_sub(header)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An IPv4 packet without options from 10.0.0.1 to 10.0.0.2.
    fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend([0; UDP_HEADER_BYTES]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_datagram_is_unwrapped_and_tcp_is_none() {
        let udp = packet(UDP, b"voice");
        assert_eq!(udp_payload(&udp), Some(&b"voice"[..]));
        assert_eq!(destination(&udp), Some(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(udp_payload(&packet(6, b"voice")), None);
    }

    #[test]
    fn what_is_no_ipv4_or_cut_short_is_none() {
        let mut version_6 = packet(UDP, b"voice");
        version_6[0] = 0x60;
        assert_eq!((udp_payload(&version_6), destination(&version_6)), (None, None));
        for length in 0..28 {
            let cut = &packet(UDP, b"")[..length];
            assert_eq!(udp_payload(cut), None, "{length}");
        }
    }

    #[test]
    fn an_rtp_packets_payload_is_counted_without_header_and_extension() {
        let mut plain = vec![0x80, 111];
        plain.extend([0; 10 + 40]);
        assert_eq!(rtp_payload_bytes(&plain), Some(40));
        let mut extended = vec![0x90, 111];
        extended.extend([0; 10]);
        extended.extend([0xbe, 0xde, 0, 2]);
        extended.extend([0; 8 + 40]);
        assert_eq!(rtp_payload_bytes(&extended), Some(40));
        assert_eq!(rtp_payload_bytes(&extended[..14]), None);
    }

    #[test]
    fn stun_dtls_and_rtcp_are_no_voice() {
        for (first, second) in [(0, 1), (22, 254), (0x81, 200), (0x81, 201), (0x80, 206)] {
            let mut datagram = vec![first, second];
            datagram.extend([0; 60]);
            assert_eq!(rtp_payload_bytes(&datagram), None, "{first} {second}");
        }
    }
}
