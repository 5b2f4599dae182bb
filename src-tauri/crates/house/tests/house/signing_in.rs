//! Signing in, over the wire.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serambi_protocol::{
    Code, PersonId, Refusal,
    api::{Challenge, ChallengeAsked, HouseInfo, RoomCard, Session, SignIn},
    limits::CHALLENGE_MS,
};

use crate::{
    pinned::pinned_http,
    visitor::{Answer, TestHouse},
};

fn code<T>(answer: Answer<T>) -> Option<Code> {
    answer.err().map(|(status, refusal)| {
        assert_eq!(status.as_u16(), refusal.code.status());
        refusal.code
    })
}

#[tokio::test]
async fn a_house_says_what_it_is_to_anybody_and_its_certificate_fits_the_pin() {
    let house = TestHouse::open().await;
    let info: HouseInfo = house.stranger("").get("house").await.unwrap();
    assert_eq!((info.name.as_str(), info.rooms), ("Teras", 0));
    assert!(info.features.contains(&"measurements".to_owned()), "{:?}", info.features);
    assert_eq!(info.pin, house.house.pin().to_string());
    let other = TestHouse::open().await;
    let with_wrong_pin = pinned_http(&other.house.pin()).get(house.at("house")).send().await;
    assert!(with_wrong_pin.is_err(), "another house's pin must not fit");
}

#[tokio::test]
async fn a_house_keeps_its_fingerprint_over_a_restart() {
    let house = TestHouse::open().await;
    let pin = house.house.pin();
    house.house.close().await;
    let mut config = serambi_house::HouseConfig::new(house.folder.path(), "Another name").on_loopback();
    config.discoverable = false;
    let again = serambi_house::House::start(config).await.unwrap();
    assert_eq!(again.pin(), pin);
}

#[tokio::test]
async fn a_session_opens_the_rooms_and_nothing_else_does() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    assert_eq!(sari.start("Tea").await.view.room.title, "Tea");
    let mut stale = house.stranger("Sari");
    for session in ["", "made-up", &"x".repeat(5_000)] {
        stale.session = session.into();
        assert_eq!(code(stale.post::<serde_json::Value>("rooms", &()).await), Some(Code::SessionExpired));
    }
}

#[tokio::test]
async fn a_wrong_signature_a_replay_and_an_old_challenge_are_refused() {
    let house = TestHouse::open().await;
    let sari = house.stranger("Sari");
    let challenge = sari.challenge().await;
    let wrong = SignIn { signature: "AAAA".into(), ..sari.answer_to(&challenge) };
    assert_eq!(code(sari.post::<Session>("session", &wrong).await), Some(Code::SignatureWrong));

    let challenge = sari.challenge().await;
    assert!(sari.post::<Session>("session", &sari.answer_to(&challenge)).await.is_ok());
    let replayed = sari.post::<Session>("session", &sari.answer_to(&challenge)).await;
    assert_eq!(code(replayed), Some(Code::ChallengeExpired));

    let challenge = sari.challenge().await;
    house.house.clock().skip_ms(CHALLENGE_MS + 1);
    let late = sari.post::<Session>("session", &sari.answer_to(&challenge)).await;
    assert_eq!(code(late), Some(Code::ChallengeExpired));
}

#[tokio::test]
async fn a_signature_for_another_house_opens_no_session_here() {
    let (house, other) = (TestHouse::open().await, TestHouse::open().await);
    let mut sari = house.stranger("Sari");
    let challenge = sari.challenge().await;
    sari.pin = other.house.pin();
    let answer = sari.answer_to(&challenge);
    assert_eq!(code(sari.post::<Session>("session", &answer).await), Some(Code::SignatureWrong));
}

#[tokio::test]
async fn a_name_is_checked_when_signing_in() {
    let house = TestHouse::open().await;
    for (name, expected) in [
        (String::new(), Code::NameEmpty),
        ("a".repeat(10_000), Code::NameTooLong),
        ("a\u{202E}b".into(), Code::NameUnreadable),
        ("a\nb".into(), Code::NameUnreadable),
        ("\u{3164}".into(), Code::NameEmpty),
        ("A\u{200B}ni".into(), Code::NameUnreadable),
    ] {
        let visitor = house.stranger(&name);
        let answer = visitor.answer_to(&visitor.challenge().await);
        assert_eq!(code(visitor.post::<Session>("session", &answer).await), Some(expected));
    }
}

/// Known failure: anybody could be the "person" whose key is the neutral point of the curve.
#[tokio::test]
async fn a_key_that_accepts_what_anybody_signs_opens_no_session() {
    let house = TestHouse::open().await;
    let anybody = house.stranger("Anybody");
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let person = PersonId::from_key(&neutral);
    let challenge: Challenge = anybody.post("challenge", &ChallengeAsked { person }).await.unwrap();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&neutral);
    let signature = URL_SAFE_NO_PAD.encode(signature);
    let answer = SignIn { person, challenge: challenge.challenge, signature, name: "Anybody".into() };
    assert_eq!(code(anybody.post::<Session>("session", &answer).await), Some(Code::SignatureWrong));
}

#[tokio::test]
async fn an_old_room_link_says_that_the_room_has_ended_and_a_made_up_one_that_there_is_none() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let room = sari.start("").await.view.room.id;
    let card: RoomCard = sari.get(&format!("rooms/{room}")).await.unwrap();
    assert_eq!((card.host.as_str(), card.stage.len(), card.listeners), ("Sari", 1, 0));
    sari.wish(&room, serambi_protocol::Command::EndRoom).await.unwrap();
    assert_eq!(code(sari.get::<RoomCard>(&format!("rooms/{room}")).await), Some(Code::RoomEnded));
    assert_eq!(code(sari.join(&room).await), Some(Code::RoomEnded));
    assert_eq!(code(sari.get::<RoomCard>("rooms/aaaaaaaaaa").await), Some(Code::RoomNotFound));
    assert_eq!(code(sari.get::<RoomCard>("rooms/nonsense").await), Some(Code::RoomNotFound));
}

#[tokio::test]
async fn a_path_or_a_method_that_is_not_there_is_refused_in_the_same_form() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await;
    let (status, Refusal { code, .. }) = sari.get::<()>("nowhere").await.unwrap_err();
    assert_eq!((status.as_u16(), code), (404, Code::BadRequest));
    let (status, Refusal { code, .. }) = sari.ask::<()>(Method::DELETE, "rooms", &()).await.unwrap_err();
    assert_eq!((status.as_u16(), code), (405, Code::BadRequest));
}
