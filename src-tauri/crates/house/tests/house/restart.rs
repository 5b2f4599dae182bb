//! A house that is killed and started again: what it acknowledged is there, and everybody is in their place.

use std::{
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use ed25519_dalek::SigningKey;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::StatusCode;
use serambi_protocol::{
    Code, Command, Link, RoomId, RoomSwitch,
    command::HandScope,
    view::{Role, RoomRecord},
};

use crate::{
    follower::Follower,
    pinned::pinned_http,
    program::{first_line, program},
    visitor::{LIMIT, TestHouse, Visitor},
};

/// The program, running.
pub struct Running {
    pub child: Child,
    link: Link,
}

impl Running {
    pub async fn start(folder: &Path) -> Self {
        Self::start_by(&mut program(folder)).await
    }

    /// By a command that becomes the program.
    pub async fn start_by(command: &mut std::process::Command) -> Self {
        let mut child = command.spawn().unwrap();
        let link = Link::read(&first_line(&mut child).await).unwrap();
        Self { child, link }
    }

    /// SIGKILL: nothing is said and nothing is saved any more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn port(&self) -> u16 {
        self.link.house.addresses[0].rsplit(':').next().unwrap().parse().unwrap()
    }

    pub async fn visitor(&self, name: &str) -> Visitor {
        let mut visitor = Visitor {
            key: SigningKey::from_bytes(&rand::random()),
            name: name.into(),
            pin: self.link.house.proof.pin().unwrap().clone(),
            server: self.link.house.proof.pin().unwrap().clone(),
            under: String::new(),
            port: self.port(),
            http: pinned_http(self.link.house.proof.pin().unwrap()),
            session: String::new(),
        };
        visitor.sign_in().await;
        visitor
    }

    /// The same person at the house as it is now.
    pub async fn again(&self, who: &Visitor) -> Visitor {
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

/// Chooses the moments of the kills; printed, so that a failure can be tried again.
const SEED_VARIABLE: &str = "SERAMBI_KILL_SEED";
const KILLS: u64 = 50;
/// Longest that a house lives after the first act, µs.
const LONGEST_LIFE_MICROS: u64 = 60_000;

/// Acts of a host that lead around a circle of eight states of a room: each state tells how many acts were carried out.
struct Circle;

impl Circle {
    const STATES: u64 = 8;

    /// A Gray code: each act changes one of three things.
    fn act(number: u64) -> Command {
        let (bits, next) = (Self::bits(number), Self::bits(number + 1));
        match bits ^ next {
            1 => Command::SetSwitch { switch: RoomSwitch::Locked, on: next & 1 != 0 },
            2 => Command::SetHandScope { scope: if next & 2 != 0 { HandScope::Off } else { HandScope::Everyone } },
            _ => Command::SetSwitch { switch: RoomSwitch::SavesUpload, on: next & 4 != 0 },
        }
    }

    fn bits(number: u64) -> u64 {
        let number = number % Self::STATES;
        number ^ (number >> 1)
    }

    /// How many acts were carried out, but for whole circles.
    fn state(room: &RoomRecord) -> u64 {
        let bits = u64::from(room.switches.is_on(RoomSwitch::Locked))
            | (u64::from(room.hand_scope == HandScope::Off) << 1)
            | (u64::from(room.switches.is_on(RoomSwitch::SavesUpload)) << 2);
        bits ^ (bits >> 1) ^ (bits >> 2)
    }
}

#[tokio::test]
async fn what_a_moderator_was_told_is_done_is_done_whenever_the_house_is_killed() {
    let seed = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("{SEED_VARIABLE}={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut house = Running::start(folder.path()).await;
    let host = house.visitor("Sari").await;
    let room = host.start("").await.view.room.id;
    let mut done = 0;
    for kill in 0..KILLS {
        let visitor = house.again(&host).await;
        let joined = visitor.join(&room).await.unwrap();
        assert_eq!(joined.view.you.role, Role::Host);
        let found = Circle::state(&joined.view.room);
        // The act that was under way was carried out, or it was not.
        let is_one_more = found == (done + 1) % Circle::STATES;
        assert!(found == done % Circle::STATES || is_one_more, "kill {kill}: {found} after {done} acts");
        done += u64::from(is_one_more);
        let life = Duration::from_micros(dice.random_range(0..LONGEST_LIFE_MICROS));
        done = act_until_killed(house, &visitor, &room, done, life).await;
        house = Running::start(folder.path()).await;
    }
    assert!(done > KILLS, "the kills came between acts: {done} were acknowledged");
}

/// Acts without a pause until the house is killed after `life`; how many acts were acknowledged then.
async fn act_until_killed(house: Running, visitor: &Visitor, room: &RoomId, first: u64, life: Duration) -> u64 {
    let (visitor, room) = (visitor.clone(), *room);
    let acting = tokio::spawn(async move {
        let mut done = first;
        while let Some(status) = try_command(&visitor, &room, &Circle::act(done)).await {
            match status.as_u16() {
                204 => done += 1,
                // More than a person may ask: the house lives on until its moment comes.
                429 => tokio::time::sleep(Duration::from_millis(5)).await,
                other => panic!("{other}"),
            }
        }
        done
    });
    // Not to wait for anything: this is the moment that the dice chose.
    tokio::time::sleep(life).await;
    house.kill();
    tokio::time::timeout(LIMIT, acting).await.unwrap().unwrap()
}

/// The status of the answer; none if the house did not give one.
async fn try_command(visitor: &Visitor, room: &RoomId, command: &Command) -> Option<StatusCode> {
    let url = format!("https://127.0.0.1:{}/api/v1/rooms/{room}/commands", visitor.port);
    let answer = visitor.http.post(url).bearer_auth(&visitor.session).json(command).send().await;
    answer.ok().map(|answer| answer.status())
}

#[tokio::test]
async fn a_room_that_was_said_to_have_ended_has_ended_also_when_the_house_is_killed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let house = Running::start(folder.path()).await;
    let sari = house.visitor("Sari").await.open_room("").await;
    sari.does(Command::EndRoom).await;
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
