//! LiveKit's quick resume: the same seat on a new socket, while sound may never have stopped.

use std::time::Duration;

use livekit_protocol::{
    DataChannelInfo, ReconnectReason, SignalTarget, SyncState, TrackPublishedResponse, UpdateSubscription,
    signal_request::Message as Request,
};
use livekit_signaling::SignalError;
use tokio::time::Instant;

use super::{Ended, Offer, Session, Step, anew, explain};
use crate::media::{publication::Publication, signalling};

/// A resume is complete when both connections were negotiated again, at the latest after this long.
pub(super) const RESUME_LIMIT: Duration = Duration::from_secs(1);
/// Waits before each try to resume; LiveKit's clients use the same.
const RESUME_WAITS_MS: [u64; 5] = [0, 300, 1_200, 2_700, 4_800];

/// What still has to happen before a resume is complete.
pub(super) struct Resume {
    pub(super) since: Instant,
    pub(super) publisher_answered: bool,
    pub(super) subscriber_offered: bool,
}

/// A signalling connection that is being taken up again: when the next try is due, and which it is.
pub(super) struct ResumeAttempt {
    pub(super) at: Instant,
    tries: usize,
    reason: ReconnectReason,
}

impl Session {
    /// LiveKit's quick resume: the same seat on a new socket, while sound may never have stopped. Further tries come
    /// with the session's looks; everything else goes on meanwhile.
    pub(super) async fn resume(&mut self, reason: ReconnectReason) -> Step {
        if self.resume_attempt.is_some() {
            return Ok(());
        }
        self.context.count_resume();
        if self.signal.is_connected().await {
            self.own_closes += 1;
        }
        self.resume_attempt = Some(ResumeAttempt { at: Instant::now(), tries: 0, reason });
        self.try_resume().await
    }

    pub(super) async fn try_resume(&mut self) -> Step {
        let Some(attempt) = &mut self.resume_attempt else { return Ok(()) };
        attempt.tries += 1;
        match self.signal.restart(attempt.reason).await {
            Ok(_) => {
                self.resume_attempt = None;
                self.negotiate_again().await
            }
            Err(SignalError::LeaveRequest { reason, action }) => {
                Err(Ended::Anew(format!("the server forgot us: {reason:?}, {action:?}")))
            }
            Err(error) => match RESUME_WAITS_MS.get(attempt.tries) {
                Some(wait) => {
                    attempt.at = Instant::now() + Duration::from_millis(*wait);
                    Ok(())
                }
                None => Err(Ended::Anew(format!("no resume: {}", explain(&error).detail))),
            },
        }
    }

    pub(super) async fn negotiate_again(&mut self) -> Step {
        let sync = self.sync_state().await;
        self.signal.send(Request::SyncState(sync)).await;
        let published = self.offer != Offer::Never;
        self.resume = Some(Resume { since: Instant::now(), publisher_answered: !published, subscriber_offered: false });
        if published {
            self.publisher.inner().restart_ice().await.map_err(anew)?;
            // An offer whose answer went down with the old socket is made again.
            self.offer = Offer::Settled;
            self.make_offer().await?;
        }
        Ok(())
    }

    pub(super) async fn sync_state(&self) -> SyncState {
        let subscriber = self.subscriber.inner();
        let answer = subscriber.current_local_description().await;
        let offer = subscriber.current_remote_description().await;
        let publish_tracks = match &self.publication {
            Publication::Live(live) => {
                let track = livekit_protocol::TrackInfo { muted: live.muted, ..live.info.clone() };
                vec![TrackPublishedResponse { cid: live.cid.clone(), track: Some(track) }]
            }
            _ => Vec::new(),
        };
        let data_channels = self
            .channels
            .iter()
            .map(|(label, channel)| DataChannelInfo {
                label: (*label).to_owned(),
                id: u32::try_from(channel.id()).unwrap_or_default(),
                target: SignalTarget::Publisher as i32,
            })
            .collect();
        SyncState {
            answer: answer.map(|answer| signalling::description("answer", answer.sdp, 0)),
            offer: offer.map(|offer| signalling::description("offer", offer.sdp, 0)),
            // A difference to "everything", of which there is none.
            subscription: Some(UpdateSubscription { subscribe: false, ..Default::default() }),
            publish_tracks,
            data_channels,
            ..Default::default()
        }
    }

    /// Until then the signalling client holds back our requests.
    pub(super) async fn finish_resume(&mut self) {
        let Some(resume) = &self.resume else { return };
        let negotiated = resume.publisher_answered && resume.subscriber_offered;
        if negotiated || resume.since + RESUME_LIMIT <= Instant::now() {
            self.resume = None;
            self.signal.set_reconnected().await;
            tracing::debug!("resumed");
            if self.subscriber.is_connected() {
                self.note_connected();
            }
        }
    }
}
