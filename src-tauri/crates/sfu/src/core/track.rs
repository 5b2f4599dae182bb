//! A track: announced by its owner, then bound to a section of an offer, then heard.

use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, SimulcastCodecInfo, TrackInfo, TrackSource, TrackType, encryption,
};
use str0m::rtp::Ssrc;

use super::forwarding::{ReceiverNumbering, SequenceMunger};
use super::passage::PassageLog;
use super::transport::ParticipantId;

pub(crate) const OPUS_MIME: &str = "audio/opus";

/// Announced by `add_track`, waiting for an offer that has it.
pub(crate) struct PendingTrack {
    pub(crate) cid: String,
    pub(crate) info: TrackInfo,
}

/// On stage.
pub(crate) struct PublishedTrack {
    pub(crate) info: TrackInfo,
    pub(crate) munger: SequenceMunger,
    pub(crate) passages: PassageLog,
    pub(crate) receivers: Vec<Receiver>,
}

/// Somebody who has a section for this track.
pub(crate) struct Receiver {
    pub(crate) participant: ParticipantId,
    pub(crate) ssrc: Ssrc,
    pub(crate) numbering: ReceiverNumbering,
    /// The client has answered the offer that names the SSRC. Sound that comes before would open
    /// a nameless stream at a libwebrtc client.
    pub(crate) answered: bool,
    /// The client asked for a pause.
    pub(crate) paused: bool,
}

impl PendingTrack {
    pub(crate) fn new(sid: String, request: AddTrackRequest) -> Self {
        Self { info: track_info(sid, &request), cid: request.cid }
    }

    pub(crate) fn publish(self, mid: &str) -> PublishedTrack {
        let mut info = self.info;
        info.mid = mid.to_owned();
        info.mime_type = OPUS_MIME.to_owned();
        info.codecs = vec![SimulcastCodecInfo {
            mime_type: OPUS_MIME.to_owned(),
            mid: mid.to_owned(),
            cid: self.cid,
            ..SimulcastCodecInfo::default()
        }];
        PublishedTrack {
            info,
            munger: SequenceMunger::default(),
            passages: PassageLog::default(),
            receivers: Vec::new(),
        }
    }
}

impl PublishedTrack {
    /// Frames of our own would be noise to a listener who decrypts, and a hole for anybody else.
    pub(crate) fn takes_silent_frames(&self) -> bool {
        self.info.encryption == encryption::Type::None as i32
    }

    pub(crate) fn is_stereo(&self) -> bool {
        has_feature(&self.info.audio_features, AudioTrackFeature::TfStereo)
    }

    pub(crate) fn wants_dtx(&self) -> bool {
        !has_feature(&self.info.audio_features, AudioTrackFeature::TfNoDtx)
    }
}

fn has_feature(features: &[i32], feature: AudioTrackFeature) -> bool {
    features.contains(&(feature as i32))
}

/// The deprecated fields and the feature list say the same; either is read, both are filled.
#[expect(deprecated, reason = "older clients know only the deprecated fields")]
fn track_info(sid: String, request: &AddTrackRequest) -> TrackInfo {
    let has = |feature| has_feature(&request.audio_features, feature);
    let stereo = request.stereo || has(AudioTrackFeature::TfStereo);
    let disable_dtx = request.disable_dtx || has(AudioTrackFeature::TfNoDtx);
    let mut audio_features = request.audio_features.clone();
    for (wanted, feature) in [(stereo, AudioTrackFeature::TfStereo), (disable_dtx, AudioTrackFeature::TfNoDtx)] {
        if wanted && !has_feature(&audio_features, feature) {
            audio_features.push(feature as i32);
        }
    }
    TrackInfo {
        sid,
        r#type: TrackType::Audio as i32,
        name: request.name.clone(),
        muted: request.muted,
        disable_dtx,
        source: request.source,
        stereo,
        disable_red: request.disable_red,
        encryption: request.encryption,
        stream: stream_name(request),
        audio_features,
        ..TrackInfo::default()
    }
}

fn stream_name(request: &AddTrackRequest) -> String {
    if !request.stream.is_empty() {
        return request.stream.clone();
    }
    let name = match TrackSource::try_from(request.source) {
        Ok(TrackSource::Microphone | TrackSource::Camera) => "camera",
        Ok(TrackSource::ScreenShare | TrackSource::ScreenShareAudio) => "screen",
        Ok(TrackSource::Unknown) | Err(_) => "unknown",
    };
    name.to_owned()
}
