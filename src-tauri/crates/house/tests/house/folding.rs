//! Whatever happens in whatever order: a client that folds its events sees what the house would show it anew.

use serambi_protocol::{
    Command, PersonId, RoomEvent, RoomSwitch, RoomView, chat::MessageId, command::HandScope, reaction::Reaction,
    view::RoomTime,
};

use crate::{follower::Follower, visitor::TestHouse};

/// A small generator (Knuth's MMIX constants): the same commands in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn command(&mut self, people: &[PersonId]) -> Command {
        let person = people[self.roll(people.len())];
        match self.roll(26) {
            0..4 => Command::RaiseHand,
            4 => Command::LowerHand,
            5..8 => Command::Invite { person },
            8..10 => Command::AcceptInvitation,
            10 => Command::DeclineInvitation,
            11 => Command::CancelInvitation { person },
            12 => Command::DismissHand { person },
            13 => Command::LowerAllHands,
            14 => Command::SetHandScope { scope: [HandScope::Off, HandScope::Everyone][self.roll(2)] },
            15 => Command::Mute { person },
            16 => Command::MuteEveryone,
            17 => Command::MakeModerator { person },
            18 => Command::TakeModerator { person },
            19 => Command::MoveToAudience { person: [None, Some(person)][self.roll(2)] },
            20 => Command::HandOver { person },
            21 => Command::SetSwitch { switch: RoomSwitch::ALL[self.roll(2)], on: self.roll(2) == 0 },
            22 => Command::Say { text: "hello".to_owned() },
            23 => Command::DeleteMessage { id: MessageId(self.roll(20) as u64) },
            24 => Command::React { reaction: Reaction::ALL[self.roll(6)] },
            _ => Command::SetMuted { muted: self.roll(2) == 0 },
        }
    }
}

/// The view without the time at which it was made.
fn timeless(view: &RoomView) -> RoomView {
    RoomView { now: RoomTime(0), ..view.clone() }
}

/// A number that was never given makes the house show the whole view; what came before it is heard and folded.
async fn compare(follower: &mut Follower) {
    let visitor = follower.visitor.clone();
    let shown = visitor.channel(u64::MAX).await.next().await.unwrap();
    let RoomEvent::Opened { view: anew } = shown.event else { panic!("{:?}", shown.event) };
    follower.channel = visitor.channel(follower.seq).await.kept_alive();
    while follower.seq + 1 < shown.seq {
        follower.hear().await;
    }
    assert_eq!(timeless(&follower.view), timeless(&anew), "{}", visitor.name);
}

#[tokio::test]
async fn folding_events_gives_the_view_that_the_house_would_show_anew() {
    let house = TestHouse::open().await;
    let mut followers = vec![house.visitor("Host").await.open_room("").await];
    for number in 0..5 {
        let room = followers[0].room;
        followers.push(house.visitor(&format!("Visitor {number}")).await.enter(&room).await);
    }
    let people: Vec<PersonId> = followers.iter().map(Follower::id).collect();
    let mut dice = Dice(7);
    let mut carried_out = 0;
    for turn in 1..=200 {
        let actor = dice.roll(people.len());
        let command = dice.command(&people);
        carried_out += usize::from(followers[actor].wish(command).await.is_ok());
        house.house.clock().skip_ms(60);
        if turn % 40 == 0 {
            // Whatever is held back to be told together has been told by the time this is answered.
            house.house.presence(None);
            for follower in &mut followers {
                compare(follower).await;
            }
        }
    }
    assert!(carried_out > 40, "only {carried_out} of the wishes were allowed: the walk goes nowhere");
}
