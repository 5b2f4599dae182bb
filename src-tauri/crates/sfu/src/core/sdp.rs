//! Session descriptions of clients, read into what an audio room needs to know.
//!
//! The reader takes any text: unknown lines are skipped, wrong ones make an error, nothing panics.

use str0m::config::Fingerprint;
use str0m::ice::IceCreds;
use thiserror::Error;

/// Python's SDK grows by one section per publication; stages are not that restless.
const MAX_SECTIONS: usize = 256;

/// A 24-section offer of a browser has about 60 kB.
const MAX_LENGTH_BYTES: usize = 512 * 1024;

/// ICE fragments and passwords are at most 256 characters (RFC 8839 section 5.4).
const MAX_ICE_CHARACTERS: usize = 256;

/// Why a session description of a client cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SdpError {
    /// Longer than any real description.
    #[error("description of {0} bytes is too long")]
    TooLong(usize),
    /// More `m=` lines than any real description.
    #[error("more than {MAX_SECTIONS} media sections")]
    TooManySections,
    /// An `m=` line that does not parse.
    #[error("media line does not parse")]
    MediaLine,
    /// No `a=ice-ufrag` and `a=ice-pwd`.
    #[error("no usable ICE credentials")]
    Credentials,
    /// No `a=fingerprint` with SHA-256.
    #[error("no usable certificate fingerprint")]
    Fingerprint,
    /// A section without `a=mid`.
    #[error("a media section has no mid")]
    Mid,
}

/// What a media section carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Audio,
    /// Video and whatever else we do not carry.
    Refused,
    Data,
}

/// Direction as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub(crate) fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
}

/// Who starts the DTLS handshake, as the client wrote it (RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    ActPass,
    Active,
    Passive,
}

/// One `m=` section of a client's description.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    /// First word of the `m=` line, to be given back as it came.
    pub(crate) media: String,
    /// Third word of the `m=` line.
    pub(crate) protocol: String,
    /// Rest of the `m=` line.
    pub(crate) formats: String,
    /// Port 0 without `a=bundle-only`: the client refuses or has stopped this section.
    pub(crate) rejected: bool,
    pub(crate) mid: String,
    pub(crate) direction: Direction,
    /// Payload type the client gave to `opus/48000/2`.
    pub(crate) opus: Option<u8>,
    /// First `a=rtpmap`, as it came.
    pub(crate) first_rtpmap: Option<String>,
    /// First `a=ssrc`.
    pub(crate) ssrc: Option<u32>,
    /// Second word of `a=msid`: the client's id of the track.
    pub(crate) msid_track: Option<String>,
}

/// A client's offer or answer.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    pub(crate) sections: Vec<Section>,
    /// Mids of the `BUNDLE` group, in order.
    pub(crate) bundle: Vec<String>,
    pub(crate) ice: IceCreds,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) setup: Setup,
}

/// Attributes that may stand at session level or in a section.
#[derive(Default)]
struct TransportLines {
    ufrag: Option<String>,
    pwd: Option<String>,
    fingerprint: Option<Fingerprint>,
    setup: Option<Setup>,
}

impl Description {
    /// Reads a description. Transport attributes are taken from the first place that has them:
    /// libwebrtc writes them in each section, pion and Firefox put the fingerprint at session level.
    pub(crate) fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_LENGTH_BYTES {
            return Err(SdpError::TooLong(text.len()));
        }
        let mut sections: Vec<Section> = Vec::new();
        let mut bundle = Vec::new();
        let mut transport = TransportLines::default();
        for line in text.lines() {
            let Some((kind, value)) = line.trim_end().split_once('=') else {
                continue;
            };
            match kind {
                "m" if sections.len() == MAX_SECTIONS => return Err(SdpError::TooManySections),
                "m" => sections.push(Section::parse_media_line(value)?),
                "a" => {
                    let (key, value) = value.split_once(':').unwrap_or((value, ""));
                    transport.read(key, value);
                    match sections.last_mut() {
                        Some(section) => section.read(key, value),
                        None if key == "group" => bundle = parse_bundle(value),
                        None => {}
                    }
                }
                _ => {}
            }
        }
        if sections.iter().any(|section| section.mid.is_empty()) {
            return Err(SdpError::Mid);
        }
        let (Some(ufrag), Some(pass)) = (transport.ufrag, transport.pwd) else {
            return Err(SdpError::Credentials);
        };
        Ok(Self {
            sections,
            bundle,
            ice: IceCreds { ufrag, pass },
            fingerprint: transport.fingerprint.ok_or(SdpError::Fingerprint)?,
            setup: transport.setup.unwrap_or(Setup::ActPass),
        })
    }
}

impl TransportLines {
    fn read(&mut self, key: &str, value: &str) {
        match key {
            "ice-ufrag" => keep_first(&mut self.ufrag, ice_text(value)),
            "ice-pwd" => keep_first(&mut self.pwd, ice_text(value)),
            "fingerprint" => keep_first(&mut self.fingerprint, parse_fingerprint(value)),
            "setup" => keep_first(
                &mut self.setup,
                match value {
                    "actpass" => Some(Setup::ActPass),
                    "active" => Some(Setup::Active),
                    "passive" => Some(Setup::Passive),
                    _ => None,
                },
            ),
            _ => {}
        }
    }
}

impl Section {
    fn parse_media_line(value: &str) -> Result<Self, SdpError> {
        let mut words = value.splitn(4, ' ');
        let (Some(media), Some(port), Some(protocol), Some(formats)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(SdpError::MediaLine);
        };
        let port: u16 = port.parse().map_err(|_| SdpError::MediaLine)?;
        let kind = match media {
            "audio" => SectionKind::Audio,
            "application" => SectionKind::Data,
            _ => SectionKind::Refused,
        };
        Ok(Self {
            kind,
            media: media.to_owned(),
            protocol: protocol.to_owned(),
            formats: formats.to_owned(),
            rejected: port == 0,
            mid: String::new(),
            direction: Direction::SendRecv,
            opus: None,
            first_rtpmap: None,
            ssrc: None,
            msid_track: None,
        })
    }

    fn read(&mut self, key: &str, value: &str) {
        match key {
            "mid" => self.mid = value.to_owned(),
            "sendrecv" => self.direction = Direction::SendRecv,
            "sendonly" => self.direction = Direction::SendOnly,
            "recvonly" => self.direction = Direction::RecvOnly,
            "inactive" => self.direction = Direction::Inactive,
            // Firefox gives port 0 to sections that are to be bundled: not a refusal.
            "bundle-only" => self.rejected = false,
            "rtpmap" => {
                keep_first(&mut self.opus, parse_opus(value));
                keep_first(&mut self.first_rtpmap, Some(value.to_owned()));
            }
            "ssrc" => keep_first(&mut self.ssrc, parse_ssrc(value)),
            "msid" => {
                let track = value.split_whitespace().nth(1);
                keep_first(&mut self.msid_track, track.map(str::to_owned));
            }
            _ => {}
        }
    }
}

fn keep_first<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

fn ice_text(value: &str) -> Option<String> {
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/' || byte == b'-');
    let fits = (4..=MAX_ICE_CHARACTERS).contains(&value.len());
    (plain && fits).then(|| value.to_owned())
}

/// `BUNDLE mid mid …`; other groups do not concern us.
fn parse_bundle(value: &str) -> Vec<String> {
    let mut words = value.split_whitespace();
    if words.next() != Some("BUNDLE") {
        return Vec::new();
    }
    words.map(str::to_owned).collect()
}

/// `111 opus/48000/2` → 111. Encoding names are case-insensitive (RFC 8866 section 6.6).
fn parse_opus(value: &str) -> Option<u8> {
    let (number, codec) = value.split_once(' ')?;
    let number: u8 = number.parse().ok()?;
    let is_opus = codec.trim().eq_ignore_ascii_case("opus/48000/2");
    (is_opus && number < 128).then_some(number)
}

fn parse_ssrc(value: &str) -> Option<u32> {
    let number: u32 = value.split_whitespace().next()?.parse().ok()?;
    (number != 0).then_some(number)
}

fn parse_fingerprint(value: &str) -> Option<Fingerprint> {
    let (hash, digits) = value.split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let bytes: Option<Vec<u8>> = digits
        .trim()
        .split(':')
        .map(|pair| {
            let two_digits = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
            two_digits.then(|| u8::from_str_radix(pair, 16).ok())?
        })
        .collect();
    let bytes = bytes.filter(|bytes| bytes.len() == 32)?;
    Some(Fingerprint { hash_func: "sha-256".to_owned(), bytes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn offer(section: &str) -> String {
        let digest = ["AB"; 32].join(":");
        format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
             a=fingerprint:sha-256 {digest}\r\na=setup:actpass\r\n{section}"
        )
    }

    #[test]
    fn a_bundle_only_section_with_port_0_is_not_rejected() {
        let text = offer("m=audio 0 UDP/TLS/RTP/SAVPF 109\r\na=mid:0\r\na=bundle-only\r\n");
        assert!(!Description::parse(&text).unwrap().sections[0].rejected);
        let text = offer("m=audio 0 UDP/TLS/RTP/SAVPF 109\r\na=mid:0\r\n");
        assert!(Description::parse(&text).unwrap().sections[0].rejected);
    }

    #[test]
    fn the_clients_own_opus_number_is_read() {
        let text = offer(
            "m=audio 9 UDP/TLS/RTP/SAVPF 109 9\r\na=mid:0\r\na=sendonly\r\n\
             a=rtpmap:9 G722/8000\r\na=rtpmap:109 opus/48000/2\r\na=msid:{s} {t}\r\na=ssrc:77 cname:x\r\n",
        );
        let section = &Description::parse(&text).unwrap().sections[0];
        assert_eq!(section.opus, Some(109));
        assert_eq!(section.ssrc, Some(77));
        assert_eq!(section.msid_track.as_deref(), Some("{t}"));
        assert!(section.direction.sends());
    }

    #[test]
    fn a_description_without_a_fingerprint_is_refused() {
        let text = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";
        assert_eq!(Description::parse(text).unwrap_err(), SdpError::Fingerprint);
    }
}
