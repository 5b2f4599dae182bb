//! LiveKit's Python SDK, with a WebRTC that nobody here wrote, listens in a room of the embedded house.
#![allow(clippy::unwrap_used)]

use std::{process::Stdio, time::Duration};

use serambi_call::{HouseClient, Identity};
use serambi_protocol::Link;
use serambi_tests::{
    likeness, peer::Peer, places, program::Program, recording::read_wav, sound_card::SoundServer, speech, strangers,
    wait,
};

const LIMIT: Duration = Duration::from_secs(60);
const LISTENING_SECONDS: u32 = 20;

/// Address and token with which anybody's LiveKit client may listen: a guest signs in at the house and joins.
fn media_of_a_guest(link: &str) -> (String, String) {
    let link = Link::read(link).unwrap();
    let room = link.room.clone().unwrap();
    let joined = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let guest = HouseClient::sign_in(&link.house, &Identity::make(), "Ular").await.unwrap();
        guest.join(&room, false).await.unwrap()
    });
    assert_eq!(joined.media.url, None, "the embedded house is its own media server");
    // On this computer the house also speaks without TLS, for clients that cannot pin a certificate.
    (format!("ws://{}", link.house.addresses[0]), joined.media.token)
}

#[test]
fn the_python_sdk_hears_what_is_said_on_stage() {
    let output = places::fresh_output("python-listener").unwrap();
    let sound = SoundServer::start(&output).unwrap();
    let card = sound.add_card("sari").unwrap();
    let porch = speech::say("en-us+f3", speech::PORCH).unwrap();
    let arguments =
        ["host", "--listen", "127.0.0.1", "--title", "Open at both ends", "--do", "1s unmute", "--for", "120"];
    let mut host = Peer::start("Sari", &card, &arguments, &output).unwrap();
    let link = host.event("link", LIMIT).unwrap()["link"].as_str().unwrap().to_owned();

    let (url, token) = media_of_a_guest(&link);
    let heard = output.join("heard.wav");
    let mut command = strangers::hear(&url, &token, &heard, LISTENING_SECONDS).unwrap();
    let said = output.join("python.jsonl");
    let stdout = Stdio::from(std::fs::File::create(&said).unwrap());
    command.env("PYTHONUNBUFFERED", "1");
    let mut listener = Program::start(&command, stdout, &output.join("python.log")).unwrap();
    let tells = |event: &str| {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        text.contains(&format!("\"event\": \"{event}\"")).then_some(())
    };
    let subscribed = || listener.still_runs().map(|()| tells("track"));
    wait::until("the host's track", LIMIT, subscribed, || std::fs::read_to_string(&said).unwrap_or_default()).unwrap();
    card.speak(&porch.path).unwrap().until_done(LIMIT).unwrap();
    let status = listener.wait(LIMIT).unwrap();
    assert!(status.success(), "{status}\n{}", listener.last_words());

    let found = likeness::find(&porch.samples, &read_wav(&heard).unwrap()).unwrap();
    println!("heard by the Python SDK: {found:?}");
    assert!(found.is_found(), "{found:?}");
}
