//! What a call looks like from outside: snapshots of it, without the room.

use serambi_audio::EngineStatistics;
use serambi_protocol::{Code, Link, PersonId, link::HouseAddress};
use serde::{Deserialize, Serialize};

use crate::{connection::Connection, doors::PassageWay, own_reception::VoiceReceived, voice_delay::VoiceDelay};

/// The own microphone as it really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct MicrophoneView {
    /// A capture stream exists.
    pub open: bool,
    /// No voice leaves this machine.
    pub muted: bool,
    /// Why it is not open although it should be, or does not work although it is.
    pub problem: Option<Code>,
}

impl Default for MicrophoneView {
    fn default() -> Self {
        Self { open: false, muted: true, problem: None }
    }
}

/// A call without its room, which comes in topics of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct CallView {
    /// What to give to others so that they can come in.
    pub link: String,
    /// How the connection stands.
    pub connection: Connection,
    /// The own microphone.
    pub microphone: MicrophoneView,
    /// Why nothing can be heard.
    pub loudspeaker_problem: Option<Code>,
}

/// What is measured while a call lasts, anew about once a second. Not part of [`CallView`]: it changes all the time,
/// and whoever draws the room need not do so for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct Measurements {
    /// How the own voice arrives: "{by} people received your voice"; none while muted and while nobody has said so.
    pub voice_received: Option<VoiceReceived>,
    /// How late each voice is heard here that can be heard right now, in the order of ids.
    pub delays: Vec<VoiceDelay>,
    /// How far the house's clock, on which delays are measured, may be from what it is taken for here, ms; none while
    /// there are no delays. A delay is as uncertain as this and the speaker's own together.
    pub clock_error_ms: Option<u32>,
}

/// Levels for the speaking ring, measured from decoded sound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
pub struct Levels {
    /// The own microphone, dBFS; none while it is closed. Measured also while muted.
    pub own: Option<f32>,
    /// Everybody who sends voice and is heard here, dBFS.
    pub people: Vec<(PersonId, f32)>,
}

/// Counters of a call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallStatistics {
    /// From asking to join to the first voice packet of somebody else.
    pub first_sound_ms: Option<u64>,
    /// Voice packets sent.
    pub packets_sent: u64,
    /// Their payload, bytes.
    pub bytes_sent: u64,
    /// Frames of the own voice that were dropped because the network did not keep up.
    pub frames_overtaken: u64,
    /// Frames of the own voice that came while no track could carry them.
    pub frames_without_track: u64,
    /// Voice packets received, of everybody.
    pub packets_received: u64,
    /// How often the media seat was taken again after a cut.
    pub resumes: u64,
    /// How often the media side was made anew.
    pub rejoins: u64,
    /// How the passage to the house goes, where there is one.
    pub passage: Option<PassageWay>,
    /// The sound path; none while the engine starts.
    pub sound: Option<EngineStatistics>,
    /// What was measured last.
    pub measured: Measurements,
}

/// The link to give to others: addresses that only this computer can reach are left out, unless there is no other.
pub(crate) fn link_to_share(house: &HouseAddress, room: &serambi_protocol::RoomId) -> String {
    let is_own = |address: &String| address.starts_with("127.") || address.starts_with("[::1]");
    let mut addresses: Vec<String> = house.addresses.iter().filter(|address| !is_own(address)).cloned().collect();
    if addresses.is_empty() {
        addresses.clone_from(&house.addresses);
    }
    Link { house: HouseAddress { addresses, ..house.clone() }, room: Some(*room) }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serambi_protocol::{RoomId, link::Pin};

    #[test]
    fn the_link_to_share_leads_to_other_computers_if_it_can() {
        let house = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
            HouseAddress::by_pin(addresses, Pin::from_digest(&[1; 32]))
        };
        let room = RoomId::from_random([1; 10]);
        assert!(link_to_share(&house(&["127.0.0.1:1", "10.0.0.2:1"]), &room).starts_with("serambi://10.0.0.2:1/r/"));
        assert!(link_to_share(&house(&["127.0.0.1:1"]), &room).starts_with("serambi://127.0.0.1:1/r/"));
    }
}
