//! Coming, coming back, and leaving.

use std::time::Duration;

use livekit_protocol::participant_info::State;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use livekit_protocol::{DisconnectReason, LeaveRequest, Ping, leave_request};
use serambi_sfu::core::{Command, Refusal, RoomOptions, SILENT_MS_ATTRIBUTE};

use crate::client::Client;
use crate::simulation::{ROOM, Simulation, hidden_listener, listener, speaker};

fn farewell(client: &Client) -> Option<&LeaveRequest> {
    client.messages.iter().find_map(|message| match message {
        Response::Leave(leave) => Some(leave),
        _ => None,
    })
}

#[test]
fn join_comes_first_and_says_what_clients_insist_on() {
    let mut sim = Simulation::new();
    sim.enter("ani", speaker());
    let budi = sim.enter("budi", hidden_listener());
    let client = sim.client(budi);
    let Response::Join(join) = &client.messages[0] else { panic!("{:?}", client.messages[0]) };
    let participant = join.participant.clone().unwrap();
    let server = join.server_info.clone().unwrap();
    assert!(participant.sid.starts_with("PA_"));
    assert!(join.room.clone().unwrap().sid.starts_with("RM_"));
    assert!(server.node_id.starts_with("ND_") && !server.version.is_empty() && server.protocol == 16);
    assert_eq!((join.ping_interval, join.ping_timeout), (5, 15));
    assert!(join.subscriber_primary && !join.fast_publish);
    assert_eq!(join.other_participants.len(), 1);
    assert_eq!(client.tokens.len(), 1);
}

#[test]
fn whoever_is_up_is_active_and_told_so() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    sim.run(Duration::from_millis(100));
    let active = livekit_protocol::participant_info::State::Active as i32;
    assert_eq!(sim.client(ani).people["ani"].state, active);
}

#[test]
fn pings_are_answered() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    sim.say(ani, Request::PingReq(Ping { timestamp: 42, rtt: 0 }));
    sim.say(ani, Request::Ping(7));
    let answered = |message: &Response| matches!(message, Response::PongResp(pong) if pong.last_ping_timestamp == 42);
    assert!(sim.client(ani).position(answered).is_some());
    assert!(sim.client(ani).position(|m| matches!(m, Response::Pong(_))).is_some());
}

#[test]
fn a_token_comes_every_five_minutes() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    for _ in 0..61 {
        sim.run(Duration::from_secs(5));
        sim.say(ani, Request::Ping(0));
    }
    assert_eq!(sim.client(ani).tokens.len(), 2);
}

#[test]
fn the_same_identity_replaces_its_earlier_session() {
    let mut sim = Simulation::new();
    let cici = sim.enter("cici", listener());
    let first = sim.enter("ani", speaker());
    sim.publish(first);
    let second = sim.enter("ani", speaker());
    let leave = farewell(sim.client(first)).unwrap();
    assert_eq!(leave.reason, DisconnectReason::DuplicateIdentity as i32);
    assert_eq!(leave.action, leave_request::Action::Disconnect as i32);
    assert_eq!(sim.client(first).connection, None);
    assert_ne!(sim.client(first).sid, sim.client(second).sid);
    assert_eq!(sim.client(cici).people["ani"].sid, sim.client(second).sid);
    assert_eq!(sim.room().participants.len(), 2);
    let track = sim.publish(second);
    sim.run(Duration::from_millis(100));
    let said = sim.talk(second, 5);
    assert_eq!(sim.client(cici).heard_of(&track), said);
}

#[test]
fn a_resumed_listener_never_stops_hearing() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", hidden_listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let mut said = sim.talk(ani, 10);
    sim.cut(budi);
    said.extend(sim.talk(ani, 50));
    sim.resume(budi, "budi");

    let client = sim.client(budi);
    assert!(matches!(client.messages[0], Response::Reconnect(_)));
    assert!(matches!(client.messages[1], Response::Update(_)));
    assert!(matches!(client.messages[2], Response::RoomUpdate(_)));
    said.extend(sim.talk(ani, 150));
    assert_eq!(sim.client(budi).heard_of(&track), said);
}

/// The direct interface of the engine has no ICE restart: new credentials alone kept the old pair,
/// and a client that had really moved heard nothing more while packets were still counted as sent.
#[test]
fn a_listener_that_resumes_from_another_address_is_reached_there() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", hidden_listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.cut(budi);
    sim.client_mut(budi).move_to(40_000);
    sim.run(Duration::from_secs(1));
    sim.resume(budi, "budi");
    sim.run(Duration::from_secs(3));
    sim.client_mut(budi).heard.clear();
    let said = sim.talk(ani, 20);
    assert_eq!(sim.client(budi).heard_of(&track), said);
}

/// A router gave a listener's socket another port in the middle of a call: everything was sent to the old one for
/// ever, and the listener's own checks were answered, so that nobody noticed.
#[test]
fn a_listener_whose_router_gives_another_port_hears_on_within_four_seconds() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", hidden_listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.talk(ani, 10);
    for first_port in [40_000, 50_000] {
        sim.remap(budi, first_port);
        sim.talk(ani, 200);
        sim.client_mut(budi).heard.clear();
        let said = sim.talk(ani, 20);
        sim.run(Duration::from_millis(100));
        assert_eq!(sim.client(budi).heard_of(&track), said, "from port {first_port}");
    }
}

/// As with a listener: a speaker was heard on, but the server's reports went to the dead port.
#[test]
fn a_speaker_whose_router_gives_another_port_is_heard_on() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", hidden_listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.remap(ani, 40_000);
    sim.talk(ani, 150);
    sim.client_mut(budi).heard.clear();
    let said = sim.talk(ani, 20);
    sim.run(Duration::from_millis(100));
    assert_eq!(sim.client(budi).heard_of(&track), said);
}

#[test]
fn a_resumed_speaker_is_heard_on() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let mut said = sim.talk(ani, 10);
    sim.cut(ani);
    said.extend(sim.talk(ani, 10));
    sim.resume(ani, "ani");
    let now = sim.now;
    let offer = sim.client_mut(ani).restart_publisher(now);
    sim.say(ani, offer);
    said.extend(sim.talk(ani, 150));
    assert_eq!(sim.client(budi).heard_of(&track), said);
    assert!(sim.client(budi).people.contains_key("ani"));
}

#[test]
fn a_client_that_resumes_hears_of_those_who_left_meanwhile() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    sim.cut(budi);
    sim.run(Duration::from_secs(1));
    sim.say(ani, Request::Leave(LeaveRequest::default()));
    sim.run(Duration::from_secs(1));
    assert!(sim.client(budi).people.contains_key("ani"));
    sim.resume(budi, "budi");
    assert!(!sim.client(budi).people.contains_key("ani"));
}

#[test]
fn a_stranger_who_resumes_is_told_to_start_from_scratch() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    sim.say(ani, Request::Leave(LeaveRequest::default()));
    sim.resume(ani, "ani");
    let leave = farewell(sim.client(ani)).unwrap();
    assert_eq!(leave.reason, DisconnectReason::StateMismatch as i32);
    assert_eq!(leave.action, leave_request::Action::Reconnect as i32);
    assert_eq!(sim.client(ani).connection, None);
}

#[test]
fn a_seat_is_kept_for_sixty_seconds_and_no_longer() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let alive = |sim: &mut Simulation, seconds: u64| {
        for _ in 0..seconds {
            sim.run(Duration::from_secs(1));
            sim.say(budi, Request::Ping(0));
        }
    };
    sim.cut(ani);
    alive(&mut sim, 59);
    assert!(sim.client(budi).people.contains_key("ani"));
    alive(&mut sim, 2);
    assert!(!sim.client(budi).people.contains_key("ani"));
}

/// LiveKit's Go SDK sends no signalling pings: such clients were once cut off every 20 s, with a hole in the sound each
/// time.
#[test]
fn a_client_that_says_nothing_on_signalling_stays() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_secs(90));
    assert!(sim.client(ani).connection.is_some() && sim.client(budi).connection.is_some());
    let said = sim.talk(ani, 5);
    assert_eq!(sim.client(budi).heard_of(&track), said);
}

#[test]
fn somebody_from_whom_nothing_arrives_is_listed_as_active_no_longer() {
    let mut sim = Simulation::new();
    let budi = sim.enter("budi", hidden_listener());
    sim.run(Duration::from_secs(30));
    assert_eq!(sim.listed("budi").state(), State::Active, "a quiet listener still checks their connection");
    let silent_ms = |sim: &mut Simulation| sim.listed("budi").attributes[SILENT_MS_ATTRIBUTE].parse::<u64>().unwrap();
    let before = silent_ms(&mut sim);
    assert!(before < 3_000, "{before} ms");
    sim.client_mut(budi).unplugged = true;
    sim.run(Duration::from_millis(5_500));
    assert_eq!(sim.listed("budi").state(), State::Joined);
    assert_eq!(silent_ms(&mut sim), before + 5_500, "it counts from what arrived last");
    sim.client_mut(budi).unplugged = false;
    sim.run(Duration::from_secs(5));
    assert_eq!(sim.listed("budi").state(), State::Active);
    assert!(silent_ms(&mut sim) < 5_000);
}

#[test]
fn a_room_that_nobody_created_cannot_be_joined() {
    let mut sim = Simulation::without_room();
    assert_eq!(sim.ring("ani", speaker()), Err(Refusal::NotFound("requested room")));
    assert!(sim.core.statistics(ROOM).is_none());
}

/// Two former guests once met again in an ended room, with the passes they had.
#[test]
fn an_ended_room_stays_ended_for_everybody_who_was_in_it() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    sim.enter("budi", listener());
    sim.command(Command::DeleteRoom { room: ROOM.into() }).unwrap();
    for (identity, permission) in [("ani", speaker()), ("budi", listener())] {
        assert_eq!(sim.ring(identity, permission), Err(Refusal::NotFound("requested room")));
    }
    sim.resume(ani, "ani");
    assert_eq!(farewell(sim.client(ani)).unwrap().reason, DisconnectReason::StateMismatch as i32);
    assert!(sim.core.statistics(ROOM).is_none());
}

#[test]
fn whoever_never_answers_the_offer_is_sent_away() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    sim.client_mut(ani).mute_signalling = true;
    let budi = sim.enter("budi", speaker());
    sim.publish(budi);
    for _ in 0..16 {
        sim.run(Duration::from_secs(1));
        sim.say(ani, Request::Ping(0));
    }
    let leave = farewell(sim.client(ani)).unwrap();
    assert_eq!(leave.action, leave_request::Action::Reconnect as i32);
}

#[test]
fn whoever_leaves_is_gone_for_everybody() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.say(ani, Request::Leave(LeaveRequest::default()));
    sim.run(Duration::from_millis(100));
    assert!(!sim.client(budi).people.contains_key("ani"));
    assert!(sim.client(budi).offered_tracks().is_empty());
    assert_eq!(sim.client(ani).connection, None);
}

#[test]
fn an_empty_room_closes_after_a_while() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    sim.say(ani, Request::Leave(LeaveRequest::default()));
    sim.run(Duration::from_secs(19));
    assert!(sim.core.statistics(ROOM).is_some());
    sim.run(Duration::from_secs(2));
    assert!(sim.core.statistics(ROOM).is_none());
}

#[test]
fn a_full_room_refuses_and_still_lets_its_own_people_back() {
    let mut sim = Simulation::without_room();
    sim.create_room(RoomOptions { max_participants: 1, ..RoomOptions::default() });
    sim.enter("ani", speaker());
    assert_eq!(sim.ring("budi", listener()), Err(Refusal::RoomFull));
    sim.enter("ani", speaker());
}

#[test]
fn a_deleted_room_sends_everybody_away() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    sim.command(Command::DeleteRoom { room: ROOM.into() }).unwrap();
    assert_eq!(farewell(sim.client(ani)).unwrap().reason, DisconnectReason::RoomDeleted as i32);
    assert!(sim.core.statistics(ROOM).is_none());
}

#[test]
fn a_house_that_closes_says_goodbye() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let now = sim.now;
    sim.core.shut_down(now);
    sim.run(Duration::from_millis(50));
    assert_eq!(farewell(sim.client(ani)).unwrap().reason, DisconnectReason::ServerShutdown as i32);
}
