//! What our two connections say during a stay.

use std::sync::Arc;

use livekit_protocol::ReconnectReason;
use serambi_protocol::PersonId;
use tokio::time::Instant;
use webrtc::{media_stream::track_remote::TrackRemote, peer_connection::RTCPeerConnectionState};

use super::{
    CONNECT_LIMIT, Ended, Offer, Session, Step, anew,
    doubt::{Doubt, Verdict},
};
use crate::media::{
    connection::{ConnectionNews, Direction},
    signalling,
};

impl Session {
    pub(super) async fn take_news(&mut self, direction: Direction, news: ConnectionNews) -> Step {
        match news {
            ConnectionNews::Candidate(candidate) => {
                let json = serde_json::to_string(&candidate).map_err(anew)?;
                self.signal.send(signalling::candidate(direction, json)).await;
                Ok(())
            }
            ConnectionNews::State(state) => self.take_state(direction, state).await,
            ConnectionNews::Track(track) => {
                self.start_reading(track).await;
                Ok(())
            }
        }
    }

    pub(super) async fn take_state(&mut self, direction: Direction, state: RTCPeerConnectionState) -> Step {
        tracing::debug!(?direction, ?state, "connection");
        let (connection, reason) = match direction {
            Direction::Publish => (&mut self.publisher, ReconnectReason::RrPublisherFailed),
            Direction::Subscribe => (&mut self.subscriber, ReconnectReason::RrSubscriberFailed),
        };
        connection.state = state;
        match state {
            RTCPeerConnectionState::Connected => {
                if direction == Direction::Subscribe {
                    self.doubt = None;
                }
                self.note_connected();
                self.finish_resume().await;
                self.settle().await
            }
            RTCPeerConnectionState::Disconnected if direction == Direction::Subscribe && self.resume.is_none() => {
                self.doubt = Some(Doubt::begin(self.context.speakers.received(), Instant::now()));
                Ok(())
            }
            RTCPeerConnectionState::Disconnected => {
                self.note_disconnected();
                // The server answers a resume as long as it keeps the seat; waiting for `Failed` is too late.
                if self.resume.is_some() { Ok(()) } else { self.resume(reason).await }
            }
            RTCPeerConnectionState::Failed => {
                self.note_disconnected();
                Err(if self.has_connected { anew("a connection failed") } else { Ended::Blocked("no path".to_owned()) })
            }
            _ => Ok(()),
        }
    }

    /// Resumes once no voice comes in any more.
    pub(super) async fn settle_doubt(&mut self) -> Step {
        let packets = self.context.speakers.received();
        let verdict = self.doubt.as_mut().map(|doubt| doubt.judge(packets, Instant::now()));
        if verdict != Some(Verdict::Cut) {
            return Ok(());
        }
        self.doubt = None;
        self.note_disconnected();
        if self.resume.is_some() { Ok(()) } else { self.resume(ReconnectReason::RrSubscriberFailed).await }
    }

    pub(super) fn note_connected(&mut self) {
        if self.subscriber.is_connected() {
            self.has_connected = true;
            self.context.note_way();
            if self.offer == Offer::Never || self.publisher.is_connected() {
                self.connect_by = None;
            }
        }
    }

    pub(super) fn note_disconnected(&mut self) {
        if !self.subscriber.is_connected() {
            self.context.note_cut_in();
        }
        self.connect_by.get_or_insert_with(|| Instant::now() + CONNECT_LIMIT);
        self.lead_voice();
    }

    pub(super) async fn start_reading(&mut self, track: Arc<dyn TrackRemote>) {
        let sid = track.track_id().await;
        let stream = track.stream_id().await;
        let owner = self.roster.owner(&sid, &stream).and_then(|owner| PersonId::try_from(owner.to_owned()).ok());
        tracing::debug!(track = %sid, person = owner.as_ref().map(PersonId::short), "a track begins");
        let reader = self.context.tasks.spawn(self.context.speakers.clone().listen(track, owner));
        if let Some(old) = self.readers.insert(sid, reader) {
            old.abort();
        }
    }

    /// `webrtc` does not say that a track has ended; the server does.
    pub(super) fn stop_reading(&mut self, track: &str) {
        if let Some(reader) = self.readers.remove(track) {
            reader.abort();
        }
    }
}
