//! A house that is killed and started again: what it acknowledged is there, and everybody is in their place.

use std::{path::Path, process::Child, time::Instant};

use ed25519_dalek::SigningKey;
use serambi_protocol::{Code, Command, Link, RoomId, RoomSwitch, command::HandScope, view::Role};

use crate::{
    follower::Follower,
    pinned::pinned_http,
    program::{first_line, program},
    visitor::{LIMIT, TestHouse, Visitor},
};

/// The program, running.
struct Running {
    child: Child,
    link: Link,
}

impl Running {
    async fn start(folder: &Path) -> Self {
        let mut child = program(folder).spawn().unwrap();
        let link = Link::read(&first_line(&mut child).await).unwrap();
        Self { child, link }
    }

    /// SIGKILL: nothing is said and nothing is saved any more.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn port(&self) -> u16 {
        self.link.house.addresses[0].rsplit(':').next().unwrap().parse().unwrap()
    }

    async fn visitor(&self, name: &str) -> Visitor {
        let mut visitor = Visitor {
            key: SigningKey::from_bytes(&rand::random()),
            name: name.into(),
            pin: self.link.house.pin.clone(),
            port: self.port(),
            http: pinned_http(&self.link.house.pin),
            session: String::new(),
        };
        visitor.sign_in().await;
        visitor
    }

    /// The same person at the house as it is now.
    async fn again(&self, who: &Visitor) -> Visitor {
        let mut again = Visitor { port: self.port(), ..who.clone() };
        again.sign_in().await;
        again
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Killed already, or at the end of a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn check_33_a_house_that_is_killed_has_everybody_in_their_places_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let house = Running::start(folder.path()).await;
    let mut sari = house.visitor("Sari").await.open_room("Tea").await;
    let mut bayu = house.visitor("Bayu").await.enter(&sari.room).await;
    let mut citra = house.visitor("Citra").await.enter(&sari.room).await;
    sari.brings_on_stage(&mut bayu).await;
    sari.brings_on_stage(&mut citra).await;
    sari.does(Command::SetMuted { muted: false }).await;
    let mut listeners = Vec::new();
    for number in 0..10 {
        let listener = house.visitor(&format!("Listener {number}")).await.enter(&sari.room).await;
        if number < 3 {
            listener.does(Command::RaiseHand).await;
        }
        listeners.push(listener);
    }
    let blocked = house.visitor("Blocked").await.enter(&sari.room).await;
    sari.does(Command::Remove { person: blocked.id(), block: true }).await;
    sari.does(Command::Invite { person: listeners[1].id() }).await;
    // The last act of a moderator is on the disk when it is acknowledged, and with it all that went before.
    sari.does(Command::MakeModerator { person: bayu.id() }).await;
    house.kill();

    let house = Running::start(folder.path()).await;
    let back = |who: &Follower| (who.visitor.clone(), who.room);
    let mut everybody = Vec::new();
    for who in [&sari, &bayu, &citra].into_iter().chain(&listeners) {
        let (visitor, room) = back(who);
        everybody.push(house.again(&visitor).await.enter(&room).await);
    }
    let roles: Vec<Role> = everybody.iter().map(|who| who.view.you.role).collect();
    assert_eq!(roles[..4], [Role::Host, Role::Moderator, Role::Speaker, Role::Listener]);
    assert!(everybody[..3].iter().all(|who| who.view.you.muted), "nobody is heard before they know it");
    let queue: Vec<&str> = everybody[0].view.hands.iter().map(|hand| hand.name.as_str()).collect();
    assert_eq!(queue, ["Listener 0", "Listener 1", "Listener 2"]);
    let refused = house.again(&blocked.visitor).await.join(&sari.room).await.unwrap_err();
    assert_eq!(refused.1.code, Code::Blocked);
    everybody[4].does(Command::AcceptInvitation).await;
    everybody[4].sees("the stage", |view| view.you.role == Role::Speaker).await;
}

#[tokio::test]
async fn what_a_moderator_was_told_is_done_is_done_wherever_the_house_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = Running::start(folder.path()).await;
    let host = house.visitor("Sari").await;
    let room = host.start("").await.view.room.id;
    let mut acknowledged = false;
    for round in 0..50u64 {
        let visitor = house.again(&host).await;
        let joined = visitor.join(&room).await.unwrap();
        assert_eq!(joined.view.you.role, Role::Host);
        let (kept, asked) = (joined.view.room.switches.is_on(RoomSwitch::Locked), round > 0);
        assert!(!asked || kept == acknowledged, "round {round}: {kept} is kept and {acknowledged} was acknowledged");
        acknowledged = toggle_until_killed(house, &visitor, &room, kept, round * 7 % 23).await;
        house = Running::start(folder.path()).await;
    }
}

/// Locks and unlocks until the house is killed, after so many acts; what holds then for sure.
async fn toggle_until_killed(house: Running, visitor: &Visitor, room: &RoomId, locked: bool, acts: u64) -> bool {
    let mut locked = locked;
    for _ in 0..acts {
        visitor.wish(room, Command::SetSwitch { switch: RoomSwitch::Locked, on: !locked }).await.unwrap();
        locked = !locked;
    }
    // One more act is under way: it is done or it is not, and what is asked for is what holds already.
    let asking = {
        let (visitor, room) = (visitor.clone(), *room);
        tokio::spawn(async move {
            let url = format!("rooms/{room}/commands");
            let request = visitor.http.post(format!("https://127.0.0.1:{}/api/v1/{url}", visitor.port));
            let body = Command::SetHandScope { scope: HandScope::Off };
            request.bearer_auth(&visitor.session).json(&body).send().await.is_ok()
        })
    };
    tokio::task::yield_now().await;
    house.kill();
    // It may have been answered or cut off.
    let _ = tokio::time::timeout(LIMIT, asking).await;
    locked
}

#[tokio::test]
async fn an_ended_room_is_said_to_have_ended_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let house = Running::start(folder.path()).await;
    let sari = house.visitor("Sari").await.open_room("").await;
    sari.does(Command::EndRoom).await;
    let began = Instant::now();
    while house.visitor("Wei").await.join(&sari.room).await.unwrap_err().1.code != Code::RoomEnded {
        assert!(began.elapsed() < LIMIT);
    }
    house.kill();
    let house = Running::start(folder.path()).await;
    let refused = house.visitor("Wei").await.join(&sari.room).await.unwrap_err();
    assert_eq!(refused.1.code, Code::RoomEnded);
}

#[tokio::test]
async fn nobody_holds_more_than_three_rooms_and_rooms_nobody_comes_to_end_in_ten_seconds() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let request = serde_json::json!({ "leaveOther": true });
    let start = || sari.post::<serde_json::Value>("rooms", &request);
    for _ in 0..3 {
        start().await.unwrap();
    }
    assert_eq!(start().await.unwrap_err().1.code, Code::TooManyRooms);
    house.house.clock().skip_ms(10_000);
    let began = Instant::now();
    while start().await.is_err() {
        assert!(began.elapsed() < LIMIT, "rooms that nobody came to are still there");
    }
}

#[tokio::test]
async fn in_a_house_whose_rooms_are_started_by_its_keepers_a_keepers_link_makes_one() {
    let house = TestHouse::open_with(|config| serambi_house::HouseConfig {
        starters: serambi_house::RoomStarters::Keepers,
        ..config
    })
    .await;
    let (sari, wei) = (house.visitor("Sari").await, house.visitor("Wei").await);
    let refused = sari.post::<serde_json::Value>("rooms", &serde_json::json!({})).await;
    assert_eq!(refused.unwrap_err().1.code, Code::NotAllowed);
    assert!(!house.house.has_keeper().await.unwrap());
    let void = house.house.offer_keys().await.unwrap().code;
    let code = house.house.offer_keys().await.unwrap().code;
    let refused = sari.post::<()>("keeper", &serde_json::json!({ "code": void })).await;
    assert_eq!(refused.unwrap_err().1.code, Code::NotAllowed, "a newer link was made");
    sari.post::<()>("keeper", &serde_json::json!({ "code": code })).await.unwrap();
    let used = wei.post::<()>("keeper", &serde_json::json!({ "code": code })).await;
    assert_eq!(used.unwrap_err().1.code, Code::NotAllowed, "the first who opens it");
    assert!(house.house.has_keeper().await.unwrap());
    sari.start("").await;
}
