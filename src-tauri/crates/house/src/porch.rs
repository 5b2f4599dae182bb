//! The porch: the one task that owns all rooms of a house. Everything that happens to a room happens here, one thing
//! after the other, so no two people can take the last place on stage.

mod ended;
mod handle;
mod measurements;
mod open_room;

pub use handle::PorchHandle;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomEvent, RoomId,
    api::{JoinRoom, Joined, MediaGrant, StartRoom},
    name::read_title,
};
use serambi_room::{Room, Settings};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::{
    authenticator::Session,
    clock::Clock,
    media::{
        embedded::Embedded,
        keys::Keys,
        mirror::{Mirror, Report},
        room_service::RoomService,
    },
};
use ended::Ended;
use handle::Job;
use open_room::{Gone, OpenRoom, Reply};

/// A channel that closed for less than this was never gone.
const CHANNEL_AGAIN_MS: u64 = 2_000;
/// Somebody who came in and has opened no channel after this time has lost the connection.
const CHANNEL_FIRST_MS: u64 = 10_000;
/// Rooms open at once.
const ROOMS: usize = 1_000;

/// Where the sound of this house goes.
#[derive(Clone, Debug)]
pub struct Media {
    /// What clients are told; nothing: the house itself.
    pub url: Option<String>,
    /// Signs their tokens.
    pub keys: Keys,
    /// Carries decisions there.
    pub service: RoomService,
    /// The server itself, if it is part of this house: it knows when packets came and went.
    pub embedded: Option<Embedded>,
}

/// Who would be cut off if the house closed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// People in rooms.
    pub people: u32,
    /// Rooms they are in.
    pub rooms: u32,
}

struct Place {
    room: RoomId,
    session: u64,
}

struct Porch {
    clock: Clock,
    /// The same for everything that happens in one turn.
    now_ms: u64,
    media: Media,
    reports: mpsc::UnboundedSender<Report>,
    rooms: BTreeMap<RoomId, OpenRoom>,
    ended: Ended,
    places: HashMap<PersonId, Place>,
    /// The open channel of each session.
    channels: HashMap<u64, u64>,
    channels_made: u64,
    /// Sessions in a room without a channel, and when that counts as lost.
    silent: HashMap<u64, (PersonId, u64)>,
    farewells: TaskTracker,
}

/// Starts the porch. It ends when the last handle is dropped.
pub fn open(clock: Clock, media: Media) -> PorchHandle {
    let (jobs, waiting) = mpsc::unbounded_channel::<Job>();
    let (reports, heard) = mpsc::unbounded_channel();
    let porch = Porch {
        now_ms: clock.now_ms(),
        clock,
        media,
        reports,
        rooms: BTreeMap::new(),
        ended: Ended::default(),
        places: HashMap::new(),
        channels: HashMap::new(),
        channels_made: 0,
        silent: HashMap::new(),
        farewells: TaskTracker::new(),
    };
    tokio::spawn(porch.sit(waiting, heard));
    PorchHandle::new(jobs)
}

impl Porch {
    async fn sit(mut self, mut jobs: mpsc::UnboundedReceiver<Job>, mut reports: mpsc::UnboundedReceiver<Report>) {
        loop {
            self.pass_time();
            let next = self.next_deadline_ms();
            let clock = self.clock.clone();
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => {
                        // What is due comes first.
                        self.pass_time();
                        job(&mut self);
                    }
                    None => return,
                },
                Some(report) = reports.recv() => self.heed(report),
                () = clock.reach(next.unwrap_or(u64::MAX)), if next.is_some() => {}
            }
        }
    }

    fn next_deadline_ms(&self) -> Option<u64> {
        let rooms = self.rooms.values().filter_map(OpenRoom::next_deadline_ms);
        let silent = self.silent.values().map(|(_, at)| *at);
        rooms.chain(silent).min()
    }

    fn pass_time(&mut self) {
        self.now_ms = self.clock.now_ms();
        let now = self.now_ms;
        let due: Vec<u64> = self.silent.iter().filter(|(_, (_, at))| *at <= now).map(|(session, _)| *session).collect();
        for session in due {
            self.connection_lost(session, now);
        }
        let gone: Vec<Gone> = self.rooms.values_mut().flat_map(|room| room.pass_time(now)).collect();
        self.forget(gone);
        self.pass_on_marks();
        self.clear_away();
    }

    fn start(&mut self, session: &Arc<Session>, wish: &StartRoom) -> Result<Joined, Refusal> {
        let title = read_title(&wish.title)?;
        self.check_elsewhere(session, None, wish.leave_other)?;
        if self.rooms.len() >= ROOMS {
            return Err(Refusal::new(Code::RateLimited, "too many rooms are open"));
        }
        let now = self.now_ms;
        let id = RoomId::from_random(rand::random());
        let (room, _) =
            Room::start(id.clone(), title, session.person.clone(), session.name.clone(), Settings::default());
        let mirror = Mirror::new(id.clone(), self.media.service.clone(), self.clock.clone(), self.reports.clone());
        let mut open = OpenRoom::new(room, id.clone(), mirror, now);
        open.welcome(session, now)?;
        self.rooms.insert(id.clone(), open);
        tracing::info!(room = %id, person = session.person.short(), "a room was started");
        self.seat(session, &id)
    }

    fn join(&mut self, session: &Arc<Session>, id: &RoomId, wish: &JoinRoom) -> Result<Joined, Refusal> {
        let now = self.now_ms;
        self.find(id)?;
        self.check_elsewhere(session, Some(id), wish.leave_other)?;
        let gone = match self.rooms.get_mut(id) {
            Some(room) => room.join(session, now)?,
            None => return Err(Code::RoomNotFound.into()),
        };
        self.forget(gone);
        self.seat(session, id)
    }

    /// Somebody is in a room now: out of any other, at this place, with what they need to follow.
    fn seat(&mut self, session: &Arc<Session>, id: &RoomId) -> Result<Joined, Refusal> {
        let now = self.now_ms;
        self.leave_elsewhere(session, id);
        let place = Place { room: id.clone(), session: session.id };
        if let Some(earlier) = self.places.insert(session.person.clone(), place) {
            self.silent.remove(&earlier.session);
        }
        if !self.channels.contains_key(&session.id) {
            self.silent.insert(session.id, (session.person.clone(), now + CHANNEL_FIRST_MS));
        }
        let media = self.grant(session, id)?;
        let view = self.find_mut(id)?.show(&session.person, now)?;
        Ok(Joined { view, seq: session.mailbox.last(), media })
    }

    /// A person is in one room at a time. Leaving a stage for another room must be said aloud.
    fn check_elsewhere(&self, session: &Session, here: Option<&RoomId>, leave_other: bool) -> Result<(), Refusal> {
        let Some(place) = self.places.get(&session.person).filter(|place| Some(&place.room) != here) else {
            return Ok(());
        };
        let now = self.now_ms;
        let standing = self.rooms.get(&place.room).map(|room| room.standing(&session.person, now));
        match standing {
            Some(Ok(standing)) if standing.may_publish && !leave_other => Err(Code::OnStageElsewhere.into()),
            _ => Ok(()),
        }
    }

    fn leave_elsewhere(&mut self, session: &Session, here: &RoomId) {
        let Some(place) = self.places.get(&session.person).filter(|place| place.room != *here) else { return };
        let other = place.room.clone();
        let now = self.now_ms;
        let (reply, _) = oneshot::channel();
        if let Some(room) = self.rooms.get_mut(&other) {
            let gone = room.command(&session.person, Command::Leave, reply, now);
            self.forget(gone);
        }
    }

    fn grant(&mut self, session: &Session, id: &RoomId) -> Result<MediaGrant, Refusal> {
        let standing = self.find(id)?.standing(&session.person, self.now_ms)?;
        let token = self.media.keys.grant(id, &session.person, &session.name, standing)?;
        Ok(MediaGrant { url: self.media.url.clone(), token })
    }

    fn command(&mut self, session: &Session, id: &RoomId, command: Command, reply: Reply) {
        let now = self.now_ms;
        match self.member(session, id) {
            Ok(room) => {
                let gone = room.command(&session.person, command, reply, now);
                self.forget(gone);
                self.clear_away();
            }
            // Whoever asked may have hung up.
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    fn attach(&mut self, session: &Session) -> u64 {
        self.channels_made += 1;
        let channel = self.channels_made;
        self.channels.insert(session.id, channel);
        session.channel.send_replace(channel);
        self.silent.remove(&session.id);
        let now = self.now_ms;
        if let Some(room) = self.room_of(session) {
            let gone = room.connection_back(&session.person, now);
            self.forget(gone);
        }
        channel
    }

    fn detach(&mut self, session: &Session, channel: u64) {
        if self.channels.get(&session.id) != Some(&channel) {
            return;
        }
        self.channels.remove(&session.id);
        if self.room_of(session).is_some() {
            let lost_at = self.now_ms + CHANNEL_AGAIN_MS;
            self.silent.insert(session.id, (session.person.clone(), lost_at));
        }
    }

    fn connection_lost(&mut self, session: u64, now_ms: u64) {
        let Some((person, _)) = self.silent.remove(&session) else { return };
        let Some(place) = self.places.get(&person).filter(|place| place.session == session) else { return };
        let id = place.room.clone();
        if let Some(room) = self.rooms.get_mut(&id) {
            tracing::debug!(room = %id, person = person.short(), "connection lost");
            let gone = room.connection_lost(&person, now_ms);
            self.forget(gone);
        }
    }

    fn reopen(&mut self, session: &Session) -> u64 {
        let now = self.now_ms;
        let before = session.mailbox.last();
        let Some(place) = self.places.get(&session.person).filter(|place| place.session == session.id) else {
            // In no room: only the last event, that the last room is closed, can still be news.
            return before.saturating_sub(1);
        };
        let id = place.room.clone();
        if let Some(Ok(view)) = self.rooms.get_mut(&id).map(|room| room.show(&session.person, now)) {
            session.mailbox.post(id, RoomEvent::Opened { view: Box::new(view) });
        }
        before
    }

    fn heed(&mut self, report: Report) {
        let now = self.now_ms;
        match report {
            Report::Granted { room, person, ticket } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.granted(&person, ticket);
                }
            }
            Report::Seen { room, people } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.compare(people, now);
                }
            }
            Report::Passed { room, marks } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.tell_marks(&marks);
                }
            }
        }
    }

    fn presence(&self, except: Option<&PersonId>) -> Presence {
        let counts = self.rooms.values().map(|room| room.people_except(except)).filter(|people| *people > 0);
        counts.fold(Presence::default(), |sum, people| Presence {
            people: sum.people.saturating_add(u32::try_from(people).unwrap_or(u32::MAX)),
            rooms: sum.rooms.saturating_add(1),
        })
    }

    fn close(&mut self) -> TaskTracker {
        self.places.clear();
        self.silent.clear();
        for (id, mut room) in std::mem::take(&mut self.rooms) {
            room.close_for_all();
            self.ended.remember(id);
            self.farewells.spawn(room.end_media());
        }
        self.farewells.close();
        self.farewells.clone()
    }

    fn find(&self, id: &RoomId) -> Result<&OpenRoom, Refusal> {
        self.rooms.get(id).ok_or_else(|| self.ended.explain(id))
    }

    fn find_mut(&mut self, id: &RoomId) -> Result<&mut OpenRoom, Refusal> {
        self.rooms.get_mut(id).ok_or_else(|| self.ended.explain(id))
    }

    /// The room, if this session is in it.
    fn member(&mut self, session: &Session, id: &RoomId) -> Result<&mut OpenRoom, Refusal> {
        self.find(id)?;
        let is_here =
            self.places.get(&session.person).is_some_and(|place| place.room == *id && place.session == session.id);
        if is_here { self.find_mut(id) } else { Err(Code::NotInRoom.into()) }
    }

    fn room_of(&mut self, session: &Session) -> Option<&mut OpenRoom> {
        let place = self.places.get(&session.person).filter(|place| place.session == session.id)?;
        self.rooms.get_mut(&place.room)
    }

    fn forget(&mut self, gone: Vec<Gone>) {
        for Gone { person, session } in gone {
            self.silent.remove(&session);
            // Somebody who went straight to another room has a new place already.
            if self.places.get(&person).is_some_and(|place| place.session == session) {
                self.places.remove(&person);
            }
        }
    }

    fn clear_away(&mut self) {
        let over: Vec<RoomId> =
            self.rooms.iter().filter(|(_, room)| room.rules().is_over()).map(|(id, _)| id.clone()).collect();
        for id in over {
            if let Some(room) = self.rooms.remove(&id) {
                tracing::info!(room = %id, "a room has ended");
                self.ended.remember(id);
                self.farewells.spawn(room.end_media());
            }
        }
    }
}
