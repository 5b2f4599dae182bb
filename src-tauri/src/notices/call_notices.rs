//! Which event of a call is worth a system notice, and when what stands on the desktop is over. Pure: time is an
//! argument.

use std::time::{Duration, Instant};

use serambi_call::{CallEvent, CallView};
use serambi_protocol::{Notice, RoomView, event::ClosedReason, view::InvitationView};

use super::told::{Subject, Told};

/// However many hands go up, moderators are told once in this time.
const HAND_EVERY: Duration = Duration::from_secs(3);
const MINUTE_MS: u64 = 60_000;

/// What is to be done on the desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeAct {
    /// To be told, unless the window says it or the person is not to be disturbed.
    Tell(Told),
    /// What stands there about this is over.
    Withdraw(Subject),
}

/// What was told of one call.
pub struct CallNotices {
    invitation: Option<InvitationView>,
    is_lost: bool,
    hands_are_up: bool,
    somebody_is_at_door: bool,
    hand_told_at: Option<Instant>,
}

impl CallNotices {
    /// A call that has just begun: whoever joined it knows how it stands.
    pub fn new(room: &RoomView, call: &CallView) -> Self {
        Self {
            invitation: room.you.invitation.clone(),
            is_lost: call.connection.is_lost(),
            hands_are_up: !room.hands.is_empty(),
            somebody_is_at_door: !room.door.is_empty(),
            hand_told_at: None,
        }
    }

    /// What an event tells by itself.
    pub fn take_event(&mut self, event: &CallEvent, room: &RoomView, now: Instant) -> Vec<NoticeAct> {
        match event {
            CallEvent::Notice(notice) => self.take_notice(notice, now).map(NoticeAct::Tell).into_iter().collect(),
            CallEvent::Closed(reason) => take_end(*reason, room),
            _ => Vec::new(),
        }
    }

    /// What follows from how room and call stand now.
    pub fn take_state(&mut self, room: &RoomView, call: &CallView) -> Vec<NoticeAct> {
        let acts =
            [self.take_invitation(room), self.take_connection(call), self.take_hands(room), self.take_door(room)];
        acts.into_iter().flatten().collect()
    }

    fn take_notice(&mut self, notice: &Notice, now: Instant) -> Option<Told> {
        match notice {
            Notice::MutedBy { by } => Some(Told::MutedBy(by.clone())),
            Notice::MovedToAudience => Some(Told::MovedToAudience),
            Notice::HandRaised { name, count } => {
                let is_soon = self.hand_told_at.is_some_and(|last| now.saturating_duration_since(last) < HAND_EVERY);
                if is_soon {
                    return None;
                }
                self.hand_told_at = Some(now);
                Some(Told::HandRaised { name: name.clone(), count: *count })
            }
            // At most one for each person in five minutes.
            Notice::AtTheDoor { name, count } => Some(Told::AtTheDoor { name: name.clone(), count: *count }),
            // The invitation stands in the view, which also says when it is over. Everything else can wait.
            _ => None,
        }
    }

    fn take_invitation(&mut self, room: &RoomView) -> Option<NoticeAct> {
        let present = &room.you.invitation;
        if self.invitation == *present {
            return None;
        }
        self.invitation.clone_from(present);
        Some(
            present
                .clone()
                .map_or(NoticeAct::Withdraw(Subject::Invitation), |open| NoticeAct::Tell(Told::Invited(open))),
        )
    }

    fn take_connection(&mut self, call: &CallView) -> Option<NoticeAct> {
        let was_lost = std::mem::replace(&mut self.is_lost, call.connection.is_lost());
        let told = if self.is_lost { Told::ConnectionLost } else { Told::ConnectionBack };
        (was_lost != self.is_lost).then_some(NoticeAct::Tell(told))
    }

    fn take_door(&mut self, room: &RoomView) -> Option<NoticeAct> {
        let was_there = std::mem::replace(&mut self.somebody_is_at_door, !room.door.is_empty());
        (was_there && !self.somebody_is_at_door).then_some(NoticeAct::Withdraw(Subject::Door))
    }

    fn take_hands(&mut self, room: &RoomView) -> Option<NoticeAct> {
        let were_up = std::mem::replace(&mut self.hands_are_up, !room.hands.is_empty());
        (were_up && !self.hands_are_up).then_some(NoticeAct::Withdraw(Subject::Hands))
    }
}

/// With the call everything ends that was told of it.
fn take_end(reason: ClosedReason, room: &RoomView) -> Vec<NoticeAct> {
    let of_call = [Subject::Invitation, Subject::OwnPlace, Subject::Hands, Subject::Door, Subject::Connection];
    of_call.map(NoticeAct::Withdraw).into_iter().chain(closed(reason, room).map(NoticeAct::Tell)).collect()
}

/// A call that was left, or goes on elsewhere, needs no telling.
fn closed(reason: ClosedReason, room: &RoomView) -> Option<Told> {
    match reason {
        ClosedReason::Removed => Some(Told::Removed),
        ClosedReason::Ended | ClosedReason::Failed => Some(Told::Ended { minutes: room.now.0 / MINUTE_MS }),
        ClosedReason::Left | ClosedReason::Lost | ClosedReason::Replaced => None,
    }
}

#[cfg(test)]
mod tests {
    use serambi_call::{Connection, MicrophoneView};
    use serambi_protocol::{
        PersonId,
        door::KnockView,
        view::{Counts, HandView, InvitationKind, Rights, Role, RoleView, RoomTime, YouView},
    };

    use super::*;
    use crate::notices::told::tests::{invitation, room as record};

    fn room() -> RoomView {
        let you = YouView {
            id: PersonId::from_key(&[1; 32]),
            role: Role::Listener,
            muted: true,
            place: None,
            hand_blocked_until: None,
            refused: Vec::new(),
            invitation: None,
            may: Vec::new(),
            leaving_asks: false,
            successor: None,
        };
        let shared = RoleView {
            room: record("Tea"),
            counts: Counts::default(),
            rights: Rights::default(),
            stage: Vec::new(),
            audience: Vec::new(),
            hands: Vec::new(),
            invitations: Vec::new(),
            door: Vec::new(),
        };
        RoomView::new(RoomTime(42 * MINUTE_MS), you, shared)
    }

    fn call(connection: Connection) -> CallView {
        CallView { link: String::new(), connection, microphone: MicrophoneView::default(), loudspeaker_problem: None }
    }

    fn begun() -> (CallNotices, RoomView, CallView) {
        let (room, call) = (room(), call(Connection::Connected));
        (CallNotices::new(&room, &call), room, call)
    }

    fn told_of(event: &CallEvent) -> Option<Told> {
        let (mut notices, room, _) = begun();
        let tells = |act| if let NoticeAct::Tell(told) = act { Some(told) } else { None };
        notices.take_event(event, &room, Instant::now()).into_iter().find_map(tells)
    }

    #[test]
    fn an_invitation_is_told_when_it_comes_and_withdrawn_when_it_is_over_however_that_came() {
        let (mut notices, mut room, call) = begun();
        assert_eq!(notices.take_state(&room, &call), []);
        let asked = invitation(InvitationKind::YourTurn);
        room.you.invitation = Some(asked.clone());
        assert_eq!(notices.take_state(&room, &call), [NoticeAct::Tell(Told::Invited(asked))]);
        assert_eq!(notices.take_state(&room, &call), [], "once");
        room.you.invitation = None;
        assert_eq!(notices.take_state(&room, &call), [NoticeAct::Withdraw(Subject::Invitation)]);
    }

    #[test]
    fn what_stood_when_the_room_was_joined_is_not_told() {
        let (_, mut room, call) = begun();
        room.you.invitation = Some(invitation(InvitationKind::Invited));
        assert_eq!(CallNotices::new(&room, &call).take_state(&room, &call), []);
    }

    #[test]
    fn what_happens_to_the_own_microphone_is_told() {
        let muted = CallEvent::Notice(Notice::MutedBy { by: "Bagus".to_owned() });
        assert_eq!(told_of(&muted), Some(Told::MutedBy("Bagus".to_owned())));
        let moved = CallEvent::Notice(Notice::MovedToAudience);
        assert_eq!(told_of(&moved), Some(Told::MovedToAudience));
    }

    #[test]
    fn the_end_of_a_room_and_being_removed_are_told_and_leaving_is_not() {
        let closed = |reason| told_of(&CallEvent::Closed(reason));
        assert_eq!(closed(ClosedReason::Ended), Some(Told::Ended { minutes: 42 }));
        assert_eq!(closed(ClosedReason::Removed), Some(Told::Removed));
        assert_eq!(closed(ClosedReason::Left), None);
        assert_eq!(closed(ClosedReason::Replaced), None);
    }

    #[test]
    fn the_end_of_a_call_withdraws_what_was_asked_in_it() {
        let (mut notices, room, _) = begun();
        let acts = notices.take_event(&CallEvent::Closed(ClosedReason::Removed), &room, Instant::now());
        assert!(acts.contains(&NoticeAct::Withdraw(Subject::Invitation)));
        assert!(!acts.contains(&NoticeAct::Withdraw(Subject::Room)));
    }

    #[test]
    fn joining_and_leaving_and_what_can_wait_is_not_told() {
        for notice in [
            Notice::JoinedStage { name: "Dewi".to_owned() },
            Notice::OnStage,
            Notice::YouAreModerator,
            Notice::SaidLater { name: "Dewi".to_owned() },
            Notice::Unknown,
        ] {
            assert_eq!(told_of(&CallEvent::Notice(notice.clone())), None, "{notice:?}");
        }
    }

    #[test]
    fn three_hundred_hands_in_three_seconds_are_one_notice_and_it_goes_with_the_last_hand() {
        let (mut notices, mut room, call) = begun();
        let start = Instant::now();
        let mut told = 0;
        for n in 0..300_u32 {
            let hand = CallEvent::Notice(Notice::HandRaised { name: "Dewi".to_owned(), count: n + 1 });
            let now = start + Duration::from_millis(u64::from(n) * 10);
            told += notices.take_event(&hand, &room, now).len();
        }
        assert_eq!(told, 1);
        let hand = HandView { id: room.you.id, rank: 1, name: "Dewi".to_owned(), raised_at: RoomTime(0) };
        room.hands = vec![hand];
        assert_eq!(notices.take_state(&room, &call), []);
        room.hands.clear();
        assert_eq!(notices.take_state(&room, &call), [NoticeAct::Withdraw(Subject::Hands)]);
    }

    #[test]
    fn who_asks_to_come_in_is_told_until_nobody_is_at_the_door() {
        let told = told_of(&CallEvent::Notice(Notice::AtTheDoor { name: "Citra".to_owned(), count: 1 }));
        assert_eq!(told, Some(Told::AtTheDoor { name: "Citra".to_owned(), count: 1 }));
        let (mut notices, mut room, call) = begun();
        room.door = vec![KnockView { id: room.you.id, rank: 1, name: "Citra".to_owned(), since: RoomTime(0) }];
        assert_eq!(notices.take_state(&room, &call), []);
        room.door.clear();
        assert_eq!(notices.take_state(&room, &call), [NoticeAct::Withdraw(Subject::Door)]);
    }

    #[test]
    fn a_lost_connection_is_told_once_and_so_is_its_return() {
        let (mut notices, room, _) = begun();
        let course = [
            Connection::SoundReconnecting,
            Connection::Reconnecting,
            Connection::Lost,
            Connection::Connected,
            Connection::HouseReconnecting,
        ];
        let told: Vec<NoticeAct> =
            course.into_iter().flat_map(|connection| notices.take_state(&room, &call(connection))).collect();
        assert_eq!(told, [NoticeAct::Tell(Told::ConnectionLost), NoticeAct::Tell(Told::ConnectionBack)]);
    }
}
