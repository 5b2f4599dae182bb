//! Files that the window's tests read: views of a real room in states that are hard to reach, and vectors that hold the
//! two folds equal. `SERAMBI_WRITE_FIXTURES=1 cargo test -p serambi-room fixtures` writes them anew.

use std::{collections::BTreeMap, path::PathBuf};

use serambi_protocol::{
    Command, PersonId, RoomView, TopicChange,
    chat::{ChatEvent, ChatLog},
    command::HandScope,
    view::RoleView,
};
use serambi_room::Settings;

use crate::timetable::*;

fn is(path: &str, made: &serde_json::Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut made = serde_json::to_string_pretty(made).unwrap();
    made.push('\n');
    if std::env::var_os("SERAMBI_WRITE_FIXTURES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "{} is stale: SERAMBI_WRITE_FIXTURES=1 cargo test -p serambi-room", path.display());
}

/// A room with a host, a moderator, a speaker and four listeners.
fn evening() -> Timetable {
    let mut room = Timetable::a_starts();
    room.joins("B C D E F G").brings_up("B C").does("A", make_moderator("B"));
    room
}

/// The same room in full swing: some are unmuted, many listen, three hands are up.
fn lively_evening() -> Timetable {
    let mut room = evening();
    room.does("A", UNMUTE).does("B", UNMUTE).joins("H I J K L M N O P Q R S T U V W");
    room.at(2_140_000).raise_hands("D").at(2_205_000).raise_hands("E").at(2_260_000).raise_hands("F").at(2_280_000);
    room
}

/// Two whose names look alike: the second begins with a Cyrillic letter.
fn namesakes() -> Timetable {
    let mut room = evening();
    for (id, name) in [("Y", "Ani"), ("Z", "\u{410}ni")] {
        let _ = room.room.join(room.now, &person(id), name).unwrap();
    }
    room.brings_up("Y").at(1_000).raise_hands("Z");
    room
}

fn waiting_stage() -> Timetable {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B").does("B", STEP_DOWN).at(10_000).leaves("A");
    room
}

fn views() -> BTreeMap<&'static str, RoomView> {
    let mut alone = Timetable::a_starts();
    let mut queue = evening();
    queue.at(1_000).raise_hands("D").at(2_000).raise_hands("E").at(3_000).raise_hands("F");
    let mut invited = evening();
    invited.does("A", invite("D")).raise_hands("E").does("B", invite("E")).does("A", invite("F"));
    invited.does("F", Command::DeclineInvitation);
    let mut full = Timetable::a_starts_with(Settings { stage_limit: 3, ..Settings::default() });
    full.joins("B C D E").brings_up("B C").raise_hands("D");
    let mut locked = evening();
    locked.does("A", lock(true)).does("A", scope(HandScope::Off)).does("A", save_upload(true));
    let mut door = evening();
    door.does("A", lock(true)).at(60_000).knocks("H");
    door.at(61_000).knocks("I");
    let mut lost = evening();
    lost.has_sound_again("B").loses("C D").at(6_000).loses("B").loses_sound("E").at(16_500);
    let mut waiting = waiting_stage();
    let mut offered = waiting_stage();
    offered.leaves("B").at(140_000);
    let mut dismissed = evening();
    dismissed.raise_hands("D").does("A", dismiss("D"));
    let lively = lively_evening();
    let mut hostless = lively_evening();
    hostless.loses("A").at(2_295_000);
    let mut crowd = evening();
    for number in 0..230u8 {
        let mut key = [200; 32];
        key[0] = number;
        let _ = crowd.room.join(crowd.now, &PersonId::from_key(&key), &format!("Guest {number}")).unwrap();
    }
    BTreeMap::from([
        ("alone host", alone.at(500).view("A")),
        ("host with a queue of three", queue.view("A")),
        ("speaker who reads the queue", queue.view("C")),
        ("listener second in line", queue.view("E")),
        ("host with invitations", invited.view("A")),
        ("invited listener", invited.view("D")),
        ("listener whose turn it is", invited.view("E")),
        ("host of a full stage", full.view("A")),
        ("host of a locked room", locked.view("A")),
        ("listener of a locked room without hands", locked.view("D")),
        ("host with two at the door", door.view("A")),
        ("host with lost people", lost.view("A")),
        ("former speaker before an empty stage", waiting.at(11_000).view("B")),
        ("listener before an empty stage", waiting.view("C")),
        ("listener who is asked to run the room", offered.view("C")),
        ("listener whose hand was dismissed", dismissed.view("D")),
        ("moderator", queue.view("B")),
        ("listener in a crowd", crowd.view("D")),
        ("host of a lively evening", lively.view("A")),
        ("moderator of a lively evening", lively.view("B")),
        ("speaker on a lively evening", lively.view("C")),
        ("listener on a lively evening", lively.view("G")),
        ("moderator while the host is away", hostless.view("B")),
        ("host with namesakes", namesakes().view("A")),
    ])
}

#[test]
fn fixtures_for_the_window_are_what_the_rules_show() {
    is("../../../ui/tests/fixtures/rooms.json", &serde_json::to_value(views()).unwrap());
}

fn changes(before: &RoomView, after: &RoomView) -> Vec<TopicChange> {
    let shared = |view: &RoomView| {
        let RoomView { room, counts, rights, stage, audience, hands, invitations, door, .. } = view.clone();
        RoleView { room, counts, rights, stage, audience, hands, invitations, door }
    };
    let you = (before.you != after.you).then(|| TopicChange::You { record: Box::new(after.you.clone()) });
    let shared = shared(before).changes_to(&shared(after));
    you.into_iter().chain(shared.iter().map(|change| (**change).clone())).collect()
}

/// What somebody sees of a whole evening, step by step.
fn vectors(name: &str) -> serde_json::Value {
    let mut room = evening();
    let mut before = room.view(name);
    let start = before.clone();
    let steps: [fn(&mut Timetable); 14] = [
        |room| _ = room.at(1_000).raise_hands("F D"),
        |room| _ = room.does("A", invite("D")),
        |room| _ = room.does("D", Command::AcceptInvitation).does("D", UNMUTE),
        |room| _ = room.does("F", Command::LowerHand).joins("H I").leaves("E"),
        |room| _ = room.does("A", hand_over("C")),
        |room| _ = room.loses("B").at(20_000),
        |room| _ = room.does("C", lock(true)).does("C", scope(HandScope::Off)),
        |room| _ = room.is_back("B"),
        |room| _ = room.does("C", to_audience("D")).does("C", make_moderator("B")),
        |room| _ = room.does("C", take_moderator("A")).does("C", mute("B")),
        |room| _ = room.knocks("J"),
        |room| _ = room.does("C", let_in("J")),
        |room| _ = room.does("C", hand_over("A")).does("A", lock(false)),
        |room| _ = room.leaves("C").joins("C"),
    ];
    let mut told = Vec::new();
    for step in steps {
        step(&mut room);
        let after = room.view(name);
        let changes = changes(&before, &after);
        told.push(serde_json::json!({ "now": after.now, "changes": changes, "after": after }));
        before = after;
    }
    serde_json::json!({ "start": start, "steps": told })
}

#[test]
fn fixtures_for_both_folds_are_what_the_rules_tell() {
    let all = serde_json::json!({ "moderator": vectors("A"), "listener": vectors("F") });
    is("../protocol/vectors/fold.json", &all);
    for reader in all.as_object().unwrap().values() {
        let mut view: RoomView = serde_json::from_value(reader["start"].clone()).unwrap();
        for step in reader["steps"].as_array().unwrap() {
            let changes: Vec<TopicChange> = serde_json::from_value(step["changes"].clone()).unwrap();
            changes.iter().for_each(|change| view.apply(change));
            view.now = serde_json::from_value(step["now"].clone()).unwrap();
            assert_eq!(serde_json::to_value(&view).unwrap(), step["after"]);
        }
    }
}

/// What is told of a chat, step by step, and what a reader has of it then.
fn chat_vectors() -> serde_json::Value {
    let mut room = evening();
    let mut log = ChatLog::default();
    let mut known = 0;
    let steps: [fn(&mut Timetable); 6] = [
        |room| _ = room.does("A", say("welcome")).does("D", say("hello")),
        |room| _ = room.does("D", delete(2)),
        |room| _ = room.does("E", say("see https://example.org")).does("B", delete(3)),
        |room| (0..55).for_each(|n| _ = room.at(1_000 * (n + 1)).does("F", say("on it goes"))),
        |room| _ = room.at(200_000).does("G", say("somebody was away")),
        |room| _ = room.does("G", delete(59)),
    ];
    let mut told = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        step(&mut room);
        let mut events = room.chat_told()[known..].to_vec();
        known += events.len();
        if number == 4 {
            // Whoever was away is told the last messages instead.
            events = vec![ChatEvent::Opened { messages: room.room.chat_so_far().unwrap() }];
        }
        events.iter().for_each(|event| log.apply(event));
        told.push(serde_json::json!({ "events": events, "after": log.messages().collect::<Vec<_>>() }));
    }
    told.into()
}

#[test]
fn the_fixture_for_both_folds_of_the_chat_is_what_the_rules_tell() {
    is("../protocol/vectors/chat.json", &chat_vectors());
}
