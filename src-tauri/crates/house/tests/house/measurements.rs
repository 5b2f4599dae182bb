//! What clients measure: the house's clock, and what listeners tell speakers through the house.

use serambi_house::HouseConfig;
use serambi_protocol::{
    Command, PersonId, RoomEvent,
    api::{ChannelSay, ChannelTell},
    limits::{LISTENER_REPORT_MS, STAGE_PEOPLE},
    measurement::{CaptureMark, HouseTime, ListenerReport, VoiceHeard, VoiceMark, VoiceReception},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    fake_media::FakeMedia,
    follower::{Channel, Follower},
    visitor::TestHouse,
};

fn voice(person: &PersonId, loss: f32) -> VoiceHeard {
    VoiceHeard { person: *person, packets: 150, loss, mean_burst: 1.0 }
}

/// Says it, and waits until the house has taken it.
async fn reports(follower: &mut Follower, voices: Vec<VoiceHeard>) {
    let report = ListenerReport { room: follower.room, voices };
    follower.channel.says(&ChannelSay::Heard(report)).await;
    is_alive(&mut follower.channel).await;
}

async fn is_alive(channel: &mut Channel) {
    channel.says(&ChannelSay::Ping { sent_micros: Some(-5) }).await;
    while !matches!(channel.tell().await.unwrap(), ChannelTell::Pong { sent_micros: Some(-5), .. }) {}
}

async fn next_reception(channel: &mut Channel) -> VoiceReception {
    loop {
        if let ChannelTell::Received { reception, .. } = channel.tell().await.unwrap() {
            return reception;
        }
    }
}

#[tokio::test]
async fn a_ping_comes_back_with_the_house_clock() {
    let house = TestHouse::open().await;
    let mut channel = house.visitor("Sari").await.channel(0).await;
    let mut last = HouseTime(-1);
    for sent in [i64::MIN, 0, 7] {
        channel.says(&ChannelSay::Ping { sent_micros: Some(sent) }).await;
        let before = house.house.clock().now();
        let Some(ChannelTell::Pong { sent_micros, house_time: Some(time) }) = channel.tell().await else { panic!() };
        assert_eq!(sent_micros, Some(sent));
        assert!(time > last && time.micros_since(before).abs() < 10_000_000);
        last = time;
    }
}

#[tokio::test]
async fn a_speaker_is_told_in_one_word_what_all_listeners_miss() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut listeners = Vec::new();
    for (name, loss) in [("Ayu", 0.01), ("Budi", 0.2), ("Citra", 0.02)] {
        let mut listener = house.visitor(name).await.enter(&sari.room).await;
        reports(&mut listener, vec![voice(&sari.id(), loss)]).await;
        listeners.push(listener);
    }
    house.house.clock().skip_ms(LISTENER_REPORT_MS);
    let reception = next_reception(&mut sari.channel).await;
    assert_eq!((reception.listeners, reception.received_by), (3, 3));
    let loss = reception.loss.unwrap();
    assert_eq!((loss.least, loss.worst), (0.01, 0.2));
    // Nobody else is told, and nobody is told twice.
    for channel in listeners.iter_mut().map(|listener| &mut listener.channel).chain([&mut sari.channel]) {
        channel.says(&ChannelSay::Ping { sent_micros: Some(9) }).await;
        loop {
            match channel.tell().await.unwrap() {
                ChannelTell::Pong { sent_micros: Some(9), .. } => break,
                ChannelTell::Received { .. } => panic!("told once too often"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn passing_words_have_no_number_and_are_not_said_again() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut ayu = house.visitor("Ayu").await.enter(&sari.room).await;
    sari.sees("Ayu", |view| view.counts.listeners == 1).await;
    let seen = sari.seq;
    reports(&mut ayu, vec![voice(&sari.id(), 0.0)]).await;
    house.house.clock().skip_ms(LISTENER_REPORT_MS);
    next_reception(&mut sari.channel).await;

    let mut again = sari.visitor.channel(seen).await;
    ayu.does(Command::RaiseHand).await;
    let next = again.tell().await.unwrap();
    let ChannelTell::Event(envelope) = next else { panic!("{next:?}") };
    assert_eq!(envelope.seq, seen + 1);
    assert!(matches!(envelope.event, RoomEvent::Changed { .. }));
}

#[tokio::test]
async fn what_nobody_can_have_measured_is_not_passed_on() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut ayu = house.visitor("Ayu").await.enter(&sari.room).await;
    let mut other = house.visitor("Other").await.open_room("").await;
    reports(&mut ayu, vec![voice(&sari.id(), 0.125)]).await;
    for voices in [
        vec![voice(&sari.id(), 1.5)],
        vec![voice(&sari.id(), -1.0)],
        vec![voice(&sari.id(), 0.0); STAGE_PEOPLE + 1],
        vec![VoiceHeard { mean_burst: 1e9, ..voice(&sari.id(), 0.5) }],
    ] {
        reports(&mut ayu, voices).await;
    }
    // From another room, about this one.
    let report = ListenerReport { room: sari.room, voices: vec![voice(&sari.id(), 0.9)] };
    other.channel.says(&ChannelSay::Heard(report)).await;
    is_alive(&mut other.channel).await;
    house.house.clock().skip_ms(LISTENER_REPORT_MS);
    let reception = next_reception(&mut sari.channel).await;
    assert_eq!((reception.listeners, reception.loss.unwrap().worst), (1, 0.125));
}

async fn marks(follower: &mut Follower, mark: CaptureMark) {
    follower.channel.says(&ChannelSay::Captured { room: follower.room, mark }).await;
    is_alive(&mut follower.channel).await;
}

async fn next_marks(channel: &mut Channel) -> Vec<VoiceMark> {
    loop {
        if let ChannelTell::Marks { marks, .. } = channel.tell().await.unwrap() {
            return marks;
        }
    }
}

#[tokio::test]
async fn everybody_else_is_told_when_a_voice_was_made_and_only_those_on_stage_can_say_so() {
    passes_marks_on(&TestHouse::open().await).await;
}

#[tokio::test]
async fn so_it_is_where_another_server_carries_the_sound() {
    let media = FakeMedia::open().await.server();
    passes_marks_on(&TestHouse::open_with(|config| HouseConfig { media, ..config }).await).await;
}

async fn passes_marks_on(house: &TestHouse) {
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut ayu = house.visitor("Ayu").await.enter(&sari.room).await;
    // Time enough for a microphone to have come before it.
    house.house.clock().skip_ms(1_000);
    let now = house.house.clock().now();
    let mark = CaptureMark { timestamp: 960, captured: now.plus_micros(-40_000), sent: now.plus_micros(-9_000) };
    marks(&mut ayu, mark).await;
    marks(&mut sari, CaptureMark { captured: now.plus_micros(1), sent: now, ..mark }).await;
    marks(&mut sari, CaptureMark { captured: HouseTime(i64::MIN), sent: HouseTime(i64::MAX), ..mark }).await;
    marks(&mut sari, mark).await;
    house.house.clock().skip_ms(1_000);
    // No packet of hers ever came here, so the house has nothing to add.
    assert_eq!(next_marks(&mut ayu.channel).await, [VoiceMark { person: sari.id(), mark, passage: None }]);
    marks(&mut sari, CaptureMark { timestamp: 1_920, ..mark }).await;
    house.house.clock().skip_ms(1_000);
    assert_eq!(next_marks(&mut ayu.channel).await[0].mark.timestamp, 1_920);
}

#[tokio::test]
async fn a_report_that_is_none_closes_the_channel() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let infinite = format!(
        r#"{{"type":"heard","room":"3333333333","voices":[{{"person":"{}","packets":1,"loss":1e999,"meanBurst":0}}]}}"#,
        PersonId::from_key(&[1; 32])
    );
    for rubbish in [
        r#"{"type":"heard"}"#,
        r#"{"type":"heard","room":"3333333333","voices":[{"person":"me","packets":1,"loss":0,"meanBurst":0}]}"#,
        r#"{"type":"heard","room":"3333333333","voices":[{"packets":-1}]}"#,
        &infinite,
    ] {
        let mut channel = sari.channel(0).await;
        channel.say(Message::text(rubbish)).await;
        assert_eq!(channel.close_code().await, Some(1008), "{rubbish}");
    }
}

#[tokio::test]
async fn whoever_says_more_than_anybody_needs_is_cut_off() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let mut flooding = sari.visitor.channel(sari.seq).await;
    for _ in 0..100 {
        let report = ListenerReport { room: sari.room, voices: Vec::new() };
        flooding.says(&ChannelSay::Heard(report)).await;
    }
    assert_eq!(flooding.close_code().await, Some(4002));
    is_alive(&mut sari.visitor.channel(sari.seq).await).await;
}
