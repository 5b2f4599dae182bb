//! Calling people in, and asking to come in: checks 21 and 41 of the behaviour, and what goes with them.

use serambi_protocol::{
    Act, Code, Notice, RoomSwitch,
    door::AtDoor,
    limits::{KNOCK_AGAIN_MS, KNOCK_KEPT_MS, KNOCKS, KNOCKS_REMEMBERED, LET_IN_MS, PING_ADMITS_MS, PING_AGAIN_MS},
};
use serambi_room::Room;

use crate::timetable::*;

fn at_the_door(name: &str, count: u32) -> Notice {
    Notice::AtTheDoor { name: name.into(), count }
}

/// A locked room with A as host, B as moderator, C as speaker and D as listener.
fn locked() -> Timetable {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B C").does("A", make_moderator("B")).does("A", lock(true)).forget_notices();
    room
}

#[test]
fn check_21_into_a_locked_room_comes_who_dropped_out_a_moment_ago_or_was_called_by_a_moderator() {
    let mut room = Timetable::a_starts();
    room.joins("B").at(100_000).leaves("B").does("A", lock(true));
    assert!(room.view("A").room.switches.is_on(RoomSwitch::Locked) && room.room.card().locked);
    assert_eq!(room.cannot_join("C"), Code::RoomLocked);
    room.at(130_000).joins("B");
    assert_eq!(room.cannot_join("D"), Code::RoomLocked);
    room.does("A", ping("D")).joins("D");
    assert_eq!(room.told("A"), [], "coming in is silent");
}

#[test]
fn who_left_a_locked_room_comes_back_for_two_minutes_and_anybody_once_it_is_unlocked() {
    let mut room = Timetable::a_starts();
    room.joins("C").at(100_000).leaves("C").does("A", lock(true)).at(220_000);
    assert_eq!(room.cannot_join("C"), Code::RoomLocked);
    room.does("A", lock(false)).joins("C D");
}

#[test]
fn a_moderators_call_opens_the_lock_once_and_for_a_while() {
    let mut room = locked();
    room.does("B", ping("E")).joins("E").leaves("E").at(200_000);
    assert_eq!(room.cannot_join("E"), Code::RoomLocked, "the call is used up, and leaving is long ago");
    room.does("A", ping("F")).at(200_000 + PING_ADMITS_MS - 1).joins("F");
    room.does("A", ping("G")).at(200_000 + 2 * PING_ADMITS_MS);
    assert_eq!(room.cannot_join("G"), Code::RoomLocked);
}

#[test]
fn a_speakers_call_is_heard_and_opens_no_lock() {
    let mut room = locked();
    room.does("C", ping("E"));
    assert_eq!(room.cannot_join("E"), Code::RoomLocked);
}

#[test]
fn listeners_call_people_into_an_open_room_only() {
    let mut room = locked();
    assert_eq!(room.cannot("D", ping("E")), Code::NotAllowed);
    assert!(!room.view("D").may(Act::Ping) && room.view("C").may(Act::Ping));
    room.does("A", lock(false));
    assert!(room.view("D").may(Act::Ping));
    room.does("D", ping("E"));
}

#[test]
fn one_person_is_called_once_in_ten_minutes_whoever_calls() {
    let mut room = locked();
    room.at(1_000).does("C", ping("E")).at(61_000);
    assert_eq!(room.cannot("A", ping("E")), Code::PingedRecently);
    let refusal = room.room.why_not_pinged(room.now, &person("E")).unwrap();
    assert_eq!(refusal.again_in_ms, Some(PING_AGAIN_MS - 60_000));
    room.at(1_000 + PING_AGAIN_MS).does("A", ping("E"));
}

#[test]
fn who_is_inside_blocked_or_was_just_removed_cannot_be_called_and_it_is_not_said_why() {
    let mut room = locked();
    room.joins_called("E F").does("A", remove_and_block("E")).does("A", remove("F"));
    for name in ["D", "E", "F"] {
        assert_eq!(room.cannot("A", ping(name)), Code::NotCallable, "{name}");
    }
    assert_eq!(room.cannot_join("E"), Code::Blocked);
}

#[test]
fn a_call_opens_nothing_to_somebody_who_was_put_out_afterwards() {
    let mut room = locked();
    room.does("A", ping("E")).does("A", lock(false)).joins("E").does("A", lock(true)).does("A", remove("E"));
    room.at(400_000);
    assert_eq!(room.cannot_join("E"), Code::RoomLocked);
}

#[test]
fn check_41_who_asks_to_come_in_is_let_in_and_asked_again_within_five_minutes_nobody_is_told_twice() {
    let mut room = locked();
    assert_eq!(room.cannot_join("E"), Code::RoomLocked);
    assert_eq!(room.knocks("E"), AtDoor::Waiting);
    assert_eq!(room.told("A"), [at_the_door("E", 1)]);
    assert_eq!(room.told("B"), [at_the_door("E", 1)]);
    assert_eq!((room.told("C"), room.told("D")), (vec![], vec![]), "moderators only");
    assert_eq!(
        (room.door("A"), room.door("B"), room.door("C"), room.door("D")),
        ("E".into(), "E".into(), "".into(), "".into())
    );
    room.keep_knocking("E", 20_000).does("B", let_in("E"));
    assert_eq!(room.knocks("E"), AtDoor::LetIn);
    room.joins("E").leaves("E").at(170_000);
    assert_eq!(room.knocks("E"), AtDoor::Waiting);
    assert_eq!(room.door("A"), "E");
    assert_eq!(room.anybody_told(), [], "no second notice");
    room.stops_knocking("E");
    room.at(KNOCK_AGAIN_MS);
    assert_eq!(room.knocks("E"), AtDoor::Waiting);
    assert_eq!(room.told("A"), [at_the_door("E", 1)], "five minutes later it is news");
}

#[test]
fn only_moderators_answer_the_door_and_only_those_who_stand_there() {
    let mut room = locked();
    room.knocks("E");
    assert_eq!((room.cannot("C", let_in("E")), room.cannot("D", turn_away("E"))), (Code::NotAllowed, Code::NotAllowed));
    assert_eq!((room.cannot("A", let_in("F")), room.cannot("A", turn_away("F"))), (Code::NotAtDoor, Code::NotAtDoor));
    assert!(room.view("B").may(Act::AnswerDoor) && !room.view("C").may(Act::AnswerDoor));
}

#[test]
fn who_is_told_not_now_is_told_so_for_five_minutes_and_may_ask_again_then() {
    let mut room = locked();
    room.knocks("E");
    room.does("A", turn_away("E"));
    assert_eq!((room.knocks("E"), room.door("A")), (AtDoor::NotNow, String::new()));
    assert_eq!(room.cannot_join("E"), Code::RoomLocked);
    room.at(KNOCK_AGAIN_MS);
    assert_eq!(room.knocks("E"), AtDoor::Waiting);
}

#[test]
fn a_call_says_more_than_not_now() {
    let mut room = locked();
    room.knocks("E");
    room.does("A", turn_away("E")).does("A", ping("E"));
    assert_eq!(room.knocks("E"), AtDoor::LetIn);
}

#[test]
fn who_was_let_in_and_does_not_come_for_a_minute_stays_outside() {
    let mut room = locked();
    room.knocks("E");
    room.does("A", let_in("E")).at(LET_IN_MS);
    assert_eq!(room.cannot_join("E"), Code::RoomLocked);
}

#[test]
fn who_goes_away_from_the_door_is_no_longer_there_with_or_without_a_word() {
    let mut room = locked();
    room.knocks("E");
    room.knocks("F");
    assert_eq!(room.stops_knocking("E"), AtDoor::Outside);
    assert_eq!(room.door("A"), "F");
    room.keep_knocking("F", 60_000).at(60_000 + KNOCK_KEPT_MS);
    assert_eq!(room.door("A"), "");
}

#[test]
fn unlocking_the_room_lets_everybody_at_the_door_come_in() {
    let mut room = locked();
    room.knocks("E");
    room.knocks("F");
    room.does("A", lock(false));
    assert_eq!((room.door("A"), room.knocks("E")), (String::new(), AtDoor::LetIn));
    room.joins("E F");
}

#[test]
fn at_an_open_door_nobody_waits_and_nobody_is_told() {
    let mut room = Timetable::a_starts();
    assert_eq!(room.knocks("E"), AtDoor::LetIn);
    assert_eq!((room.door("A"), room.told("A")), (String::new(), vec![]));
}

#[test]
fn who_is_blocked_or_was_just_removed_is_told_so_at_the_door_too() {
    let mut room = locked();
    room.joins_called("E F").does("A", remove_and_block("E")).does("A", remove("F"));
    assert_eq!((room.cannot_knock("E"), room.cannot_knock("F")), (Code::Blocked, Code::RemovedRecently));
}

#[test]
fn a_crowd_at_the_door_is_bounded_and_a_stranger_with_many_names_does_not_cry_without_end() {
    let mut room = locked();
    let somebody = |number: usize| {
        let mut key = [90; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        serambi_protocol::PersonId::from_key(&key)
    };
    let mut waits = |number: usize, waits: bool| {
        let knocking = room.room.knock(room.now, &somebody(number), "crowd", waits);
        knocking.map(|knocking| knocking.outcome.notices.len()).map_err(|refusal| refusal.code)
    };
    (0..KNOCKS).for_each(|number| assert_eq!(waits(number, true), Ok(2), "both moderators"));
    assert_eq!(waits(KNOCKS, true), Err(Code::DoorCrowded));
    for number in 0..KNOCKS_REMEMBERED {
        assert_eq!(waits(number, false), Ok(0));
        assert!(waits(number + KNOCKS, true).is_ok() == (number + KNOCKS < KNOCKS_REMEMBERED), "{number}");
    }
}

#[test]
fn a_house_that_was_closed_has_the_same_people_at_the_door_and_the_same_calls() {
    let mut room = locked();
    room.knocks("E");
    room.does("A", ping("F"));
    let saved = serde_json::to_string(&room.room).unwrap();
    room.room = serde_json::from_str::<Room>(&saved).unwrap();
    room.room.restart(room.now);
    room.joins("A");
    assert_eq!(room.door("A"), "E");
    room.joins("F").does("A", let_in("E")).joins("E");
}

/// Rooms that were saved before there was a door are read.
#[test]
fn a_room_of_an_older_house_has_nobody_at_the_door() {
    let room = locked();
    let mut saved = serde_json::to_value(&room.room).unwrap();
    saved.as_object_mut().unwrap().remove("door");
    let settings = saved["settings"].as_object_mut().unwrap();
    settings.retain(|name, _| !name.starts_with("ping") && !name.starts_with("knock") && name != "let_in_ms");
    assert_eq!(serde_json::from_value::<Room>(saved).unwrap(), room.room);
}
