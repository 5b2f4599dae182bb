//! Our own track during a stay: brought to what is wanted, and what the server says about it.

use livekit_protocol::{RequestResponse, TrackPublishedResponse, request_response, signal_request::Message as Request};
use tokio::time::Instant;

use super::{ASK_AGAIN, CONNECT_LIMIT, Offer, Session, Step, anew};
use crate::media::{
    Voice,
    publication::{Publication, Published},
    signalling,
};

impl Session {
    /// Brings what the server knows of our voice to what is wanted.
    pub(super) async fn settle(&mut self) -> Step {
        let wanted = self.context.voice();
        match (&mut self.publication, wanted) {
            (Publication::Absent, Voice::Muted | Voice::Open) if self.may_publish => {
                let cid = format!("TR_{:016x}", rand::random::<u64>());
                self.signal.send(signalling::add_track(&cid)).await;
                self.publication = Publication::Asked { cid, at: Instant::now() };
            }
            (Publication::Refused { .. }, Voice::Absent) => self.publication = Publication::Absent,
            (Publication::Live(_), Voice::Absent) => {
                self.unpublish().await?;
                self.make_offer().await?;
            }
            (Publication::Live(live), wanted) if live.muted != (wanted == Voice::Muted) => {
                live.muted = wanted == Voice::Muted;
                self.signal.send(signalling::mute(&live.info.sid, live.muted)).await;
            }
            _ => {}
        }
        self.lead_voice();
        Ok(())
    }

    /// Voice goes to the track when it is wanted and can arrive: packets written before the connection is up are lost
    /// with one warning each.
    pub(super) fn lead_voice(&self) {
        let sends = self.offer == Offer::Never || self.publisher.is_connected();
        self.context.change_state(|state| state.sends = sends);
        let outlet = match &self.publication {
            Publication::Live(live) if !live.muted && self.publisher.is_connected() => {
                Some(live.outlet(self.publisher.audio_level_id()))
            }
            _ => None,
        };
        self.context.voice_out.lead_to(outlet);
    }

    pub(super) async fn unpublish(&mut self) -> Step {
        self.context.voice_out.lead_to(None);
        if let Publication::Live(live) = std::mem::replace(&mut self.publication, Publication::Absent) {
            live.take_off(self.publisher.inner()).await.map_err(anew)?;
        }
        Ok(())
    }

    pub(super) async fn make_offer(&mut self) -> Step {
        if matches!(self.offer, Offer::Open | Offer::OpenAndDue) {
            self.offer = Offer::OpenAndDue;
            return Ok(());
        }
        let sdp = self.publisher.offer().await.map_err(anew)?;
        self.offers_made += 1;
        self.offer = Offer::Open;
        if !self.publisher.is_connected() {
            self.connect_by.get_or_insert_with(|| Instant::now() + CONNECT_LIMIT);
        }
        self.signal.send(Request::Offer(signalling::description("offer", sdp, self.offers_made))).await;
        Ok(())
    }

    pub(super) async fn take_published(&mut self, published: TrackPublishedResponse) -> Step {
        let awaited = matches!(&self.publication, Publication::Asked { cid, .. } if *cid == published.cid);
        let Some(info) = published.track.filter(|_| awaited) else { return Ok(()) };
        let live = Published::put_on(self.publisher.inner(), published.cid, info).await.map_err(anew)?;
        tracing::debug!(track = live.info.sid, "published");
        self.publication = Publication::Live(Box::new(live));
        self.make_offer().await?;
        self.settle().await
    }

    /// The server took our track: we were moved to the audience.
    pub(super) async fn take_unpublished(&mut self, sid: &str) -> Step {
        if matches!(&self.publication, Publication::Live(live) if live.info.sid == sid) {
            self.unpublish().await?;
        }
        self.settle().await
    }

    /// A moderator muted us. It is obeyed here, before anybody is told.
    pub(super) async fn take_mute(&mut self, sid: &str) -> Step {
        let Publication::Live(live) = &mut self.publication else { return Ok(()) };
        if live.info.sid != sid {
            return Ok(());
        }
        live.muted = true;
        self.context.voice_out.lead_to(None);
        if self.context.mute_if_open() {
            self.context.change_state(|state| state.server_mutes += 1);
        }
        self.settle().await
    }

    pub(super) fn take_response(&mut self, response: &RequestResponse) {
        let Publication::Asked { cid, .. } = &self.publication else { return };
        let is_ours = match &response.request {
            Some(request_response::Request::AddTrack(asked)) => asked.cid == *cid,
            Some(_) => false,
            None => true,
        };
        let is_refusal = response.reason != request_response::Reason::Ok as i32
            && response.reason != request_response::Reason::Queued as i32;
        if is_ours && is_refusal {
            tracing::debug!(reason = response.reason, "the server does not take our track yet");
            self.publication = Publication::Refused { until: Instant::now() + ASK_AGAIN };
        }
    }
}
