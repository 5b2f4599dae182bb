//! Bad luck of a house with real people in it: killed and started again, and cables that are cut for one half of a
//! connection. No sound card: microphones are files.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command as Program, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serambi_call::{
    Call, CallEvent, CallView, Connection, DeviceChoice, Doors, EngineSettings, HouseClient, Identity, RoomCommand,
};
use serambi_protocol::{
    Command, Link, PersonId, RoomView,
    view::{PersonConnection, PersonView, Role},
};
use serambi_tests::{
    network::{self, Network},
    path_condition::Condition,
    peer::Peer,
    places, program,
    recording::write_wav,
    speech::{self, PORCH},
};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

/// What should happen happens within this time, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// A seat, and a host without sound, are waited for so long; and some more.
const PATIENCE: Duration = Duration::from_secs(150);
/// How long the killed house stays away.
const AWAY: Duration = Duration::from_secs(8);
const LISTENERS: usize = 50;
/// Longer than any of these stories.
const TALK_SECONDS: usize = 240;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Voice packets of 20 ms in a second.
const SECOND: u64 = 50;
const SEED: u64 = 1;

/// `serambi-house`, running.
struct House {
    program: program::Program,
    link: Link,
}

impl House {
    /// By a command that runs the program somewhere.
    fn start(mut command: Program, folder: &Path, listen: &str, port: u16, output: &Path) -> Self {
        command.arg("--folder").arg(folder).args(["--listen", listen, "--port", &port.to_string()]);
        command.args(["--media-port", "0", "--no-discovery"]);
        let mut program = program::Program::start(&command, Stdio::piped(), &output.join("house.log")).unwrap();
        let mut line = String::new();
        BufReader::new(program.take_stdout().unwrap()).read_line(&mut line).unwrap();
        Self { program, link: Link::read(line.trim()).unwrap() }
    }

    fn port(&self) -> u16 {
        self.link.house.addresses[0].rsplit(':').next().unwrap().parse().unwrap()
    }

    /// SIGKILL.
    fn kill(self) {
        drop(self.program);
    }
}

fn house_program() -> PathBuf {
    places::program("serambi-house").unwrap()
}

fn peer_program() -> PathBuf {
    places::program("serambi-peer").unwrap()
}

/// A file of somebody who says the same sentence again and again.
fn talk(output: &Path) -> PathBuf {
    let sentence = speech::say("en-us+f3", PORCH).unwrap().samples;
    let path = output.join("talk.wav");
    let samples: Vec<f32> = sentence.iter().copied().cycle().take(TALK_SECONDS * 48_000).collect();
    write_wav(&path, &samples).unwrap();
    path
}

/// Somebody in a room, in this process.
struct Person {
    id: PersonId,
    call: Call,
    events: mpsc::Receiver<CallEvent>,
}

impl Person {
    async fn sign_in(link: &Link, name: &str) -> HouseClient {
        HouseClient::sign_in(&link.house, &Identity::make(), name, &Doors::default()).await.unwrap()
    }

    async fn start(link: &Link, name: &str, microphone: DeviceChoice) -> Self {
        let house = Self::sign_in(link, name).await;
        let id = house.person();
        let (call, events) = Call::start(house, "Tea", false, devices(microphone)).await.unwrap();
        Self { id, call, events }
    }

    async fn join(link: &Link, name: &str, microphone: DeviceChoice) -> Self {
        let house = Self::sign_in(link, name).await;
        let id = house.person();
        let (call, events) = Call::join(house, link.room.unwrap(), false, devices(microphone)).await.unwrap();
        Self { id, call, events }
    }

    async fn does(&self, command: Command) {
        self.call.command(RoomCommand::try_from(command).unwrap()).await.unwrap();
    }

    /// Waits until they are shown that.
    async fn sees(&mut self, what: &str, so: impl Fn(&CallView, &RoomView) -> bool) {
        let waiting = async {
            while !so(&self.call.view(), &self.call.room()) {
                self.events.recv().await.expect("the call has ended");
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("never saw {what}: {:#?} {:#?}", self.call.view(), self.call.room());
        }
    }

    /// Waits until so many packets of voice have come, and as many again from then on.
    async fn hears_more(&self) {
        let before = self.call.statistics().packets_received;
        let waiting = async {
            while self.call.statistics().packets_received < before + SECOND {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        assert!(timeout(LIMIT, waiting).await.is_ok(), "nothing was heard: {:#?}", self.call.statistics());
    }

    /// Brings somebody on stage who is in this process, too.
    async fn brings_on_stage(&mut self, other: &mut Self) {
        self.does(Command::Invite { person: other.id }).await;
        other.sees("an invitation", |_, room| room.you.invitation.is_some()).await;
        other.call.accept_invitation().await.unwrap();
        other.sees("the stage", |_, room| room.you.role.is_on_stage()).await;
    }
}

fn devices(microphone: DeviceChoice) -> EngineSettings {
    EngineSettings { microphone, loudspeaker: DeviceChoice::Absent }
}

fn on_stage<'a>(room: &'a RoomView, name: &str) -> Option<&'a PersonView> {
    room.stage.iter().find(|person| person.name == name)
}

/// Waits for a line of a person without a window, while those in this process go on.
async fn says(peer: &Peer, what: &str, fits: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let waiting = async {
        loop {
            if let Some(line) = peer.said().into_iter().find(&fits) {
                return line;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match timeout(PATIENCE, waiting).await {
        Ok(line) => line,
        Err(_) => panic!("{what} was never said: {:#?}", peer.said()),
    }
}

async fn tells(peer: &Peer, event: &str) -> serde_json::Value {
    says(peer, event, |line| line["event"] == event).await
}

/// Waits until that is the newest that is known of their connection.
async fn is_connected_as(peer: &Peer, state: &str) {
    let waiting = async {
        loop {
            let newest = peer.said().into_iter().rev().find(|line| line["event"] == "connection");
            if newest.is_some_and(|line| line["state"] == state) {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    if timeout(PATIENCE, waiting).await.is_err() {
        panic!("never {state}: {:#?}", peer.said());
    }
}

/// The newest number of voice packets that a person without a window has sent.
fn packets_sent(peer: &Peer) -> u64 {
    peer.said().iter().rev().find_map(|line| line["packets_sent"].as_u64()).unwrap_or_default()
}

#[test]
fn check_33_everybody_is_in_their_place_when_a_killed_house_is_back_also_who_was_killed_with_it() {
    let output = places::fresh_output("bad-luck-restart").unwrap();
    let folders: [TempDir; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let microphone = talk(&output);
    let voice = || DeviceChoice::File(microphone.clone());
    let start = |port| House::start(Program::new(house_program()), folders[0].path(), "127.0.0.1", port, &output);
    let house = start(0);
    let port = house.port();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut sari = Person::start(&house.link, "Sari", voice()).await;
        let link = Link { room: Some(sari.call.room_id()), ..house.link.clone() };
        let mut budi = Person::join(&link, "Budi", voice()).await;
        let mut dewi = Person::join(&link, "Dewi", voice()).await;
        let citra = |script: &str| {
            let address = link.to_string();
            let arguments = ["join", &address, "--microphone", microphone.to_str().unwrap(), "--loudspeaker", "none"];
            let arguments = [&arguments[..], &["--do", script]].concat();
            Peer::start_in(Program::new(peer_program()), "Citra", folders[1].path(), &arguments, &output).unwrap()
        };
        let first_citra = citra("on invited accept; on on_stage unmute");
        sari.brings_on_stage(&mut budi).await;
        sari.brings_on_stage(&mut dewi).await;
        sari.does(Command::MakeModerator { person: budi.id }).await;
        sari.sees("Citra", |_, room| room.audience.iter().any(|person| person.name == "Citra")).await;
        let id = sari.call.room().audience.iter().find(|person| person.name == "Citra").unwrap().id;
        sari.does(Command::Invite { person: id }).await;
        tells(&first_citra, "unmuted").await;
        let names: Vec<String> = (0..LISTENERS).map(|number| format!("Listener {number}")).collect();
        let mut listeners = join_all(names.iter().map(|name| Person::join(&link, name, DeviceChoice::Absent))).await;
        for listener in &listeners[..3] {
            listener.does(Command::RaiseHand).await;
        }
        sari.does(Command::Invite { person: listeners[9].id }).await;
        listeners[9].sees("an invitation", |_, room| room.you.invitation.is_some()).await;
        sari.call.set_muted(false).await.unwrap();
        dewi.call.set_muted(false).await.unwrap();
        dewi.hears_more().await;

        let killed = Instant::now();
        house.kill();
        drop(first_citra);
        let is_away = |call: &CallView| {
            matches!(call.connection, Connection::HouseRestarting | Connection::Reconnecting) && call.microphone.muted
        };
        for person in [&mut sari, &mut budi, &mut dewi] {
            person.sees("that the house is away", |call, _| is_away(call)).await;
        }
        tokio::time::sleep(AWAY.saturating_sub(killed.elapsed())).await;
        let house = start(port);
        let back = Instant::now();
        let second_citra = citra("");
        let is_as = |call: &CallView, room: &RoomView, role: Role| {
            call.connection == Connection::Connected && room.you.role == role && room.you.muted
        };
        budi.sees("being a moderator", |call, room| is_as(call, room, Role::Moderator)).await;
        dewi.sees("being a speaker", |call, room| is_as(call, room, Role::Speaker)).await;
        for (number, listener) in listeners.iter_mut().enumerate() {
            let place = (number < 3).then_some(number as u32 + 1);
            listener
                .sees("the own place", |call, room| {
                    is_as(call, room, Role::Listener)
                        && room.you.place == place
                        && room.you.invitation.is_some() == (number == 9)
                })
                .await;
        }
        sari.sees("the room as it was", |call, room| {
            let hands: Vec<&str> = room.hands.iter().map(|hand| hand.name.as_str()).collect();
            let everybody = room.stage.iter().chain(&room.audience);
            is_as(call, room, Role::Host)
                && hands == ["Listener 0", "Listener 1", "Listener 2"]
                && room.stage.len() == 4
                && room.counts.listeners == LISTENERS as u32
                && room.stage.iter().all(|person| person.muted)
                && everybody.filter(|person| person.connection != PersonConnection::Good).count() == 0
        })
        .await;
        println!("everybody was in their places {} ms after the house was back", back.elapsed().as_millis());
        assert_eq!(tells(&second_citra, "joined").await["role"], "speaker", "killed while the house was away");
        sari.call.set_muted(false).await.unwrap();
        dewi.hears_more().await;
        house.kill();
    });
}

/// Runs this test with networks of its own, as whoever may make them; false: it has been run so in another process.
fn may_cut_cables(test: &str) -> bool {
    let may = network::may_be_made();
    if !may {
        network::run_again_as_root(&["--exact", test, "--nocapture"]).unwrap();
    }
    may
}

fn one_thread() -> tokio::runtime::Runtime {
    // Its sockets are where its thread is.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn check_35_a_host_whose_sound_is_cut_is_seen_so_and_followed_and_is_host_again_with_the_sound() {
    let this = "check_35_a_host_whose_sound_is_cut_is_seen_so_and_followed_and_is_host_again_with_the_sound";
    if !may_cut_cables(this) {
        return;
    }
    let output = places::fresh_output("bad-luck-sound").unwrap();
    let folders: [TempDir; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let microphone = talk(&output);
    let network = Network::build(&output).unwrap();
    let (here, there) = (&network.here, &network.there);
    let listen = here.address.to_string();
    let house = House::start(here.command(house_program()), folders[0].path(), &listen, 0, &output);
    let story = async {
        let address = house.link.to_string();
        let file = microphone.to_str().unwrap();
        let arguments = ["host", "--house", &address, "--microphone", file, "--loudspeaker", "none"];
        let arguments = [&arguments[..], &["--do", "500ms unmute; on hand_raised invite-first"]].concat();
        let ani = Peer::start_in(there.command(peer_program()), "Ani", folders[1].path(), &arguments, &output).unwrap();
        let link = Link::read(tells(&ani, "joined").await["link"].as_str().unwrap()).unwrap();
        let mut budi = Person::join(&link, "Budi", DeviceChoice::File(microphone.clone())).await;
        let mut citra = Person::join(&link, "Citra", DeviceChoice::Absent).await;
        budi.does(Command::RaiseHand).await;
        budi.sees("an invitation", |_, room| room.you.invitation.is_some()).await;
        budi.call.accept_invitation().await.unwrap();
        budi.sees("the stage", |_, room| room.you.role == Role::Speaker).await;
        citra.hears_more().await;

        let cut = Instant::now();
        network.impair(Condition::CUT, SEED);
        let host_is = |state| {
            move |_: &CallView, room: &RoomView| {
                on_stage(room, "Ani").is_some_and(|ani| ani.connection == state && ani.role == Role::Host)
            }
        };
        citra.sees("a weak connection of the host", host_is(PersonConnection::Weak)).await;
        println!("a weak connection was seen after {:.1} s", cut.elapsed().as_secs_f64());
        citra.sees("that the host has no sound", host_is(PersonConnection::NoSound)).await;
        println!("no sound was seen after {:.1} s", cut.elapsed().as_secs_f64());
        // Which comes first is the machine's: the sound is being repaired, or there is no way for it.
        let lost = |line: &serde_json::Value| {
            line["event"] == "connection"
                && (line["state"] == "sound_reconnecting" || line["state"] == "sound_impossible")
        };
        says(&ani, "the loss", lost).await;
        budi.sees("being the host", |_, room| room.you.role == Role::Host).await;
        let followed = cut.elapsed();
        println!("the host was followed after {:.1} s", followed.as_secs_f64());
        assert!(followed > Duration::from_secs(50), "a minute is waited for the sound");
        citra.sees("one host", |_, room| on_stage(room, "Ani").is_some_and(|ani| ani.role != Role::Host)).await;
        says(&ani, "who is host now", |line| line["event"] == "new_host" && line["name"] == "Budi").await;

        network.impair(Condition::WHOLE, SEED);
        citra
            .sees("the first host again", |_, room| {
                on_stage(room, "Ani")
                    .is_some_and(|ani| ani.role == Role::Host && ani.connection == PersonConnection::Good)
            })
            .await;
        is_connected_as(&ani, "connected").await;
    };
    here.within(|| one_thread().block_on(story)).unwrap();
    house.kill();
}

#[test]
fn check_36_whoever_loses_the_house_alone_reads_that_they_are_heard_and_a_mute_silences_them_at_once() {
    let this = "check_36_whoever_loses_the_house_alone_reads_that_they_are_heard_and_a_mute_silences_them_at_once";
    if !may_cut_cables(this) {
        return;
    }
    let output = places::fresh_output("bad-luck-house").unwrap();
    let folders: [TempDir; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let microphone = talk(&output);
    let network = Network::build(&output).unwrap();
    let (here, there) = (&network.here, &network.there);
    let listen = here.address.to_string();
    let house = House::start(here.command(house_program()), folders[0].path(), &listen, 0, &output);
    let story = async {
        let mut sari = Person::start(&house.link, "Sari", DeviceChoice::Absent).await;
        let link = Link { room: Some(sari.call.room_id()), ..house.link.clone() }.to_string();
        let arguments = ["join", &link, "--microphone", microphone.to_str().unwrap(), "--loudspeaker", "none"];
        let arguments = [&arguments[..], &["--do", "on joined hand; on invited accept; on on_stage unmute"]].concat();
        let budi =
            Peer::start_in(there.command(peer_program()), "Budi", folders[1].path(), &arguments, &output).unwrap();
        sari.sees("a hand", |_, room| !room.hands.is_empty()).await;
        let id = sari.call.room().hands[0].id;
        sari.does(Command::Invite { person: id }).await;
        tells(&budi, "unmuted").await;
        sari.hears_more().await;

        network.cut_tcp(true);
        is_connected_as(&budi, "house_reconnecting").await;
        sari.hears_more().await;
        sari.sees("a weak connection", |_, room| {
            on_stage(room, "Budi").is_some_and(|budi| budi.connection == PersonConnection::Weak && !budi.muted)
        })
        .await;
        sari.does(Command::Mute { person: id }).await;
        // Two seconds of words, by the speaker's own count, after those that were on their way.
        let (sent, heard) = (packets_sent(&budi), sari.call.statistics().packets_received);
        let talking = async {
            while packets_sent(&budi) < sent + 2 * SECOND {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        timeout(LIMIT, talking).await.expect("the microphone stays as it is");
        let late = sari.call.statistics().packets_received - heard;
        assert!(late < SECOND / 5, "{late} packets were heard after the mute");
        sari.sees("the mute", |_, room| on_stage(room, "Budi").is_some_and(|budi| budi.muted)).await;

        network.cut_tcp(false);
        assert_eq!(tells(&budi, "muted_by").await["by"], "Sari");
        tells(&budi, "muted").await;
        sari.sees("a good connection", |_, room| {
            on_stage(room, "Budi").is_some_and(|budi| budi.connection == PersonConnection::Good && budi.muted)
        })
        .await;
    };
    here.within(|| one_thread().block_on(story)).unwrap();
    house.kill();
}
