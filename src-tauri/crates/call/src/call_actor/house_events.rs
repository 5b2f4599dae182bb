//! What the house tells: topics folded into the room, notices, and a seat that is gone and taken again.

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use serambi_protocol::{
    Code, Envelope, Notice, Refusal, RoomEvent, RoomSnapshot, RoomView,
    api::{Joined, MediaGrant},
    event::{ClosedReason, TopicChange},
    view::{RoomTime, YouView},
};

use super::{
    CallActor, Flow, GO_ON, HouseAnswer,
    early_events::{Early, EarlyEvents, says_muted},
};
use crate::{
    call::media_endpoint,
    call_events::CallEvent,
    call_view::link_to_share,
    cue_rules::Happening,
    deafness::Mend,
    house_channel::{ChannelNews, Outage},
};

impl CallActor {
    pub(super) fn take_house(&mut self, news: ChannelNews) -> Flow {
        let now = Instant::now();
        match news {
            // A house that does not know our seat is not there for us yet.
            ChannelNews::Up if self.rejoin_at.is_some() => {}
            ChannelNews::Up => {
                self.connection.house_is_up();
                self.follow_house();
                self.settle_mute(now);
            }
            ChannelNews::Down(outage) => {
                tracing::info!(?outage, room = %self.room_id, "the house channel is down");
                self.connection.house_is_down(outage == Outage::HouseStopped, now);
            }
            ChannelNews::SessionNew => {
                self.measuring.forget_house();
                // Numbers start anew; what came of the session before is of no use.
                self.seq = 0;
                self.early = EarlyEvents::default();
                self.want_seat(now);
            }
            ChannelNews::Addresses => self.link = link_to_share(&self.house.house_now(), &self.room_id),
            ChannelNews::Called(called) => self.events.tell(CallEvent::Called(called)),
            ChannelNews::Event(envelope) => return self.take_event(*envelope),
            ChannelNews::Clock { sent, house, received } => self.measuring.take_clock(sent, house, received),
            ChannelNews::Received { room, reception } if room == self.room_id => {
                self.connection.take_reception(reception.received_by, reception.listeners, now);
                self.measuring.take_reception(&self.instruments, &reception, now);
            }
            ChannelNews::Marks { room, marks } if room == self.room_id => {
                if let Some(passed_on) = self.measuring.passed_on_at(&marks, now) {
                    self.deafness.take_passed_on(passed_on, now);
                }
                self.measuring.take_marks(marks, now);
            }
            ChannelNews::Received { .. } | ChannelNews::Marks { .. } => {}
        }
        GO_ON
    }

    fn take_event(&mut self, envelope: Envelope) -> Flow {
        if envelope.room != self.room_id {
            return GO_ON;
        }
        if self.rejoin_at.is_some() && !matches!(envelope.event, RoomEvent::Closed { .. }) {
            // A mute does not wait: the sound may be there although the seat is not.
            if says_muted(&envelope.event) && self.microphone.is_live() {
                self.go_quiet();
            }
            self.early.keep(envelope);
            return GO_ON;
        }
        if envelope.seq <= self.seq {
            return GO_ON;
        }
        self.seq = envelope.seq;
        match envelope.event {
            RoomEvent::Opened { view } => self.open_room(*view),
            RoomEvent::Changed { now, changes } => self.change_room(now, changes),
            RoomEvent::Closed { reason: ClosedReason::Lost } => self.want_seat(Instant::now()),
            RoomEvent::Closed { reason } => return ControlFlow::Break(reason),
            RoomEvent::Unknown => tracing::debug!("an event of a newer house"),
        }
        GO_ON
    }

    fn open_room(&mut self, view: RoomView) {
        let before = self.room.send_replace(view.clone()).you;
        self.events.tell(CallEvent::Opened { room: Box::new(RoomSnapshot::new(view, &self.streams)) });
        self.follow_you(&before);
    }

    fn change_room(&mut self, now: RoomTime, changes: Vec<Arc<TopicChange>>) {
        let before = self.room.borrow().you.clone();
        self.room.send_modify(|room| {
            room.now = now;
            changes.iter().for_each(|change| room.apply(change));
        });
        self.streams.fold(changes.iter().map(|change| &**change));
        let (notices, topics): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| matches!(**change, TopicChange::Notices { .. }));
        if !topics.is_empty() {
            self.events.tell(CallEvent::Room { now, changes: topics });
        }
        self.follow_you(&before);
        for notice in notices.iter().flat_map(|change| notices_of(change)) {
            self.take_notice(notice.clone());
        }
    }

    fn take_notice(&mut self, notice: Notice) {
        // Carried out before anybody is told.
        if let Notice::MutedBy { .. } = notice {
            self.go_quiet();
        }
        self.play_cue_of(Happening::Notice(&notice));
        self.events.tell(CallEvent::Notice(notice));
    }

    /// The own role or mute may have changed.
    fn follow_you(&mut self, before: &YouView) {
        let (role, muted) = {
            let room = self.room.borrow();
            (room.you.role, room.you.muted)
        };
        self.play_cue_of(Happening::Role { before: before.role, after: role });
        if role.is_on_stage() != before.role.is_on_stage() {
            self.follow_role();
        }
        if muted && !before.muted && !self.own.may_be_crossing(Instant::now()) && self.microphone.is_live() {
            self.go_quiet();
        }
    }

    // ---- a house that is reached elsewhere ----

    /// Sound that was cut and looks for the house where it was is led to where it is.
    fn follow_house(&mut self) {
        let address = self.house.address();
        if std::mem::replace(&mut self.house_address, address.clone()) == address {
            return;
        }
        tracing::info!(room = %self.room_id, "the house is reached at another address");
        let (house, room_id) = (self.house.clone(), self.room_id);
        self.ask_house(async move { house.media(&room_id).await }, HouseAnswer::Media);
    }

    pub(super) fn take_grant(&mut self, grant: Result<MediaGrant, Refusal>) {
        match grant.and_then(|grant| media_endpoint(&self.house, &grant)) {
            Ok(endpoint) => {
                self.instruments.media.renew(endpoint);
                // The connection may still be believed to be up.
                if self.deafness.is_silent(Instant::now()) {
                    self.instruments.media.mend(Mend::Anew);
                }
            }
            // The sound asks for one by itself, a little later.
            Err(refusal) => tracing::info!(%refusal, "the sound is not led to where the house is"),
        }
    }

    // ---- a lost seat ----

    fn want_seat(&mut self, now: Instant) {
        self.connection.house_is_down(false, now);
        self.rejoin_at.get_or_insert_with(tokio::time::Instant::now);
    }

    pub(super) fn ask_for_seat(&mut self) -> Flow {
        // The answer says when to ask again, if at all.
        self.rejoin_at = Some(tokio::time::Instant::now() + SEAT_ANSWER_LIMIT);
        let (house, room_id) = (self.house.clone(), self.room_id);
        self.ask_house(async move { house.join(&room_id, false).await }, |joined| {
            HouseAnswer::Joined(Box::new(joined))
        });
        GO_ON
    }

    pub(super) fn take_seat(&mut self, joined: Result<Joined, Refusal>) -> Flow {
        let joined = match joined {
            Ok(joined) => joined,
            Err(refusal) => return self.take_refused_seat(&refusal),
        };
        self.rejoin_at = None;
        self.rejoin_retry.succeeded();
        self.connection.house_is_up();
        self.seq = joined.seq;
        match media_endpoint(&self.house, &joined.media) {
            Ok(endpoint) => self.instruments.media.renew(endpoint),
            Err(refusal) => tracing::warn!(%refusal, "the grant of the new seat"),
        }
        // A seat that comes back is muted (room rules 12.1).
        if joined.view.you.muted {
            self.go_quiet();
        }
        self.open_room(joined.view);
        self.follow_role();
        match self.early.take() {
            Early::Events(events) => events.into_iter().try_for_each(|event| self.take_event(event)),
            Early::TooMany => {
                self.want_seat(Instant::now());
                GO_ON
            }
        }
    }

    fn take_refused_seat(&mut self, refusal: &Refusal) -> Flow {
        match refusal.code {
            Code::RoomNotFound | Code::RoomEnded => ControlFlow::Break(ClosedReason::Ended),
            Code::Blocked | Code::RemovedRecently => ControlFlow::Break(ClosedReason::Removed),
            Code::OnStageElsewhere => ControlFlow::Break(ClosedReason::Replaced),
            _ => {
                tracing::info!(%refusal, room = %self.room_id, "the seat is not given back yet");
                let wait = self.rejoin_retry.next_wait(rand::random());
                self.rejoin_at = Some(tokio::time::Instant::now() + wait);
                GO_ON
            }
        }
    }
}

/// An answer about the seat comes within this time: the limits of the house client, twice.
const SEAT_ANSWER_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

fn notices_of(change: &TopicChange) -> &[Notice] {
    match change {
        TopicChange::Notices { stream } => stream,
        _ => &[],
    }
}
