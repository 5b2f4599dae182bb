//! Reactions in the room: who may, how often, and that nothing but them is different afterwards.

use serambi_protocol::{Act, Code, Command, RoomSwitch, reaction::Reaction, view::RoomTime};
use serambi_room::Room;

use crate::timetable::*;

fn react(reaction: Reaction) -> Command {
    Command::React { reaction }
}

fn reactions_off(on: bool) -> Command {
    Command::SetSwitch { switch: RoomSwitch::ReactionsOff, on }
}

#[test]
fn everybody_in_the_room_reacts_and_nobody_gets_a_notice() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B").forget_notices();
    let seen = |room: &Timetable| ["A", "B", "C"].map(|name| room.view(name));
    let before = seen(&room);
    room.does("A", react(Reaction::Heart)).does("B", react(Reaction::Clap)).does("C", react(Reaction::Clap));
    assert!(room.anybody_told().is_empty());
    assert_eq!(seen(&room), before, "a view has nothing of it");
    let reacted = room.room.take_reactions(room.now).unwrap();
    assert_eq!(reacted.stage.len(), 2, "the stage by name");
    assert_eq!((reacted.audience[0].reaction, reacted.audience[0].count), (Reaction::Clap, 1));
    assert_eq!(room.room.take_reactions(room.now), None);
}

#[test]
fn who_reacts_again_within_a_second_is_told_when_they_may() {
    let mut room = Timetable::a_starts();
    room.joins("B C").at(10_000).does("B", react(Reaction::Clap)).at(10_400);
    let refusal = room.room.command(room.now, &person("B"), &react(Reaction::Heart)).unwrap_err();
    assert_eq!((refusal.code, refusal.again_in_ms), (Code::ReactedRecently, Some(600)));
    room.does("C", react(Reaction::Clap)).at(11_000).does("B", react(Reaction::Heart));
}

#[test]
fn who_is_not_in_the_room_reacts_to_nothing() {
    let mut room = Timetable::a_starts();
    room.joins("B").does("A", remove("B"));
    assert_eq!(room.cannot("B", react(Reaction::Clap)), Code::NotInRoom);
    assert_eq!(room.cannot("E", react(Reaction::Clap)), Code::NotInRoom);
}

#[test]
fn moderators_turn_reactions_off_and_everybody_sees_why() {
    let mut room = Timetable::a_starts();
    room.joins("B");
    assert_eq!(room.cannot("B", reactions_off(true)), Code::NotAllowed);
    room.does("A", reactions_off(true));
    assert_eq!(room.cannot("B", react(Reaction::Clap)), Code::ReactionsOff);
    assert_eq!(room.cannot("A", react(Reaction::Clap)), Code::ReactionsOff);
    let you = room.view("B").you;
    assert!(you.refused.iter().any(|refused| refused.act == Act::React && refused.code == Code::ReactionsOff));
    room.does("A", reactions_off(false)).does("B", react(Reaction::Clap));
}

#[test]
fn what_waits_to_be_told_goes_with_who_showed_it_and_with_the_switch() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").does("B", react(Reaction::Idea)).does("A", remove("B"));
    assert_eq!(room.room.take_reactions(room.now), None);
    room.joins("C").at(20_000).does("C", react(Reaction::Clap)).does("A", reactions_off(true));
    assert_eq!(room.room.take_reactions(room.now), None);
    room.does("A", reactions_off(false));
    assert_eq!(room.room.take_reactions(RoomTime(60_000)), None, "it is over");
}

#[test]
fn nothing_of_a_reaction_is_on_a_disk() {
    let mut room = Timetable::a_starts();
    room.joins("B");
    let before = serde_json::to_string(&room.room).unwrap();
    room.does("B", react(Reaction::Clap));
    assert_eq!(serde_json::to_string(&room.room).unwrap(), before);
    let mut saved: Room = serde_json::from_str(&before).unwrap();
    assert_eq!(saved.take_reactions(RoomTime(60_000)), None);
}
