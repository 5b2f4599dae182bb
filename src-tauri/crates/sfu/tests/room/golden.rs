//! Answers to offers that real clients made, and our own offer, byte for byte.
//!
//! The offers in `tests/golden` were recorded from the Python SDK 1.2.1 (libwebrtc) and from
//! livekit-client 2.23.0 in Chromium 156, with line ends made plain and addresses replaced.
//! `SERAMBI_GOLDEN=write cargo test -p serambi-sfu golden` writes the expected files anew; look at the difference
//! before committing it.

use std::path::PathBuf;

use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use livekit_protocol::{AddTrackRequest, AudioTrackFeature, SessionDescription, SignalRequest, TrackSource};
use serambi_sfu::core::Output;

use crate::simulation::{Guest, Simulation, listener, speaker};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap().replace("\r\n", "\n")
}

/// The certificate is new each time; everything else comes from the seed.
fn comparable(sdp: &str) -> String {
    assert!(sdp.split_inclusive('\n').all(|line| line.ends_with("\r\n")), "line ends are CRLF");
    let lines = sdp.lines().map(|line| match line.split_once("a=fingerprint:sha-256 ") {
        Some(_) => "a=fingerprint:sha-256 (any)\n".to_owned(),
        None => format!("{line}\n"),
    });
    lines.collect()
}

fn check(name: &str, sdp: &str) {
    let actual = comparable(sdp);
    if std::env::var_os("SERAMBI_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(path(name), &actual).unwrap();
    }
    assert_eq!(actual, read(name), "{name}");
}

fn answer_to(sim: &mut Simulation, guest: Guest, offer: &str) -> String {
    answer_to_text(sim, guest, read(offer))
}

fn answer_to_text(sim: &mut Simulation, guest: Guest, sdp: String) -> String {
    let connection = sim.client(guest).connection.unwrap();
    let description = SessionDescription { r#type: "offer".into(), sdp, ..Default::default() };
    let request = SignalRequest { message: Some(Request::Offer(description)) };
    sim.core.handle_signal(sim.now, connection, request);
    loop {
        match sim.core.poll_output() {
            Output::Signal(to, message) if to == connection => {
                if let Response::Answer(answer) = *message {
                    return answer.sdp;
                }
            }
            Output::Deadline(_) => panic!("no answer"),
            _ => {}
        }
    }
}

fn add_track(sim: &mut Simulation, guest: Guest, offer: &str) {
    let offer = read(offer);
    let msid = offer.lines().find_map(|line| line.strip_prefix("a=msid:")).unwrap();
    let request = AddTrackRequest {
        cid: msid.split(' ').nth(1).unwrap().into(),
        source: TrackSource::Microphone as i32,
        ..AddTrackRequest::default()
    };
    sim.say(guest, Request::AddTrack(request));
}

#[test]
fn python_joins_publishes_and_unpublishes() {
    let mut sim = Simulation::new();
    let ani = sim.ring("ani", speaker()).unwrap();
    check("python_joining.answer.sdp", &answer_to(&mut sim, ani, "python_joining.offer.sdp"));
    add_track(&mut sim, ani, "python_publishing.offer.sdp");
    check("python_publishing.answer.sdp", &answer_to(&mut sim, ani, "python_publishing.offer.sdp"));
    check("python_unpublishing.answer.sdp", &answer_to(&mut sim, ani, "python_unpublishing.offer.sdp"));
}

#[test]
fn chromium_joins_publishes_unpublishes_and_uses_the_section_again() {
    let mut sim = Simulation::new();
    let ani = sim.ring("ani", speaker()).unwrap();
    check("chromium_joining.answer.sdp", &answer_to(&mut sim, ani, "chromium_joining.offer.sdp"));
    add_track(&mut sim, ani, "chromium_publishing.offer.sdp");
    check("chromium_publishing.answer.sdp", &answer_to(&mut sim, ani, "chromium_publishing.offer.sdp"));
    check("chromium_unpublishing.answer.sdp", &answer_to(&mut sim, ani, "chromium_unpublishing.offer.sdp"));
    add_track(&mut sim, ani, "chromium_publishing_again.offer.sdp");
    check("chromium_publishing_again.answer.sdp", &answer_to(&mut sim, ani, "chromium_publishing_again.offer.sdp"));
}

/// livekit-client 2.21 makes its data channels when it needs them.
fn without_data(offer: &str) -> String {
    let offer = read(offer);
    let (session, rest) = offer.split_once("m=application").unwrap();
    let (_, audio) = rest.split_once("m=audio").unwrap();
    format!("{}m=audio{audio}", session.replace("BUNDLE 0 1", "BUNDLE 1"))
}

/// Known failure: the answer's bundle was empty, which Chromium takes for a description that is wrong; nobody came on
/// stage a second time.
#[test]
fn the_only_section_stays_when_its_track_has_ended() {
    let mut sim = Simulation::new();
    let ani = sim.ring("ani", speaker()).unwrap();
    add_track(&mut sim, ani, "chromium_publishing.offer.sdp");
    let published = answer_to_text(&mut sim, ani, without_data("chromium_publishing.offer.sdp"));
    assert!(published.contains("a=group:BUNDLE 1\r\n") && published.contains("a=recvonly"), "{published}");
    let ended = answer_to_text(&mut sim, ani, without_data("chromium_unpublishing.offer.sdp"));
    assert!(ended.contains("a=group:BUNDLE 1\r\n"), "{ended}");
    assert!(ended.contains("m=audio 9 ") && ended.contains("a=inactive"), "{ended}");
}

#[test]
fn a_python_listener_who_offers_sound_is_answered_inactive() {
    let mut sim = Simulation::new();
    let eve = sim.ring("eve", listener()).unwrap();
    answer_to(&mut sim, eve, "python_joining.offer.sdp");
    let answer = answer_to(&mut sim, eve, "python_publishing.offer.sdp");
    assert!(!answer.contains("a=recvonly") && !answer.contains("a=sendrecv"));
}

#[test]
fn our_offer_has_data_first_then_a_section_per_track() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", speaker());
    let cici = sim.enter("cici", listener());
    sim.publish(ani);
    sim.publish(budi);
    sim.run(std::time::Duration::from_millis(100));
    sim.unpublish(ani);
    check("subscriber.offer.sdp", sim.client(cici).offers.last().unwrap());
}

#[test]
fn a_track_that_may_be_stereo_is_offered_so_that_browsers_decode_two_channels() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    sim.client_mut(ani).audio_features = vec![AudioTrackFeature::TfStereo];
    sim.publish(ani);
    sim.run(std::time::Duration::from_millis(100));
    let offer = sim.client(budi).offers.last().unwrap();
    assert!(offer.contains("a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1\r\n"), "{offer}");
    assert!(sim.client(budi).people["ani"].tracks[0].audio_features.contains(&(AudioTrackFeature::TfStereo as i32)));
}
