//! Reactions over a real house: merged for everybody, never more than four times a second, and gone afterwards.

use std::collections::BTreeSet;

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serambi_protocol::{
    Act, Code, Command, RoomSwitch,
    limits::REACTIONS_TOLD_EVERY_MS,
    reaction::{Reacted, Reaction, StageReaction},
    view::Role,
};

use crate::{follower::Follower, visitor::TestHouse};

fn react(reaction: Reaction) -> Command {
    Command::React { reaction }
}

fn shown_by_audience(reacted: &[Reacted]) -> u32 {
    reacted.iter().flat_map(|reacted| &reacted.audience).map(|shown| shown.count).sum()
}

#[tokio::test]
async fn everybody_is_told_the_audience_as_counts_and_the_stage_by_name() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("Tea").await;
    let mut wei = house.visitor("Wei").await.enter(&sari.room).await;
    assert!(wei.view.may(Act::React) && wei.view.you.role == Role::Listener);
    sari.does(react(Reaction::Heart)).await;
    wei.does(react(Reaction::Clap)).await;
    house.house.clock().skip_ms(REACTIONS_TOLD_EVERY_MS);
    let host = StageReaction { person: sari.id(), reaction: Reaction::Heart };
    for reader in [&mut sari, &mut wei] {
        reader
            .is_shown("a heart and a clap", |reacted| {
                reacted.iter().any(|shown| shown.stage == [host]) && shown_by_audience(reacted) == 1
            })
            .await;
        assert_eq!(reader.notices, [], "a reaction is no notice");
    }
}

#[tokio::test]
async fn who_reacts_too_fast_is_told_when_to_go_on() {
    let house = TestHouse::open().await;
    let sari = house.visitor("Sari").await.open_room("").await;
    let path = house.at(&format!("rooms/{}/commands", sari.room));
    // The house's clock goes on by itself: on a busy computer a second may have passed before the next.
    let mut answers = Vec::new();
    let goes_on = |last: &(StatusCode, HeaderMap)| last.0 != StatusCode::TOO_MANY_REQUESTS;
    while answers.len() < 20 && answers.last().is_none_or(goes_on) {
        let asked = sari.visitor.http.post(&path).bearer_auth(&sari.visitor.session).json(&react(Reaction::Clap));
        let answer = asked.send().await.unwrap();
        answers.push((answer.status(), answer.headers().clone()));
    }
    assert_eq!(answers.first().unwrap().0, StatusCode::NO_CONTENT);
    let (status, headers) = answers.pop().unwrap();
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(headers[RETRY_AFTER], "1");
    house.house.clock().skip_ms(1_000);
    sari.does(react(Reaction::Clap)).await;
}

#[tokio::test]
async fn what_many_show_is_told_in_fewer_entries_and_none_is_lost() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    let mut crowd: Vec<Follower> = Vec::new();
    for number in 0..20 {
        crowd.push(house.visitor(&format!("Guest {number}")).await.enter(&sari.room).await);
    }
    for guest in &crowd {
        guest.does(react(Reaction::Laugh)).await;
    }
    house.house.clock().skip_ms(REACTIONS_TOLD_EVERY_MS);
    sari.is_shown("twenty of them", |reacted| shown_by_audience(reacted) == 20).await;
    // The house's clock goes on by itself between the twenty requests.
    assert!(sari.reacted.len() < 20, "{} entries for 20 reactions", sari.reacted.len());
    let kinds: BTreeSet<usize> = sari.reacted.iter().map(|reacted| reacted.audience.len()).collect();
    assert_eq!(kinds, BTreeSet::from([1]));
}

#[tokio::test]
async fn who_comes_later_is_told_of_none() {
    let house = TestHouse::open().await;
    let mut sari = house.visitor("Sari").await.open_room("").await;
    sari.does(react(Reaction::Idea)).await;
    sari.is_shown("it", |reacted| reacted.len() == 1).await;
    let mut late = house.visitor("Late").await.enter(&sari.room).await;
    sari.does(Command::SetSwitch { switch: RoomSwitch::ReactionsOff, on: true }).await;
    late.sees("that they are off", |view| !view.may(Act::React)).await;
    assert!(late.reacted.is_empty());
    assert_eq!(late.is_refused(react(Reaction::Clap)).await, Code::ReactionsOff);
}
