//! One peer connection that cannot leak, cannot be blocked by its events, and waits with candidates until it may use
//! them.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc::{self, error::TrySendError};
use webrtc::{
    error::{Error, Result},
    media_stream::track_remote::TrackRemote,
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
        RTCIceCandidateInit, RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSessionDescription,
    },
};

use super::{handshake_repeats::RepeatingRuntime, ice_checks::IceChecks, settings, stream_paths::StreamPaths};
use crate::{
    doors::{Door, DoorPackets},
    tasks::Tasks,
};

/// LiveKit's split: we offer on the one, the server on the other. Nobody ever offers on both, which is what `webrtc`
/// gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Our voice.
    Publish,
    /// The others.
    Subscribe,
}

/// What a connection has to say.
pub(super) enum ConnectionNews {
    /// A candidate of ours, for the other end.
    Candidate(RTCIceCandidateInit),
    /// It is up, down, or in between.
    State(RTCPeerConnectionState),
    /// The first packet of a track has come. (A silent track is never announced; signalling knows of those.)
    Track(Arc<dyn TrackRemote>),
}

pub(super) type NewsSender = mpsc::Sender<(Direction, ConnectionNews)>;

/// Runs on the connection's own driver task: whatever waits here stops the sound. So it only passes on.
struct Handler {
    direction: Direction,
    news: NewsSender,
}

impl Handler {
    fn tell(&self, news: ConnectionNews) {
        match self.news.try_send((self.direction, news)) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => tracing::trace!("an event of a connection that is being closed"),
            Err(TrySendError::Full(_)) => tracing::warn!("an event of a connection is lost: too many wait"),
        }
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        match event.candidate.to_json() {
            Ok(candidate) if !candidate.candidate.is_empty() => self.tell(ConnectionNews::Candidate(candidate)),
            Ok(_end_of_candidates) => {}
            Err(error) => tracing::debug!(%error, "a candidate of ours cannot be written"),
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.tell(ConnectionNews::State(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.tell(ConnectionNews::Track(track));
    }
}

/// What a connection's sockets are bound to.
#[derive(Clone)]
pub(super) struct Sockets {
    /// `ip:port`.
    pub(super) addresses: Vec<String>,
    /// Those of loopback are behind it.
    pub(super) door: Option<Arc<Door>>,
}

/// A peer connection. Dropping it closes it.
pub(super) struct Connection {
    inner: Arc<dyn PeerConnection>,
    /// Candidates that came before the description they belong to.
    early: Vec<RTCIceCandidateInit>,
    /// There is a way to the server through a door.
    has_door: bool,
    has_remote: bool,
    streams: Arc<StreamPaths>,
    checks: Arc<IceChecks>,
    /// The number the other end gave to the audio level extension; none: it does not want it.
    audio_level_id: Option<u8>,
    tasks: Tasks,
    pub(super) state: RTCPeerConnectionState,
}

impl Connection {
    pub(super) async fn build(direction: Direction, sockets: Sockets, news: NewsSender, tasks: &Tasks) -> Result<Self> {
        let has_door = sockets.door.is_some();
        let streams = StreamPaths::new(tasks.clone());
        let checks = Arc::<IceChecks>::default();
        let (media_engine, registry) = settings::media_engine()?;
        let inner = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings::setting_engine())
            .with_handler(Arc::new(Handler { direction, news }))
            .with_runtime(Arc::new(RepeatingRuntime::new(sockets.door, streams.clone(), checks.clone(), tasks.clone())))
            .with_udp_addrs(sockets.addresses)
            .build()
            .await?;
        Ok(Self {
            inner: Arc::new(inner),
            early: Vec::new(),
            has_door,
            has_remote: false,
            streams,
            checks,
            audio_level_id: None,
            tasks: tasks.clone(),
            state: RTCPeerConnectionState::New,
        })
    }

    /// The connection itself, for tracks and statistics.
    pub(super) fn inner(&self) -> &Arc<dyn PeerConnection> {
        &self.inner
    }

    pub(super) fn is_connected(&self) -> bool {
        self.state == RTCPeerConnectionState::Connected
    }

    /// Our offer, which is then the local description.
    pub(super) async fn offer(&self) -> Result<String> {
        let offer = self.inner.create_offer(None).await?;
        let sdp = offer.sdp.clone();
        self.inner.set_local_description(offer).await?;
        Ok(sdp)
    }

    /// The number of the audio level extension, if the other end wants it.
    pub(super) fn audio_level_id(&self) -> Option<u8> {
        self.audio_level_id
    }

    /// The answer to our offer.
    pub(super) async fn take_answer(&mut self, sdp: String) -> Result<()> {
        self.audio_level_id = extension_id(&sdp, settings::AUDIO_LEVEL_URI);
        self.set_remote(RTCSessionDescription::answer(self.streams.translate(&sdp))?).await
    }

    /// Answers an offer.
    pub(super) async fn answer(&mut self, offer_sdp: String) -> Result<String> {
        self.set_remote(RTCSessionDescription::offer(self.streams.translate(&offer_sdp))?).await?;
        let answer = self.inner.create_answer(None).await?;
        let sdp = answer.sdp.clone();
        self.inner.set_local_description(answer).await?;
        Ok(sdp)
    }

    /// A candidate of the other end, in the JSON form of browsers.
    pub(super) async fn take_candidate(&mut self, json: &str) -> Result<()> {
        let mut candidate: RTCIceCandidateInit =
            serde_json::from_str(json).map_err(|error| Error::Other(error.to_string()))?;
        candidate.candidate = self.streams.translate(&candidate.candidate);
        if self.has_remote {
            self.inner.add_ice_candidate(candidate).await
        } else {
            self.early.push(candidate);
            Ok(())
        }
    }

    async fn set_remote(&mut self, description: RTCSessionDescription) -> Result<()> {
        self.checks.take_description(&description.sdp);
        self.inner.set_remote_description(description).await?;
        self.has_remote = true;
        for candidate in std::mem::take(&mut self.early) {
            self.inner.add_ice_candidate(candidate).await?;
        }
        if self.has_door {
            self.inner.add_ice_candidate(behind_door()).await?;
        }
        Ok(())
    }
}

/// The server's end of a passage. No description names it, and every other way is better (RFC 8445 section 5.1.2: the
/// lowest priority there is).
fn behind_door() -> RTCIceCandidateInit {
    let peer = DoorPackets::peer();
    let candidate = format!("candidate:door 1 udp 1 {} {} typ host", peer.ip(), peer.port());
    RTCIceCandidateInit { candidate, sdp_mid: Some("0".to_owned()), sdp_mline_index: Some(0), ..Default::default() }
}

/// The number that a description gives to a header extension (RFC 8285 section 8).
fn extension_id(sdp: &str, uri: &str) -> Option<u8> {
    let number_and_uri = |line: &str| {
        let (number, rest) = line.trim_end().strip_prefix("a=extmap:")?.split_once(' ')?;
        let number = number.split('/').next()?.parse::<u8>().ok()?;
        (rest.split(' ').next()? == uri).then_some(number)
    };
    sdp.lines().find_map(number_and_uri)
}

impl Drop for Connection {
    /// Without `close` the driver task, its sockets and some 90 kB stay for ever.
    fn drop(&mut self) {
        let inner = self.inner.clone();
        if tokio::runtime::Handle::try_current().is_err() {
            return tracing::warn!("a connection is dropped outside the runtime and stays open");
        }
        self.tasks.spawn_to_the_end(async move {
            if let Err(error) = inner.close().await {
                tracing::debug!(%error, "closing a connection");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    async fn build(direction: Direction) -> (Connection, mpsc::Receiver<(Direction, ConnectionNews)>) {
        let (sender, news) = mpsc::channel(64);
        let sockets = Sockets { addresses: vec!["127.0.0.1:0".into()], door: None };
        (Connection::build(direction, sockets, sender, &Tasks::default()).await.unwrap(), news)
    }

    async fn first_candidate(news: &mut mpsc::Receiver<(Direction, ConnectionNews)>) -> RTCIceCandidateInit {
        loop {
            if let (_, ConnectionNews::Candidate(candidate)) = news.recv().await.unwrap() {
                return candidate;
            }
        }
    }

    /// `webrtc` 0.21 leaks a connection that is dropped without `close`, with its sockets.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_dropped_connection_leaves_no_socket_behind() {
        let (connection, mut news) = build(Direction::Publish).await;
        connection.inner().create_data_channel("any", None).await.unwrap();
        connection.offer().await.unwrap();
        let candidate = first_candidate(&mut news).await.candidate;
        let port: u16 = candidate.split(' ').nth(5).unwrap().parse().unwrap();
        assert!(std::net::UdpSocket::bind(("127.0.0.1", port)).is_err());
        drop(connection);
        tokio::time::timeout(Duration::from_secs(10), async {
            while std::net::UdpSocket::bind(("127.0.0.1", port)).is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_candidate_that_comes_before_its_description_is_used_later() {
        let (mut here, mut here_news) = build(Direction::Publish).await;
        let (mut there, _there_news) = build(Direction::Subscribe).await;
        here.inner().create_data_channel("early", None).await.unwrap();
        let offer = here.offer().await.unwrap();
        let candidate = first_candidate(&mut here_news).await;
        there.take_candidate(&serde_json::to_string(&candidate).unwrap()).await.unwrap();
        assert_eq!(there.early.len(), 1);
        let answer = there.answer(offer).await.unwrap();
        assert!(there.early.is_empty());
        here.take_answer(answer).await.unwrap();
        assert!(there.take_candidate("rubbish").await.is_err());
    }

    /// The crate takes the number from our offer; a packet with one that was not negotiated is never sent.
    #[test]
    fn the_audio_level_has_the_number_of_the_answer_or_none() {
        let sdp = "m=audio 9\r\na=extmap:4 urn:other\r\na=extmap:7/sendonly urn:level\r\na=extmap:x urn:odd\r\n";
        assert_eq!(extension_id(sdp, "urn:level"), Some(7));
        assert_eq!(extension_id(sdp, "urn:odd"), None);
        assert_eq!(extension_id(sdp, "urn:leve"), None);
    }

    /// As the server of the handshake we would ask for a cookie first.
    #[tokio::test(flavor = "multi_thread")]
    async fn we_begin_the_handshake_also_with_a_server_that_is_ice_lite() {
        let ((server, _server_news), (mut here, _news)) =
            (build(Direction::Publish).await, build(Direction::Subscribe).await);
        server.inner().create_data_channel("any", None).await.unwrap();
        let offer = server.offer().await.unwrap().replacen("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n", 1);
        assert!(offer.contains("a=ice-lite") && offer.contains("a=setup:actpass"), "{offer}");
        let answer = here.answer(offer).await.unwrap();
        assert!(answer.contains("a=setup:active"), "{answer}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn we_offer_opus_and_nothing_else() {
        let (here, _news) = build(Direction::Publish).await;
        here.inner()
            .add_transceiver_from_kind(rtc::rtp_transceiver::rtp_sender::RtpCodecKind::Audio, None)
            .await
            .unwrap();
        let offer = here.offer().await.unwrap();
        assert!(offer.contains("a=rtpmap:111 opus/48000/2"), "{offer}");
        assert_eq!(offer.matches("a=rtpmap:").count(), 1, "{offer}");
        assert!(offer.contains("ssrc-audio-level"), "{offer}");
    }
}
