//! Small views for tests.

use serambi_protocol::{
    PersonId, RoomId, RoomView,
    command::HandScope,
    switch::Switches,
    view::{Counts, Rights, Role, RoleView, RoomRecord, RoomTime, YouView},
};

use crate::call_view::{CallView, MicrophoneView};

/// A listener's view of an empty room.
pub(crate) fn room_view() -> RoomView {
    let you = YouView {
        id: PersonId::from_key(&[1; 32]),
        role: Role::Listener,
        muted: true,
        place: None,
        hand_blocked_until: None,
        invitation: None,
        may: Vec::new(),
        refused: Vec::new(),
        leaving_asks: false,
        successor: None,
    };
    let room = RoomRecord {
        id: RoomId::from_random([1; 10]),
        title: "Tea".to_owned(),
        host: "Ratna".to_owned(),
        stage_limit: 12,
        switches: Switches::default(),
        hand_scope: HandScope::Everyone,
        ends_at: None,
    };
    let shared = RoleView {
        room,
        counts: Counts::default(),
        rights: Rights::default(),
        stage: Vec::new(),
        audience: Vec::new(),
        hands: Vec::new(),
        invitations: Vec::new(),
        door: Vec::new(),
    };
    RoomView::new(RoomTime(0), you, shared)
}

/// A call that has just begun.
pub(crate) fn call_view() -> CallView {
    CallView {
        link: "serambi://127.0.0.1:1/".to_owned(),
        connection: crate::connection::Connection::Connected,
        microphone: MicrophoneView::default(),
        loudspeaker_problem: None,
    }
}
