//! `serambi-peer`: a person in a room without a window, for tests, bots and bridges.

mod arguments;
mod exit;
mod report;
mod script;

use std::{
    cell::Cell,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use serambi_call::{
    Call, CallError, CallEvent, CallView, Connection, Doors, HouseClient, Profile, RoomCommand, SoundNotice, profile,
};
use serambi_house::{House, HouseConfig};
use serambi_protocol::{
    Code, Command, Notice, PersonId, Refusal, RoomId, RoomSwitch, RoomView,
    door::{AtDoor, Called},
    limits::NAME_CHARACTERS,
    link::HouseAddress,
};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{interval, sleep_until},
};

use crate::{
    arguments::{Arguments, Person, What},
    exit::Exit,
    report::Report,
    script::Action,
};

const STATISTICS_EVERY: Duration = Duration::from_secs(1);
/// Who has no name in the profile either.
const NAMELESS: &str = "Peer";
/// The script's word for both ways of being asked on stage.
const INVITED: &str = "invited";

fn main() -> ExitCode {
    let started_at = Instant::now();
    let arguments = Arguments::parse();
    // Held to the end: dropping it completes the file.
    let _log_file = match serambi_logging::start("serambi-peer", arguments.person().log_folder.as_deref()) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("serambi-peer: {error}");
            None
        }
    };
    let report = Report::new(started_at);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&report, &Refusal::new(Code::Internal, error.to_string())).into(),
    };
    let exit = runtime.block_on(async {
        let doors = Doors::trusting(arguments.person().house_root.clone().unwrap_or_default());
        let exit = run(arguments, &report, started_at, &doors).await;
        doors.close().await;
        exit
    });
    exit.unwrap_or_else(|refusal| fail(&report, &refusal)).into()
}

fn fail(report: &Report, refusal: &Refusal) -> Exit {
    report.say_refusal("failed", refusal);
    Exit::of_refusal(refusal.code)
}

async fn run(arguments: Arguments, report: &Report, started_at: Instant, doors: &Doors) -> Result<Exit, Refusal> {
    let person = arguments.person();
    let mut profile = open_profile(person)?;
    if let Some(aside) = profile.settings_set_aside() {
        report.say_refusal("problem", &Refusal::new(Code::ProfileBroken, format!("set aside: {}", aside.display())));
    }
    let name = name_of(person, &mut profile)?;
    let sound = person.sound();

    let (call, events, own_house) = match &arguments.what {
        What::Join { link, knock, .. } => {
            let room = link.room.ok_or_else(|| Refusal::new(Code::LinkWrong, "the link names no room"))?;
            let house = HouseClient::sign_in(&link.house, profile.identity(), &name, doors).await?;
            house.set_callable(true);
            let (call, events) = match Call::join(house.clone(), room, false, sound.clone()).await {
                Err(error) if *knock && error.code() == Code::RoomLocked => {
                    report.say("at_door", json!({}));
                    wait_at_door(&house, &room).await?;
                    Call::join(house, room, false, sound).await?
                }
                joined => joined?,
            };
            (call, events, None)
        }
        What::Host { title, house, listen, gates, announce, .. } => {
            let (address, own_house) = match house {
                Some(link) => (link.house.clone(), None),
                None => {
                    let config = HouseConfig {
                        listen: *listen,
                        gates: gates.clone(),
                        discoverable: *announce,
                        ..HouseConfig::new(profile.folder(), house_name(&name))
                    };
                    let house = open_house(config).await?;
                    (own_address(&house), Some(house))
                }
            };
            let house = HouseClient::sign_in(&address, profile.identity(), &name, doors).await?;
            house.set_callable(true);
            let (call, events) = Call::start(house, title, false, sound).await?;
            report.say("link", json!({ "link": call.view().link }));
            (call, events, own_house)
        }
    };
    let exit = Visit { report, call, started_at, person, asked_to_end: Cell::new(false) }.run(events).await;
    if let Some(house) = own_house {
        house.close().await;
    }
    Ok(exit)
}

async fn wait_at_door(house: &HouseClient, room: &RoomId) -> Result<(), Refusal> {
    match house.wait_at_door(room).await? {
        AtDoor::LetIn => Ok(()),
        door => Err(Refusal::new(Code::RoomLocked, format!("at the door: {}", report::word(door)))),
    }
}

fn open_profile(person: &Person) -> Result<Profile, Refusal> {
    let folder = match &person.folder {
        Some(folder) => folder.clone(),
        None => profile::folder_of(&person.profile)?,
    };
    Profile::open(&folder)
}

fn name_of(person: &Person, profile: &mut Profile) -> Result<String, Refusal> {
    if let Some(name) = &person.name {
        let name = serambi_protocol::name::read_name(name)?;
        profile.change_settings(|settings| settings.name.clone_from(&name))?;
    }
    let name = profile.settings().name.clone();
    Ok(if name.is_empty() { NAMELESS.to_owned() } else { name })
}

/// "{name}'s house", or the name alone where that would be longer than a house's name may be.
fn house_name(name: &str) -> String {
    let whole = format!("{name}'s house");
    if whole.chars().count() <= NAME_CHARACTERS { whole } else { name.to_owned() }
}

async fn open_house(config: HouseConfig) -> Result<House, Refusal> {
    House::start(config).await.map_err(|error| Refusal::new(error.code(), error.to_string()))
}

/// The house's addresses with the shortest way first: the link to share leaves that one out.
fn own_address(house: &House) -> HouseAddress {
    let mut address = house.address();
    let loopback = format!("127.0.0.1:{}", house.port());
    address.addresses.retain(|one| *one != loopback);
    address.addresses.insert(0, loopback);
    address
}

struct Visit<'a> {
    report: &'a Report,
    call: Call,
    started_at: Instant,
    person: &'a Person,
    /// The room's end is what the script wants.
    asked_to_end: Cell<bool>,
}

impl Visit<'_> {
    async fn run(self, mut events: mpsc::Receiver<CallEvent>) -> Exit {
        let (mut view, mut room) = (self.call.view(), self.call.room());
        self.say_joined(&view, &room);
        let mut timed = self.person.r#do.by_time().into_iter().peekable();
        let mut ends_at = self.person.r#for.map(|length| self.started_at + length);
        let mut statistics = interval(STATISTICS_EVERY);
        let mut heard = false;
        loop {
            let next_step = timed.peek().map(|(at, _)| self.started_at + *at);
            tokio::select! {
                event = events.recv() => match event {
                    Some(CallEvent::Closed(reason)) => {
                        self.report.say("closed", json!({ "reason": report::word(reason) }));
                        return Exit::of_close(reason, self.asked_to_end.get());
                    }
                    Some(CallEvent::Opened { room: next }) => {
                        self.say_all(report::room_changes(&room, &next.view));
                        self.say_all(next.streams.iter().flat_map(|change| report::stream_lines(change)).collect());
                        room = next.view;
                    }
                    Some(CallEvent::Room { now, changes }) => {
                        let before = room.clone();
                        room.now = now;
                        changes.iter().for_each(|change| room.apply(change));
                        self.say_all(report::room_changes(&before, &room));
                        self.say_all(changes.iter().flat_map(|change| report::stream_lines(change)).collect());
                    }
                    Some(CallEvent::Changed(next)) => {
                        self.say_all(report::call_changes(&view, &next));
                        view = *next;
                        if view.connection == Connection::Lost {
                            return Exit::ConnectionLost;
                        }
                    }
                    // Printed once a second with the statistics.
                    Some(CallEvent::Measured(_)) => {}
                    Some(CallEvent::Notice(notice)) => self.say_notice(&notice),
                    Some(CallEvent::Called(called)) => self.say_called(&called),
                    Some(CallEvent::Sound(notice)) => self.say_sound(&notice),
                    Some(CallEvent::Problem(error)) => self.report.say_refusal("problem", &error.into()),
                    None => return Exit::Other,
                },
                () = at(next_step) => {
                    if let Some((_, action)) = timed.next() {
                        self.spawn(action);
                    }
                }
                () = at(ends_at) => {
                    ends_at = None;
                    self.spawn(Action::Leave);
                }
                _ = statistics.tick() => {
                    let counted = self.call.statistics();
                    if let (false, Some(ms)) = (heard, counted.first_sound_ms) {
                        heard = true;
                        self.say("first_sound", json!({ "ms": ms }));
                    }
                    self.report.say_statistics(&counted, &self.call.levels());
                }
                Ok(()) = tokio::signal::ctrl_c() => self.spawn(Action::Leave),
            }
        }
    }

    fn say_joined(&self, view: &CallView, room: &RoomView) {
        let fields = json!({
            "room": room.room.id,
            "title": room.room.title,
            "role": report::word(room.you.role),
            "link": view.link,
        });
        self.say("joined", fields);
    }

    fn say_all(&self, lines: Vec<(&'static str, serde_json::Value)>) {
        lines.into_iter().for_each(|(event, fields)| self.say(event, fields));
    }

    fn say_sound(&self, notice: &SoundNotice) {
        let (name, fields) = report::notice_line(notice);
        self.say(&name, fields);
    }

    fn say_notice(&self, notice: &Notice) {
        let (name, fields) = report::notice_line(notice);
        self.say(&name, fields);
        if let Notice::YourTurn = notice {
            self.follow(INVITED);
        }
    }

    fn say_called(&self, called: &Called) {
        let Called { by, card } = called;
        self.say("called", json!({ "by": by, "room": card.id, "title": card.title }));
    }

    /// Prints an event and does what the script says about it.
    fn say(&self, event: &str, fields: serde_json::Value) {
        self.report.say(event, fields);
        self.follow(event);
    }

    fn follow(&self, event: &str) {
        for action in self.person.r#do.on(event) {
            self.spawn(action.clone());
        }
    }

    /// Actions wait for the house, and events must go on meanwhile.
    fn spawn(&self, action: Action) {
        if action == Action::End {
            self.asked_to_end.set(true);
        }
        let (call, report) = (self.call.clone(), Report::new(self.started_at));
        tokio::spawn(async move {
            let word = action.word();
            match act(&call, action).await {
                Ok(()) => report.say("done", json!({ "action": word })),
                Err(error) => {
                    let refusal = Refusal::from(error);
                    report.say("refused", json!({ "action": word, "code": refusal.code, "detail": refusal.detail }));
                }
            }
        });
    }
}

async fn act(call: &Call, action: Action) -> Result<(), CallError> {
    let command = match action {
        Action::Unmute => return call.set_muted(false).await,
        Action::Mute(None) => return call.set_muted(true).await,
        Action::Accept => return call.accept_invitation().await,
        Action::Leave => {
            call.leave().await;
            return Ok(());
        }
        Action::End => return call.end_room().await,
        Action::Hand => Command::RaiseHand,
        Action::Lower => Command::LowerHand,
        Action::Decline => Command::DeclineInvitation,
        Action::Audience(None) => Command::MoveToAudience { person: None },
        Action::InviteFirst => {
            let hands = call.room().hands;
            let first = hands.first().ok_or_else(|| Refusal::from(Code::HandNotUp))?;
            Command::Invite { person: first.id }
        }
        Action::Mute(Some(name)) => Command::Mute { person: find(call, &name)? },
        Action::Audience(Some(name)) => Command::MoveToAudience { person: Some(find(call, &name)?) },
        Action::Invite(name) => Command::Invite { person: find(call, &name)? },
        Action::Cancel(name) => Command::CancelInvitation { person: find(call, &name)? },
        Action::Moderator(name) => Command::MakeModerator { person: find(call, &name)? },
        Action::Remove(name) => Command::Remove { person: find(call, &name)?, block: false },
        Action::Ping(name) => Command::Ping { person: find_callable(call, &name).await? },
        Action::LetIn(name) => Command::LetIn { person: find_at_door(call, &name)? },
        Action::NotNow(name) => Command::TurnAway { person: find_at_door(call, &name)? },
        Action::Say(text) => Command::Say { text },
        Action::React(reaction) => Command::React { reaction },
        Action::Lock => Command::SetSwitch { switch: RoomSwitch::Locked, on: true },
        Action::Unlock => Command::SetSwitch { switch: RoomSwitch::Locked, on: false },
        Action::SaveUpload => Command::SetSwitch { switch: RoomSwitch::SavesUpload, on: true },
        Action::Dismiss(name) => Command::DismissHand { person: find(call, &name)? },
    };
    call.command(RoomCommand::try_from(command)?).await
}

/// By display name, or by the beginning of the id.
fn find(call: &Call, name: &str) -> Result<PersonId, Refusal> {
    let room = call.room();
    let people = room.stage.iter().chain(&room.audience).map(|person| (person.id, person.name.as_str()));
    find_among(people, name).ok_or_else(|| Refusal::new(Code::PersonNotHere, name.to_owned()))
}

fn find_at_door(call: &Call, name: &str) -> Result<PersonId, Refusal> {
    let room = call.room();
    let people = room.door.iter().map(|knock| (knock.id, knock.name.as_str()));
    find_among(people, name).ok_or_else(|| Refusal::new(Code::NotAtDoor, name.to_owned()))
}

async fn find_callable(call: &Call, name: &str) -> Result<PersonId, Refusal> {
    let around = call.house().callable_people(&call.room_id()).await?;
    let people = around.iter().map(|person| (person.id, person.name.as_str()));
    find_among(people, name).ok_or_else(|| Refusal::new(Code::NotCallable, name.to_owned()))
}

fn find_among<'a>(people: impl Iterator<Item = (PersonId, &'a str)> + Clone, name: &str) -> Option<PersonId> {
    let by_name = people.clone().find(|(_, known)| *known == name);
    let by_id = || people.clone().find(|(id, _)| id.to_string().starts_with(name));
    by_name.or_else(by_id).map(|(id, _)| id)
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serambi_protocol::{Link, link::Pin, name::read_name};

    // A name of 57 to 64 characters could join and not host: the house's name was eight longer.
    #[test]
    fn whoever_has_a_long_name_can_host() {
        assert_eq!(house_name("Ratna"), "Ratna's house");
        for length in [56, 57, NAME_CHARACTERS] {
            assert!(read_name(&house_name(&"a".repeat(length))).is_ok(), "{length}");
        }
    }

    #[test]
    fn a_link_to_a_house_is_enough_to_host_in_it() {
        let link = Link { house: HouseAddress::by_pin(vec!["a:1".into()], Pin::from_digest(&[1; 32])), room: None };
        let arguments = Arguments::try_parse_from(["serambi-peer", "host", "--house", &link.to_string()]).unwrap();
        assert!(matches!(arguments.what, What::Host { house: Some(given), .. } if given == link));
    }
}
