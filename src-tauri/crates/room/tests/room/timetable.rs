//! Writes a story of a room as a timetable: at what time who does what.

use std::collections::BTreeSet;

use serambi_protocol::{
    Code, Command, Notice, PersonId, RoomId, RoomSwitch, RoomView,
    chat::{ChatEvent, ChatLog, ChatMessage, MessageId},
    command::HandScope,
    door::AtDoor,
    event::ClosedReason,
    limits::{AWAY_MS, KNOCK_EVERY_MS},
    view::{PersonConnection, Role, RoomTime},
};
use serambi_room::{MediaChange, Outcome, Room, Settings};

/// The id of somebody with a one-letter name.
pub fn person(name: &str) -> PersonId {
    PersonId::from_key(&[name.as_bytes()[0]; 32])
}

/// People by their letters: `"B C"`.
pub fn people(names: &str) -> Vec<PersonId> {
    names.split_whitespace().map(person).collect()
}

pub fn room_id() -> RoomId {
    RoomId::from_random([7; 10])
}

/// Whom the media server lets speak, as it learns it from the changes alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaServer {
    pub speakers: BTreeSet<PersonId>,
    pub muted: Vec<PersonId>,
}

impl MediaServer {
    pub fn carry_out(&mut self, outcome: &Outcome) {
        for change in &outcome.media {
            match change {
                MediaChange::MayPublish { person, may: true } => {
                    assert!(self.speakers.insert(*person), "told twice that somebody may speak");
                }
                MediaChange::MayPublish { person, may: false } => {
                    assert!(self.speakers.remove(person), "took a right that was not there");
                }
                MediaChange::Mute { person } => {
                    assert!(self.speakers.contains(person), "muted somebody who cannot speak");
                    self.muted.push(*person);
                }
                MediaChange::Remove { person } => {
                    self.speakers.remove(person);
                }
            }
        }
        if outcome.over {
            self.speakers.clear();
        }
    }
}

/// A room, the time in it, and what everybody was told so far.
pub struct Timetable {
    pub room: Room,
    pub now: RoomTime,
    pub media: MediaServer,
    told: Vec<(PersonId, Notice)>,
    chat: Vec<ChatEvent>,
    closed: Vec<(PersonId, ClosedReason)>,
}

impl Timetable {
    /// A starts a room.
    pub fn a_starts() -> Self {
        Self::a_starts_with(Settings::default())
    }

    pub fn a_starts_with(settings: Settings) -> Self {
        let (room, outcome) = Room::start(room_id(), "Porch".into(), person("A"), "A".into(), settings);
        let mut timetable = Self {
            room,
            now: RoomTime(0),
            media: MediaServer::default(),
            told: Vec::new(),
            chat: Vec::new(),
            closed: Vec::new(),
        };
        timetable.note(outcome);
        timetable
    }

    /// It is this many milliseconds after the start; what was due in between has happened.
    pub fn at(&mut self, ms: u64) -> &mut Self {
        assert!(ms >= self.now.0, "time goes forward");
        self.now = RoomTime(ms);
        let outcome = self.room.pass_time(self.now);
        self.note(outcome);
        self
    }

    /// It is that time, but nobody has told the room yet.
    pub fn at_unnoticed(&mut self, ms: u64) -> &mut Self {
        self.now = RoomTime(ms);
        self
    }

    pub fn joins(&mut self, names: &str) -> &mut Self {
        for name in names.split_whitespace() {
            let outcome = self.room.join(self.now, &person(name), name).unwrap();
            self.note(outcome);
        }
        self
    }

    /// Asks to come in, or says that they still wait.
    pub fn knocks(&mut self, name: &str) -> AtDoor {
        self.stands_at_door(name, true).unwrap()
    }

    pub fn stops_knocking(&mut self, name: &str) -> AtDoor {
        self.stands_at_door(name, false).unwrap()
    }

    pub fn cannot_knock(&mut self, name: &str) -> Code {
        self.stands_at_door(name, true).unwrap_err()
    }

    fn stands_at_door(&mut self, name: &str, waits: bool) -> Result<AtDoor, Code> {
        let knocking = self.room.knock(self.now, &person(name), name, waits).map_err(|refusal| refusal.code)?;
        self.note(knocking.outcome);
        Ok(knocking.door)
    }

    /// These people say until then, every two seconds, that they wait.
    pub fn keep_knocking(&mut self, names: &str, until_ms: u64) -> &mut Self {
        while self.now.0 < until_ms {
            self.at((self.now.0 + KNOCK_EVERY_MS).min(until_ms));
            names.split_whitespace().for_each(|name| _ = self.knocks(name));
        }
        self
    }

    /// The letters of those at the door, as this person sees them.
    pub fn door(&self, name: &str) -> String {
        self.view(name).door.iter().map(|knock| knock.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Each of them is called in by A and comes.
    pub fn joins_called(&mut self, names: &str) -> &mut Self {
        names.split_whitespace().for_each(|name| _ = self.does("A", ping(name)).joins(name));
        self
    }

    pub fn cannot_join(&mut self, name: &str) -> Code {
        self.room.join(self.now, &person(name), name).unwrap_err().code
    }

    pub fn does(&mut self, name: &str, command: Command) -> &mut Self {
        match self.room.command(self.now, &person(name), &command) {
            Ok(outcome) => self.note(outcome),
            Err(refusal) => panic!("{name} was refused {command:?}: {refusal}"),
        }
        self
    }

    /// Why that is refused. A refusal must leave everything as it was.
    pub fn cannot(&mut self, name: &str, command: Command) -> Code {
        let before = self.room.clone();
        let code = match self.room.command(self.now, &person(name), &command) {
            Ok(outcome) => panic!("{name} was not refused {command:?}: {outcome:?}"),
            Err(refusal) => refusal.code,
        };
        assert_eq!(self.room, before, "refused, yet something changed");
        code
    }

    /// The connections of these people break.
    pub fn loses(&mut self, names: &str) -> &mut Self {
        for person in people(names) {
            let outcome = self.room.house_lost(self.now, &person, self.now);
            self.note(outcome);
        }
        self
    }

    /// Their connections break, and they are shown to be away.
    pub fn are_away(&mut self, names: &str) -> &mut Self {
        self.loses(names);
        self.at(self.now.0 + AWAY_MS)
    }

    pub fn loses_sound(&mut self, name: &str) -> &mut Self {
        let outcome = self.room.sound_lost(self.now, &person(name), self.now);
        self.note(outcome);
        self
    }

    pub fn has_sound_again(&mut self, name: &str) -> &mut Self {
        let outcome = self.room.sound_back(self.now, &person(name));
        self.note(outcome);
        self
    }

    /// How the others see this person's connection.
    pub fn connection(&self, name: &str) -> PersonConnection {
        let view = self.room.role_view(Role::Host);
        view.stage.iter().chain(&view.audience).find(|face| face.id == person(name)).unwrap().connection
    }

    pub fn is_back(&mut self, name: &str) -> &mut Self {
        let outcome = self.room.house_back(self.now, &person(name));
        self.note(outcome);
        self
    }

    /// Each of them is invited by A and accepts.
    pub fn brings_up(&mut self, names: &str) -> &mut Self {
        for name in names.split_whitespace() {
            self.does("A", invite(name)).does(name, Command::AcceptInvitation);
        }
        self
    }

    pub fn leaves(&mut self, names: &str) -> &mut Self {
        for name in names.split_whitespace() {
            self.does(name, Command::Leave);
        }
        self
    }

    pub fn raise_hands(&mut self, names: &str) -> &mut Self {
        for name in names.split_whitespace() {
            self.does(name, Command::RaiseHand);
        }
        self
    }

    pub fn role(&self, name: &str) -> Option<Role> {
        self.room.role_of(&person(name))
    }

    pub fn view(&self, name: &str) -> RoomView {
        self.room.view_for(self.now, &person(name)).unwrap()
    }

    pub fn is_muted(&self, name: &str) -> bool {
        self.view(name).you.muted
    }

    /// The letters of those on stage, in order.
    pub fn stage(&self) -> String {
        self.room.card().stage.iter().map(|face| face.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The hand queue as this person sees it.
    pub fn queue(&self, name: &str) -> String {
        self.view(name).hands.iter().map(|hand| hand.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// What this person was told since they were last asked.
    pub fn told(&mut self, name: &str) -> Vec<Notice> {
        let (theirs, others) = std::mem::take(&mut self.told).into_iter().partition(|(who, _)| *who == person(name));
        self.told = others;
        let theirs: Vec<(PersonId, Notice)> = theirs;
        theirs.into_iter().map(|(_, notice)| notice).collect()
    }

    /// Nobody is asked about what they were told until now.
    pub fn forget_notices(&mut self) -> &mut Self {
        self.told.clear();
        self
    }

    /// What everybody was told of the chat, from the beginning.
    pub fn chat_told(&self) -> &[ChatEvent] {
        &self.chat
    }

    /// The chat as somebody reads it who was there from the beginning: `"B: hello"`, or `"B: -"` where it was removed.
    pub fn chat(&self) -> Vec<String> {
        let mut log = ChatLog::default();
        self.chat.iter().for_each(|event| log.apply(event));
        let line = |message: &ChatMessage| format!("{}: {}", message.name, message.text.as_deref().unwrap_or("-"));
        log.messages().map(line).collect()
    }

    pub fn anybody_told(&self) -> &[(PersonId, Notice)] {
        &self.told
    }

    /// Why this person is no longer in the room (the last time).
    pub fn closed(&self, name: &str) -> Option<ClosedReason> {
        self.closed.iter().rev().find(|(who, _)| *who == person(name)).map(|(_, reason)| *reason)
    }

    fn note(&mut self, outcome: Outcome) {
        self.media.carry_out(&outcome);
        self.told.extend(outcome.notices);
        self.chat.extend(outcome.chat);
        self.closed.extend(outcome.closed);
        let on_stage: BTreeSet<PersonId> = self.room.card().stage.into_iter().map(|face| face.id).collect();
        assert_eq!(self.media.speakers, on_stage, "the media server lets speak exactly who is on stage");
    }
}

pub fn invite(name: &str) -> Command {
    Command::Invite { person: person(name) }
}

pub fn cancel(name: &str) -> Command {
    Command::CancelInvitation { person: person(name) }
}

pub fn dismiss(name: &str) -> Command {
    Command::DismissHand { person: person(name) }
}

pub fn mute(name: &str) -> Command {
    Command::Mute { person: person(name) }
}

pub fn to_audience(name: &str) -> Command {
    Command::MoveToAudience { person: Some(person(name)) }
}

pub fn make_moderator(name: &str) -> Command {
    Command::MakeModerator { person: person(name) }
}

pub fn take_moderator(name: &str) -> Command {
    Command::TakeModerator { person: person(name) }
}

pub fn hand_over(name: &str) -> Command {
    Command::HandOver { person: person(name) }
}

pub fn remove(name: &str) -> Command {
    Command::Remove { person: person(name), block: false }
}

pub fn remove_and_block(name: &str) -> Command {
    Command::Remove { person: person(name), block: true }
}

pub fn ping(name: &str) -> Command {
    Command::Ping { person: person(name) }
}

pub fn let_in(name: &str) -> Command {
    Command::LetIn { person: person(name) }
}

pub fn turn_away(name: &str) -> Command {
    Command::TurnAway { person: person(name) }
}

pub fn scope(scope: HandScope) -> Command {
    Command::SetHandScope { scope }
}

pub fn save_upload(saves: bool) -> Command {
    Command::SetSwitch { switch: RoomSwitch::SavesUpload, on: saves }
}

pub fn say(text: &str) -> Command {
    Command::Say { text: text.into() }
}

pub fn delete(id: u64) -> Command {
    Command::DeleteMessage { id: MessageId(id) }
}

pub fn chat_off(off: bool) -> Command {
    Command::SetSwitch { switch: RoomSwitch::ChatOff, on: off }
}

pub const STEP_DOWN: Command = Command::MoveToAudience { person: None };
pub const MUTE: Command = Command::SetMuted { muted: true };
pub const UNMUTE: Command = Command::SetMuted { muted: false };

pub fn lock(locked: bool) -> Command {
    Command::SetSwitch { switch: RoomSwitch::Locked, on: locked }
}
