//! Two people without windows, through the house that one of them hosts, on virtual sound cards.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serambi_call::{Doors, HouseClient, Identity};
use serambi_protocol::{Command, Link, RoomId};
use serambi_tests::{
    conversation::{hears, microphones_open, overhears},
    peer::Peer,
    places,
    sound_server::SoundServer,
    speech::{self, FERRY, PORCH},
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

/// Somebody who gives the others their cues: what peers do on their own is written in their scripts, and the scripts
/// wait for what this guest does. So no step depends on how long another takes.
struct Prompter {
    house: HouseClient,
    room: RoomId,
    runtime: tokio::runtime::Runtime,
}

impl Prompter {
    fn comes_in(link: &str) -> Self {
        let link = Link::read(link).unwrap();
        let room = link.room.unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let house = runtime.block_on(async {
            let house =
                HouseClient::sign_in(&link.house, &Identity::make(), "Prompter", &Doors::default()).await.unwrap();
            house.join(&room, false).await.unwrap();
            house
        });
        Self { house, room, runtime }
    }

    fn does(&self, command: &Command) {
        self.runtime.block_on(self.house.command(&self.room, command)).unwrap();
    }
}

#[test]
fn a_host_and_a_guest_hear_each_other_once_both_have_unmuted_and_not_before() {
    let output = places::fresh_output("two-peers").unwrap();
    let keep = |name: &str| output.join(name);
    let sound = SoundServer::start(&output).unwrap();
    let (sari_card, wei_card) = (sound.add_card("sari").unwrap(), sound.add_card("wei").unwrap());
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let ferry = speech::say("en-us+m3", FERRY).unwrap();

    // The prompter's arrival is Wei's cue to raise a hand; a hand is Sari's cue to unmute and to invite; that somebody
    // says "maybe later" is Sari's cue to end the room.
    let host = "on hand_raised unmute; on hand_raised invite-first; on said_later end";
    let guest = "on audience hand; on your_turn accept; on on_stage unmute";
    let mut sari = Peer::start(
        "Sari",
        &sari_card,
        &["host", "--listen", "127.0.0.1", "--title", "Porch talk", "--do", host],
        &output,
    )
    .unwrap();
    let link = sari.event("link", LIMIT).unwrap()["link"].as_str().unwrap().to_owned();
    let mut wei = Peer::start("Wei", &wei_card, &["join", &link, "--do", guest], &output).unwrap();
    let joined = wei.event("joined", LIMIT).unwrap();
    assert_eq!((joined["title"].as_str(), joined["role"].as_str()), (Some("Porch talk"), Some("listener")));

    microphones_open(&sari_card, 1).unwrap();
    microphones_open(&wei_card, 0).unwrap();
    let early = overhears(&sari_card, &wei_card, &porch, &keep("wei-hears-muted-sari.wav")).unwrap();
    assert!(early.is_none_or(|early| !early.is_found()), "a muted host was heard: {early:?}");

    let prompter = Prompter::comes_in(&link);
    sari.event("unmuted", LIMIT).unwrap();
    wei.event("on_stage", LIMIT).unwrap();
    wei.event("unmuted", LIMIT).unwrap();
    microphones_open(&wei_card, 1).unwrap();
    let found = hears(&sari_card, &wei_card, &porch, &keep("wei-hears-sari.wav")).unwrap();
    println!("the guest hears the host: {found:?}");
    let found = hears(&wei_card, &sari_card, &ferry, &keep("sari-hears-wei.wav")).unwrap();
    println!("the host hears the guest: {found:?}");
    let statistics = wei.wait_for("its first sound", LIMIT, |line| line["first_sound_ms"].is_u64()).unwrap();
    println!("first sound after {} ms", statistics["first_sound_ms"]);

    prompter.does(&Command::RaiseHand);
    sari.wait_for("the second hand", LIMIT, |line| line["event"] == "hand_raised" && line["name"] == "Prompter")
        .unwrap();
    // Wei's invitation was the first; answered before the prompter's own is made, "maybe later" is refused.
    let invited = |line: &Value| line["event"] == "done" && line["action"] == "invite-first";
    sari.wait_for_the(2, "the second invitation", LIMIT, invited).unwrap();
    prompter.does(&Command::DeclineInvitation);
    assert_eq!(wei.event("closed", LIMIT).unwrap()["reason"], "ended");
    assert_eq!(wei.ends(LIMIT).unwrap(), 5, "the room has ended");
    assert_eq!(sari.ends(LIMIT).unwrap(), 0, "as asked");
    microphones_open(&sari_card, 0).unwrap();
    microphones_open(&wei_card, 0).unwrap();
}
