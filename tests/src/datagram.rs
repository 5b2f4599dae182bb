//! What a packet on the wire holds, as far as counting and impairing it needs: IPv4, UDP, RTP, and how much of it is
//! Opus.

use std::net::Ipv4Addr;

const TCP: u8 = 6;
const UDP: u8 = 17;
const UDP_HEADER_BYTES: usize = 8;
const RTP_HEADER_BYTES: usize = 12;

/// In front of what Mumble encrypts (its protocol documentation, "Encryption").
const MUMBLE_CRYPT_BYTES: usize = 4;
/// Kind and target 1, session 1, number 2 (the same, "Audio data packet"). The number counts 10 ms from the moment a
/// client begins to transmit; it takes two bytes from 1.3 s to 164 s.
const MUMBLE_VOICE_BYTES: usize = 4;
/// The length in front of an Opus packet takes a second byte from this length on.
const MUMBLE_LONG_OPUS_BYTES: usize = 128;
/// Kind 1 and time 9: what is no longer is no voice.
const MUMBLE_PING_BYTES: usize = 10;

/// What a UDP datagram carries, as far as it can be seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Bytes behind the UDP header.
    pub bytes: usize,
    /// If it is RTP: bytes behind its header, authentication tag included.
    pub rtp_payload_bytes: Option<usize>,
}

impl Carried {
    /// Of an IPv4 packet; `None` for anything but UDP, TCP above all.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let payload = udp_payload(packet)?;
        Some(Self { bytes: payload.len(), rtp_payload_bytes: rtp_payload_bytes(payload) })
    }
}

/// How a program wraps an Opus packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// In SRTP with an authentication tag of so many bytes behind the payload.
    Srtp {
        /// 10 or 16 for the usual profiles.
        tag_bytes: usize,
    },
    /// As Mumble's server sends it on.
    Mumble,
}

impl Wrapping {
    /// Bytes of the Opus packet in a datagram, its padding with copies of earlier frames included; `None` if it is no
    /// voice.
    pub fn opus_bytes(self, carried: Carried) -> Option<usize> {
        match self {
            Self::Srtp { tag_bytes } => carried.rtp_payload_bytes?.checked_sub(tag_bytes),
            Self::Mumble => {
                let plain = carried.bytes.checked_sub(MUMBLE_CRYPT_BYTES).filter(|bytes| *bytes > MUMBLE_PING_BYTES)?;
                let with_length = plain - MUMBLE_VOICE_BYTES;
                Some(if with_length > MUMBLE_LONG_OPUS_BYTES { with_length - 2 } else { with_length - 1 })
            }
        }
    }
}

/// Where an IPv4 packet goes; `None` for anything else.
pub fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let address: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    (packet[0] >> 4 == 4).then(|| Ipv4Addr::from(address))
}

/// Is it a TCP segment in an IPv4 packet?
pub fn is_tcp(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 4) && packet.get(9) == Some(&TCP)
}

/// Is it a TCP segment that begins with a frame of media (RFC 4571: the length, then STUN, DTLS or RTP)? Frames are
/// sent one by one, and a segment that is said again begins with one; TLS and HTTP begin with other bytes.
pub fn is_framed_media(packet: &[u8]) -> bool {
    let framed = || {
        let ip_header = usize::from(packet.first()? & 0x0f) * 4;
        let tcp_header = usize::from(packet.get(ip_header + 12)? >> 4) * 4;
        let frame = packet.get(ip_header + tcp_header..)?;
        let length = usize::from(u16::from_be_bytes(*frame.first_chunk()?));
        Some(length > 0 && length + 2 <= frame.len() && matches!(frame.get(2)?, 0..=3 | 20..=63 | 128..=191))
    };
    is_tcp(packet) && framed().unwrap_or_default()
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
/// everything else that shares the socket: STUN, DTLS (RFC 7983 section 7), RTCP (RFC 5761 section 4), and RTP with
/// padding, which programs send to try a path out and whose length is encrypted.
pub fn rtp_payload_bytes(datagram: &[u8]) -> Option<usize> {
    let (first, second) = (*datagram.first()?, *datagram.get(1)?);
    let is_padded = first & 0x20 != 0;
    if !(128..192).contains(&first) || is_padded || (64..96).contains(&(second & 0x7f)) {
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

    /// An RTP packet of version 2 with so many contributing sources and words of extension, if any, before its payload.
    fn rtp(sources: u8, extension_words: Option<u16>, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80 | sources | if extension_words.is_some() { 0x10 } else { 0 }, 111];
        bytes.extend([0; 10]);
        bytes.extend(vec![7; 4 * usize::from(sources)]);
        if let Some(words) = extension_words {
            bytes.extend([0xbe, 0xde]);
            bytes.extend(words.to_be_bytes());
            bytes.extend(vec![1; 4 * usize::from(words)]);
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn of_srtp_neither_sources_nor_extensions_nor_the_tag_count_as_opus() {
        for tag_bytes in [10, 16] {
            let payload = vec![0; 80 + tag_bytes];
            for (sources, words) in [(0, None), (2, None), (0, Some(0)), (0, Some(1)), (3, Some(2)), (15, Some(9))] {
                let carried = Carried::of(&packet(UDP, &rtp(sources, words, &payload))).unwrap();
                assert_eq!(Wrapping::Srtp { tag_bytes }.opus_bytes(carried), Some(80), "{sources} {words:?}");
            }
        }
    }

    #[test]
    fn of_what_shares_srtps_socket_nothing_counts_as_opus() {
        let srtp = Wrapping::Srtp { tag_bytes: 16 };
        let (stun, dtls, rtcp) = (vec![0, 1, 0, 8], vec![22; 90], [vec![0x81, 200], vec![0; 70]].concat());
        let (too_short, padding) = (rtp(0, Some(1), &[0; 15]), [vec![0xa0, 111], vec![0; 10 + 255]].concat());
        for other in [stun, dtls, rtcp, too_short, padding] {
            assert_eq!(srtp.opus_bytes(Carried::of(&packet(UDP, &other)).unwrap()), None, "{other:?}");
        }
        assert_eq!(Carried::of(&packet(6, &rtp(0, None, &[0; 96]))), None);
    }

    #[test]
    fn mumbles_headers_and_pings_are_no_opus() {
        // Encryption, kind and target, session, number; then the length of what follows.
        let voice = |length: &[u8], opus: usize| [&[9; 4][..], &[0x80, 5, 0x81, 0x10], length, &vec![3; opus]].concat();
        for (length, opus) in [(&[100][..], 100), (&[127], 127), (&[0x80, 128], 128), (&[0x81, 0x2c], 300)] {
            let carried = Carried::of(&packet(UDP, &voice(length, opus))).unwrap();
            assert_eq!(Wrapping::Mumble.opus_bytes(carried), Some(opus));
        }
        let ping = packet(UDP, &[[9; 4].as_slice(), &[0x20], &[0xf4, 1, 2, 3, 4, 5, 6, 7, 8]].concat());
        assert_eq!(Wrapping::Mumble.opus_bytes(Carried::of(&ping).unwrap()), None);
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
