//! The media server follows what the room decides: first a fake one that writes everything down, then the real one.

use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{self as lk, signal_request, signal_response};
use livekit_token::{Claims, TokenVerifier};
use prost::Message as _;
use serambi_house::HouseConfig;
use serambi_protocol::{
    Command,
    api::{ChannelTell, MediaGrant},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message},
};

use crate::{
    fake_media::{Call, FakeMedia, KEY, SECRET},
    follower::Follower,
    visitor::{LIMIT, TestHouse},
};

async fn with_fake() -> (TestHouse, FakeMedia) {
    let media = FakeMedia::open().await;
    let server = media.server();
    (TestHouse::open_with(|config| HouseConfig { media: server, ..config }).await, media)
}

fn permit(who: &Follower, may_publish: bool) -> Call {
    Call::Permit { identity: who.id().to_string(), may_publish, hidden: false }
}

fn claims(grant: &MediaGrant) -> Claims {
    TokenVerifier::with_api_key(KEY, SECRET).verify(&grant.token).unwrap()
}

async fn fresh_grant(who: &Follower) -> MediaGrant {
    who.visitor.post(&format!("rooms/{}/media", who.room), &()).await.unwrap()
}

#[tokio::test]
async fn everything_the_room_decides_reaches_the_media_server_in_that_order() {
    let (house, media) = with_fake().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.brings_on_stage(&mut wei).await;
    sari.does(Command::Mute { person: wei.id() }).await;
    sari.does(Command::MoveToAudience { person: Some(wei.id()) }).await;
    sari.does(Command::Remove { person: wei.id(), block: false }).await;
    let identity = wei.id().to_string();
    let expected = vec![
        permit(&wei, true),
        Call::Mute { identity: identity.clone(), track: "TR_open".into() },
        permit(&wei, false),
        Call::Remove { identity },
    ];
    media.is_asked("the last of four", &expected[3]).await;
    assert_eq!(media.calls(), expected);
    sari.does(Command::EndRoom).await;
    media.is_asked("to delete the room", &Call::Delete { room: sari.room.to_string() }).await;
}

#[tokio::test]
async fn a_token_says_what_the_person_is_at_that_moment() {
    let (house, _media) = with_fake().await;
    let sari = house.visitor("Sari").await.start("").await;
    assert_eq!(sari.media.url.as_deref(), Some("ws://media.test"));
    let host = claims(&sari.media);
    assert_eq!((host.video.can_publish, host.video.hidden), (Some(true), false));
    assert_eq!(host.video.room, sari.view.room.id.to_string());

    let (house, _media) = with_fake().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    let listener = claims(&fresh_grant(&wei).await);
    assert_eq!((listener.video.can_publish, listener.video.hidden), (Some(false), true));
    assert_eq!((listener.sub, listener.name), (wei.id().to_string(), "Wei".into()));
    sari.brings_on_stage(&mut wei).await;
    let speaker = claims(&fresh_grant(&wei).await);
    assert_eq!((speaker.video.can_publish, speaker.video.hidden), (Some(true), false));
    wei.does(Command::MoveToAudience { person: None }).await;
    let listener = claims(&fresh_grant(&wei).await);
    assert_eq!((listener.video.can_publish, listener.video.hidden), (Some(false), false), "no ghost is left behind");
}

/// Everything this channel says before the answer to a ping, so that what is missing is really missing.
async fn hears_nothing_of_the_stage(who: &mut Follower) {
    let (mut channel, id) = (who.visitor.channel(who.seq).await, who.id());
    channel.ping().await;
    loop {
        match channel.tell().await.unwrap() {
            ChannelTell::Pong { .. } => return,
            ChannelTell::Event(envelope) => {
                who.seq = envelope.seq;
                who.view.fold(&envelope.event);
                assert!(!who.view.stage.iter().any(|person| person.id == id), "told before it is true");
                assert!(!who.view.you.role.is_on_stage());
            }
            ChannelTell::Received { .. }
            | ChannelTell::Marks { .. }
            | ChannelTell::Called(_)
            | ChannelTell::Addresses { .. } => {}
        }
    }
}

#[tokio::test]
async fn nobody_is_told_to_be_on_stage_before_the_media_server_lets_them_publish() {
    let (house, media) = with_fake().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.does(Command::Invite { person: wei.id() }).await;
    wei.sees("an invitation", |view| view.you.invitation.is_some()).await;
    media.hold();
    let visitor = wei.visitor.clone();
    let room = wei.room;
    let accepting = tokio::spawn(async move { visitor.wish(&room, Command::AcceptInvitation).await });
    let id = wei.id();
    sari.sees("Wei on stage", |view| view.stage.iter().any(|person| person.id == id)).await;
    hears_nothing_of_the_stage(&mut wei).await;
    assert!(!accepting.is_finished());
    media.release();
    accepting.await.unwrap().unwrap();
    let joined = wei.visitor.join(&wei.room).await.unwrap();
    assert!(joined.view.you.role.is_on_stage());
}

#[tokio::test]
async fn a_second_look_at_the_media_server_does_not_lose_a_grant_that_is_under_way() {
    let (house, media) = with_fake().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.does(Command::Invite { person: wei.id() }).await;
    wei.sees("an invitation", |view| view.you.invitation.is_some()).await;
    media.fail_with(&["unavailable"; 5]);
    media.list(&wei.id().to_string(), false);
    let (visitor, room, id) = (wei.visitor.clone(), wei.room, wei.id());
    let accepting = tokio::spawn(async move { visitor.wish(&room, Command::AcceptInvitation).await });
    sari.sees("Wei on stage", |view| view.stage.iter().any(|person| person.id == id)).await;
    house.house.clock().skip_ms(5_000);
    accepting.await.unwrap().unwrap();
    wei.sees("the stage", |view| view.you.role.is_on_stage()).await;
}

#[tokio::test]
async fn going_to_the_audience_does_not_wait_for_a_media_server_that_hangs() {
    let (house, media) = with_fake().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.brings_on_stage(&mut wei).await;
    media.hold();
    sari.does(Command::MoveToAudience { person: Some(wei.id()) }).await;
    wei.sees("the audience", |view| !view.you.role.is_on_stage()).await;
    media.is_asked("to let Wei publish no longer", &permit(&wei, false)).await;
}

#[tokio::test]
async fn a_media_server_that_fails_for_a_moment_is_asked_again() {
    let (house, media) = with_fake().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    media.fail_with(&["unavailable", "not_found", "internal"]);
    sari.brings_on_stage(&mut wei).await;
    assert_eq!(media.calls(), [permit(&wei, true)]);
}

#[tokio::test]
async fn a_right_that_outlived_its_role_is_taken_away_and_a_stranger_put_out() {
    let (house, media) = with_fake().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let wei = house.visitor("Wei").await.enter(&sari.room).await;
    let gone = house.visitor("Gone").await;
    media.list(&sari.id().to_string(), true);
    media.list(&wei.id().to_string(), true);
    media.list(&gone.id().to_string(), false);
    media.list("a recorder", true);
    house.house.clock().skip_ms(5_000);
    let expected = [permit(&wei, false), Call::Remove { identity: gone.id().to_string() }];
    media.is_asked("to let Wei publish no longer", &expected[0]).await;
    media.is_asked("to put the stranger out", &expected[1]).await;
    assert!(media.calls().iter().all(|call| expected.contains(call)));
}

/// The signalling of a LiveKit client, without the sound.
struct Signalling(WebSocketStream<TcpStream>);

impl Signalling {
    async fn open(house: &TestHouse, grant: &MediaGrant) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", house.house.port())).await.unwrap();
        let url = format!("ws://127.0.0.1:{}/rtc?protocol=15&access_token={}", house.house.port(), grant.token);
        Self(tokio_tungstenite::client_async(url, stream).await.unwrap().0)
    }

    async fn hears<T>(&mut self, what: impl Fn(signal_response::Message) -> Option<T>) -> T {
        loop {
            let message = tokio::time::timeout(LIMIT, self.0.next()).await.unwrap().unwrap().unwrap();
            let Message::Binary(bytes) = message else { continue };
            let response = lk::SignalResponse::decode(bytes.as_ref()).unwrap();
            if let Some(found) = response.message.and_then(&what) {
                return found;
            }
        }
    }

    async fn joined(&mut self) -> lk::JoinResponse {
        self.hears(|message| match message {
            signal_response::Message::Join(join) => Some(join),
            _ => None,
        })
        .await
    }

    /// Listens until the server says that about us.
    async fn permission_is(&mut self, identity: &str, may_publish: bool) {
        self.hears(|message| match message {
            signal_response::Message::Update(update) => update
                .participants
                .into_iter()
                .find(|participant| participant.identity == identity)
                .and_then(|participant| participant.permission)
                .filter(|permission| permission.can_publish == may_publish)
                .map(|_| ()),
            _ => None,
        })
        .await
    }

    async fn adds_a_track(&mut self) -> bool {
        let request = lk::AddTrackRequest {
            cid: "microphone".into(),
            name: "microphone".into(),
            muted: true,
            source: lk::TrackSource::Microphone as i32,
            ..Default::default()
        };
        let request = lk::SignalRequest { message: Some(signal_request::Message::AddTrack(request)) };
        self.0.send(Message::binary(request.encode_to_vec())).await.unwrap();
        self.hears(|message| match message {
            signal_response::Message::TrackPublished(_) => Some(true),
            signal_response::Message::RequestResponse(response) => {
                (response.reason == lk::request_response::Reason::NotAllowed as i32).then_some(false)
            }
            _ => None,
        })
        .await
    }
}

#[tokio::test]
async fn with_the_embedded_server_an_invited_listener_may_publish_at_once_and_no_longer_afterwards() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let mut host_media = Signalling::open(&house, &fresh_grant(&sari).await).await;
    assert!(host_media.joined().await.participant.unwrap().permission.unwrap().can_publish);
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    let id = wei.id().to_string();
    let mut media = Signalling::open(&house, &fresh_grant(&wei).await).await;
    let me = media.joined().await.participant.unwrap();
    assert_eq!(me.identity, id);
    assert!(!me.permission.unwrap().can_publish);
    assert!(!media.adds_a_track().await, "a listener's track is refused");

    sari.does(Command::Invite { person: wei.id() }).await;
    wei.sees("an invitation", |view| view.you.invitation.is_some()).await;
    wei.does(Command::AcceptInvitation).await;
    // No waiting here: the answer says that voice may be sent.
    assert!(media.adds_a_track().await);
    sari.does(Command::MoveToAudience { person: Some(wei.id()) }).await;
    media.permission_is(&id, false).await;
    assert!(!media.adds_a_track().await);

    let path = format!("rooms/{}/statistics", sari.room);
    let counted: serde_json::Value = sari.visitor.get(&path).await.unwrap();
    assert!(counted["participants"][&id].is_object(), "{counted}");
    assert!(wei.visitor.get::<serde_json::Value>(&path).await.is_err(), "statistics are for the host");

    sari.does(Command::EndRoom).await;
    media.hears(|message| matches!(message, signal_response::Message::Leave(_)).then_some(())).await;
}

/// The HTTP status with which the media server refuses a pass, and what it says; none if it takes it.
async fn refusal(house: &TestHouse, token: &str) -> Option<(u16, String)> {
    let stream = TcpStream::connect(("127.0.0.1", house.house.port())).await.unwrap();
    let url = format!("ws://127.0.0.1:{}/rtc?protocol=15&access_token={token}", house.house.port());
    match tokio_tungstenite::client_async(url, stream).await {
        Ok(_) => None,
        Err(tungstenite::Error::Http(response)) => {
            let text = response.body().clone().unwrap_or_default();
            Some((response.status().as_u16(), String::from_utf8(text).unwrap()))
        }
        Err(other) => panic!("{other}"),
    }
}

/// Check 31. Whoever kept a pass once heard on: admitted seven times of seven, with the pass of the house and with each
/// one that the media server renewed.
#[tokio::test]
async fn somebody_who_was_removed_is_refused_with_every_pass_they_ever_had() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.brings_on_stage(&mut wei).await;
    let (used, kept) = (fresh_grant(&wei).await, fresh_grant(&wei).await);
    let mut media = Signalling::open(&house, &used).await;
    let renewed = media
        .hears(|message| match message {
            signal_response::Message::RefreshToken(token) => Some(token),
            _ => None,
        })
        .await;
    sari.does(Command::Remove { person: wei.id(), block: false }).await;
    media.hears(|message| matches!(message, signal_response::Message::Leave(_)).then_some(())).await;
    for token in [&used.token, &kept.token, &renewed] {
        assert_eq!(refusal(&house, token).await, Some((401, "token has been revoked".into())));
    }
    assert_eq!(refusal(&house, &fresh_grant(&sari).await.token).await, None, "others come in as before");
}

/// Within one second the time of a pass does not tell which came first, the pass or the leaving.
#[tokio::test]
async fn somebody_who_leaves_and_comes_back_at_once_is_let_in_each_time() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let wei = house.visitor("Wei").await;
    let mut joined = wei.join(&sari.room).await.unwrap();
    for _ in 0..5 {
        let mut media = Signalling::open(&house, &joined.media).await;
        media.joined().await;
        wei.wish(&sari.room, Command::Leave).await.unwrap();
        media.hears(|message| matches!(message, signal_response::Message::Leave(_)).then_some(())).await;
        let earlier = joined.media;
        joined = wei.join(&sari.room).await.unwrap();
        assert_eq!(refusal(&house, &earlier.token).await.map(|(status, _)| status), Some(401));
        assert_eq!(refusal(&house, &joined.media.token).await, None);
    }
}

/// Check 32. The media server once made a room of any pass, and two former guests talked on over the host's upload.
#[tokio::test]
async fn an_ended_room_comes_to_life_for_nobody_who_was_in_it() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let wei = house.visitor("Wei").await.enter(&sari.room).await;
    let (host, guest) = (fresh_grant(&sari).await, fresh_grant(&wei).await);
    let mut media = Signalling::open(&house, &host).await;
    sari.does(Command::EndRoom).await;
    media.hears(|message| matches!(message, signal_response::Message::Leave(_)).then_some(())).await;
    for token in [&host.token, &guest.token] {
        assert_eq!(refusal(&house, token).await, Some((404, "requested room does not exist".into())));
    }
}

#[tokio::test]
async fn the_first_person_finds_the_media_room_at_once() {
    let house = TestHouse::open().await;
    for _ in 0..20 {
        let joined = house.visitor("Sari").await.start("").await;
        assert_eq!(refusal(&house, &joined.media.token).await, None);
    }
}

#[tokio::test]
async fn a_removal_tells_the_media_server_which_passes_are_void() {
    let (house, media) = with_fake().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let wei = house.visitor("Wei").await.enter(&sari.room).await;
    let pass = claims(&fresh_grant(&wei).await);
    sari.does(Command::Remove { person: wei.id(), block: false }).await;
    media.is_asked("to remove Wei", &Call::Remove { identity: wei.id().to_string() }).await;
    assert!(media.revoked_until() >= i64::try_from(pass.nbf).unwrap());
}

#[tokio::test]
async fn a_token_of_another_house_opens_no_media_here() {
    let (house, other) = (TestHouse::open().await, TestHouse::open().await);
    let grant = other.visitor("Sari").await.start("").await.media;
    let stream = TcpStream::connect(("127.0.0.1", house.house.port())).await.unwrap();
    let url = format!("ws://127.0.0.1:{}/rtc?protocol=15&access_token={}", house.house.port(), grant.token);
    let refused = tokio_tungstenite::client_async(url, stream).await.err().unwrap();
    assert!(matches!(refused, tungstenite::Error::Http(response) if response.status() == 401));
}
