//! Chat over a real house: told to everybody once, read by who comes later, and there again after a kill.

use reqwest::{StatusCode, header::RETRY_AFTER};
use serambi_protocol::{
    Act, Code, Command, RoomId, RoomSwitch,
    chat::{ChatEvent, ChatMessage, MessageId},
    limits::{CHAT_SHOWN, EVENTS_KEPT, ROOM_SAYS_EVERY_MS, SAY_AT_ONCE},
};

use crate::{follower::Follower, restart::Running, visitor::TestHouse};

fn say(text: impl Into<String>) -> Command {
    Command::Say { text: text.into() }
}

fn delete(id: u64) -> Command {
    Command::DeleteMessage { id: MessageId(id) }
}

fn chat_off(on: bool) -> Command {
    Command::SetSwitch { switch: RoomSwitch::ChatOff, on }
}

/// `"Dewi: hello"`, or `"Dewi: -"` where a moderator removed it.
fn lines(reader: &Follower) -> Vec<String> {
    let line = |message: &ChatMessage| format!("{}: {}", message.name, message.text.as_deref().unwrap_or("-"));
    reader.chat.messages().map(line).collect()
}

/// So many people as can write that many messages at a time.
async fn writers(house: &TestHouse, room: &RoomId, messages: usize) -> Vec<Follower> {
    let mut writers = Vec::new();
    for number in 0..messages.div_ceil(SAY_AT_ONCE as usize) {
        writers.push(house.visitor(&format!("Writer {number}")).await.enter(room).await);
    }
    writers
}

#[tokio::test]
async fn everybody_reads_what_is_written_taken_back_and_removed() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("Tea").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    let mut dewi = house.visitor("Dewi").await.enter(&sari.room).await;
    wei.does(say("  hello ")).await;
    dewi.does(say("rude")).await;
    sari.does(say("welcome, see https://example.org/tea")).await;
    for reader in [&mut sari, &mut wei, &mut dewi] {
        reader.reads("three messages", |chat| chat.messages().count() == 3).await;
        assert_eq!(lines(reader), ["Wei: hello", "Dewi: rude", "Sari: welcome, see https://example.org/tea"]);
        assert_eq!(reader.notices, [], "a message is no notice");
    }
    assert_eq!(wei.is_refused(delete(2)).await, Code::NotAllowed);
    wei.does(delete(1)).await;
    sari.does(delete(2)).await;
    for reader in [&mut sari, &mut wei, &mut dewi] {
        reader.reads("both deletions", |chat| chat.messages().any(|message| message.text.is_none())).await;
        assert_eq!(lines(reader), ["Dewi: -", "Sari: welcome, see https://example.org/tea"]);
    }
    assert_eq!(dewi.is_refused(delete(2)).await, Code::MessageGone);
    assert_eq!(dewi.is_refused(say("\u{202E}")).await, Code::MessageEmpty);
    assert_eq!(dewi.is_refused(say("a".repeat(501))).await, Code::MessageTooLong);
}

#[tokio::test]
async fn who_writes_too_fast_is_told_when_to_go_on() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    for _ in 0..5 {
        sari.does(say("hello")).await;
    }
    let path = house.at(&format!("rooms/{}/commands", sari.room));
    let asked = sari.visitor.http.post(path).bearer_auth(&sari.visitor.session).json(&say("more"));
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()[RETRY_AFTER], "1");
    house.house.clock().skip_ms(1_000);
    sari.does(say("more")).await;
}

#[tokio::test]
async fn who_comes_later_reads_the_last_fifty_and_who_comes_first_is_told_of_none() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let writers = writers(&house, &sari.room, CHAT_SHOWN + 7).await;
    assert!(writers.iter().all(|writer| writer.seq == 0), "of an empty chat nothing is told");
    for number in 1..=CHAT_SHOWN + 7 {
        writers[number % writers.len()].does(say(format!("line {number}"))).await;
        house.house.clock().skip_ms(ROOM_SAYS_EVERY_MS);
    }
    let mut late = house.visitor("Late").await.enter(&sari.room).await;
    late.reads("what was written", |chat| chat.messages().count() > 0).await;
    let read = lines(&late);
    assert_eq!(read.len(), CHAT_SHOWN);
    assert!(read[0].ends_with("line 8") && read[CHAT_SHOWN - 1].ends_with("line 57"), "{read:?}");
}

#[tokio::test]
async fn who_was_away_for_a_moment_misses_no_message_and_reads_none_twice() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.does(say("before")).await;
    wei.reads("the first", |chat| chat.messages().count() == 1).await;
    let Follower { visitor, seq, room, view, chat, .. } = wei;
    sari.does(say("meanwhile")).await;
    sari.does(say("and more")).await;
    let channel = visitor.channel(seq).await.kept_alive();
    let (notices, said, reacted) = (Vec::new(), Vec::new(), Vec::new());
    let mut wei = Follower { visitor, room, view, seq, notices, chat, said, reacted, closed: None, channel };
    wei.reads("all", |chat| chat.messages().count() == 3).await;
    let texts: Vec<&str> = wei.said.iter().map(|message| message.text.as_deref().unwrap_or_default()).collect();
    assert_eq!(texts, ["meanwhile", "and more"]);
}

#[tokio::test]
async fn who_missed_more_than_is_kept_reads_the_last_messages_in_their_place() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let writers = writers(&house, &sari.room, EVENTS_KEPT + 6).await;
    for number in 1..=EVENTS_KEPT + 6 {
        writers[number % writers.len()].does(say(format!("line {number}"))).await;
        let newest = MessageId(number as u64);
        sari.reads("it", |chat| chat.messages().any(|message| message.id == newest)).await;
        // Slowly enough for the house, and alive all the time.
        sari.channel.ping().await;
        house.house.clock().skip_ms(ROOM_SAYS_EVERY_MS);
    }
    let mut channel = sari.visitor.channel(1).await;
    let opened = loop {
        let envelope = channel.next().await.unwrap();
        let opened = envelope.event.chat().find_map(|event| match event {
            ChatEvent::Opened { messages } => Some(messages.clone()),
            _ => None,
        });
        if let Some(messages) = opened {
            break messages;
        }
    };
    assert_eq!(opened.len(), CHAT_SHOWN);
    assert_eq!(opened.last().unwrap().id, MessageId(EVENTS_KEPT as u64 + 6));
}

#[tokio::test]
async fn a_chat_that_is_off_takes_nothing_and_everybody_sees_why() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    assert_eq!(wei.is_refused(chat_off(true)).await, Code::NotAllowed);
    sari.does(chat_off(true)).await;
    wei.sees("that it is off", |view| !view.may(Act::Say)).await;
    assert!(wei.view.you.refused.iter().any(|refused| refused.code == Code::ChatOff));
    assert_eq!(wei.is_refused(say("hello")).await, Code::ChatOff);
    sari.does(chat_off(false)).await;
    wei.does(say("hello")).await;
}

#[tokio::test]
async fn a_house_that_is_killed_has_the_chat_when_it_is_back_and_gives_no_id_twice() {
    let folder = tempfile::tempdir().unwrap();
    let house = Running::start(folder.path()).await;
    let sari = house.visitor("Sari").await.open_room("Tea").await;
    let wei = house.visitor("Wei").await.enter(&sari.room).await;
    wei.does(say("hello")).await;
    wei.does(say("rude")).await;
    wei.does(say("oops")).await;
    // On the disk when it is acknowledged, and with it all that went before.
    sari.does(delete(2)).await;
    wei.does(delete(3)).await;
    house.kill();

    let house = Running::start(folder.path()).await;
    let mut wei = house.again(&wei.visitor).await.enter(&sari.room).await;
    wei.reads("what was written", |chat| chat.messages().count() == 2).await;
    assert_eq!(lines(&wei), ["Wei: hello", "Wei: -"]);
    wei.does(say("again")).await;
    wei.reads("the next", |chat| chat.messages().any(|message| message.id == MessageId(4))).await;
}
