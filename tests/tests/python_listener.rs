//! LiveKit's Python SDK, with a WebRTC that nobody here wrote, listens in a room of the embedded house.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serambi_call::{Doors, HouseClient, Identity};
use serambi_protocol::Link;
use serambi_tests::{
    likeness,
    peer::Peer,
    places,
    program::Program,
    recording::{read_wav, write_stereo_wav},
    sound_server::{Card, SoundServer},
    speech, strangers, wait,
};

const LIMIT: Duration = Duration::from_secs(60);
const LISTENING_SECONDS: u32 = 20;

/// Address and token with which anybody's LiveKit client may listen: a guest signs in at the house and joins.
fn media_of_a_guest(link: &str) -> (String, String) {
    let link = Link::read(link).unwrap();
    let room = link.room.unwrap();
    let joined = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let guest = HouseClient::sign_in(&link.house, &Identity::make(), "Ular", &Doors::default()).await.unwrap();
        guest.join(&room, false).await.unwrap()
    });
    assert_eq!(joined.media.url, None, "the embedded house is its own media server");
    // On this computer the house also speaks without TLS, for clients that cannot pin a certificate.
    (format!("ws://{}", link.house.addresses[0]), joined.media.token)
}

/// Runs the SDK as a listener; what it says about itself is in the file.
fn listen_with_the_sdk(output: &Path, name: &str, url: &str, token: &str, seconds: u32) -> (Program, PathBuf) {
    let mut command = strangers::hear(url, token, &output.join(format!("{name}.wav")), seconds).unwrap();
    let said = output.join(format!("{name}.jsonl"));
    let stdout = Stdio::from(std::fs::File::create(&said).unwrap());
    command.env("PYTHONUNBUFFERED", "1");
    (Program::start(&command, stdout, &output.join(format!("{name}.log"))).unwrap(), said)
}

/// Check 31: somebody who was removed once went straight to the media server with the pass they had, and heard on.
#[test]
fn the_python_sdk_does_not_come_back_with_the_pass_of_somebody_who_was_removed() {
    let output = places::fresh_output("python-removed").unwrap();
    let sound = SoundServer::start(&output).unwrap();
    let card = sound.add_card("sari").unwrap();
    let arguments = ["host", "--listen", "127.0.0.1", "--title", "Out", "--do", "20s remove Ular", "--for", "120"];
    let mut host = Peer::start("Sari", &card, &arguments, &output).unwrap();
    let link = host.event("link", LIMIT).unwrap()["link"].as_str().unwrap().to_owned();
    let (url, token) = media_of_a_guest(&link);

    let (inside, said) = listen_with_the_sdk(&output, "inside", &url, &token, 60);
    let tells = |event: &str| {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        text.contains(&format!("\"event\": \"{event}\"")).then_some(())
    };
    for event in ["connected", "disconnected"] {
        let told = || Ok(tells(event));
        wait::until(event, LIMIT, told, || std::fs::read_to_string(&said).unwrap_or_default()).unwrap();
    }
    drop(inside);
    let (mut again, _) = listen_with_the_sdk(&output, "again", &url, &token, 5);
    assert!(!again.wait(LIMIT).unwrap().success(), "let in again");
}

/// Somebody hosts with this microphone and says what is in `wav` while the SDK listens; what it heard is in the file
/// returned.
fn heard_by_the_sdk(output: &Path, card: &Card, mode: &str, wav: &Path) -> PathBuf {
    let arguments = [
        &["host", "--listen", "127.0.0.1", "--title", "Open at both ends", "--do", "1s unmute", "--for", "120"][..],
        &["--mode", mode],
    ]
    .concat();
    let mut host = Peer::start("Sari", card, &arguments, output).unwrap();
    let link = host.event("link", LIMIT).unwrap()["link"].as_str().unwrap().to_owned();

    let (url, token) = media_of_a_guest(&link);
    let heard = output.join("heard.wav");
    let (mut listener, said) = listen_with_the_sdk(output, "heard", &url, &token, LISTENING_SECONDS);
    let tells = |event: &str| {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        text.contains(&format!("\"event\": \"{event}\"")).then_some(())
    };
    let subscribed = || listener.still_runs().map(|()| tells("track"));
    wait::until("the host's track", LIMIT, subscribed, || std::fs::read_to_string(&said).unwrap_or_default()).unwrap();
    card.speak(wav).unwrap().until_done(LIMIT).unwrap();
    let status = listener.wait(LIMIT).unwrap();
    assert!(status.success(), "{status}\n{}", listener.last_words());
    heard
}

#[test]
fn the_python_sdk_hears_what_is_said_on_stage() {
    let output = places::fresh_output("python-listener").unwrap();
    let sound = SoundServer::start(&output).unwrap();
    let card = sound.add_card("sari").unwrap();
    let porch = speech::say("en-us+f3", speech::PORCH).unwrap();
    let heard = heard_by_the_sdk(&output, &card, "speech", &porch.path);
    let found = likeness::find(&porch.samples, &read_wav(&heard).unwrap()).unwrap();
    println!("heard by the Python SDK: {found:?}");
    assert!(found.is_found(), "{found:?}");
}

/// Sound of two channels reaches listeners of every kind. This SDK decodes all voices in mono: it does not answer an
/// offer of stereo with `stereo=1`, as LiveKit's SDKs for browsers and Swift do (livekit/client-sdk-swift pull request
/// 1068 tells the story).
#[test]
fn the_python_sdk_hears_both_sides_of_music_as_one() {
    let output = places::fresh_output("python-listener-music").unwrap();
    let sound = SoundServer::start(&output).unwrap();
    let card = sound.add_stereo_card("sari").unwrap();
    let left = speech::say("en-us+f3", speech::PORCH).unwrap().samples;
    let right = speech::say("en-gb+m2", speech::FERRY).unwrap().samples;
    let both = output.join("said.wav");
    write_stereo_wav(&both, &left, &right).unwrap();
    let heard = read_wav(&heard_by_the_sdk(&output, &card, "music", &both)).unwrap();
    let middle: Vec<f32> = left.iter().zip(&right).map(|(left, right)| 0.5 * (left + right)).collect();
    let score = |said: &[f32]| likeness::find(said, &heard).map_or(0.0, |found| found.score);
    let (both, left, right) = (score(&middle), score(&left), score(&right));
    println!("both sides heard by the Python SDK: {both}; the left alone: {left}, the right alone: {right}");
    assert!(both >= likeness::FOUND_SCORE && both > left.max(right), "{both} {left} {right}");
}
