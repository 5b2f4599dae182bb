//! Whole visits: the checks of the behaviour's section 17 that a house adds something to.

use futures_util::future::join_all;
use serambi_protocol::{
    Code, Command, Notice, RoomSwitch,
    command::HandScope,
    event::ClosedReason,
    limits::SEAT_KEPT_MS,
    view::{PersonConnection, Role},
};

use crate::{follower::Follower, visitor::TestHouse};

fn queue(follower: &Follower) -> Vec<String> {
    follower.view.hands.iter().map(|hand| hand.name.clone()).collect()
}

#[tokio::test]
async fn check_01_the_host_is_on_stage_muted_and_who_joins_is_a_listener() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("Tea").await;
    assert_eq!((sari.view.you.role, sari.view.you.muted), (Role::Host, true));
    let wei = house.visitor("Wei").await.enter(&sari.room).await;
    assert_eq!((wei.view.you.role, wei.view.you.muted), (Role::Listener, true));
    sari.sees("a listener", |view| view.counts.listeners == 1).await;
    assert_eq!(sari.view.audience[0].name, "Wei");
}

#[tokio::test]
async fn check_02_joining_and_leaving_ten_times_gives_nobody_a_notice() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let wei = house.visitor("Wei").await;
    for _ in 0..10 {
        let mut visit = wei.enter(&sari.room).await;
        visit.does(Command::Leave).await;
        assert_eq!(visit.is_out().await, ClosedReason::Left);
    }
    let last = house.visitor("Last").await.enter(&sari.room).await;
    let id = last.id();
    sari.sees("the last one", |view| view.audience.iter().any(|person| person.id == id)).await;
    assert_eq!(sari.notices, []);
}

#[tokio::test]
async fn check_04_hands_that_are_off_are_refused_by_the_house() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.does(Command::SetHandScope { scope: HandScope::Off }).await;
    assert_eq!(wei.is_refused(Command::RaiseHand).await, Code::HandsOff);
    wei.sees("that hands are off", |view| view.room.hand_scope == HandScope::Off).await;
}

#[tokio::test]
async fn that_the_host_saves_upload_is_seen_by_everybody_and_by_who_comes_later() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    assert!(!wei.view.room.switches.is_on(RoomSwitch::SavesUpload));
    sari.does(Command::SetSwitch { switch: RoomSwitch::SavesUpload, on: true }).await;
    wei.sees("that upload is saved", |view| view.room.switches.is_on(RoomSwitch::SavesUpload)).await;
    let late = house.visitor("Late").await.enter(&sari.room).await;
    assert!(late.view.room.switches.is_on(RoomSwitch::SavesUpload));
    assert_eq!(
        wei.is_refused(Command::SetSwitch { switch: RoomSwitch::SavesUpload, on: false }).await,
        Code::NotAllowed
    );
    sari.does(Command::SetSwitch { switch: RoomSwitch::SavesUpload, on: false }).await;
    wei.sees("that it is not any more", |view| !view.room.switches.is_on(RoomSwitch::SavesUpload)).await;
}

#[tokio::test]
async fn check_06_the_queue_is_in_the_order_of_raising() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut listeners = Vec::new();
    for name in ["Bayu", "Citra", "Dewi"] {
        let listener = house.visitor(name).await.enter(&sari.room).await;
        listener.does(Command::RaiseHand).await;
        listeners.push(listener);
    }
    sari.sees("three hands", |view| view.hands.len() == 3).await;
    assert_eq!(queue(&sari), ["Bayu", "Citra", "Dewi"]);
    listeners[1].does(Command::LowerHand).await;
    listeners[1].does(Command::RaiseHand).await;
    sari.sees("Citra last", |view| view.hands.last().is_some_and(|hand| hand.name == "Citra")).await;
    assert_eq!(queue(&sari), ["Bayu", "Dewi", "Citra"]);
    listeners[1].sees("third in line", |view| view.you.place == Some(3)).await;
    assert_eq!(listeners[1].view.hands, [], "a listener sees only the own place");
}

#[tokio::test]
async fn check_07_an_invited_listener_arrives_on_stage_muted_and_everybody_hears_of_it() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    let mut ayu = house.visitor("Ayu").await.enter(&sari.room).await;
    wei.does(Command::RaiseHand).await;
    sari.is_told(Notice::HandRaised { name: "Wei".into(), count: 1 }).await;
    sari.brings_on_stage(&mut wei).await;
    wei.is_told(Notice::OnStage).await;
    assert_eq!((wei.view.you.role, wei.view.you.muted, wei.view.you.place), (Role::Speaker, true, None));
    assert!(wei.notices.contains(&Notice::YourTurn));
    ayu.is_told(Notice::JoinedStage { name: "Wei".into() }).await;
    wei.does(Command::SetMuted { muted: false }).await;
    let id = wei.id();
    ayu.sees("Wei unmuted", |view| view.stage.iter().any(|person| person.id == id && !person.muted)).await;
}

/// Opens the channel again where it was left.
async fn come_back(follower: Follower) -> Follower {
    let channel = follower.visitor.channel(follower.seq).await.kept_alive();
    Follower { channel, ..follower }
}

#[tokio::test]
async fn check_09_of_a_cancel_and_an_accept_at_the_same_moment_exactly_one_happens() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    for round in 0..5 {
        let mut wei = house.visitor(&format!("Wei {round}")).await.enter(&sari.room).await;
        sari.does(Command::Invite { person: wei.id() }).await;
        wei.sees("an invitation", |view| view.you.invitation.is_some()).await;
        let (cancelled, accepted) = tokio::join!(
            sari.wish(Command::CancelInvitation { person: wei.id() }),
            wei.wish(Command::AcceptInvitation)
        );
        assert_ne!(cancelled.is_ok(), accepted.is_ok(), "{cancelled:?} {accepted:?}");
        let id = wei.id();
        let is_up = accepted.is_ok();
        wei.sees("the outcome", |view| view.you.role.is_on_stage() == is_up && view.you.invitation.is_none()).await;
        sari.sees("the same", |view| {
            view.stage.iter().any(|person| person.id == id) == is_up && view.invitations.is_empty()
        })
        .await;
        wei.does(Command::Leave).await;
    }
}

#[tokio::test]
async fn check_10_the_last_place_on_stage_goes_to_one_and_the_other_is_told() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut speakers = Vec::new();
    while sari.view.stage.len() < sari.view.room.stage_limit as usize - 1 {
        let mut speaker = house.visitor(&format!("Speaker {}", speakers.len())).await.enter(&sari.room).await;
        sari.brings_on_stage(&mut speaker).await;
        speakers.push(speaker);
    }
    sari.does(Command::MakeModerator { person: speakers[0].id() }).await;
    let mut one = house.visitor("One").await.enter(&sari.room).await;
    let mut other = house.visitor("Other").await.enter(&sari.room).await;
    one.does(Command::RaiseHand).await;
    other.does(Command::RaiseHand).await;
    sari.does(Command::Invite { person: one.id() }).await;
    speakers[0].does(Command::Invite { person: other.id() }).await;
    let (first, second) = tokio::join!(one.wish(Command::AcceptInvitation), other.wish(Command::AcceptInvitation));
    assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
    let (loser, refused) = if first.is_ok() { (&mut other, second) } else { (&mut one, first) };
    assert_eq!(refused.unwrap_err().1.code, Code::StageFull);
    loser.is_told(Notice::StageFull).await;
    assert_eq!(loser.view.you.place, Some(1), "the place in line is kept");
}

#[tokio::test]
async fn check_11_a_muted_speaker_is_told_who_did_it_and_can_unmute() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.brings_on_stage(&mut wei).await;
    wei.does(Command::SetMuted { muted: false }).await;
    wei.sees("unmuted", |view| !view.you.muted).await;
    sari.does(Command::Mute { person: wei.id() }).await;
    wei.is_told(Notice::MutedBy { by: "Sari".into() }).await;
    assert!(wei.view.you.muted);
    wei.does(Command::SetMuted { muted: false }).await;
    wei.sees("unmuted again", |view| !view.you.muted).await;
}

#[tokio::test]
async fn check_12_no_message_opens_another_persons_microphone() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.brings_on_stage(&mut wei).await;
    for body in [
        serde_json::json!({ "type": "unmute", "person": wei.id() }),
        serde_json::json!({ "type": "mute", "person": wei.id(), "muted": false }),
        serde_json::json!({ "type": "setMuted", "muted": false, "person": wei.id() }),
    ] {
        // Whatever becomes of it, it does not reach Wei.
        let _ = sari.visitor.post::<()>(&format!("rooms/{}/commands", sari.room), &body).await;
    }
    sari.does(Command::Invite { person: house.visitor("Ayu").await.enter(&sari.room).await.id() }).await;
    sari.sees("what came after", |view| view.invitations.len() == 1).await;
    assert!(sari.view.stage.iter().any(|person| person.id == wei.id() && person.muted));
}

#[tokio::test]
async fn check_14_a_moderator_can_remove_neither_the_host_nor_another_moderator() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut bayu = house.visitor("Bayu").await.enter(&sari.room).await;
    let mut citra = house.visitor("Citra").await.enter(&sari.room).await;
    sari.brings_on_stage(&mut bayu).await;
    sari.brings_on_stage(&mut citra).await;
    for person in [bayu.id(), citra.id()] {
        sari.does(Command::MakeModerator { person }).await;
    }
    assert_eq!(bayu.is_refused(Command::Remove { person: sari.id(), block: false }).await, Code::NotAllowed);
    assert_eq!(bayu.is_refused(Command::Remove { person: citra.id(), block: true }).await, Code::NotAllowed);
    sari.does(Command::Remove { person: citra.id(), block: true }).await;
    assert_eq!(citra.is_out().await, ClosedReason::Removed);
    assert_eq!(citra.visitor.join(&sari.room).await.unwrap_err().1.code, Code::Blocked);
}

#[tokio::test]
async fn check_18_and_22_a_lost_connection_keeps_seat_and_hand_for_a_minute_and_no_longer() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let wei = house.visitor("Wei").await.enter(&sari.room).await;
    wei.does(Command::RaiseHand).await;
    sari.sees("a hand", |view| view.hands.len() == 1).await;
    let (visitor, room, id) = (wei.visitor.clone(), wei.room, wei.id());
    drop(wei);
    sari.sees("that Wei is away", |view| {
        view.audience.iter().any(|person| person.id == id && person.connection == PersonConnection::Away)
    })
    .await;
    let wei = visitor.enter(&room).await;
    assert_eq!(wei.view.you.place, Some(1));
    sari.sees("that Wei is back", |view| {
        view.audience.iter().any(|person| person.id == id && person.connection == PersonConnection::Good)
    })
    .await;
    drop(wei);
    sari.sees("that Wei is away again", |view| {
        view.audience.iter().any(|person| person.connection == PersonConnection::Away)
    })
    .await;
    house.house.clock().skip_ms(SEAT_KEPT_MS);
    let mut sari = come_back(sari).await;
    sari.sees("that Wei is gone", |view| view.counts.listeners == 0 && view.hands.is_empty()).await;
}

#[tokio::test]
async fn check_29_ending_the_room_sends_everybody_home_at_once() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    sari.does(Command::EndRoom).await;
    assert_eq!(sari.is_out().await, ClosedReason::Ended);
    assert_eq!(wei.is_out().await, ClosedReason::Ended);
    assert_eq!(wei.is_refused(Command::RaiseHand).await, Code::RoomEnded);
    assert_eq!(house.house.presence(None), serambi_house::Presence::default());
}

#[tokio::test]
async fn check_30_a_person_is_in_one_room_at_a_time_and_leaves_a_stage_only_when_they_say_so() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("first").await;
    let refused = sari.visitor.post::<serde_json::Value>("rooms", &serde_json::json!({ "title": "second" })).await;
    assert_eq!(refused.unwrap_err().1.code, Code::OnStageElsewhere);
    let wish = serde_json::json!({ "title": "second", "leaveOther": true });
    let second: serambi_protocol::api::Joined = sari.visitor.post("rooms", &wish).await.unwrap();
    assert_eq!(sari.is_out().await, ClosedReason::Left);
    // A listener moves on without being asked.
    let wei = house.visitor("Wei").await;
    let mut first_visit = wei.enter(&second.view.room.id).await;
    let third = house.visitor("Ayu").await.start("third").await;
    wei.join(&third.view.room.id).await.unwrap();
    assert_eq!(first_visit.is_out().await, ClosedReason::Left);
}

#[tokio::test]
async fn joining_from_another_place_closes_the_first() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let again = sari.visitor.again().await;
    // A second sign-in alone changes nothing.
    sari.does(Command::SetMuted { muted: false }).await;
    let second = again.enter(&sari.room).await;
    assert_eq!(sari.is_out().await, ClosedReason::Replaced);
    assert_eq!((second.view.you.role, second.view.you.muted), (Role::Host, true));
    assert_eq!(sari.is_refused(Command::EndRoom).await, Code::NotInRoom);
    second.does(Command::EndRoom).await;
}

#[tokio::test]
async fn closing_says_how_many_are_cut_off_and_tells_them() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    let alone = house.visitor("Ayu").await.open_room("").await;
    let cut_off = house.house.presence(Some(sari.id()));
    assert_eq!((cut_off.people, cut_off.rooms), (2, 2));
    let cut_off = house.house.presence(Some(alone.id()));
    assert_eq!((cut_off.people, cut_off.rooms), (2, 1));
    house.house.close().await;
    assert_eq!(wei.is_out().await, ClosedReason::Ended);
}

#[tokio::test]
async fn check_27_three_hundred_hands_make_one_queue_in_time_order_and_few_notices() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut order = Vec::new();
    for crowd in 0..30 {
        let names: Vec<String> = (0..10).map(|number| format!("Visitor {}", crowd * 10 + number)).collect();
        for visitor in join_all(names.iter().map(|name| house.visitor(name))).await {
            visitor.join(&sari.room).await.unwrap();
            visitor.wish(&sari.room, Command::RaiseHand).await.unwrap();
            order.push(visitor.name);
        }
    }
    sari.sees("three hundred hands", |view| view.hands.len() == 300 && view.counts.listeners == 300).await;
    assert_eq!(queue(&sari), order);
    let (cues, took_ms) = (sari.notices.len() as u64, sari.view.now.0);
    assert!(cues >= 1 && cues <= took_ms / 3_000 + 1, "{cues} cues in {took_ms} ms");
}
