//! Our offer on a client's subscriber connection: data channels first, then one section per track.

use str0m::rtp::Ssrc;

use super::sdp_answer::{OpusParameters, Stereo};
use super::sdp_writer::{Origin, Reachability, SdpWriter};

/// The payload number we give to Opus whatever the speaker used.
pub(crate) const OPUS: u8 = 111;

/// The data channels' section is always the first.
pub(crate) const DATA_MID: &str = "0";

/// A track as it stands in an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferedTrack {
    pub(crate) participant_sid: String,
    pub(crate) track_sid: String,
    pub(crate) ssrc: Ssrc,
    pub(crate) stereo: bool,
}

/// Section `index` (from 0) of the audio sections has mid `index + 1`.
pub(crate) fn audio_mid(index: usize) -> String {
    (index + 1).to_string()
}

/// Writes the offer. `None` is a section that carries nothing now.
///
/// No header extensions: `a=ssrc` tells the tracks apart, and transport-cc would cost 10 to 40 %
/// of forwarding for nothing in an audio room.
pub(crate) fn write_offer(audio: &[Option<OfferedTrack>], reach: &Reachability, origin: Origin) -> String {
    let mids: Vec<String> = (0..audio.len()).map(audio_mid).collect();
    let mut bundle = vec![DATA_MID];
    bundle.extend(mids.iter().map(String::as_str));

    let mut writer = SdpWriter::new(origin, &bundle);
    writer.media("application", 9, "UDP/DTLS/SCTP", "webrtc-datachannel");
    writer.transport(reach, "actpass", true);
    writer.data(DATA_MID);
    for (mid, track) in mids.iter().zip(audio) {
        write_audio(&mut writer, mid, track.as_ref(), reach);
    }
    writer.finish()
}

fn write_audio(writer: &mut SdpWriter, mid: &str, track: Option<&OfferedTrack>, reach: &Reachability) {
    writer.media("audio", 9, "UDP/TLS/RTP/SAVPF", &OPUS.to_string());
    writer.transport(reach, "actpass", false);
    writer.attribute("mid", mid);
    writer.line(if track.is_some() { "a=sendonly" } else { "a=inactive" });
    writer.line("a=rtcp-mux");
    writer.attribute("rtpmap", format_args!("{OPUS} opus/48000/2"));
    let stereo = Stereo::sent(track.is_some_and(|track| track.stereo));
    writer.attribute("fmtp", OpusParameters { opus: OPUS, dtx: false, stereo });
    if let Some(track) = track {
        // Participant, bar, track: every SDK finds the sids in this form.
        let stream = format!("{}|{}", track.participant_sid, track.track_sid);
        let msid = format!("{stream} {}", track.track_sid);
        writer.attribute("msid", &msid);
        writer.attribute("ssrc", format_args!("{} cname:{stream}", *track.ssrc));
        writer.attribute("ssrc", format_args!("{} msid:{msid}", *track.ssrc));
    }
}
