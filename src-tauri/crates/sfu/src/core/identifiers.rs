//! Names the server gives: sids, ICE credentials, SSRCs. All come from one seeded generator.

use livekit_protocol::{TrackSource, TrackType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use str0m::ice::IceCreds;
use str0m::rtp::Ssrc;

use super::detour::Detour;

/// 57 characters without look-alikes, the alphabet LiveKit servers use for sids.
/// All of them are also `ice-char`s (RFC 8839 section 5.4).
const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// 57^12 is about 2^70: no two sids of a house meet by chance.
const SID_CHARACTERS: usize = 12;

/// RFC 8839 section 5.4 asks for 4; the fragment is also our demultiplexing key, so more.
const UFRAG_CHARACTERS: usize = 12;

/// RFC 8839 section 5.4 asks for 22 characters, 128 bits.
const PASSWORD_CHARACTERS: usize = 24;

/// The one source of chance in the core.
pub(crate) struct Identifiers {
    rng: StdRng,
}

impl Identifiers {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { rng: StdRng::from_seed(seed) }
    }

    pub(crate) fn room(&mut self) -> String {
        format!("RM_{}", self.characters(SID_CHARACTERS))
    }

    pub(crate) fn participant(&mut self) -> String {
        format!("PA_{}", self.characters(SID_CHARACTERS))
    }

    pub(crate) fn node(&mut self) -> String {
        format!("ND_{}", self.characters(SID_CHARACTERS))
    }

    /// A track sid says type and source in its first two letters: clients read them.
    pub(crate) fn track(&mut self, kind: TrackType, source: TrackSource) -> String {
        let kind = match kind {
            TrackType::Video => 'V',
            TrackType::Audio | TrackType::Data => 'A',
        };
        let source = match source {
            TrackSource::Camera => 'C',
            TrackSource::ScreenShare => 'S',
            TrackSource::ScreenShareAudio => 's',
            TrackSource::Microphone | TrackSource::Unknown => 'M',
        };
        format!("TR_{kind}{source}{}", self.characters(SID_CHARACTERS - 2))
    }

    /// Of a client that comes directly, or by a detour.
    pub(crate) fn ice_credentials(&mut self, detour: Option<&Detour>) -> IceCreds {
        let beginning = detour.map_or("", |detour| &detour.fragment);
        let ufrag = format!("{beginning}{}", self.characters(UFRAG_CHARACTERS));
        IceCreds { ufrag, pass: self.characters(PASSWORD_CHARACTERS) }
    }

    /// Zero is what bandwidth probes use, so it never names a stream.
    pub(crate) fn ssrc(&mut self) -> Ssrc {
        loop {
            let number = self.rng.next_u32();
            if number != 0 {
                return number.into();
            }
        }
    }

    /// The session id of an `o=` line, below 2^62 as RFC 9429 section 5.2.1 advises.
    pub(crate) fn sdp_session(&mut self) -> u64 {
        self.rng.next_u64() >> 2
    }

    fn characters(&mut self, count: usize) -> String {
        let mut text = String::with_capacity(count);
        while text.len() < count {
            // Take 6 bits at a time and throw away what falls off the alphabet: no modulo bias.
            let index = (self.rng.next_u32() & 0x3f) as usize;
            if let Some(character) = ALPHABET.get(index) {
                text.push(char::from(*character));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_names() {
        let mut one = Identifiers::new([7; 32]);
        let mut two = Identifiers::new([7; 32]);
        assert_eq!(one.participant(), two.participant());
        assert_eq!(one.ice_credentials(None), two.ice_credentials(None));
    }

    #[test]
    fn a_track_sid_tells_type_and_source() {
        let mut names = Identifiers::new([0; 32]);
        let sid = names.track(TrackType::Audio, TrackSource::Microphone);
        assert!(sid.starts_with("TR_AM"));
        assert_eq!(sid.len(), 3 + SID_CHARACTERS);
    }
}
