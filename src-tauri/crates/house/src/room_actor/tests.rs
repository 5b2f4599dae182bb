//! What becomes of a room whose rules fail, and of those beside it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serambi_protocol::{Envelope, api::StartRoom};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    authenticator::test_session,
    clock::Clock,
    mailbox::News,
    media::{keys::Keys, room_service::RoomService},
    registry::{Media, RoomRegistry, RoomStarters},
    storage::Storage,
};

impl RoomActor {
    pub(super) fn fail_for_a_test(&mut self) {
        #[allow(clippy::panic)]
        {
            panic!("a rule that fails");
        }
    }
}

async fn registry(folder: &TempDir) -> RoomRegistry {
    let storage = Storage::open(folder.path().into()).await.unwrap();
    let keys = Keys::random();
    // Nobody listens there: the rooms of this test have no sound.
    let service = RoomService::new("http://127.0.0.1:9", keys.clone()).unwrap();
    let media = Media { url: None, keys, service, embedded: None };
    let (rooms, people) = (storage.rooms(), storage.people());
    RoomRegistry::open(Clock::default(), media, rooms, people, RoomStarters::Anybody, CancellationToken::new())
        .await
        .unwrap()
}

fn last_event(session: &Session) -> Option<RoomEvent> {
    match session.mailbox.after(0) {
        News::Events(events) => events.into_iter().last().map(|Envelope { event, .. }| event),
        News::Gap => None,
    }
}

#[tokio::test]
async fn a_panic_in_the_rules_of_one_room_ends_that_room_says_so_and_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder).await;
    let (sari, wei) = (test_session(1), test_session(2));
    let first = registry.start(sari.clone(), &StartRoom::default()).await.unwrap().view.room.id;
    let second = registry.start(wei.clone(), &StartRoom::default()).await.unwrap().view.room.id;
    registry.fail(&first);
    let told = async {
        while !matches!(last_event(&sari), Some(RoomEvent::Closed { reason: ClosedReason::Failed })) {
            sari.mailbox.watch().changed().await.unwrap();
        }
        while registry.card(&first).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    assert_eq!(registry.card(&first).unwrap_err().code, Code::RoomEnded);
    registry.command(wei, &second, Command::SetMuted { muted: false }).await.unwrap();
}

#[tokio::test]
async fn a_room_that_is_asked_more_than_it_works_off_says_that_it_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder).await;
    let room = registry.start(test_session(1), &StartRoom::default()).await.unwrap().view.room.id;
    // The test's own task does not yield, so the room takes nothing meanwhile.
    let refused = (0..MAX_WAITING + 1).find_map(|_| registry.flood(&room).err());
    assert_eq!(refused.map(|refusal| refusal.code), Some(Code::Busy));
}

#[tokio::test]
async fn a_hundred_rooms_that_start_and_end_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder).await;
    for number in 0..100 {
        let host = test_session(number);
        let room = registry.start(host.clone(), &StartRoom::default()).await.unwrap().view.room.id;
        registry.command(host, &room, Command::EndRoom).await.unwrap();
    }
    let gone = async {
        while registry.len() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    assert_eq!((registry.presence(None).rooms, registry.places_taken()), (0, 0));
}
