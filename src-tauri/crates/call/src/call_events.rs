//! What a call tells, in order and bounded: a reader that falls behind gets the whole state anew in place of what it
//! missed.

use std::sync::Arc;

use serambi_protocol::{
    Notice, RoomSnapshot,
    door::Called,
    event::{ClosedReason, TopicChange},
    view::RoomTime,
};
use tokio::sync::mpsc;

use crate::{
    call_view::{CallView, Measurements},
    error::CallError,
    sound_notice::SoundNotice,
};

/// Events that may wait for their reader: some seconds of a lively room.
const EVENTS_WAITING: usize = 256;

/// Something happened in a call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallEvent {
    /// The room from now on, in full: when the seat was taken anew, or when the reader has missed changes.
    Opened {
        /// As [`crate::Call::room`], with what is kept of its streams.
        room: Box<RoomSnapshot>,
    },
    /// Topics of the room changed, to be folded in this order.
    Room {
        /// The house's clock.
        now: RoomTime,
        /// Without notices, which are told by themselves; the other streams are among them.
        changes: Vec<Arc<TopicChange>>,
    },
    /// [`crate::Call::view`] is this now.
    Changed(Box<CallView>),
    /// [`crate::Call::measurements`] are these now.
    Measured(Measurements),
    /// To be told once.
    Notice(Notice),
    /// Somebody calls this person into another room of this house.
    Called(Box<Called>),
    /// About the own sound, to be told once.
    Sound(SoundNotice),
    /// Something went wrong by itself; the call goes on.
    Problem(CallError),
    /// The call is over. The last event.
    Closed(ClosedReason),
}

/// The sending end.
pub(crate) struct EventSink {
    events: mpsc::Sender<CallEvent>,
    /// A place kept for the last event.
    last: mpsc::OwnedPermit<CallEvent>,
    /// The reader has missed something of room or view.
    missed: bool,
}

impl EventSink {
    /// A channel with a place kept for the last event; none: cannot happen, for it is new.
    pub(crate) fn open() -> Option<(Self, mpsc::Receiver<CallEvent>)> {
        let (events, receiver) = mpsc::channel(EVENTS_WAITING);
        let last = events.clone().try_reserve_owned().ok()?;
        Some((Self { events, last, missed: false }, receiver))
    }

    /// Tells. If the reader is behind, the event is dropped and the state told anew once there is room.
    pub(crate) fn tell(&mut self, event: CallEvent) {
        if self.missed {
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            tracing::warn!(event = event.name(), "a call's events are not read");
            self.missed = true;
        }
    }

    /// Tells the state anew to a reader that missed some of it and reads again.
    pub(crate) fn catch_up(&mut self, room: impl FnOnce() -> RoomSnapshot, view: impl FnOnce() -> CallView) {
        if !self.missed {
            return;
        }
        let Ok(mut places) = self.events.try_reserve_many(2) else { return };
        self.missed = false;
        let state = [CallEvent::Opened { room: Box::new(room()) }, CallEvent::Changed(Box::new(view()))];
        state.into_iter().for_each(|event| {
            if let Some(place) = places.next() {
                place.send(event);
            }
        });
    }

    /// The last event.
    pub(crate) fn close(self, reason: ClosedReason) {
        self.last.send(CallEvent::Closed(reason));
    }
}

impl CallEvent {
    fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Room { .. } => "room",
            Self::Changed(_) => "changed",
            Self::Measured(_) => "measured",
            Self::Notice(_) => "notice",
            Self::Called(_) => "called",
            Self::Sound(_) => "sound",
            Self::Problem(_) => "problem",
            Self::Closed(_) => "closed",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serambi_protocol::Streams;

    use super::*;
    use crate::test_views::{call_view, room_view};

    #[test]
    fn a_reader_that_fell_behind_gets_the_whole_state_and_the_end_comes_last() {
        let (mut sink, mut events) = EventSink::open().unwrap();
        for _ in 0..EVENTS_WAITING * 2 {
            sink.tell(CallEvent::Notice(Notice::OnStage));
        }
        let room = || RoomSnapshot::new(room_view(), &Streams::default());
        sink.catch_up(room, call_view);
        (0..EVENTS_WAITING - 1)
            .for_each(|_| assert_eq!(events.try_recv().unwrap(), CallEvent::Notice(Notice::OnStage)));
        assert!(events.try_recv().is_err(), "nothing else fitted");
        sink.tell(CallEvent::Notice(Notice::StageFull));
        sink.catch_up(room, call_view);
        assert_eq!(events.try_recv().unwrap(), CallEvent::Opened { room: Box::new(room()) });
        assert_eq!(events.try_recv().unwrap(), CallEvent::Changed(Box::new(call_view())));
        sink.close(ClosedReason::Ended);
        assert_eq!(events.try_recv().unwrap(), CallEvent::Closed(ClosedReason::Ended));
        assert_eq!(events.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
