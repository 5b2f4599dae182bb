//! Whatever comes from the network, the house stands.

use std::time::{Duration, Instant};

use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::{SessionDescription, SignalRequest};
use proptest::prelude::*;
use prost::Message;

use crate::simulation::{Simulation, listener, speaker};

fn description(sdp: String) -> SessionDescription {
    SessionDescription { sdp, ..SessionDescription::default() }
}

/// Pieces of real descriptions, so that wrong ones get deep.
fn sdp_line() -> impl Strategy<Value = String> {
    let digest = ["AB"; 32].join(":");
    let known = prop::sample::select(vec![
        "v=0".to_owned(),
        "m=audio 9 UDP/TLS/RTP/SAVPF 111".to_owned(),
        "m=audio 0 UDP/TLS/RTP/SAVPF 109".to_owned(),
        "m=video 9 UDP/TLS/RTP/SAVPF 96".to_owned(),
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel".to_owned(),
        "a=mid:0".to_owned(),
        "a=mid:1".to_owned(),
        "a=sendrecv".to_owned(),
        "a=inactive".to_owned(),
        "a=rtpmap:111 opus/48000/2".to_owned(),
        "a=rtpmap:300 opus/48000/2".to_owned(),
        "a=ssrc:1 cname:x".to_owned(),
        "a=ssrc:0 cname:x".to_owned(),
        "a=ssrc:99999999999 cname:x".to_owned(),
        "a=group:BUNDLE 0 1 2".to_owned(),
        "a=ice-ufrag:abcd".to_owned(),
        "a=ice-pwd:0123456789012345678901".to_owned(),
        format!("a=fingerprint:sha-256 {digest}"),
        "a=fingerprint:sha-256 zz".to_owned(),
        "a=setup:passive".to_owned(),
        "a=msid:s cid".to_owned(),
        "a=bundle-only".to_owned(),
    ]);
    prop_oneof![8 => known, 1 => "[ -~]{0,40}", 1 => ".{0,40}"]
}

fn sdp() -> impl Strategy<Value = String> {
    let digest = ["AB"; 32].join(":");
    let head = format!("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {digest}\r\n");
    (any::<bool>(), prop::collection::vec(sdp_line(), 0..40))
        .prop_map(move |(good, lines)| if good { head.clone() + &lines.join("\r\n") } else { lines.join("\r\n") })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_offers_and_answers_leave_the_room_standing(
        offers in prop::collection::vec(sdp(), 1..4),
        answer in sdp(),
    ) {
        let mut sim = Simulation::new();
        let eve = sim.ring("eve", speaker()).unwrap();
        sim.client_mut(eve).mute_signalling = true;
        let add = livekit_protocol::AddTrackRequest { cid: "cid".into(), source: 2, ..Default::default() };
        sim.say(eve, Request::AddTrack(add));
        for offer in offers {
            let Some(connection) = sim.client(eve).connection else { break };
            let message = Some(Request::Offer(description(offer)));
            sim.core.handle_signal(sim.now, connection, SignalRequest { message });
        }
        if let Some(connection) = sim.client(eve).connection {
            let message = Some(Request::Answer(description(answer)));
            sim.core.handle_signal(sim.now, connection, SignalRequest { message });
        }
        let later = sim.now + Duration::from_secs(1);
        sim.core.handle_timeout(later);
    }

    #[test]
    fn any_signalling_bytes_leave_the_room_standing(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let Ok(request) = SignalRequest::decode(bytes.as_slice()) else { return Ok(()) };
        let mut sim = Simulation::new();
        let eve = sim.ring("eve", speaker()).unwrap();
        let connection = sim.client(eve).connection.unwrap();
        sim.core.handle_signal(sim.now, connection, request);
    }
}

/// Datagrams of a connected client with some bytes changed: they reach every layer there is.
#[test]
fn damaged_datagrams_of_a_guest_harm_nobody() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    let address = sim.client(ani).publisher_address();
    let mut byte = 0u8;
    for length in (1..1400usize).step_by(7) {
        for first in [0u8, 1, 20, 22, 63, 128, 144, 191, 200, 255] {
            byte = byte.wrapping_mul(31).wrapping_add(17);
            let mut datagram = vec![byte; length];
            datagram[0] = first;
            sim.inject(address, datagram);
        }
    }
    let said = sim.talk(ani, 10);
    assert_eq!(sim.client(budi).heard_of(&track), said);
}

#[test]
fn a_stranger_without_credentials_reaches_nobody() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let before = sim.room();
    let stranger = "10.9.9.9:9".parse().unwrap();
    for first in 0..=255u8 {
        sim.inject(stranger, vec![first; 100]);
    }
    assert_eq!(sim.room(), before);
    assert!(sim.client(ani).connection.is_some());
}

#[test]
fn messages_of_unknown_connections_are_ignored() {
    let mut sim = Simulation::new();
    let unknown = serambi_sfu::core::ConnectionId(999);
    let message = Some(Request::Offer(description(String::new())));
    sim.core.handle_signal(Instant::now(), unknown, SignalRequest { message });
    sim.core.handle_signal_lost(Instant::now(), unknown);
}
