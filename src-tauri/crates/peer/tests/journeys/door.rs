//! Called into a locked room, and let in at its door.

use serambi_call::{CallEvent, Doorbell};
use serambi_protocol::{Code, Command, Notice, RoomSwitch, door::AtDoor};
use tokio::{sync::mpsc, time::timeout};

use crate::fixtures::{LIMIT, TestHouse, Visit};

async fn lock(host: &Visit) {
    host.command(Command::SetSwitch { switch: RoomSwitch::Locked, on: true }).await.unwrap();
}

/// Asks until this person can be called.
async fn can_call(host: &Visit, person: serambi_protocol::PersonId) {
    let seen = async {
        loop {
            let around = host.call.house().callable_people(&host.call.room_id()).await.unwrap();
            if around.iter().any(|one| one.id == person) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, seen).await.expect("the person is not around");
}

#[tokio::test]
async fn check_21_a_doorbell_rings_for_who_is_in_no_room_and_the_call_leads_through_the_lock() {
    let house = TestHouse::open().await;
    let host = house.guest("Ratna").await.start().await;
    lock(&host).await;
    let dewi = house.guest("Dewi").await;
    let (rung, mut rings) = mpsc::channel(4);
    let client = dewi.house.clone();
    let _bell =
        Doorbell::hang(move || std::future::ready(Ok(client.clone())), move |_, called| rung.try_send(called).unwrap());
    can_call(&host, dewi.id()).await;
    host.command(Command::Ping { person: dewi.id() }).await.unwrap();
    let called = timeout(LIMIT, rings.recv()).await.unwrap().unwrap();
    assert_eq!((called.by.as_str(), called.card.id), ("Ratna", host.call.room_id()));
    dewi.join(&host).await.call.leave().await;
    host.call.leave().await;
}

#[tokio::test]
async fn who_is_in_another_room_is_called_there_and_nobody_is_who_does_not_want_to() {
    let house = TestHouse::open().await;
    let host = house.guest("Ratna").await.start().await;
    let dewi = house.guest("Dewi").await;
    let mut elsewhere = dewi.start().await;
    let refused = host.command(Command::Ping { person: dewi.id() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotCallable);
    dewi.house.set_callable(true);
    can_call(&host, dewi.id()).await;
    host.command(Command::Ping { person: dewi.id() }).await.unwrap();
    let called = async {
        loop {
            if let Some(CallEvent::Called(called)) = elsewhere.events.recv().await {
                return called;
            }
        }
    };
    assert_eq!(timeout(LIMIT, called).await.unwrap().by, "Ratna");
    elsewhere.call.leave().await;
    host.call.leave().await;
}

#[tokio::test]
async fn check_41_who_waits_at_the_door_is_inside_once_let_in() {
    let house = TestHouse::open().await;
    let mut host = house.guest("Ratna").await.start().await;
    lock(&host).await;
    let citra = house.guest("Citra").await;
    let room = host.call.room_id();
    let client = citra.house.clone();
    let waiting = tokio::spawn(async move { client.wait_at_door(&room).await });
    let told = async {
        loop {
            if let Some(CallEvent::Notice(Notice::AtTheDoor { name, .. })) = host.events.recv().await {
                return name;
            }
        }
    };
    assert_eq!(timeout(LIMIT, told).await.unwrap(), "Citra");
    host.command(Command::LetIn { person: citra.id() }).await.unwrap();
    assert_eq!(timeout(LIMIT, waiting).await.unwrap().unwrap().unwrap(), AtDoor::LetIn);
    citra.join(&host).await.call.leave().await;
    host.call.leave().await;
}
