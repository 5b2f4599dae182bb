//! Data messages go to those they are meant for, in the name of who sent them.

use std::time::Duration;

use livekit_protocol::{DataPacket, SendDataRequest, UserPacket, data_packet};
use serambi_sfu::core::Command;

use crate::client::Client;
use crate::simulation::{Guest, ROOM, Simulation, listener, speaker};

fn message(text: &str, to: &[&str]) -> DataPacket {
    DataPacket {
        participant_identity: "somebody else".into(),
        destination_identities: to.iter().map(|name| (*name).to_owned()).collect(),
        value: Some(data_packet::Value::User(UserPacket {
            payload: text.as_bytes().to_vec(),
            topic: Some("chat".into()),
            ..UserPacket::default()
        })),
        ..DataPacket::default()
    }
}

fn texts(client: &Client) -> Vec<String> {
    client
        .data
        .iter()
        .filter_map(|packet| match &packet.value {
            Some(data_packet::Value::User(user)) => Some(String::from_utf8(user.payload.clone()).unwrap()),
            _ => None,
        })
        .collect()
}

fn with_channels(sim: &mut Simulation, guest: Guest) {
    sim.announce_track(guest);
    sim.run_until("data channels are open", |sim| sim.client(guest).data_ready());
}

#[test]
fn a_message_reaches_everybody_else_in_the_senders_name() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let cici = sim.enter("cici", listener());
    with_channels(&mut sim, ani);
    let now = sim.now;
    for label in ["_reliable", "_lossy"] {
        sim.client_mut(ani).send_data(now, label, &message(label, &[]));
    }
    sim.run(Duration::from_millis(100));
    for guest in [budi, cici] {
        let mut heard = texts(sim.client(guest));
        heard.sort();
        assert_eq!(heard, ["_lossy", "_reliable"]);
        assert!(sim.client(guest).data.iter().all(|packet| packet.participant_identity == "ani"));
    }
    assert_eq!(texts(sim.client(ani)), [""; 0]);
}

#[test]
fn an_addressed_message_reaches_only_the_addressed() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let cici = sim.enter("cici", listener());
    with_channels(&mut sim, ani);
    let now = sim.now;
    sim.client_mut(ani).send_data(now, "_reliable", &message("psst", &["cici"]));
    sim.run(Duration::from_millis(100));
    assert_eq!(texts(sim.client(budi)), [""; 0]);
    assert_eq!(texts(sim.client(cici)), ["psst"]);
}

#[test]
fn a_listeners_message_is_refused_and_counted() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let eve = sim.enter("eve", listener());
    with_channels(&mut sim, eve);
    let now = sim.now;
    sim.client_mut(eve).send_data(now, "_reliable", &message("let me in", &[]));
    sim.run(Duration::from_millis(100));
    assert_eq!(texts(sim.client(ani)), [""; 0]);
    assert_eq!(sim.numbers("eve").traffic.data_refused, 1);
}

#[test]
fn the_house_can_speak_to_somebody_who_is_just_coming_in() {
    let mut sim = Simulation::new();
    let budi = sim.ring("budi", listener()).unwrap();
    let request = SendDataRequest { room: ROOM.into(), data: b"welcome".to_vec(), ..SendDataRequest::default() };
    sim.command(Command::SendData(Box::new(request))).unwrap();
    sim.run_until("the welcome arrives", |sim| texts(sim.client(budi)) == ["welcome"]);
}

#[test]
fn nonsense_on_a_data_channel_is_ignored() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    with_channels(&mut sim, ani);
    let now = sim.now;
    sim.client_mut(ani).send_bytes(now, "_reliable", &[0xff; 300]);
    sim.client_mut(ani).send_data(now, "_data_track", &message("no", &[]));
    sim.client_mut(ani).send_data(now, "_reliable", &message("yes", &[]));
    sim.run(Duration::from_millis(100));
    assert_eq!(texts(sim.client(budi)), ["yes"]);
}
