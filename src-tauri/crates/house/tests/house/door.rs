//! The door of a locked room over the wire: who is called in, and who asks to come in.

use std::time::Duration;

use reqwest::{StatusCode, header::RETRY_AFTER};
use serambi_protocol::{
    Code, Command, Notice, PersonId, RoomId, RoomSwitch,
    api::{ChannelSay, ChannelTell},
    door::{AtDoor, CallablePerson, Called, Knock, Knocked},
    limits::PING_AGAIN_MS,
    view::Role,
};
use tokio::time::timeout;

use crate::{
    follower::{Channel, Follower},
    restart::Running,
    visitor::{Answer, LIMIT, TestHouse, Visitor},
};

/// A channel whose person wants to be called.
async fn callable_channel(visitor: &Visitor) -> Channel {
    let channel = visitor.channel(0).await.kept_alive();
    channel.says(&ChannelSay::Callable { callable: true }).await;
    channel
}

async fn callable(who: &Visitor, room: &RoomId) -> Answer<Vec<CallablePerson>> {
    who.get(&format!("rooms/{room}/callable")).await
}

/// Asks until this person can be called, as a window does that shows the list.
async fn can_call(who: &Follower, person: &PersonId) {
    let seen = async {
        while !callable(&who.visitor, &who.room).await.unwrap().iter().any(|one| one.id == *person) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, seen).await.expect("the person is not around");
}

async fn is_called(channel: &mut Channel) -> Called {
    loop {
        if let ChannelTell::Called(called) = channel.tell().await.expect("the channel was closed") {
            return *called;
        }
    }
}

async fn knock(who: &Visitor, room: &RoomId, waits: bool) -> Answer<AtDoor> {
    let knocked = who.post::<Knocked>(&format!("rooms/{room}/door"), &Knock { waits }).await;
    knocked.map(|knocked| knocked.door)
}

async fn locks(host: &Follower) {
    host.does(Command::SetSwitch { switch: RoomSwitch::Locked, on: true }).await;
}

#[tokio::test]
async fn check_21_who_is_called_by_a_moderator_comes_into_a_locked_room_and_a_stranger_does_not() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("Tea").await;
    let bayu = house.visitor("Bayu").await.enter(&sari.room).await;
    bayu.does(Command::Leave).await;
    locks(&sari).await;
    assert_eq!(house.visitor("Citra").await.join(&sari.room).await.unwrap_err().1.code, Code::RoomLocked);
    assert!(bayu.visitor.join(&sari.room).await.is_ok(), "was there a moment ago");

    let dewi = house.visitor("Dewi").await;
    assert_eq!(sari.is_refused(Command::Ping { person: dewi.id() }).await, Code::NotCallable, "is not around");
    let mut channel = callable_channel(&dewi).await;
    can_call(&sari, &dewi.id()).await;
    sari.does(Command::Ping { person: dewi.id() }).await;
    let Called { by, card } = is_called(&mut channel).await;
    assert_eq!((by.as_str(), card.id, card.title.as_str(), card.locked), ("Sari", sari.room, "Tea", true));
    let joined = dewi.join(&card.id).await.unwrap();
    assert_eq!(joined.view.you.role, Role::Listener);
    sari.sees("who was called", |view| view.audience.iter().any(|person| person.name == "Dewi")).await;
    assert_eq!(sari.notices, [], "coming in is silent");
}

#[tokio::test]
async fn check_41_one_notice_let_in_and_inside_and_no_second_notice_within_five_minutes() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    locks(&sari).await;
    let citra = house.visitor("Citra").await;
    assert_eq!(citra.join(&sari.room).await.unwrap_err().1.code, Code::RoomLocked);
    for _ in 0..3 {
        assert_eq!(knock(&citra, &sari.room, true).await.unwrap(), AtDoor::Waiting);
    }
    sari.is_told(Notice::AtTheDoor { name: "Citra".into(), count: 1 }).await;
    assert_eq!(sari.view.door.iter().map(|knock| knock.id).collect::<Vec<_>>(), [citra.id()]);
    assert_eq!(knock(&citra, &sari.room, false).await.unwrap(), AtDoor::Outside);
    sari.sees("nobody", |view| view.door.is_empty()).await;
    assert_eq!(knock(&citra, &sari.room, true).await.unwrap(), AtDoor::Waiting);
    sari.sees("Citra again", |view| view.door.len() == 1).await;
    sari.does(Command::LetIn { person: citra.id() }).await;
    assert_eq!(knock(&citra, &sari.room, true).await.unwrap(), AtDoor::LetIn);
    let _inside = citra.enter(&sari.room).await;
    sari.sees("Citra inside", |view| view.counts.listeners == 1 && view.door.is_empty()).await;
    assert_eq!(sari.notices.len(), 1, "no second notice");

    let dewi = house.visitor("Dewi").await;
    knock(&dewi, &sari.room, true).await.unwrap();
    sari.does(Command::TurnAway { person: dewi.id() }).await;
    assert_eq!(knock(&dewi, &sari.room, true).await.unwrap(), AtDoor::NotNow);
    assert_eq!(dewi.join(&sari.room).await.unwrap_err().1.code, Code::RoomLocked);
}

#[tokio::test]
async fn who_goes_away_from_the_door_is_no_longer_seen_there() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    locks(&sari).await;
    let citra = house.visitor("Citra").await;
    knock(&citra, &sari.room, true).await.unwrap();
    sari.sees("Citra", |view| view.door.len() == 1).await;
    assert_eq!(knock(&citra, &sari.room, false).await.unwrap(), AtDoor::Outside);
    sari.sees("nobody", |view| view.door.is_empty()).await;
}

#[tokio::test]
async fn who_is_around_is_listed_once_without_their_room_and_only_if_they_want_to_be_called() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let elsewhere = house.visitor("Ayu").await.open_room("Another").await;
    let wei = house.visitor("Wei").await;
    let _quiet = wei.channel(0).await.kept_alive();
    elsewhere.channel.says(&ChannelSay::Callable { callable: true }).await;
    let again = elsewhere.visitor.again().await;
    let _second = callable_channel(&again).await;
    can_call(&sari, &elsewhere.id()).await;
    let listed = callable(&sari.visitor, &sari.room).await.unwrap();
    let ayu = CallablePerson { id: elsewhere.id(), name: "Ayu".into(), refused: None };
    assert_eq!(listed, [ayu], "not Sari, who is here, and not Wei, who did not say so");
    let (status, refusal) = callable(&wei, &sari.room).await.unwrap_err();
    assert_eq!((status.as_u16(), refusal.code), (409, Code::NotInRoom), "who is around is not for everybody");
}

#[tokio::test]
async fn one_person_is_called_once_into_a_room_and_thrice_into_rooms_and_it_is_said_when_again() {
    let house = TestHouse::open().await;
    let dewi = house.visitor("Dewi").await;
    let _channel = callable_channel(&dewi).await;
    let mut hosts = Vec::new();
    for name in ["A", "B", "C", "D"] {
        hosts.push(house.visitor(name).await.open_room(name).await);
    }
    can_call(&hosts[0], &dewi.id()).await;
    let ping = Command::Ping { person: dewi.id() };
    hosts[0].does(ping.clone()).await;
    assert_eq!(hosts[0].is_refused(ping.clone()).await, Code::PingedRecently);
    let listed = callable(&hosts[0].visitor, &hosts[0].room).await.unwrap();
    assert_eq!(listed[0].refused, Some(Code::PingedRecently));
    hosts[1].does(ping.clone()).await;
    hosts[2].does(ping.clone()).await;
    let host = &hosts[3];
    let url = house.at(&format!("rooms/{}/commands", host.room));
    let asking = host.visitor.http.post(url).bearer_auth(&host.visitor.session).json(&ping);
    let answer = asking.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait_s: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((wait_s * 1_000).abs_diff(PING_AGAIN_MS) < 20_000, "{wait_s} s");
}

#[tokio::test]
async fn a_house_that_is_killed_still_lets_in_who_was_called_and_knows_who_is_at_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let house = Running::start(folder.path()).await;
    let sari = house.visitor("Sari").await.open_room("Tea").await;
    locks(&sari).await;
    let (citra, dewi) = (house.visitor("Citra").await, house.visitor("Dewi").await);
    knock(&citra, &sari.room, true).await.unwrap();
    let _channel = callable_channel(&dewi).await;
    can_call(&sari, &dewi.id()).await;
    // On the disk when it is acknowledged, and with it all that went before.
    sari.does(Command::Ping { person: dewi.id() }).await;
    house.kill();

    let house = Running::start(folder.path()).await;
    assert!(house.again(&dewi).await.join(&sari.room).await.is_ok());
    let sari = house.again(&sari.visitor).await.enter(&sari.room).await;
    assert_eq!(sari.view.door.len(), 1);
    let citra = house.again(&citra).await;
    assert_eq!(knock(&citra, &sari.room, true).await.unwrap(), AtDoor::Waiting);
    sari.does(Command::LetIn { person: citra.id() }).await;
    assert!(citra.join(&sari.room).await.is_ok());
}
