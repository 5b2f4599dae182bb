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
        writer.line(&format!("a=group:BUNDLE {}", bundle.join(" ")));
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
