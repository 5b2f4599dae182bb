//! Whatever one client sends, the others hear each other, and nothing panics.

use std::time::Duration;

use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::{
    AddTrackRequest, LeaveRequest, MuteTrackRequest, SessionDescription, SignalRequest, SyncState, TrackInfo,
    TrackPublishedResponse, UpdateParticipantMetadata, UpdateSubscription, UpdateTrackSettings,
};
use proptest::prelude::*;
use prost::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serambi_sfu::core::{ConnectionId, Output};

use crate::simulation::{Guest, Simulation, listener, speaker};

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

/// Requests of every kind that does something, with names of things that exist and of things that do not.
fn request(track: String) -> impl Strategy<Value = Request> {
    let sid = prop::sample::select(vec![track, "TR_AMnothing".to_owned(), String::new(), "x".repeat(300)]);
    let sids = prop::collection::vec(sid.clone(), 0..4);
    let add = |(cid, source, kind): (String, i32, i32)| {
        Request::AddTrack(AddTrackRequest { cid, source, r#type: kind, ..AddTrackRequest::default() })
    };
    prop_oneof![
        sdp().prop_map(|sdp| Request::Offer(description(sdp))),
        (sdp(), any::<u32>()).prop_map(|(sdp, id)| Request::Answer(SessionDescription { id, ..description(sdp) })),
        ("[a-z]{0,3}", any::<i32>(), 0..4).prop_map(add),
        (sid.clone(), any::<bool>()).prop_map(|(sid, muted)| Request::Mute(MuteTrackRequest { sid, muted })),
        (sids.clone(), any::<bool>()).prop_map(|(track_sids, subscribe)| {
            Request::Subscription(UpdateSubscription { track_sids, subscribe, ..UpdateSubscription::default() })
        }),
        (sids, any::<bool>()).prop_map(|(track_sids, disabled)| {
            Request::TrackSetting(UpdateTrackSettings { track_sids, disabled, ..UpdateTrackSettings::default() })
        }),
        sid.prop_map(|sid| {
            let track = Some(TrackInfo { sid, ..TrackInfo::default() });
            let publish_tracks = vec![TrackPublishedResponse { track, ..TrackPublishedResponse::default() }];
            Request::SyncState(SyncState { publish_tracks, ..SyncState::default() })
        }),
        ".{0,10}".prop_map(|name| {
            Request::UpdateMetadata(UpdateParticipantMetadata { name, ..UpdateParticipantMetadata::default() })
        }),
        any::<i64>().prop_map(Request::Ping),
        Just(Request::Leave(LeaveRequest::default())),
    ]
}

/// A room in which Ani speaks and Budi listens, and Eve, who may speak, does what she likes.
struct Scene {
    sim: Simulation,
    ani: Guest,
    budi: Guest,
    eve: Guest,
    track: String,
}

impl Scene {
    fn new() -> Self {
        let mut sim = Simulation::new();
        let ani = sim.enter("ani", speaker());
        let budi = sim.enter("budi", listener());
        let track = sim.publish(ani);
        sim.run(Duration::from_millis(100));
        let eve = sim.ring("eve", speaker()).unwrap();
        sim.client_mut(eve).deaf = true;
        Self { sim, ani, budi, eve, track }
    }

    fn eve_says(&mut self, request: SignalRequest) {
        if let Some(connection) = self.sim.client(self.eve).connection {
            self.sim.core.handle_signal(self.sim.now, connection, request);
        }
    }

    /// The others go on, and no panic was caught on the way.
    fn others_are_heard(mut self) {
        self.sim.run(Duration::from_secs(1));
        self.sim.client_mut(self.budi).heard.clear();
        let said = self.sim.talk(self.ani, 3);
        assert_eq!(self.sim.client(self.budi).heard_of(&self.track), said);
        assert_eq!(self.sim.core.engine_panics(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_offers_and_answers_leave_the_others_their_sound(
        offers in prop::collection::vec(sdp(), 1..4),
        answer in sdp(),
    ) {
        let mut scene = Scene::new();
        let add = AddTrackRequest { cid: "cid".into(), source: 2, ..Default::default() };
        scene.eve_says(SignalRequest { message: Some(Request::AddTrack(add)) });
        for offer in offers {
            scene.eve_says(SignalRequest { message: Some(Request::Offer(description(offer))) });
        }
        scene.eve_says(SignalRequest { message: Some(Request::Answer(description(answer))) });
        scene.others_are_heard();
    }

    /// Whole requests, and requests with some bytes changed that still decode.
    #[test]
    fn any_requests_leave_the_others_their_sound(
        requests in prop::collection::vec(
            (request("TRACK".into()), prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..3)),
            1..6,
        ),
    ) {
        let mut scene = Scene::new();
        for (request, changes) in requests {
            let mut bytes = SignalRequest { message: Some(with_track(request, &scene.track)) }.encode_to_vec();
            for (index, byte) in changes {
                if !bytes.is_empty() {
                    let place = index.index(bytes.len());
                    bytes[place] = byte;
                }
            }
            if let Ok(request) = SignalRequest::decode(bytes.as_slice()) {
                scene.eve_says(request);
            }
        }
        scene.others_are_heard();
    }
}

/// Puts the sid of the track that exists where the strategy wrote `TRACK`.
fn with_track(request: Request, track: &str) -> Request {
    let real = |sid: &mut String| {
        if sid == "TRACK" {
            track.clone_into(sid);
        }
    };
    let mut request = request;
    match &mut request {
        Request::Mute(mute) => real(&mut mute.sid),
        Request::Subscription(update) => update.track_sids.iter_mut().for_each(real),
        Request::TrackSetting(update) => update.track_sids.iter_mut().for_each(real),
        Request::SyncState(state) => {
            state.publish_tracks.iter_mut().filter_map(|published| published.track.as_mut()).for_each(|track| {
                real(&mut track.sid);
            });
        }
        _ => {}
    }
    request
}

/// Real datagrams of a connected client with some bytes changed reach every layer there is.
#[test]
fn damaged_datagrams_of_a_guest_harm_nobody() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", speaker());
    let budi = sim.enter("budi", listener());
    let track = sim.publish(ani);
    sim.run(Duration::from_millis(100));
    sim.talk(ani, 3);
    let recorded = std::mem::take(&mut sim.recorded);
    let mut chance = StdRng::seed_from_u64(7);
    for (from, bytes) in recorded {
        for _ in 0..8 {
            let mut damaged = bytes.clone();
            for _ in 0..chance.random_range(1..4) {
                let place = chance.random_range(0..damaged.len());
                damaged[place] = chance.random();
            }
            damaged.truncate(chance.random_range(damaged.len() / 2..=damaged.len()));
            sim.inject(from, damaged);
        }
    }
    sim.client_mut(budi).heard.clear();
    let said = sim.talk(ani, 10);
    assert_eq!(sim.client(budi).heard_of(&track), said);
    assert_eq!(sim.core.engine_panics(), 0);
}

#[test]
fn datagrams_of_any_length_and_kind_harm_nobody() {
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
    assert_eq!(sim.core.engine_panics(), 0);
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
fn messages_of_unknown_connections_change_and_cause_nothing() {
    let mut sim = Simulation::new();
    sim.enter("ani", speaker());
    let before = sim.room();
    let unknown = ConnectionId(999);
    let message = Some(Request::Offer(description(String::new())));
    sim.core.handle_signal(sim.now, unknown, SignalRequest { message });
    sim.core.handle_signal_lost(sim.now, unknown);
    assert!(matches!(sim.core.poll_output(), Output::Deadline(_)));
    assert_eq!(sim.room(), before);
}
