//! Which rooms there were, so that an old link says "has ended" rather than "not found".

use std::collections::{HashSet, VecDeque};

use serambi_protocol::{Code, Refusal, RoomId};

/// Rooms that are remembered.
const ENDED_KEPT: usize = 10_000;

/// The ids of rooms that were and are no more, as many as are kept.
#[derive(Default)]
pub struct Ended {
    order: VecDeque<RoomId>,
    ids: HashSet<RoomId>,
}

impl Ended {
    /// A room has ended.
    pub fn remember(&mut self, id: RoomId) {
        if self.order.len() == ENDED_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.ids.insert(id);
        self.order.push_back(id);
    }

    /// Why a room that is not open cannot be entered.
    pub fn explain(&self, id: &RoomId) -> Refusal {
        if self.ids.contains(id) { Code::RoomEnded.into() } else { Code::RoomNotFound.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_ended_is_told_from_one_that_never_was_until_many_more_have_ended() {
        let first = RoomId::from_random([1; 10]);
        let mut ended = Ended::default();
        assert_eq!(ended.explain(&first).code, Code::RoomNotFound);
        ended.remember(first);
        assert_eq!(ended.explain(&first).code, Code::RoomEnded);
        (0..ENDED_KEPT).for_each(|_| ended.remember(RoomId::from_random(rand::random())));
        assert_eq!(ended.explain(&first).code, Code::RoomNotFound);
    }
}
