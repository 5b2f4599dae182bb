//! What is said is heard, by those who should, as it was said.

use std::time::Duration;

use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use livekit_protocol::{MuteTrackRequest, UpdateSubscription, UpdateTrackSettings};

use crate::simulation::{ROOM, Simulation, hidden_listener, listener, speaker};

/// What the server adds when a track falls silent.
const SILENT_FRAME: [u8; 3] = [0xf8, 0xff, 0xfe];

fn mute(sid: &str, muted: bool) -> Request {
    Request::Mute(MuteTrackRequest { sid: sid.into(), muted })
}

#[test]
fn a_listener_gets_the_speakers_packets_byte_for_byte() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", hidden_listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let said = sim.talk(ani, 50);
    assert_eq!(sim.client(budi).heard_of(&track), said);
    assert_eq!(sim.client(ani).heard, []);
    assert_eq!(sim.numbers("ani").traffic.packets_in, 50);
    assert_eq!(sim.numbers("budi").traffic.packets_out, 50);
}

#[test]
fn a_listeners_numbering_starts_at_a_thousand_and_keeps_the_clock() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    sim.publish(ani);
    sim.talk(ani, 20);
    let budi = sim.enter("budi", hidden_listener());
    sim.talk(ani, 3);
    let heard = &sim.client(budi).heard;
    let sequences: Vec<u64> = heard.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, [1000, 1001, 1002]);
    assert_eq!(heard[1].timestamp - heard[0].timestamp, 960);
}

#[test]
fn whoever_comes_late_hears_at_once_and_the_first_offer_has_it() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let track = sim.publish(ani);
    sim.talk(ani, 5);
    let budi = sim.enter("budi", hidden_listener());
    assert_eq!(sim.client(budi).offers.len(), 1);
    assert!(sim.client(budi).offered_tracks().contains(&track));
    let said = sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard_of(&track), said);
}

#[test]
fn people_are_told_before_the_offer_that_carries_their_track() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let offers = sim.client(budi).offers.len();
    sim.client_mut(budi).messages.clear();
    sim.announce_track(ani);
    let track = sim.client(ani).published.clone().unwrap();
    let knows_track = |message: &Response| match message {
        Response::Update(update) => update.participants.iter().any(|p| p.tracks.iter().any(|t| t.sid == track)),
        _ => false,
    };
    // The offer is batched for 5 ms, the update is not.
    assert!(sim.client(budi).position(knows_track).is_some());
    assert_eq!(sim.client(budi).offers.len(), offers);
    sim.run(Duration::from_millis(10));
    assert_eq!(sim.client(budi).offers.len(), offers + 1);
}

#[test]
fn a_muted_track_is_silent_whatever_its_owner_sends() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let before = sim.talk(ani, 5);
    sim.say(ani, mute(&track, true));
    sim.talk(ani, 10);

    let heard = sim.client(budi).heard_of(&track);
    assert_eq!(heard[..5], before);
    assert_eq!(heard[5..], vec![SILENT_FRAME.to_vec(); 6]);
    assert_eq!(sim.numbers("ani").traffic.packets_muted, 10);
    assert!(sim.client(budi).people["ani"].tracks[0].muted);

    sim.say(ani, mute(&track, false));
    let after = sim.talk(ani, 5);
    let heard = sim.client(budi).heard.clone();
    assert_eq!(sim.client(budi).heard_of(&track)[11..], after);
    // Neither numbers nor clock step back, and no gap looks like loss.
    let steps = heard.windows(2).map(|pair| pair[1].sequence - pair[0].sequence);
    assert!(steps.into_iter().all(|step| step == 1));
    assert!(heard.windows(2).all(|pair| pair[1].timestamp > pair[0].timestamp));
}

#[test]
fn the_way_of_a_packet_through_the_server_can_be_asked_for() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.talk(ani, 1);
    sim.waited = Duration::from_millis(3);
    let before = sim.now;
    sim.talk(ani, 1);
    let sent_at = 7_000 + 2 * 960;
    let passage = sim.core.passage(ROOM, "ani", sent_at).unwrap();
    assert_eq!(passage.timestamp, sent_at);
    assert_eq!(sim.client(budi).heard[1].timestamp, sent_at);
    assert_eq!(passage.forwarded - passage.arrived, sim.waited);
    assert!(passage.forwarded > before && passage.forwarded < sim.now);
    assert_eq!(sim.core.passage(ROOM, "ani", sent_at + 960), None);
    assert_eq!(sim.core.passage(ROOM, "budi", sent_at), None);
    assert_eq!(sim.core.passage("elsewhere", "ani", sent_at), None);
}

#[test]
fn a_rewritten_timestamp_is_told_as_listeners_see_it() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.talk(ani, 5);
    // So short a mute that the server's silence reaches beyond it.
    sim.say(ani, mute(&track, true));
    sim.say(ani, mute(&track, false));
    sim.talk(ani, 1);
    let heard = sim.client(budi).heard.last().unwrap().timestamp;
    let sent_at = 7_000 + 6 * 960;
    assert_ne!(heard, sent_at);
    assert_eq!(sim.core.passage(ROOM, "ani", sent_at).unwrap().timestamp, heard);
}

/// The gap was left open once: the receiver guessed a wrong rollover count and decrypted nothing any more.
#[test]
fn a_listener_who_turned_a_voice_off_for_forty_thousand_packets_hears_it_again_at_once() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.talk(ani, 5);
    let setting = |disabled| {
        let track_sids = vec![track.clone()];
        Request::TrackSetting(UpdateTrackSettings { track_sids, disabled, ..UpdateTrackSettings::default() })
    };
    sim.say(budi, setting(true));
    for _ in 0..4 {
        sim.client_mut(ani).skip_frames(9_999);
        sim.talk(ani, 1);
    }
    sim.say(budi, setting(false));
    sim.client_mut(budi).heard.clear();
    let said = sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard_of(&track), said);
    assert_eq!(sim.client(budi).heard[0].sequence, 1_005);
}

#[test]
fn padding_without_sound_is_dropped_and_leaves_no_hole() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let mut said = sim.talk(ani, 3);
    sim.pad(ani);
    sim.pad(ani);
    said.extend(sim.talk(ani, 3));
    assert_eq!(sim.client(budi).heard_of(&track), said);
    let heard = sim.client(budi).heard.iter().map(|packet| packet.sequence);
    assert_eq!(heard.collect::<Vec<u64>>(), (1_000..1_006).collect::<Vec<u64>>());
    let traffic = sim.numbers("ani").traffic;
    assert_eq!((traffic.packets_in, traffic.packets_lost_in, traffic.packets_refused), (6, 0, 0));
}

#[test]
fn lost_packets_are_counted_and_the_rest_arrives() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.loss = 0.2;
    let said = sim.talk(ani, 200);
    let heard = sim.client(budi).heard_of(&track);
    assert!(heard.len() < 200 && heard.len() > 80, "{} of 200", heard.len());
    assert!(heard.iter().all(|payload| said.contains(payload)));
    let traffic = sim.numbers("ani").traffic;
    // What was lost before the first or after the last arrival cannot be known.
    let known = traffic.packets_in + traffic.packets_lost_in;
    assert!(known <= 200 && known > 190, "{traffic:?}");
    assert!(traffic.packets_lost_in > 20, "{traffic:?}");
}

#[test]
fn a_section_is_used_again_after_its_track_has_ended() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    for _ in 0..5 {
        sim.client_mut(budi).heard.clear();
        let track = sim.publish(ani);
        sim.run(Duration::from_millis(100));
        let said = sim.talk(ani, 5);
        assert_eq!(sim.client(budi).heard_of(&track), said);
        sim.unpublish(ani);
        assert!(sim.client(budi).offered_tracks().is_empty());
    }
    let sections = sim.client(budi).offers.last().unwrap().matches("m=audio").count();
    assert_eq!(sections, 1);
}

#[test]
fn an_ended_track_says_goodbye_with_silence() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.talk(ani, 5);
    sim.unpublish(ani);
    let heard = sim.client(budi).heard_of(&track);
    assert_eq!(heard[5..], vec![SILENT_FRAME.to_vec(); 6]);
    assert_eq!(sim.client(budi).people["ani"].tracks, []);
}

#[test]
fn three_speakers_and_three_listeners_hear_what_they_should() {
    let mut sim = Simulation::new();
    let speakers: Vec<_> = ["ani", "budi", "cici"].map(|name| sim.enter(name, speaker())).into();
    let listeners: Vec<_> = ["l1", "l2", "l3"].map(|name| sim.enter(name, hidden_listener())).into();
    let tracks: Vec<_> = speakers.iter().map(|guest| sim.publish(*guest)).collect();
    sim.run(Duration::from_millis(200));
    let said: Vec<_> = speakers.iter().map(|guest| sim.talk(*guest, 10)).collect();
    for (track, said) in tracks.iter().zip(&said) {
        for guest in listeners.iter().chain(&speakers) {
            let client = sim.client(*guest);
            let own = client.published.as_ref() == Some(track);
            let expected: &[Vec<u8>] = if own { &[] } else { said };
            assert_eq!(client.heard_of(track), expected);
        }
    }
}

#[test]
fn a_client_may_drop_and_pause_tracks() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let pause = |disabled| {
        Request::TrackSetting(UpdateTrackSettings { track_sids: vec![track.clone()], disabled, ..Default::default() })
    };
    sim.say(budi, pause(true));
    sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard, []);
    sim.say(budi, pause(false));
    let said = sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard_of(&track), said);

    let subscribe = |subscribe| {
        Request::Subscription(UpdateSubscription { track_sids: vec![track.clone()], subscribe, ..Default::default() })
    };
    sim.say(budi, subscribe(false));
    sim.run(Duration::from_millis(100));
    assert!(sim.client(budi).offered_tracks().is_empty());
    sim.client_mut(budi).heard.clear();
    sim.say(budi, subscribe(true));
    sim.run(Duration::from_millis(100));
    let said = sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard_of(&track), said);
}

#[test]
fn video_is_refused_and_sound_is_not() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    sim.client_mut(ani).with_video = true;
    let track = sim.publish(ani);
    let answer = sim.client(ani).answers.last().unwrap().clone();
    assert!(answer.contains("m=video 0 "), "{answer}");
    let bundle = answer.lines().find(|line| line.starts_with("a=group:BUNDLE")).unwrap();
    assert_eq!(bundle.split(' ').count(), 3, "data and microphone only: {bundle}");
    sim.run(Duration::from_millis(100));
    let said = sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard_of(&track), said);
}

#[test]
fn sound_that_waited_in_the_server_is_dropped_and_counted() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.waited = Duration::from_millis(150);
    sim.talk(ani, 5);
    sim.waited = Duration::from_millis(50);
    let said = sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard_of(&track), said);
    assert_eq!(sim.numbers("ani").traffic.packets_late, 5);
}

#[test]
fn a_client_that_names_no_ssrc_is_heard_all_the_same() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    sim.client_mut(ani).nameless = true;
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let said = sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard_of(&track), said);
}
