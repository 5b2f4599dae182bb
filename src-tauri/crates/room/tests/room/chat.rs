//! Chat in the room: who may write and delete what, how much, and what is kept of it.

use serambi_protocol::{
    Act, Code, PersonId,
    limits::{CHAT_KEPT, CHAT_SHOWN},
};
use serambi_room::Room;

use crate::timetable::*;

/// A room with A as host, B as moderator, C as speaker and D as listener.
fn evening() -> Timetable {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B C").does("A", make_moderator("B")).forget_notices();
    room
}

/// D writes so many messages, one a second.
fn writes(room: &mut Timetable, messages: usize) {
    for _ in 0..messages {
        room.at(room.now.0 + 1_000).does("D", say("hello"));
    }
}

#[test]
fn everybody_in_the_room_writes_and_nobody_gets_a_notice() {
    let mut room = evening();
    room.does("A", say("welcome")).does("B", say("hi")).does("C", say(" hello ")).does("D", say("good evening"));
    assert_eq!(room.chat(), ["A: welcome", "B: hi", "C: hello", "D: good evening"]);
    assert!(room.anybody_told().is_empty());
    assert!("A B C D".split(' ').all(|name| room.view(name).may(Act::Say)));
}

#[test]
fn who_is_not_in_the_room_writes_nothing_removed_people_included() {
    let mut room = evening();
    assert_eq!(room.cannot("E", say("hello")), Code::NotInRoom);
    room.does("D", say("hello")).does("A", remove_and_block("D"));
    assert_eq!(room.cannot("D", say("again")), Code::NotInRoom);
    assert_eq!(room.cannot("D", delete(1)), Code::NotInRoom);
    assert_eq!(room.chat(), ["D: hello"], "what they wrote stays until a moderator removes it");
}

#[test]
fn a_message_that_cannot_be_read_or_is_too_long_is_refused() {
    let mut room = evening();
    assert_eq!(room.cannot("D", say(" \u{200B} ")), Code::MessageEmpty);
    assert_eq!(room.cannot("D", say(&"a".repeat(501))), Code::MessageTooLong);
    assert_eq!(room.cannot("D", say("a\u{202E}b")), Code::MessageUnreadable);
}

#[test]
fn one_person_writes_five_messages_at_a_time_and_is_told_when_to_go_on() {
    let mut room = evening();
    (0..5).for_each(|_| _ = room.does("D", say("hello")));
    assert_eq!(room.cannot("D", say("more")), Code::ChatTooFast);
    let refusal = room.room.command(room.now, &person("D"), &say("more")).unwrap_err();
    assert_eq!(refusal.again_in_ms, Some(1_000));
    room.does("C", say("of others that says nothing")).at(1_000).does("D", say("more"));
    assert_eq!(room.cannot("D", say("and more")), Code::ChatTooFast);
}

#[test]
fn leaving_and_coming_back_is_no_way_around_the_limit() {
    let mut room = evening();
    (0..5).for_each(|_| _ = room.does("D", say("hello")));
    room.leaves("D").joins("D");
    assert_eq!(room.cannot("D", say("more")), Code::ChatTooFast);
}

#[test]
fn of_what_one_wrote_oneself_and_took_back_nothing_is_left() {
    let mut room = evening();
    room.does("D", say("oops")).does("C", say("what?")).does("D", delete(1));
    assert_eq!(room.chat(), ["C: what?"]);
    assert_eq!(room.room.chat_so_far().unwrap().len(), 1);
    assert_eq!(room.cannot("D", delete(1)), Code::MessageGone);
    room.does("B", say("mine")).does("B", delete(3));
    assert_eq!(room.chat(), ["C: what?"], "a moderator's own, too");
}

#[test]
fn a_moderator_removes_what_anybody_wrote_and_that_it_was_there_stays() {
    let mut room = evening();
    room.does("D", say("rude")).does("A", say("hello")).does("B", delete(1));
    assert_eq!(room.chat(), ["D: -", "A: hello"]);
    assert_eq!(room.cannot("A", delete(1)), Code::MessageGone);
    assert_eq!(room.cannot("D", delete(1)), Code::MessageGone, "what a moderator removed, its writer cannot hide");
    let kept = serde_json::to_string(&room.room).unwrap();
    assert!(!kept.contains("rude"), "the words are gone");
}

#[test]
fn speakers_and_listeners_delete_only_their_own() {
    let mut room = evening();
    room.does("A", say("welcome"));
    for name in ["C", "D"] {
        assert_eq!(room.cannot(name, delete(1)), Code::NotAllowed);
        assert!(!room.view(name).may(Act::RemoveMessages));
    }
    assert!(room.view("A").may(Act::RemoveMessages) && room.view("B").may(Act::RemoveMessages));
}

#[test]
fn a_moderator_turns_the_chat_off_and_what_was_written_stays_and_can_be_deleted() {
    let mut room = evening();
    room.does("D", say("hello")).does("D", say("again"));
    assert_eq!(room.cannot("C", chat_off(true)), Code::NotAllowed);
    room.does("B", chat_off(true));
    for name in ["A", "D"] {
        assert_eq!(room.cannot(name, say("more")), Code::ChatOff);
        let you = room.view(name).you;
        assert!(you.refused.iter().any(|refused| refused.act == Act::Say && refused.code == Code::ChatOff));
        assert!(!you.may.contains(&Act::Say));
    }
    room.does("D", delete(1)).does("B", delete(2));
    assert_eq!(room.chat(), ["D: -"]);
    room.does("A", chat_off(false)).does("D", say("thanks"));
}

#[test]
fn the_last_two_hundred_messages_are_kept_and_who_comes_later_reads_fifty() {
    let mut room = evening();
    assert_eq!(room.room.chat_so_far(), None, "nobody has written anything");
    writes(&mut room, CHAT_KEPT + 1);
    assert_eq!(room.cannot("D", delete(1)), Code::MessageGone);
    room.does("D", delete(2));
    let ids: Vec<u64> = room.room.chat_so_far().unwrap().iter().map(|message| message.id.0).collect();
    let last = CHAT_KEPT as u64 + 1;
    assert_eq!(ids, (last + 1 - CHAT_SHOWN as u64..=last).collect::<Vec<_>>());
}

/// A room that was saved by a program that knew no chat goes on, and its people can write.
#[test]
fn a_room_that_was_saved_without_a_chat_has_an_empty_one() {
    let room = evening();
    let mut saved = serde_json::to_value(&room.room).unwrap();
    saved.as_object_mut().unwrap().remove("chat");
    let mut restored: Room = serde_json::from_value(saved).unwrap();
    assert_eq!(restored, room.room);
    let who: PersonId = person("D");
    assert!(restored.command(room.now, &who, &say("hello")).is_ok());
}
