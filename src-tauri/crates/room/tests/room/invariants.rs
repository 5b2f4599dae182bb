//! What holds always, whatever many people do in whatever order, and however time passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use serambi_protocol::{
    Act, Command, PersonId, RoomSwitch, RoomView, TopicChange,
    chat::{ChatEvent, ChatLog, ChatMessage, MessageId},
    command::HandScope,
    limits::{CHAT_KEPT, CHAT_SHOWN, KNOCKS},
    reaction::Reaction,
    view::{Role, RoleView, RoomTime},
};
use serambi_room::{Outcome, PersonRow, Room, Settings, may};

use crate::timetable::{MediaServer, room_id};

const PEOPLE: u8 = 7;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    /// Time goes on, but nobody tells the room.
    Dawdle(u64),
    Join(PersonId),
    Lose(PersonId),
    Back(PersonId),
    LoseSound(PersonId),
    SoundBack(PersonId),
    /// Asks to come in, or no longer.
    Knock(PersonId, bool),
    /// The house is killed and started again.
    Restart,
    Do(PersonId, Command),
    /// Whoever is host at that time. People picked blindly would seldom get a stage together.
    HostDoes(Command),
    /// The first who has an invitation at that time.
    InvitedAccepts,
}

fn somebody() -> impl Strategy<Value = PersonId> {
    (0..PEOPLE).prop_map(|number| PersonId::from_key(&[number; 32]))
}

fn a_while() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..10_000u64, 3 => 10_000..70_000u64, 1 => 70_000..700_000u64]
}

fn a_scope() -> impl Strategy<Value = HandScope> {
    prop_oneof![1 => Just(HandScope::Off), 1 => Just(HandScope::Followed), 4 => Just(HandScope::Everyone)]
}

fn a_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => Just(Command::RaiseHand),
        2 => Just(Command::LowerHand),
        12 => Just(Command::AcceptInvitation),
        2 => Just(Command::DeclineInvitation),
        5 => any::<bool>().prop_map(|muted| Command::SetMuted { muted }),
        3 => prop::option::of(somebody()).prop_map(|person| Command::MoveToAudience { person }),
        14 => somebody().prop_map(|person| Command::Invite { person }),
        1 => somebody().prop_map(|person| Command::CancelInvitation { person }),
        2 => somebody().prop_map(|person| Command::DismissHand { person }),
        1 => Just(Command::LowerAllHands),
        1 => a_scope().prop_map(|scope| Command::SetHandScope { scope }),
        2 => somebody().prop_map(|person| Command::Mute { person }),
        1 => Just(Command::MuteEveryone),
        4 => somebody().prop_map(|person| Command::MakeModerator { person }),
        1 => somebody().prop_map(|person| Command::TakeModerator { person }),
        2 => (prop::sample::select(&RoomSwitch::ALL[..]), any::<bool>())
            .prop_map(|(switch, on)| Command::SetSwitch { switch, on }),
        2 => somebody().prop_map(|person| Command::HandOver { person }),
        2 => somebody().prop_map(|person| Command::Ping { person }),
        3 => somebody().prop_map(|person| Command::LetIn { person }),
        1 => somebody().prop_map(|person| Command::TurnAway { person }),
        1 => (somebody(), prop::bool::weighted(0.2)).prop_map(|(person, block)| Command::Remove { person, block }),
        8 => "[a-c \u{200B}]{0,4}".prop_map(|text| Command::Say { text }),
        4 => (1..60u64).prop_map(|id| Command::DeleteMessage { id: MessageId(id) }),
        3 => prop::sample::select(&Reaction::ALL[..]).prop_map(|reaction| Command::React { reaction }),
        1 => Just(Command::Leave),
    ]
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => a_while().prop_map(Step::Wait),
        2 => a_while().prop_map(Step::Dawdle),
        8 => somebody().prop_map(Step::Join),
        2 => somebody().prop_map(Step::Lose),
        2 => somebody().prop_map(Step::Back),
        2 => somebody().prop_map(Step::LoseSound),
        2 => somebody().prop_map(Step::SoundBack),
        4 => (somebody(), prop::bool::weighted(0.8)).prop_map(|(person, waits)| Step::Knock(person, waits)),
        1 => Just(Step::Restart),
        40 => (somebody(), a_command()).prop_map(|(person, command)| Step::Do(person, command)),
        10 => a_command().prop_map(Step::HostDoes),
        10 => somebody().prop_map(|person| Step::HostDoes(Command::Invite { person })),
        10 => Just(Step::InvitedAccepts),
        // Nearly always refused, or few rooms would live long enough.
        1 => somebody().prop_map(|person| Step::Do(person, Command::EndRoom)),
    ]
}

/// The places on stage, and what happens after some have joined.
fn a_story() -> impl Strategy<Value = (usize, Vec<Step>)> {
    let steps = (1..=PEOPLE, prop::collection::vec(a_step(), 1..160));
    let story = steps.prop_map(|(crowd, steps)| (1..crowd).map(|who| Step::Join(person(who))).chain(steps).collect());
    (1..5usize, story)
}

/// A room that is watched: after every step everything that must hold is looked at.
struct Watched {
    room: Room,
    now: RoomTime,
    stage_limit: usize,
    media: MediaServer,
    queue: Vec<PersonId>,
    /// The rows of people as a disk has them.
    rows: BTreeMap<PersonId, PersonRow>,
    /// The rows of messages as a disk has them.
    messages: BTreeMap<MessageId, ChatMessage>,
    /// The chat as somebody folds it who was there from the beginning.
    chat: ChatLog,
    /// The newest id that was given.
    newest: MessageId,
    /// Who was called or let in by a moderator and has not come in since.
    admitted: BTreeSet<PersonId>,
    /// Who was inside at some time.
    been_inside: BTreeSet<PersonId>,
}

impl Watched {
    fn start(stage_limit: usize) -> Self {
        let settings = Settings { stage_limit, ..Settings::default() };
        let (room, outcome) = Room::start(room_id(), "".into(), person(0), "0".into(), settings);
        let mut media = MediaServer::default();
        media.carry_out(&outcome);
        let mut watched = Self {
            room,
            now: RoomTime(0),
            stage_limit,
            media,
            queue: Vec::new(),
            rows: BTreeMap::new(),
            messages: BTreeMap::new(),
            chat: ChatLog::default(),
            newest: MessageId::default(),
            admitted: BTreeSet::new(),
            been_inside: BTreeSet::from([person(0)]),
        };
        watched.save(&watched.room.own_row());
        watched
    }

    fn take(&mut self, step: &Step) {
        let step = &self.as_of_now(step);
        let before = self.room.clone();
        let is_refused = match self.carry_out(step) {
            Some(outcome) => {
                self.media.carry_out(&outcome);
                self.look_at_outcome(&before, &outcome);
                self.look_at_chat(step, &outcome);
                false
            }
            None => true,
        };
        if is_refused {
            assert_eq!(self.room, before, "a refusal changes nothing");
        }
        self.save(&before);
        self.look_at_step(&before, step);
        self.look_at_door(&before, step, is_refused);
        self.look_at_room();
    }

    /// Brings to the disk what is new, and looks whether the room could be put together from what is there.
    fn save(&mut self, before: &Room) {
        for (person, row) in self.room.changed_rows(before) {
            match row {
                Some(row) => drop(self.rows.insert(person, row)),
                None => drop(self.rows.remove(&person)),
            }
        }
        for (id, message) in self.room.changed_messages(before) {
            match message {
                Some(message) => drop(self.messages.insert(id, message)),
                None => drop(self.messages.remove(&id)),
            }
        }
        let rows = self.rows.iter().map(|(person, row)| (*person, row.clone()));
        let restored = self.room.own_row().with_rows(rows).with_messages(self.messages.values().cloned());
        assert_eq!(restored, self.room, "what the disk has is not the room");
    }

    /// The step with the people it is about.
    fn as_of_now(&self, step: &Step) -> Step {
        let mut people = self.room.people().map(|member| member.person);
        let (who, command) = match step {
            Step::HostDoes(command) => (self.host(), command.clone()),
            Step::InvitedAccepts => {
                let invited = people.find(|who| self.view(who).you.invitation.is_some());
                (invited.cloned(), Command::AcceptInvitation)
            }
            other => return other.clone(),
        };
        who.map_or(Step::Wait(0), |who| Step::Do(who, command))
    }

    /// None: refused.
    fn carry_out(&mut self, step: &Step) -> Option<Outcome> {
        match step {
            Step::Wait(ms) => {
                self.now = self.now.after(*ms);
                let outcome = self.room.pass_time(self.now);
                assert!(self.room.next_deadline().is_none_or(|due| due > self.now), "a deadline in the past");
                Some(outcome)
            }
            Step::Dawdle(ms) => {
                self.now = self.now.after(*ms);
                None
            }
            Step::Join(who) => self.room.join(self.now, who, &who.short()).ok(),
            Step::Lose(who) => Some(self.room.house_lost(self.now, who, self.now)),
            Step::Back(who) => Some(self.room.house_back(self.now, who)),
            Step::LoseSound(who) => Some(self.room.sound_lost(self.now, who, self.now)),
            Step::SoundBack(who) => Some(self.room.sound_back(self.now, who)),
            Step::Knock(who, waits) => {
                self.room.knock(self.now, who, &who.short(), *waits).ok().map(|knocking| knocking.outcome)
            }
            Step::Restart => {
                // A house lets due time pass before it saves a room.
                let outcome = self.room.pass_time(self.now);
                let saved = serde_json::to_string(&self.room).unwrap();
                let restored: Room = serde_json::from_str(&saved).unwrap();
                assert_eq!(restored, self.room, "not what was saved");
                self.room = restored;
                self.room.restart(self.now);
                Some(outcome)
            }
            Step::Do(who, command) => self.room.command(self.now, who, command).ok(),
            Step::HostDoes(_) | Step::InvitedAccepts => unreachable!("settled before"),
        }
    }

    fn look_at_outcome(&self, before: &Room, outcome: &Outcome) {
        let known: BTreeSet<&PersonId> = before.people().chain(self.room.people()).map(|m| m.person).collect();
        for (who, notice) in &outcome.notices {
            assert!(known.contains(who), "{notice:?} to somebody who is not here");
        }
        for (who, _) in &outcome.closed {
            assert!(self.room.role_of(who).is_none(), "closed, yet in the room");
        }
        assert_eq!(outcome.over, self.room.is_over() && !before.is_over(), "the end is said once");
        for gone in before.people().filter(|member| self.room.role_of(member.person).is_none()) {
            assert!(outcome.closed.iter().any(|(who, _)| who == gone.person), "gone without a word");
        }
    }

    /// What everybody was told of the chat gives the chat that the room keeps.
    fn look_at_chat(&mut self, step: &Step, outcome: &Outcome) {
        for event in &outcome.chat {
            if let ChatEvent::Said { message } = event {
                assert!(message.id > self.newest, "an id twice");
                self.newest = message.id;
                assert!(matches!(step, Step::Do(who, Command::Say { .. }) if *who == message.person), "by another");
            }
            self.chat.apply(event);
        }
        assert!(self.messages.len() <= CHAT_KEPT, "more messages than are kept");
        let newest = self.room.chat_so_far().unwrap_or_default();
        let told: Vec<ChatMessage> = self.chat.messages().cloned().collect();
        assert_eq!(newest, told[told.len().saturating_sub(CHAT_SHOWN)..], "what was told is not the chat");
    }

    fn look_at_step(&mut self, before: &Room, step: &Step) {
        let actor = match step {
            Step::Join(who) | Step::Do(who, _) => Some(who),
            _ => None,
        };
        for member in self.room.people() {
            if Some(member.person) != actor {
                self.nothing_was_opened_by_others(before, member.person);
            }
        }
        self.who_comes_onto_the_stage_or_back_to_it_is_muted(before, step);
        self.queue_keeps_the_order_of_raising(step);
        self.views_follow_from_their_changes(before);
    }

    /// Into a locked room comes only who was there before, or whom a moderator called or let in, once for each time.
    fn look_at_door(&mut self, before: &Room, step: &Step, is_refused: bool) {
        let is_locked = before.card().locked;
        match step {
            Step::Do(actor, Command::Ping { person } | Command::LetIn { person })
                if !is_refused && self.room.role_of(actor).is_some_and(|role| role.may_moderate()) =>
            {
                self.admitted.insert(*person);
            }
            Step::Join(who) if !is_refused && before.role_of(who).is_none() => {
                let may_enter = self.admitted.remove(who) || self.been_inside.contains(who);
                assert!(!is_locked || may_enter, "through the lock");
                self.been_inside.insert(*who);
            }
            _ => {}
        }
    }

    fn nothing_was_opened_by_others(&self, before: &Room, who: &PersonId) {
        let was_muted = before.view_for(self.now, who).is_none_or(|view| view.you.muted);
        let is_muted = self.view(who).you.muted;
        assert!(is_muted || !was_muted, "unmuted by somebody else");
        assert!(before.may_publish(who) || !self.room.may_publish(who), "put on stage by somebody else");
    }

    fn who_comes_onto_the_stage_or_back_to_it_is_muted(&self, before: &Room, step: &Step) {
        let away = before.people().filter(|member| member.away).map(|member| member.person);
        let mut arrived: BTreeSet<&PersonId> = away.filter(|who| !self.is_away(who)).collect();
        arrived.extend(self.room.people().map(|member| member.person).filter(|who| !before.may_publish(who)));
        if let Step::Join(who) = step {
            arrived.insert(who);
        }
        let seen = arrived.into_iter().filter_map(|who| self.room.view_for(self.now, who));
        assert!(seen.into_iter().all(|view| view.you.muted), "heard before they know it");
    }

    fn is_away(&self, who: &PersonId) -> bool {
        self.room.people().any(|member| member.person == who && member.away)
    }

    fn queue_keeps_the_order_of_raising(&mut self, step: &Step) {
        let queue = self.queue_by_everybodys_own_place();
        self.queue.retain(|who| queue.contains(who));
        if let Step::Do(who, Command::RaiseHand) = step
            && queue.contains(who)
            && !self.queue.contains(who)
        {
            self.queue.push(*who);
        }
        assert_eq!(queue, self.queue, "not the order of raising");
        if let Some(host) = self.host() {
            assert!(self.view(&host).hands.iter().map(|hand| &hand.id).eq(&queue), "not what the host sees");
        }
    }

    fn queue_by_everybodys_own_place(&self) -> Vec<PersonId> {
        let people = self.room.people().map(|member| member.person);
        let mut places: Vec<(u32, PersonId)> =
            people.filter_map(|who| Some((self.view(who).you.place?, *who))).collect();
        places.sort();
        assert!(places.iter().map(|(place, _)| *place).eq(1..=places.len() as u32), "a place twice or a gap");
        places.into_iter().map(|(_, who)| who).collect()
    }

    fn views_follow_from_their_changes(&self, before: &Room) {
        for member in self.room.people() {
            let Some(mut view) = before.view_for(self.now, member.person) else { continue };
            let next = self.view(member.person);
            for change in changes(&view, &next) {
                view.apply(&change);
            }
            assert_eq!(view, next, "a client that follows the changes sees something else");
        }
    }

    fn look_at_room(&self) {
        let members: Vec<_> = self.room.people().collect();
        let on_stage: BTreeSet<PersonId> =
            members.iter().filter(|member| member.role.is_on_stage()).map(|member| *member.person).collect();
        let hosts = members.iter().filter(|member| member.role == Role::Host).count();
        assert_eq!(hosts, usize::from(!on_stage.is_empty()), "exactly one host while anybody is on stage");
        let inviters = members.iter().filter(|member| may(member.role, member.role, Act::Invite)).count();
        assert!(on_stage.is_empty() || inviters > 0, "nobody can ever come on stage");
        assert_eq!(self.media.speakers, on_stage, "a voice without the stage, or a stage without a voice");
        assert!(on_stage.len() <= self.stage_limit, "more on stage than fit");
        assert!(members.is_sorted_by_key(|member| member.role), "host, moderators, speakers, listeners");
        let distinct: BTreeSet<&PersonId> = members.iter().map(|member| member.person).collect();
        assert_eq!(distinct.len(), members.len(), "somebody has two seats");
        for number in 0..PEOPLE {
            self.look_at_view_of(&person(number));
        }
    }

    fn look_at_view_of(&self, who: &PersonId) {
        let Some(view) = self.room.view_for(self.now, who) else {
            assert_eq!(self.room.role_of(who), None);
            return;
        };
        assert_eq!(Some(view.you.role), self.room.role_of(who));
        assert_eq!(self.room.may_publish(who), view.you.role.is_on_stage());
        assert!(view.room.stage_limit as usize >= view.stage.len());
        assert!(view.stage.is_sorted_by_key(|face| face.rank) && view.audience.is_sorted_by_key(|face| face.rank));
        assert!(view.audience.iter().all(|face| face.muted), "listeners are muted");
        if view.you.role == Role::Listener {
            assert!(view.hands.is_empty(), "the queue leaks to a listener");
        } else {
            assert_eq!((view.you.place, &view.you.invitation), (None, &None), "on stage nobody waits");
        }
        if !view.you.role.may_moderate() {
            assert!(view.invitations.is_empty(), "invitations leak");
            assert!(view.door.is_empty(), "who is at the door leaks");
        }
        assert!(view.door.len() <= KNOCKS, "the door is crowded");
        assert!(view.door.is_empty() || self.room.card().locked, "somebody waits at an open door");
        assert!(view.door.is_sorted_by_key(|knock| knock.rank));
        let is_inside = |who: &PersonId| self.room.role_of(who).is_some();
        assert!(!view.door.iter().any(|knock| is_inside(&knock.id)), "at the door and inside");
    }

    fn host(&self) -> Option<PersonId> {
        self.room.people().find(|member| member.role == Role::Host).map(|member| *member.person)
    }

    fn view(&self, who: &PersonId) -> RoomView {
        self.room.view_for(self.now, who).unwrap()
    }
}

/// What a house tells somebody whose view becomes another one.
fn changes(before: &RoomView, after: &RoomView) -> Vec<Arc<TopicChange>> {
    let shared = |view: &RoomView| {
        let RoomView { room, counts, rights, stage, audience, hands, invitations, door, .. } = view.clone();
        RoleView { room, counts, rights, stage, audience, hands, invitations, door }
    };
    let you = (before.you != after.you).then(|| TopicChange::You { record: Box::new(after.you.clone()) });
    you.map(Arc::new).into_iter().chain(shared(before).changes_to(&shared(after))).collect()
}

fn person(number: u8) -> PersonId {
    PersonId::from_key(&[number; 32])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_promises_of_a_room_hold_whatever_happens((stage_limit, steps) in a_story()) {
        let mut watched = Watched::start(stage_limit);
        for step in &steps {
            watched.take(step);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn time_may_pass_in_one_step_or_in_many(
        (stage_limit, steps) in a_story(),
        waits in prop::collection::vec(a_while(), 1..12),
    ) {
        let mut watched = Watched::start(stage_limit);
        for step in &steps {
            watched.take(step);
        }
        let mut at_once = watched.room.clone();
        let end = watched.now.after(waits.iter().sum());
        let outcome_at_once = at_once.pass_time(end);
        let mut outcome_in_steps = Outcome::default();
        for wait in waits {
            watched.now = watched.now.after(wait);
            let outcome = watched.room.pass_time(watched.now);
            outcome_in_steps.notices.extend(outcome.notices);
            outcome_in_steps.closed.extend(outcome.closed);
            outcome_in_steps.media.extend(outcome.media);
            outcome_in_steps.over |= outcome.over;
        }
        prop_assert_eq!(watched.room, at_once);
        prop_assert_eq!(outcome_in_steps, outcome_at_once);
    }

    #[test]
    fn a_room_left_alone_comes_to_an_end((stage_limit, steps) in a_story()) {
        let mut watched = Watched::start(stage_limit);
        for step in &steps {
            watched.take(step);
        }
        for number in 0..PEOPLE {
            let _ = watched.room.house_lost(watched.now, &person(number), watched.now);
            let _ = watched.room.sound_lost(watched.now, &person(number), watched.now);
        }
        let _ = watched.room.pass_time(watched.now.after(3_600_000));
        prop_assert!(watched.room.is_over());
        prop_assert_eq!(watched.room.next_deadline(), None);
    }
}
