//! What a person does about sound for themselves alone: the sound check, and how loud others are here.

use std::time::Duration;

use std::collections::HashMap;

use serambi_call::{DeviceChoice, EngineSettings, SoundCheck, SoundCheckVerdict, SoundChoice};
use serambi_protocol::{Code, PersonId, view::Role};

use crate::{
    THREE_SECONDS,
    fixtures::{TestHouse, bring_on_stage, two_on_stage},
    speech,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_checks_their_sound_unheard_and_their_microphone_is_closed_again() {
    let place = TestHouse::open().await;
    let host = place.guest("A").await.start().await;
    let listener = place.guest("B").await.with_voice(&speech::voice(21, 30)).join(&host).await;
    let check = listener.call.check_sound().await.unwrap();
    assert!(listener.call.view().microphone.open);
    listener.counted("a level", |_| check.level().is_some_and(|level| level > -40.0)).await;
    assert_eq!(check.play_back().unwrap_err().code(), Code::NoMicrophone);

    let verdict = check.record().await.unwrap();
    assert!(verdict != SoundCheckVerdict::TooQuiet && verdict != SoundCheckVerdict::Clipping, "{verdict:?}");
    check.play_back().unwrap();
    check.end().await;
    assert!(!listener.call.view().microphone.open);
    assert_eq!(listener.call.room().you.role, Role::Listener);
    assert_eq!(listener.call.statistics().packets_sent, 0);
    assert_eq!(check.level(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_checks_their_sound_on_stage_is_muted_and_stays_so() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await.with_voice(&speech::voice(22, 30));
    let mut host = a.start().await;
    host.until("the open microphone", |view| view.call.microphone.open).await;
    host.call.set_muted(false).await.unwrap();
    let check = host.call.check_sound().await.unwrap();
    assert!(host.call.view().microphone.muted);
    host.until("the others knowing", |view| view.room.you.muted).await;
    check.end().await;
    let microphone = host.call.view().microphone;
    assert!(microphone.open && microphone.muted);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_on_stage_in_a_sound_check_keeps_the_microphone_after_it() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await;
    let b = place.guest("B").await.with_voice(&speech::voice(23, 30));
    let mut host = a.start().await;
    let mut guest = b.join(&host).await;
    let check = guest.call.check_sound().await.unwrap();
    bring_on_stage(&mut host, &mut guest, b.id()).await;
    check.end().await;
    let microphone = guest.call.view().microphone;
    assert!(microphone.open && microphone.muted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ends_ends_the_sound_check_in_it() {
    let place = TestHouse::open().await;
    let host = place.guest("A").await.with_voice(&speech::voice(24, 30)).start().await;
    let check = host.call.check_sound().await.unwrap();
    let (recorded, ()) = tokio::join!(check.record(), host.call.leave());
    assert_eq!(recorded.unwrap_err().code(), Code::NoMicrophone);
    assert_eq!(check.level(), None);
    check.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_room_a_sound_check_has_sound_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (said, heard) = (folder.path().join("said.wav"), folder.path().join("heard.wav"));
    speech::write_wav(&said, &speech::voice(25, 30));
    let devices =
        EngineSettings { microphone: DeviceChoice::File(said), loudspeaker: DeviceChoice::File(heard.clone()) };
    let (check, _events) = SoundCheck::alone(devices.into()).await.unwrap();
    check.record().await.unwrap();
    let silent_bytes = std::fs::metadata(&heard).unwrap().len();
    check.play_back().unwrap();
    // Two seconds of it, at 16 bit and 48 kHz.
    let is_played = async {
        while std::fs::metadata(&heard).unwrap().len() < silent_bytes + 2 * 96_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), is_played).await.expect("a recording that is played back");
    check.end().await;
    assert!(!speech::is_silent(&speech::read_wav(&heard)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_microphone_there_is_no_sound_check() {
    let nothing = EngineSettings { microphone: DeviceChoice::Absent, loudspeaker: DeviceChoice::Absent };
    assert_eq!(SoundCheck::alone(nothing.into()).await.unwrap_err().code(), Code::NoMicrophone);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_muted_for_me_is_silent_here_and_nobody_else_knows() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await.with_ears();
    let b = place.guest("B").await.with_voice(&speech::voice(26, 30));
    let (host, guest) = two_on_stage(&a, &b).await;
    host.call.choose_sound(without(&a.sound, b.id()));
    guest.call.set_muted(false).await.unwrap();
    host.counted("B's packets", |counted| counted.packets_received > THREE_SECONDS).await;
    assert!(host.call.levels().people.is_empty(), "somebody who is not heard has no ring");
    assert!(!guest.call.view().microphone.muted);
    assert!(speech::is_silent(&host.leave_and_listen().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_muted_for_me_from_the_start_can_be_heard_again() {
    let place = TestHouse::open().await;
    let mut a = place.guest("A").await.with_ears();
    let b = place.guest("B").await.with_voice(&speech::voice(27, 30));
    let usual = a.sound.clone();
    a.sound = without(&usual, b.id());
    let (host, guest) = two_on_stage(&a, &b).await;
    guest.call.set_muted(false).await.unwrap();
    host.counted("B's packets", |counted| counted.packets_received > THREE_SECONDS).await;
    assert!(host.call.levels().people.is_empty());
    host.call.choose_sound(usual);
    host.counted("B's ring", |_| host.call.levels().people.iter().any(|(_, level)| *level > -50.0)).await;
    host.counted("B's voice", |counted| counted.packets_received > 2 * THREE_SECONDS).await;
    assert!(!speech::is_silent(&host.leave_and_listen().await));
}

fn without(sound: &SoundChoice, person: PersonId) -> SoundChoice {
    SoundChoice { gains: HashMap::from([(person, 0.0)]), ..sound.clone() }
}
