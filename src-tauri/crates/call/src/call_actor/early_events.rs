//! Events of a room that come while a seat in it is asked for: they belong behind the view that the answer brings,
//! which may be older than they are.

use serambi_protocol::{Envelope, RoomEvent, TopicChange};

/// So many events wait for the answer: those of half a minute in which everything happens at once.
const MAX_WAITING: usize = 1_024;

/// Kept in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct EarlyEvents {
    waiting: Vec<Envelope>,
    /// There were more.
    has_missed: bool,
}

/// What came before the answer.
#[derive(Debug, PartialEq)]
pub(super) enum Early {
    /// All of it.
    Events(Vec<Envelope>),
    /// Too much was told: the view of the answer is older than what was passed over.
    TooMany,
}

impl EarlyEvents {
    pub(super) fn keep(&mut self, event: Envelope) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(event);
        } else {
            self.has_missed = true;
        }
    }

    /// All of it, once.
    pub(super) fn take(&mut self) -> Early {
        let Self { waiting, has_missed } = std::mem::take(self);
        if has_missed { Early::TooMany } else { Early::Events(waiting) }
    }
}

/// Whether an event tells its reader that they are muted, as everybody is who is not on stage.
pub(super) fn says_muted(event: &RoomEvent) -> bool {
    let RoomEvent::Changed { changes, .. } = event else { return false };
    changes.iter().any(|change| matches!(&**change, TopicChange::You { record } if record.muted))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serambi_protocol::{
        RoomId,
        view::{RoomTime, YouView},
    };

    use super::*;
    use crate::test_views::room_view;

    #[test]
    fn a_mute_is_seen_before_it_is_its_turn() {
        let changed = |muted: bool| {
            let record = Box::new(YouView { muted, ..room_view().you });
            RoomEvent::Changed { now: RoomTime(0), changes: vec![Arc::new(TopicChange::You { record })] }
        };
        assert!(says_muted(&changed(true)) && !says_muted(&changed(false)));
    }

    fn event(seq: u64) -> Envelope {
        Envelope { seq, room: RoomId::from_random([1; 10]), event: RoomEvent::Unknown }
    }

    #[test]
    fn what_came_early_is_kept_in_order_and_given_out_once() {
        let mut early = EarlyEvents::default();
        [3, 4, 5].map(event).into_iter().for_each(|event| early.keep(event));
        assert_eq!(early.take(), Early::Events(vec![event(3), event(4), event(5)]));
        assert_eq!(early.take(), Early::Events(Vec::new()));
    }

    #[test]
    fn more_than_can_wait_is_said() {
        let mut early = EarlyEvents::default();
        (0..=MAX_WAITING as u64).map(event).for_each(|event| early.keep(event));
        assert_eq!(early.take(), Early::TooMany);
        assert_eq!(early.take(), Early::Events(Vec::new()), "and forgotten");
    }
}
