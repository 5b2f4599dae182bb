//! The parts of a session description that our answers and offers share.

use std::fmt::Write;
use std::net::SocketAddr;

use str0m::config::Fingerprint;
use str0m::ice::IceCreds;

/// What a peer needs to reach one of our peer connections.
#[derive(Debug, Clone)]
pub(crate) struct Reachability {
    pub(crate) ice: IceCreds,
    pub(crate) fingerprint: Fingerprint,
    /// Host candidates in order of preference.
    pub(crate) candidates: Vec<SocketAddr>,
    /// Passive TCP candidates, likewise: for whoever has no UDP.
    pub(crate) streams: Vec<SocketAddr>,
}

/// The `o=` line's two numbers (RFC 8866 section 5.2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) session: u64,
    pub(crate) version: u64,
}

/// Largest data channel message we take: what clients announce themselves.
pub(crate) const MAX_MESSAGE_BYTES: u32 = 256 * 1024;

/// A description under construction. Lines end in CRLF (RFC 8866 section 5).
pub(crate) struct SdpWriter {
    text: String,
}

impl SdpWriter {
    /// Session lines. ICE-lite: we are reachable or we are not, and only answer checks.
    pub(crate) fn new(origin: Origin, bundle: &[&str]) -> Self {
        let mut writer = Self { text: String::with_capacity(4096) };
        writer.line("v=0");
        writer.line(&format!("o=- {} {} IN IP4 127.0.0.1", origin.session, origin.version));
        writer.line("s=-");
        writer.line("t=0 0");
        // A group of nothing is read as one of a section without a name.
        if !bundle.is_empty() {
            writer.line(&format!("a=group:BUNDLE {}", bundle.join(" ")));
        }
        writer.line("a=ice-lite");
        writer.line("a=msid-semantic: WMS *");
        writer
    }

    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str("\r\n");
    }

    pub(crate) fn attribute(&mut self, key: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "a={key}:{value}\r\n");
    }

    /// `m=` and `c=`. Port 9 is the placeholder of RFC 8839 section 4.2.1.
    pub(crate) fn media(&mut self, media: &str, port: u16, protocol: &str, formats: &str) {
        self.line(&format!("m={media} {port} {protocol} {formats}"));
        self.line("c=IN IP4 0.0.0.0");
    }

    /// How to reach us. Candidates stand in the first section only, since all others are bundled;
    /// with `end-of-candidates` no trickle message is needed.
    pub(crate) fn transport(&mut self, reach: &Reachability, setup: &str, with_candidates: bool) {
        if with_candidates {
            for (index, address) in reach.candidates.iter().enumerate() {
                self.attribute("candidate", host_candidate(index, *address));
            }
            for (index, address) in reach.streams.iter().enumerate() {
                self.attribute("candidate", stream_candidate(reach.candidates.len() + index, index, *address));
            }
            self.line("a=end-of-candidates");
        }
        self.attribute("ice-ufrag", &reach.ice.ufrag);
        self.attribute("ice-pwd", &reach.ice.pass);
        self.attribute("fingerprint", &reach.fingerprint);
        self.attribute("setup", setup);
    }

    /// The data channels' section after its `m=` line and transport.
    pub(crate) fn data(&mut self, mid: &str) {
        self.attribute("mid", mid);
        self.line("a=sctp-port:5000");
        self.attribute("max-message-size", MAX_MESSAGE_BYTES);
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// RFC 8839 section 5.1; priority after RFC 8445 section 5.1.2.1: host type 126, one component.
fn host_candidate(index: usize, address: SocketAddr) -> String {
    let local_preference = u32::from(u16::MAX).saturating_sub(index as u32);
    let priority = (126 << 24) | (local_preference << 8) | 255;
    format!("{} 1 udp {priority} {} {} typ host", index + 1, address.ip(), address.port())
}

/// RFC 6544 section 4.5; its section 4.2 puts the direction into the local preference, 4 for a passive host candidate,
/// so that each is behind every UDP candidate.
fn stream_candidate(foundation: usize, index: usize, address: SocketAddr) -> String {
    const PASSIVE: u32 = 4 << 13;
    const LARGEST: u32 = (1 << 13) - 1;
    let local_preference = PASSIVE | LARGEST.saturating_sub(index as u32);
    let priority = (126 << 24) | (local_preference << 8) | 255;
    let (ip, port) = (address.ip(), address.port());
    format!("{} 1 tcp {priority} {ip} {port} typ host tcptype passive", foundation + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn priority(candidate: &str) -> u32 {
        candidate.split(' ').nth(3).unwrap().parse().unwrap()
    }

    #[test]
    fn every_tcp_candidate_is_behind_every_udp_one() {
        let address: SocketAddr = "10.0.0.1:7410".parse().unwrap();
        let worst = priority(&host_candidate(80, address));
        let streams: Vec<String> = (0..20).map(|index| stream_candidate(80 + index, index, address)).collect();
        assert!(streams.iter().all(|stream| priority(stream) < worst));
        assert!(streams.windows(2).all(|pair| priority(&pair[0]) > priority(&pair[1])));
        assert!(streams[0].starts_with("81 1 tcp ") && streams[0].ends_with(" 10.0.0.1 7410 typ host tcptype passive"));
    }
}
