//! Journeys of real people through a real house and its real media server, with sound files for devices.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod door;
mod fixtures;
mod measurements;
mod own_sound;
mod speech;
mod wire;

use std::time::Duration;

use fixtures::{Shown, TestHouse, bring_on_stage, two_on_stage};
use serambi_call::{Connection, Doors, HouseClient, Identity};
use serambi_protocol::{
    Code, Command, Notice, RoomId, RoomSwitch,
    command::HandScope,
    event::ClosedReason,
    link::{HouseAddress, Pin},
    view::{PersonConnection, Role},
};

/// Voice packets of 20 ms in some seconds.
const THREE_SECONDS: u64 = 150;
/// Less than the ten seconds after which a call gives up waiting for its place on stage.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Two different voices are never as alike as this; one voice is, also on a machine that is too busy for real time.
const ALIKE: f64 = 0.8;

#[tokio::test(flavor = "multi_thread")]
async fn check_01_a_listener_has_no_open_microphone() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await.with_voice(&speech::voice(1, 5));
    let mut host = a.start().await;
    let view = host.until("the open microphone", |view| view.call.microphone.open).await;
    assert_eq!(view.room.you.role, Role::Host);
    assert!(view.call.microphone.muted && view.room.you.muted);

    let b = place.guest("B").await.with_voice(&speech::voice(2, 5));
    let mut listener = b.join(&host).await;
    let view = listener.until("being a listener", |view| view.room.you.role == Role::Listener).await;
    assert!(!view.call.microphone.open);
    listener
        .counted("the running engine", |counted| counted.sound.as_ref().is_some_and(|sound| sound.mixed_blocks > 20))
        .await;
    let sound = listener.call.statistics().sound.unwrap();
    assert_eq!((sound.microphone.builds, sound.voice.captured_blocks), (0, 0));
    assert_eq!(listener.call.set_muted(false).await.map_err(|error| error.code()), Err(Code::NotOnStage));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_07_nothing_is_heard_before_unmuting_and_everything_after() {
    let place = TestHouse::open().await;
    let said = speech::voice(7, 30);
    let a = place.guest("A").await.with_ears();
    let b = place.guest("B").await.with_voice(&said);
    let (host, mut guest) = two_on_stage(&a, &b).await;
    let view = guest.until("the open microphone", |view| view.call.microphone.open).await;
    assert!(view.call.microphone.muted && view.room.you.muted);

    guest
        .counted("words spoken while muted", |counted| {
            counted.sound.as_ref().is_some_and(|sound| sound.voice.muted_blocks > 150)
        })
        .await;
    assert_eq!(guest.call.statistics().packets_sent, 0);
    assert_eq!(host.call.statistics().packets_received, 0);

    guest.call.set_muted(false).await.unwrap();
    host.counted("words heard", |counted| counted.packets_received > THREE_SECONDS).await;
    guest.call.set_muted(true).await.unwrap();
    let sent = guest.call.statistics().packets_sent;
    let heard = host.leave_and_listen().await;
    let likeness = speech::likeness(&said, &heard);
    assert!(likeness > ALIKE, "{likeness}");
    assert_eq!(guest.call.statistics().packets_sent, sent, "voice left a muted machine");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_hear_each_other() {
    let place = TestHouse::open().await;
    let (a_says, b_says) = (speech::voice(3, 30), speech::voice(4, 30));
    let a = place.guest("A").await.with_voice(&a_says).with_ears();
    let b = place.guest("B").await.with_voice(&b_says).with_ears();
    let (host, guest) = two_on_stage(&a, &b).await;
    host.call.set_muted(false).await.unwrap();
    guest.call.set_muted(false).await.unwrap();
    host.counted("B heard", |counted| counted.packets_received > THREE_SECONDS).await;
    guest.counted("A heard", |counted| counted.packets_received > THREE_SECONDS).await;
    let a_hears = host.leave_and_listen().await;
    let b_hears = guest.leave_and_listen().await;
    for (said, heard) in [(&b_says, &a_hears), (&a_says, &b_hears)] {
        let likeness = speech::likeness(said, heard);
        assert!(likeness > ALIKE, "{likeness}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_11_a_muted_speaker_is_told_by_whom_and_can_unmute() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await;
    let b = place.guest("B").await.with_voice(&speech::voice(11, 30));
    let (host, mut guest) = two_on_stage(&a, &b).await;
    guest.call.set_muted(false).await.unwrap();
    host.counted("B heard", |counted| counted.packets_received > 20).await;

    host.command(Command::Mute { person: b.id() }).await.unwrap();
    assert_eq!(
        guest.notice(|notice| matches!(notice, Notice::MutedBy { .. })).await,
        Notice::MutedBy { by: "A".into() }
    );
    guest.until("the mute", |view| view.call.microphone.muted && view.room.you.muted).await;
    let sent = guest.call.statistics().packets_sent;
    guest
        .counted("more words", |counted| counted.sound.as_ref().is_some_and(|sound| sound.voice.muted_blocks > 50))
        .await;
    assert_eq!(guest.call.statistics().packets_sent, sent);

    guest.call.set_muted(false).await.unwrap();
    guest.counted("own words again", |counted| counted.packets_sent > sent + 20).await;
    assert!(!guest.call.view().microphone.muted);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_29_the_end_closes_every_call_and_microphone() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await.with_voice(&speech::voice(1, 5));
    let b = place.guest("B").await.with_voice(&speech::voice(2, 5));
    let (mut host, mut guest) = two_on_stage(&a, &b).await;
    guest.until("the open microphone", |view| view.call.microphone.open).await;
    host.call.end_room().await.unwrap();
    assert_eq!(host.closed().await, ClosedReason::Ended);
    assert_eq!(guest.closed().await, ClosedReason::Ended);
    for visit in [host, guest] {
        assert!(!visit.call.view().microphone.open);
        assert!(visit.call.statistics().sound.is_none(), "the engine is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_to_the_audience_has_a_closed_microphone_and_can_come_back() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await;
    let b = place.guest("B").await.with_voice(&speech::voice(5, 40));
    let (mut host, mut guest) = two_on_stage(&a, &b).await;
    guest.call.set_muted(false).await.unwrap();
    host.counted("B heard", |counted| counted.packets_received > 20).await;

    host.command(Command::MoveToAudience { person: Some(b.id()) }).await.unwrap();
    guest.until("the closed microphone", |view| !view.call.microphone.open && !view.room.you.role.is_on_stage()).await;
    assert!(guest.call.view().microphone.muted);

    let before = host.call.statistics().packets_received;
    bring_on_stage(&mut host, &mut guest, b.id()).await;
    guest.until("the open microphone", |view| view.call.microphone.open && view.call.microphone.muted).await;
    guest.call.set_muted(false).await.unwrap();
    host.counted("B heard again", |counted| counted.packets_received > before + 20).await;
}

// Regression: the second acceptance waited for the end of the first, which had led onto the stage and off it again
// before anything of it was seen, and was answered after ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_moved_away_in_the_moment_of_coming_on_stage_can_accept_again_at_once() {
    let place = TestHouse::open().await;
    let (a, b) = (place.guest("A").await, place.guest("B").await.with_voice(&speech::voice(5, 40)));
    let host = a.start().await;
    let mut guest = b.join(&host).await;
    for _ in 0..2 {
        host.command(Command::Invite { person: b.id() }).await.unwrap();
        let accepted = tokio::time::timeout(AT_ONCE, guest.call.accept_invitation()).await;
        accepted.expect("an answer to the acceptance").unwrap();
        host.command(Command::MoveToAudience { person: Some(b.id()) }).await.unwrap();
    }
    host.command(Command::Invite { person: b.id() }).await.unwrap();
    guest.call.accept_invitation().await.unwrap();
    guest.call.accept_invitation().await.expect("pressed twice");
    guest.until("coming on stage", |view| view.room.you.role.is_on_stage() && view.call.microphone.open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_late_hears_those_who_already_speak() {
    let place = TestHouse::open().await;
    let a_says = speech::voice(6, 30);
    let a = place.guest("A").await.with_voice(&a_says);
    let mut host = a.start().await;
    host.until("the open microphone", |view| view.call.microphone.open).await;
    host.call.set_muted(false).await.unwrap();
    host.counted("own words", |counted| counted.packets_sent > 50).await;

    let late = place.guest("Late").await.with_ears();
    let listener = late.join(&host).await;
    listener.counted("A heard", |counted| counted.packets_received > THREE_SECONDS).await;
    let levels = listener.call.levels();
    assert_eq!(levels.people.iter().map(|(person, _)| *person).collect::<Vec<_>>(), [a.id()]);
    let heard = listener.leave_and_listen().await;
    let likeness = speech::likeness(&a_says, &heard);
    assert!(likeness > ALIKE, "{likeness}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_wire_to_the_house_is_mended_and_nothing_is_missed() {
    let place = TestHouse::open().await;
    let wire = wire::Wire::to(&place.house.address()).await;
    let a = place.guest("A").await.with_voice(&speech::voice(8, 40));
    let b = place.guest_by("B", &wire.address).await;
    let mut host = a.start().await;
    host.until("the open microphone", |view| view.call.microphone.open).await;
    host.call.set_muted(false).await.unwrap();
    let mut guest = b.join(&host).await;
    guest.counted("A heard", |counted| counted.packets_received > 20).await;

    wire.cut();
    let c = place.guest("C").await;
    let _late = c.join(&host).await;
    guest.until("C in the audience", |view| view.room.counts.listeners == 2).await;
    guest.counted("the resumed seat", |counted| counted.resumes > 0).await;
    let before = guest.call.statistics().packets_received;
    guest.counted("A heard still", |counted| counted.packets_received > before + 50).await;
    assert_eq!(guest.call.statistics().rejoins, 0, "a resume was enough");
    assert_eq!(guest.call.view().connection, Connection::Connected);
    guest.command(Command::RaiseHand).await.unwrap();
    host.until("B's hand", |view| view.room.hands.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_house_muting_works_all_the_same_and_the_house_hears_of_it_later() {
    let place = TestHouse::open().await;
    let wire = wire::Wire::to(&place.house.address()).await;
    let a = place.guest("A").await;
    let b = place.guest_by("B", &wire.address).await.with_voice(&speech::voice(9, 60));
    let (mut host, mut guest) = two_on_stage(&a, &b).await;
    guest.call.set_muted(false).await.unwrap();
    host.counted("B heard", |counted| counted.packets_received > 20).await;

    wire.keep_apart();
    guest.until("the loss of the house", |view| view.call.connection == Connection::HouseReconnecting).await;
    guest.call.set_muted(true).await.unwrap();
    assert!(guest.call.view().microphone.muted);
    let sent = guest.call.statistics().packets_sent;
    assert_eq!(guest.call.set_muted(false).await.map_err(|error| error.code()), Err(Code::HouseUnreachable));

    wire.mend();
    guest.until("being connected", |view| view.call.connection == Connection::Connected).await;
    host.until("B shown as muted", |view| view.room.stage.iter().any(|one| one.id == b.id() && one.muted)).await;
    assert_eq!(guest.call.statistics().packets_sent, sent);
    guest.call.set_muted(false).await.unwrap();
    guest.counted("own words again", |counted| counted.packets_sent > sent + 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_cut_off_from_everything_comes_back_muted() {
    let place = TestHouse::open().await;
    let wire = wire::Wire::to(&place.house.address()).await;
    let a = place.guest("A").await;
    let b = place.guest_by("B", &wire.address).await.with_voice(&speech::voice(13, 60));
    let (host, mut guest) = two_on_stage(&a, &b).await;
    guest.call.set_muted(false).await.unwrap();
    host.counted("B heard", |counted| counted.packets_received > 20).await;
    wire.keep_apart();
    place.house.close().await;
    let is_restarting = |view: &Shown| {
        view.call.connection == Connection::HouseRestarting || view.call.connection == Connection::Reconnecting
    };
    guest.until("the mute", |view| view.call.microphone.muted && is_restarting(view)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_away_for_too_long_comes_back_as_a_listener() {
    let place = TestHouse::open().await;
    let wire = wire::Wire::to(&place.house.address()).await;
    let a = place.guest("A").await.with_voice(&speech::voice(10, 60));
    let b = place.guest_by("B", &wire.address).await.with_voice(&speech::voice(12, 60));
    let (mut host, mut guest) = two_on_stage(&a, &b).await;
    host.call.set_muted(false).await.unwrap();
    guest.call.set_muted(false).await.unwrap();
    guest.counted("A heard", |counted| counted.packets_received > 20).await;

    wire.keep_apart();
    host.until("B away", |view| {
        view.room.stage.iter().any(|one| one.id == b.id() && one.connection == PersonConnection::Away)
    })
    .await;
    place.house.clock().skip_ms(serambi_protocol::limits::SEAT_KEPT_MS + 1_000);
    host.until("B gone", |view| view.room.stage.iter().all(|one| one.id != b.id())).await;
    wire.mend();

    let is_back = |view: &Shown| {
        view.room.you.role == Role::Listener
            && view.call.connection == Connection::Connected
            && !view.call.microphone.open
    };
    guest.until("being back as a listener", is_back).await;
    host.until("B in the audience", |view| view.room.counts.listeners == 1).await;
    let before = guest.call.statistics().packets_received;
    guest.counted("A heard again", |counted| counted.packets_received > before + 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_forgot_the_room_ends_the_call() {
    let mut place = TestHouse::open().await;
    let wire = wire::Wire::to(&place.house.address()).await;
    let a = place.guest("A").await;
    let b = place.guest_by("B", &wire.address).await;
    let host = a.start().await;
    let mut guest = b.join(&host).await;
    wire.keep_apart();
    place.house.close().await;
    place.reopen().await;
    wire.lead_to(&place.house.address());
    wire.mend();
    assert_eq!(guest.closed().await, ClosedReason::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_closes_ends_every_call() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await;
    let b = place.guest("B").await;
    let mut host = a.start().await;
    let mut guest = b.join(&host).await;
    guest.command(Command::RaiseHand).await.unwrap();
    host.until("B's hand", |view| view.room.hands.len() == 1).await;
    guest.until("the own hand", |view| view.room.you.place == Some(1)).await;
    place.house.close().await;
    assert_eq!(host.closed().await, ClosedReason::Ended);
    assert_eq!(guest.closed().await, ClosedReason::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_with_another_certificate_is_refused_before_anything_is_said_to_it() {
    let place = TestHouse::open().await;
    let wrong = HouseAddress::by_pin(place.house.address().addresses, Pin::from_digest(&[9; 32]));
    let refusal = HouseClient::sign_in(&wrong, &Identity::make(), "B", &Doors::default()).await.unwrap_err();
    assert_eq!(refusal.code, Code::HouseNotTheOne);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_address_of_several_is_found() {
    let place = TestHouse::open().await;
    let mut address = place.house.address();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    address.addresses.insert(0, free.to_string());
    let house = HouseClient::sign_in(&address, &Identity::make(), "B", &Doors::default()).await.unwrap();
    assert_eq!(house.info().await.unwrap().name, "Porch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_does_not_exist_cannot_be_joined() {
    let place = TestHouse::open().await;
    let b = place.guest("B").await;
    let refusal = b.house.join(&RoomId::from_random([1; 10]), false).await.unwrap_err();
    assert_eq!(refusal.code, Code::RoomNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_microphone_an_invitation_is_refused_and_the_person_stays_a_listener() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await;
    let b = place.guest("B").await;
    let mut host = a.start().await;
    let mut guest = b.join(&host).await;
    guest.command(Command::RaiseHand).await.unwrap();
    host.until("the raised hand", |view| view.room.hands.len() == 1).await;
    host.command(Command::Invite { person: b.id() }).await.unwrap();
    guest.until("the invitation", |view| view.room.you.invitation.is_some()).await;
    let error = guest.call.accept_invitation().await.unwrap_err();
    assert_eq!(error.code(), Code::NoMicrophone);
    assert_eq!(guest.call.view().microphone.problem, Some(Code::NoMicrophone));
    let you = guest.call.room().you;
    assert_eq!(you.role, Role::Listener);
    assert!(you.invitation.is_some(), "the place in line is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_call_leaves_the_room() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await;
    let b = place.guest("B").await;
    let mut host = a.start().await;
    let guest = b.join(&host).await;
    host.until("B in the audience", |view| view.room.counts.listeners == 1).await;
    drop(guest);
    host.until("B gone", |view| view.room.counts.listeners == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_34_a_second_room_that_refuses_leaves_the_first_as_it_was() {
    let place = TestHouse::open().await;
    let (a, b) = (place.guest("A").await, place.guest("B").await);
    let first = a.start().await;
    let other = b.start().await;
    let refused = serambi_call::Call::join(a.house.clone(), other.call.room_id(), false, a.sound.clone()).await;
    assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(Code::OnStageElsewhere));
    assert_eq!(first.call.room().you.role, Role::Host);
    first.command(Command::SetHandScope { scope: HandScope::Off }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn check_34_a_listener_whom_a_second_room_refuses_hears_the_first_on_with_the_hand_up() {
    let place = TestHouse::open().await;
    let (a, b) = (place.guest("A").await.with_voice(&speech::voice(14, 30)), place.guest("B").await);
    let mut first = a.start().await;
    first.until("the open microphone", |view| view.call.microphone.open).await;
    first.call.set_muted(false).await.unwrap();
    let other = b.start().await;
    let c = place.guest("C").await;
    let mut listener = c.join(&first).await;
    listener.command(Command::RaiseHand).await.unwrap();
    listener.until("the own hand", |view| view.room.you.place == Some(1)).await;
    listener.counted("A heard", |counted| counted.packets_received > 20).await;

    other.command(Command::SetSwitch { switch: RoomSwitch::Locked, on: true }).await.unwrap();
    let refused = serambi_call::Call::join(c.house.clone(), other.call.room_id(), false, c.sound.clone()).await;
    assert_eq!(refused.map(drop).map_err(|error| error.code()), Err(Code::RoomLocked));
    let before = listener.call.statistics().packets_received;
    listener.counted("A heard on", |counted| counted.packets_received > before + 50).await;
    let you = listener.call.room().you;
    assert_eq!((you.role, you.place), (Role::Listener, Some(1)));
    assert_eq!((listener.call.statistics().resumes, listener.call.statistics().rejoins), (0, 0));
    assert_eq!(first.call.room().hands.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_the_last_event_and_whoever_asks_after_it_is_told_so() {
    let place = TestHouse::open().await;
    let host = place.guest("A").await.with_voice(&speech::voice(1, 5)).start().await;
    let fixtures::Visit { call, mut events, .. } = host;
    let (accepted, ()) = tokio::join!(call.accept_invitation(), call.leave());
    assert!(accepted.is_err());
    assert_eq!(call.set_muted(true).await.map_err(|error| error.code()), Err(Code::NoCall));
    let mut last = None;
    while let Some(event) = events.recv().await {
        last = Some(event);
    }
    assert_eq!(last, Some(serambi_call::CallEvent::Closed(ClosedReason::Left)));
    assert!(!call.view().microphone.open);
}
