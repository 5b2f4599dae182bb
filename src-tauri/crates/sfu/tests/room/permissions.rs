//! Who may send sound, and who is seen.

use std::time::Duration;

use livekit_protocol::signal_response::Message as Response;
use livekit_protocol::{AddTrackRequest, ParticipantPermission, TrackSource, TrackType, request_response};
use serambi_sfu::core::{Command, Refusal};

use crate::simulation::{ROOM, Simulation, hidden_listener, listener, speaker};

#[test]
fn a_listeners_packets_are_refused_and_counted_and_nobody_hears_them() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let eve = sim.enter("eve", listener());
    sim.client_mut(eve).defiant = true;
    sim.announce_track(eve);
    sim.run_until("the listener's connection is up", |sim| sim.client(eve).may_send());
    sim.talk(eve, 25);

    assert_eq!(sim.client(ani).heard, []);
    let numbers = sim.numbers("eve");
    assert_eq!(numbers.traffic.packets_refused, 25);
    assert_eq!(numbers.traffic.packets_in, 0);
    assert!(!numbers.may_publish);
    let refused = |message: &Response| {
        matches!(message, Response::RequestResponse(response)
            if response.reason == request_response::Reason::NotAllowed as i32)
    };
    assert!(sim.client(eve).position(refused).is_some());
    assert_eq!(sim.client(eve).published, None);
}

#[test]
fn a_hidden_listener_is_seen_by_nobody() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", hidden_listener());
    let cici = sim.enter("cici", listener());
    assert!(!sim.client(ani).people.contains_key("budi"));
    assert!(!sim.client(cici).people.contains_key("budi"));
    assert!(sim.client(budi).people.contains_key("ani"));
    assert!(sim.client(budi).people.contains_key("cici"));
    assert!(sim.numbers("budi").hidden);
}

#[test]
fn a_promoted_listener_becomes_visible_and_is_heard_without_a_rejoin() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", hidden_listener());
    let sid = sim.client(budi).sid.clone();
    sim.permit("budi", speaker());
    assert_eq!(sim.client(ani).people["budi"].sid, sid);
    assert!(sim.client(budi).tokens.last().unwrap().can_publish);

    let track = sim.publish(budi);
    sim.run(Duration::from_millis(100));
    let said = sim.talk(budi, 10);
    assert_eq!(sim.client(ani).heard_of(&track), said);
}

#[test]
fn a_demoted_speaker_falls_silent_at_once() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", speaker());
    let track = sim.publish(budi);
    sim.run(Duration::from_millis(100));
    sim.talk(budi, 5);
    sim.client_mut(ani).heard.clear();
    sim.client_mut(budi).messages.clear();
    sim.permit("budi", listener());

    let told = |message: &Response| matches!(message, Response::TrackUnpublished(gone) if gone.track_sid == track);
    let updated = |message: &Response| matches!(message, Response::Update(_));
    let (told, updated) = (sim.client(budi).position(told), sim.client(budi).position(updated));
    assert!(told.is_some() && told < updated);
    assert!(!sim.client(budi).tokens.last().unwrap().can_publish);
    assert_eq!(sim.client(ani).people["budi"].tracks, []);

    sim.talk(budi, 10);
    assert!(sim.client(ani).heard.iter().all(|packet| packet.payload.len() == 3), "only the closing silence");
    assert_eq!(sim.numbers("budi").traffic.packets_refused, 10);
    sim.run(Duration::from_millis(100));
    assert!(sim.client(ani).offered_tracks().is_empty());
}

#[test]
fn somebody_who_hides_again_leaves_no_ghost() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", speaker());
    sim.publish(budi);
    sim.run(Duration::from_millis(100));
    sim.permit("budi", hidden_listener());
    sim.run(Duration::from_millis(100));
    assert!(!sim.client(ani).people.contains_key("budi"));
    assert!(sim.client(ani).offered_tracks().is_empty());
    sim.permit("budi", speaker());
    assert!(sim.client(ani).people.contains_key("budi"));
}

#[test]
fn a_moderator_can_mute_and_never_unmute() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let mute =
        |muted| Command::MuteTrack { room: ROOM.into(), identity: "ani".into(), track_sid: track.clone(), muted };
    sim.client_mut(ani).messages.clear();
    sim.command(mute(true)).unwrap();
    let told = |message: &Response| matches!(message, Response::Mute(mute) if mute.muted && mute.sid == track);
    let updated = |message: &Response| matches!(message, Response::Update(_));
    assert!(sim.client(ani).position(told) < sim.client(ani).position(updated));
    assert!(sim.client(budi).people["ani"].tracks[0].muted);

    sim.talk(ani, 10);
    assert!(sim.client(budi).heard.iter().all(|packet| packet.payload.len() == 3));
    assert_eq!(sim.command(mute(false)), Err(Refusal::RemoteUnmute));
    assert!(sim.client(budi).people["ani"].tracks[0].muted);
}

#[test]
fn a_source_outside_the_list_may_not_be_published() {
    let mut sim = Simulation::new();
    let permission =
        ParticipantPermission { can_publish_sources: vec![TrackSource::ScreenShareAudio as i32], ..speaker() };
    let ani = sim.enter("ani", permission);
    sim.announce_track(ani);
    sim.run(Duration::from_millis(200));
    assert_eq!(sim.client(ani).published, None);
}

#[test]
fn a_flood_of_announcements_meets_its_limit() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let add = |cid: String| {
        livekit_protocol::signal_request::Message::AddTrack(AddTrackRequest {
            cid,
            r#type: TrackType::Audio as i32,
            source: TrackSource::Microphone as i32,
            ..AddTrackRequest::default()
        })
    };
    for _ in 0..10 {
        sim.say(ani, add("same".into()));
    }
    let published =
        |sim: &Simulation| sim.client(ani).messages.iter().filter(|m| matches!(m, Response::TrackPublished(_))).count();
    assert_eq!(published(&sim), 3);
    for number in 0..100 {
        sim.say(ani, add(format!("cid{number}")));
    }
    assert_eq!(published(&sim), 20);
}

#[test]
fn video_tracks_are_refused_when_announced() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let request = AddTrackRequest { cid: "cam".into(), r#type: TrackType::Video as i32, ..Default::default() };
    sim.say(ani, livekit_protocol::signal_request::Message::AddTrack(request));
    let refused = |message: &Response| {
        matches!(message, Response::RequestResponse(response)
            if response.reason == request_response::Reason::UnsupportedType as i32)
    };
    assert!(sim.client(ani).position(refused).is_some());
}

#[test]
fn an_old_speakers_token_does_not_undo_a_demotion() {
    let mut sim = Simulation::new();
    sim.enter("ani", speaker());
    sim.permit("ani", listener());
    sim.enter("ani", speaker());
    assert!(!sim.numbers("ani").may_publish);
    // A token the house made later is its newer word.
    sim.token_made += 3600;
    sim.enter("ani", speaker());
    assert!(sim.numbers("ani").may_publish);
}

#[test]
fn somebody_sent_away_cannot_come_back_with_a_revoked_token() {
    let mut sim = Simulation::new();
    sim.enter("ani", speaker());
    let revoke_until = sim.token_made;
    sim.command(Command::RemoveParticipant { room: ROOM.into(), identity: "ani".into(), revoke_until }).unwrap();
    assert_eq!(sim.ring("ani", speaker()), Err(Refusal::TokenRevoked));
    sim.token_made += 1;
    assert!(sim.ring("ani", speaker()).is_ok());
}

/// LiveKit renews tokens of those inside: whoever was removed once came back with the renewed one, without end.
#[test]
fn a_renewed_token_is_void_with_the_one_it_prolongs() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let issued = sim.token_made;
    sim.run(Duration::from_secs(301));
    assert_eq!((sim.client(ani).tokens.len(), sim.client(ani).token_issued), (2, issued));
    let remove = Command::RemoveParticipant { room: ROOM.into(), identity: "ani".into(), revoke_until: issued };
    sim.command(remove).unwrap();
    sim.token_made = sim.client(ani).token_issued;
    assert_eq!(sim.ring("ani", speaker()), Err(Refusal::TokenRevoked));
}

/// A house whose clock starts in 1970, and one whose clock is set back an hour.
#[test]
fn a_removal_holds_whichever_way_the_clock_has_jumped_since_the_token_was_made() {
    for jump in [-3_600, 1_700_000_000] {
        let mut sim = Simulation::new();
        sim.token_made = 86_400;
        sim.enter("ani", speaker());
        let revoke_until = sim.token_made + jump;
        sim.command(Command::RemoveParticipant { room: ROOM.into(), identity: "ani".into(), revoke_until }).unwrap();
        assert_eq!(sim.ring("ani", speaker()), Err(Refusal::TokenRevoked), "{jump}");
    }
}

#[test]
fn a_demotion_holds_whichever_way_the_clock_has_jumped_since_the_token_was_made() {
    for jump in [-3_600, 1_700_000_000] {
        let mut sim = Simulation::new();
        sim.token_made = 86_400;
        sim.enter("ani", speaker());
        sim.decided_at = sim.token_made + jump;
        sim.permit("ani", listener());
        sim.enter("ani", speaker());
        assert!(!sim.numbers("ani").may_publish, "{jump}");
    }
}

/// The client of a demoted speaker may keep its old section sending; that section once took the
/// place of the newly announced track, and nobody heard the person.
#[test]
fn somebody_back_on_stage_is_heard_on_the_new_track() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", speaker());
    sim.publish(budi);
    sim.run(Duration::from_millis(100));
    sim.permit("budi", listener());
    sim.talk(budi, 5);
    sim.permit("budi", speaker());
    let track = sim.publish(budi);
    sim.run(Duration::from_millis(100));
    let said = sim.talk(budi, 5);
    assert_eq!(sim.client(ani).heard_of(&track), said);
}
