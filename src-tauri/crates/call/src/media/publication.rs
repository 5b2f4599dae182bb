//! Our one track at the server: asked for, published, muted, taken back.

use std::sync::Arc;

use livekit_protocol::TrackInfo;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use tokio::time::Instant;
use webrtc::{
    error::Result,
    media_stream::{
        MediaStreamTrack,
        track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
    },
    peer_connection::PeerConnection,
    rtp_transceiver::RtpSender,
};

use super::{settings, voice_out::Outlet};

/// How far publishing has come.
pub(super) enum Publication {
    /// There is no track.
    Absent,
    /// The server was asked and has not answered.
    Asked {
        /// Our name for the track.
        cid: String,
        /// When.
        at: Instant,
    },
    /// The server does not let us (yet): the house's grant may be on its way.
    Refused {
        /// When to ask again.
        until: Instant,
    },
    /// There is a track.
    Live(Box<Published>),
}

/// A track that the server knows.
pub(super) struct Published {
    pub(super) cid: String,
    pub(super) info: TrackInfo,
    /// As the server was told.
    pub(super) muted: bool,
    sender: Arc<dyn RtpSender>,
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
}

impl Published {
    /// Puts a new track on the connection. It needs an offer afterwards. A track is used once: with the same one again
    /// the server matches nothing and stays silent.
    pub(super) async fn put_on(connection: &Arc<dyn PeerConnection>, cid: String, info: TrackInfo) -> Result<Self> {
        let ssrc: u32 = rand::random();
        let coding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            active: true,
            codec: settings::opus(),
            ..Default::default()
        };
        // The server finds the track by the second word of `a=msid`, which is this id.
        let described =
            MediaStreamTrack::new(cid.clone(), cid.clone(), "voice".to_owned(), RtpCodecKind::Audio, vec![coding]);
        let track = Arc::new(TrackLocalStaticRTP::new(described));
        // `add_track` reuses a section that an earlier track has left; nothing else does.
        let sender = connection.add_track(track.clone() as Arc<dyn TrackLocal>).await?;
        let muted = info.muted;
        Ok(Self { cid, info, muted, sender, track, ssrc })
    }

    /// Takes it off again. The writer must have been led elsewhere before.
    pub(super) async fn take_off(self, connection: &Arc<dyn PeerConnection>) -> Result<()> {
        connection.remove_track(&self.sender).await
    }

    /// Where to write voice.
    pub(super) fn outlet(&self, audio_level_id: Option<u8>) -> Outlet {
        Outlet { sink: self.track.clone(), ssrc: self.ssrc, audio_level_id }
    }
}
