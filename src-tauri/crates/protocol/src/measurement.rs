//! What clients measure and tell each other through their house: what listeners miss, and when a sound was made.
//!
//! These are passing words: not numbered, not kept for a client that is away, not repeated. A lost one is made good by
//! the next a few seconds later. A client says them only to a house that has shown its clock (see
//! [`crate::api::ChannelTell::Pong`]); an older house would take them for rubbish.

use serde::{Deserialize, Serialize};

use crate::id::{PersonId, RoomId};

/// A moment by the house's monotonic clock: microseconds since the house was opened. One clock for everybody in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HouseTime(pub i64);

impl HouseTime {
    /// Microseconds from `earlier` to this moment; negative if `earlier` is later.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `micros` later (earlier if negative).
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// What one listener received of one voice since its last report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VoiceHeard {
    /// Whose voice.
    pub person: PersonId,
    /// Packets that came in.
    pub packets: u32,
    /// Share of its frames that never came, 0 to 1.
    pub loss: f32,
    /// Mean length of a row of missing frames, frames; 0 if none is missing, otherwise at least 1.
    pub mean_burst: f32,
}

impl VoiceHeard {
    /// Can somebody have measured this?
    pub fn is_plausible(&self) -> bool {
        (0.0..=1.0).contains(&self.loss) && (0.0..=LONGEST_BURST_FRAMES).contains(&self.mean_burst)
    }
}

/// A minute of frames of 20 ms: whoever misses more in a row hears nothing to report.
const LONGEST_BURST_FRAMES: f32 = 3_000.0;

/// A listener's report about every voice it heard, sent each [`crate::limits::LISTENER_REPORT_MS`] while somebody on
/// stage is unmuted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListenerReport {
    /// Which room.
    pub room: RoomId,
    /// At most [`crate::limits::STAGE_PEOPLE`] voices, none twice. Empty: nothing was heard.
    pub voices: Vec<VoiceHeard>,
}

/// What all listeners together report about one voice: one message to its speaker, however many they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VoiceReception {
    /// People whose reports were heard lately, the speaker not counted.
    pub listeners: u32,
    /// How many of them received something of this voice in the last interval.
    pub received_by: u32,
    /// What they miss of it; nothing if nobody says that any of it came.
    pub loss: Option<VoiceLoss>,
}

/// How much of a voice its listeners miss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VoiceLoss {
    /// The least share anybody misses, 0 to 1: what is lost before the ways part, on the speaker's own uplink.
    pub least: f32,
    /// The share missed by the best of the worst twentieth; of fewer than 20 listeners by the worst.
    pub worst: f32,
    /// Mean length of a row of missing frames at that listener, frames.
    pub mean_burst: f32,
}

/// When a sound was made: ties one packet of a voice to the house's clock. Sent each
/// [`crate::limits::CAPTURE_MARK_MS`] while the voice goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaptureMark {
    /// The packet's RTP timestamp, 48 kHz, as it is on the wire.
    pub timestamp: u32,
    /// When the first sample of the packet reached the microphone, the device's own latency taken into account.
    pub captured: HouseTime,
    /// When the packet left.
    pub sent: HouseTime,
}

/// No microphone and no network takes longer than this, microseconds.
const LONGEST_WAY_MICROS: i64 = 10_000_000;

impl CaptureMark {
    /// Can this be about a packet of the last seconds?
    pub fn is_plausible(&self, now: HouseTime) -> bool {
        let age = now.micros_since(self.sent);
        self.captured.0 >= 0
            && (0..=LONGEST_WAY_MICROS).contains(&self.sent.micros_since(self.captured))
            && (-LONGEST_WAY_MICROS..=LONGEST_WAY_MICROS).contains(&age)
    }
}

/// The way of a packet through the house's own media server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HousePassage {
    /// When the packet was taken from the socket.
    pub arrived: HouseTime,
    /// When it had been handed to the sockets of all listeners.
    pub forwarded: HouseTime,
}

/// A speaker's mark as the house passes it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VoiceMark {
    /// Whose voice.
    pub person: PersonId,
    /// What the speaker says, with the timestamp as listeners see it.
    pub mark: CaptureMark,
    /// The packet in the house; nothing if another server carries the sound, or the packet never came.
    pub passage: Option<HousePassage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(loss: f32, mean_burst: f32) -> bool {
        VoiceHeard { person: PersonId::from_key(&[1; 32]), packets: 1, loss, mean_burst }.is_plausible()
    }

    #[test]
    fn a_share_is_between_nothing_and_all_and_a_burst_has_an_end() {
        assert!(heard(0.0, 0.0) && heard(1.0, 1.0) && heard(0.2, 3.5));
        for (loss, burst) in [(-0.1, 1.0), (1.1, 1.0), (f32::NAN, 1.0), (0.1, f32::NAN), (0.1, -1.0)] {
            assert!(!heard(loss, burst), "{loss} {burst}");
        }
        assert!(!heard(0.1, f32::INFINITY));
    }
}
