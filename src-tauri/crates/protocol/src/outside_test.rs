//! What a house asks of a gate about an address outside (`POST /gate/test`), and what the gate sends to that address.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    code::{Code, Refusal},
    link::Pin,
};

/// Where a gate takes the question.
pub const TEST_PATH: &str = "/gate/test";
/// The first bytes of a probe. 's' begins neither STUN nor DTLS nor RTP (RFC 7983).
const PROBE_HEAD: &[u8; 16] = b"serambi/probe/1:";
/// Randomness of a probe.
const SECRET_BYTES: usize = 16;

/// Whether this address leads to the house that asks. A gate goes to no other address than the one the question came
/// from, and only for whoever has its token (`Authorization: Bearer`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestOutside {
    /// A name, or an address without brackets.
    pub host: String,
    /// Where the house's TLS is reached there.
    pub tcp: u16,
    /// Where its media is; none: another server carries it.
    pub udp: Option<u16>,
    /// The certificate's fingerprint: somebody else may answer there.
    pub pin: Pin,
    /// What the media server sends back.
    pub probe: Probe,
}

/// The house answers at that address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideAnswered {
    /// How long TCP and TLS took.
    pub ms: u32,
    /// Whether a datagram came back; none: nobody asked for that.
    pub udp: Option<bool>,
}

/// A datagram that only a house and the gate it asked know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Probe([u8; SECRET_BYTES]);

impl Probe {
    /// The probe with these random bytes.
    pub const fn new(secret: [u8; SECRET_BYTES]) -> Self {
        Self(secret)
    }

    /// What is sent, and what comes back.
    pub fn datagram(&self) -> Vec<u8> {
        [&PROBE_HEAD[..], &self.0].concat()
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe(…)")
    }
}

impl TryFrom<String> for Probe {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| Refusal::new(Code::BadRequest, "the probe has another length"))
    }
}

impl From<Probe> for String {
    fn from(probe: Probe) -> String {
        URL_SAFE_NO_PAD.encode(probe.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_question_is_read_as_it_was_written() {
        let asked = TestOutside {
            host: "203.0.113.7".to_owned(),
            tcp: 443,
            udp: Some(9000),
            pin: Pin::from_digest(&[1; 32]),
            probe: Probe::new([7; 16]),
        };
        let json = serde_json::to_value(&asked).unwrap();
        assert_eq!(json["probe"], "BwcHBwcHBwcHBwcHBwcHBw");
        assert_eq!(serde_json::from_value::<TestOutside>(json).unwrap(), asked);
        assert!(Probe::try_from("BwcH".to_owned()).is_err());
    }

    #[test]
    fn a_probe_is_nothing_else_that_comes_to_a_media_port() {
        let datagram = Probe::new([7; 16]).datagram();
        assert_eq!(datagram.len(), 32);
        assert!((80..128).contains(&datagram[0]), "not assigned by RFC 7983");
    }
}
