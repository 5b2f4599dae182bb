//! The channel: numbers, resuming, and who may hold one.

use serambi_protocol::{
    Command, RoomEvent, TopicChange,
    api::{ChannelTell, HouseInfo},
    command::HandScope,
    event::ClosedReason,
    limits::EVENTS_KEPT,
    view::PersonConnection,
};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::visitor::TestHouse;

fn scope(on: bool) -> Command {
    Command::SetHandScope { scope: if on { HandScope::Everyone } else { HandScope::Off } }
}

fn is_pong(told: Option<ChannelTell>) -> bool {
    matches!(told, Some(ChannelTell::Pong { .. }))
}

#[tokio::test]
async fn whoever_comes_is_told_where_the_house_is_reached_before_anything_else() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    sari.channel.ping().await;
    assert!(is_pong(sari.channel.tell().await));
    assert_eq!(sari.channel.addresses, house.house.address().addresses);
}

#[tokio::test]
async fn a_channel_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let ayu = house.visitor("Ayu").await.enter(&sari.room).await;
    sari.sees("one listener", |view| view.counts.listeners == 1).await;
    // Away from the house for a moment.
    let (visitor, seen, mut view) = (sari.visitor.clone(), sari.seq, sari.view.clone());
    drop(sari);
    ayu.does(Command::RaiseHand).await;
    let mut channel = visitor.channel(seen).await.kept_alive();
    let mut last = seen;
    while view.hands.is_empty() {
        let envelope = channel.next().await.unwrap();
        last += 1;
        assert_eq!(envelope.seq, last);
        assert!(!matches!(envelope.event, RoomEvent::Opened { .. }), "nothing is missing, so no snapshot");
        view.fold(&envelope.event);
    }
    // And all of it again for somebody who lost it on the way.
    let mut again = visitor.channel(seen).await;
    assert_eq!(again.next().await.unwrap().seq, seen + 1);
}

#[tokio::test]
async fn a_channel_that_missed_too_much_gets_the_whole_view_under_a_new_number() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let visitor = sari.visitor.clone();
    let mut on = false;
    while sari.seq < EVENTS_KEPT as u64 + 5 {
        sari.does(scope(on)).await;
        sari.sees("the change", |view| (view.room.hand_scope == HandScope::Everyone) == on).await;
        on = !on;
        // Slowly enough for the house, and alive all the time.
        sari.channel.ping().await;
        house.house.clock().skip_ms(50);
    }
    let newest = sari.seq;
    let mut late = visitor.channel(1).await;
    let envelope = late.next().await.unwrap();
    assert_eq!(envelope.seq, newest + 1);
    let RoomEvent::Opened { view } = envelope.event else { panic!("{:?}", envelope.event) };
    assert_eq!(view.hands, sari.view.hands);
    // A number that was never given is no better.
    let mut made_up = visitor.channel(u64::MAX).await;
    assert_eq!(made_up.next().await.unwrap().seq, newest + 2);
}

#[tokio::test]
async fn who_comes_back_after_the_end_is_told_that_it_is_over() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let visitor = sari.visitor.clone();
    sari.does(Command::EndRoom).await;
    let mut late = visitor.channel(sari.seq).await;
    loop {
        if let RoomEvent::Closed { reason } = late.next().await.unwrap().event {
            assert_eq!(reason, ClosedReason::Ended);
            break;
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_a_newer_channel_of_the_session_closes_the_older() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let mut older = sari.channel(0).await;
    older.ping().await;
    assert!(is_pong(older.tell().await));
    let mut newer = sari.channel(0).await;
    assert_eq!(older.close_code().await, Some(4000));
    newer.ping().await;
    assert!(is_pong(newer.tell().await));
}

#[tokio::test]
async fn a_channel_that_says_nothing_for_ten_seconds_is_closed() {
    let house = TestHouse::open().await;
    let mut channel = house.visitor("Sari").await.channel(0).await;
    channel.ping().await;
    assert!(is_pong(channel.tell().await));
    house.house.clock().skip_ms(10_000);
    assert_eq!(channel.close_code().await, Some(4001));
}

#[tokio::test]
async fn what_cannot_be_read_closes_the_channel_and_the_house_goes_on() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    for rubbish in [
        Message::text("rubbish"),
        Message::text(r#"{"unmute":"everybody"}"#),
        Message::binary(vec![0; 100]),
        Message::text("x".repeat(100_000)),
    ] {
        let mut channel = sari.channel(0).await;
        channel.say(rubbish).await;
        channel.close_code().await;
    }
    sari.get::<HouseInfo>("house").await.unwrap();
}

/// Known failure: an older house closed the channel of a newer program (1008).
#[tokio::test]
async fn what_only_a_newer_program_says_is_ignored() {
    let house = TestHouse::open().await;
    let mut channel = house.visitor("Sari").await.channel(0).await;
    channel.say(Message::text(r#"{"type":"wave","hand":"left"}"#)).await;
    channel.ping().await;
    assert!(is_pong(channel.tell().await));
}

#[tokio::test]
async fn a_channel_needs_a_session_in_the_header_or_in_the_address() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await;
    let session = std::mem::replace(&mut sari.session, "stale".into());
    let refused = sari.try_channel(0).await.err().unwrap();
    let tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
    assert_eq!(response.status().as_u16(), 401);
    let url = format!("wss://127.0.0.1:{}/api/v1/events?session={session}", house.house.port());
    let (_, response) = tokio_tungstenite::client_async(url, sari.tls().await).await.unwrap();
    assert_eq!(response.status().as_u16(), 101);
}

#[tokio::test]
async fn somebody_who_joins_and_opens_no_channel_is_away_after_ten_seconds() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let joined = sari.start("").await;
    let mut channel = sari.channel(joined.seq).await;
    let wei = house.visitor("Wei").await;
    wei.join(&joined.view.room.id).await.unwrap();
    house.house.clock().skip_ms(9_000);
    channel.ping().await;
    while !is_pong(channel.tell().await) {}
    house.house.clock().skip_ms(1_000);
    let is_away = |event: &RoomEvent| match event {
        RoomEvent::Changed { changes, .. } => changes.iter().any(|change| match &**change {
            TopicChange::Audience { list } => {
                list.upsert.iter().any(|person| person.connection != PersonConnection::Good)
            }
            _ => false,
        }),
        _ => false,
    };
    while !is_away(&channel.next().await.unwrap().event) {}
}
