//! The rooms of a house: finds them, starts them, and keeps each person in one of them at a time.
//!
//! Every room is an actor of its own ([`crate::room_actor`]); what they share stands here: who is where, which rooms
//! have ended, and how many may be open.

mod door;
mod ended;
mod places;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;
use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomId,
    api::{JoinRoom, Joined, MediaGrant, RoomCard, StartRoom},
    limits::ROOMS_PER_PERSON,
    measurement::{CaptureMark, ListenerReport},
    name::read_title,
};
use serambi_room::{Room, Settings};
use tokio::{
    sync::{Mutex as TurnLock, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    authenticator::Session,
    clock::Clock,
    error::HouseError,
    media::{embedded::Embedded, keys::Keys, room_service::RoomService},
    room_actor::{Ending, Message, RoomActor, RoomHandle, keep_new_room},
    storage::{HouseLife, Life, PersonRepository, RoomRepository, SavedAt, SavedRoom, Standing},
};
use ended::Ended;
pub use places::{Place, Places};

/// Rooms open at once.
const MAX_ROOMS: usize = 1_000;
/// A house that was closed for longer has ended its rooms.
const MAX_CLOSED_MS: i64 = 10 * 60_000;
/// How often the house notes that it is alive.
const HEARTBEAT_MS: u64 = 10_000;
/// How long a room may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(8);
/// How long a house that closes waits for its rooms and its media server.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// Locks that serialise what one person does about rooms; people share them by their key.
const TURNS: usize = 64;

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

/// Who may start rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoomStarters {
    /// Everybody who is let through the door.
    #[default]
    Anybody,
    /// Members and keepers.
    Members,
    /// Keepers alone.
    Keepers,
}

impl RoomStarters {
    fn include(self, standing: Standing) -> bool {
        match self {
            Self::Anybody => true,
            Self::Members => standing >= Standing::Member,
            Self::Keepers => standing == Standing::Keeper,
        }
    }
}

/// What every room of a house shares.
pub struct Shared {
    /// The house's time.
    pub clock: Clock,
    /// Where the sound goes.
    pub media: Media,
    /// Who is where.
    pub places: Places,
    /// Where rooms are kept.
    pub rooms: RoomRepository,
    /// The house closes, or was dropped.
    pub stop: CancellationToken,
    /// This run of the house.
    pub life: Life,
    /// Work that outlives a room: its end in the media server and on the disk.
    pub farewells: TaskTracker,
}

struct OpenRoom {
    handle: RoomHandle,
    started_by: PersonId,
}

struct Inside {
    shared: Arc<Shared>,
    people: PersonRepository,
    starters: RoomStarters,
    open: Mutex<BTreeMap<RoomId, OpenRoom>>,
    ended: Mutex<Ended>,
    turns: [TurnLock<()>; TURNS],
    actors: TaskTracker,
}

/// A handle to the rooms of a house. Clones are the same registry.
#[derive(Clone)]
pub struct RoomRegistry {
    inside: Arc<Inside>,
}

impl RoomRegistry {
    /// The registry of a house, with the rooms that were open when it was closed.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn open(
        clock: Clock,
        media: Media,
        rooms: RoomRepository,
        people: PersonRepository,
        starters: RoomStarters,
        stop: CancellationToken,
    ) -> Result<Self, HouseError> {
        let shared = Arc::new(Shared {
            clock,
            media,
            places: Places::default(),
            rooms,
            stop,
            life: rand::random(),
            farewells: TaskTracker::new(),
        });
        let inside = Inside {
            shared,
            people,
            starters,
            open: Mutex::default(),
            ended: Mutex::default(),
            turns: std::array::from_fn(|_| TurnLock::new(())),
            actors: TaskTracker::new(),
        };
        let registry = Self { inside: Arc::new(inside) };
        registry.restore().await?;
        registry.beat().await?;
        Ok(registry)
    }

    /// Notes that the house is alive, again and again, until the future is dropped.
    pub async fn keep_beating(&self) {
        let clock = self.inside.shared.clock.clone();
        loop {
            clock.reach(clock.now_ms() + HEARTBEAT_MS).await;
            if let Err(error) = self.beat().await {
                tracing::warn!(%error, "the house cannot note that it is alive");
            }
        }
    }

    /// The cards of all open rooms, as they were a moment ago.
    pub fn cards(&self) -> Vec<Arc<RoomCard>> {
        self.inside.open.lock().values().map(|room| room.handle.published().card).collect()
    }

    /// How many rooms are open.
    pub fn len(&self) -> usize {
        self.inside.open.lock().len()
    }

    /// One room's card.
    ///
    /// # Errors
    /// `room_not_found`, `room_ended`.
    pub fn card(&self, room: &RoomId) -> Result<Arc<RoomCard>, Refusal> {
        Ok(self.find(room)?.published().card)
    }

    /// Starts a room.
    ///
    /// # Errors
    /// `title_…`, `not_allowed`, `too_many_rooms`, `on_stage_elsewhere`, `rate_limited`, `storage_failed`.
    pub async fn start(&self, session: Arc<Session>, request: &StartRoom) -> Result<Joined, Refusal> {
        let title = read_title(&request.title)?;
        let _turn = self.turn_of(&session.person).await;
        self.refuse_another_room(&session.person).await?;
        self.refuse_elsewhere(&session.person, None, request.leave_other)?;
        let id = RoomId::from_random(rand::random());
        let (room, _) = Room::start(id, title, session.person, session.name.clone(), Settings::default());
        // Before there is a media room, which nobody would end.
        keep_new_room(&self.inside.shared, &room, session.person).await?;
        let actor = RoomActor::new(self.inside.shared.clone(), room, session.person);
        tracing::info!(room = %id, person = session.person.short(), "a room was started");
        let handle = self.run(actor);
        self.seat(&handle, session).await
    }

    /// Lets somebody in. Any other room is left once this one has said yes.
    ///
    /// # Errors
    /// `room_…`, `on_stage_elsewhere`, and what the rules refuse.
    pub async fn join(&self, session: Arc<Session>, room: &RoomId, request: &JoinRoom) -> Result<Joined, Refusal> {
        let _turn = self.turn_of(&session.person).await;
        let handle = self.find(room)?;
        self.refuse_elsewhere(&session.person, Some(room), request.leave_other)?;
        // The seat would follow a key that others may have read.
        if !session.is_confidential && is_on_stage(&handle, &session.person) {
            return Err(Code::NotSecure.into());
        }
        self.seat(&handle, session).await
    }

    /// A fresh grant for the media room.
    ///
    /// # Errors
    /// `room_…`, `not_in_room`.
    pub async fn grant(&self, session: Arc<Session>, room: &RoomId) -> Result<MediaGrant, Refusal> {
        self.ask(room, |reply| Message::Grant { session, reply }).await
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// `room_…`, `not_in_room`, `storage_failed`, and what the rules refuse.
    pub async fn command(&self, session: Arc<Session>, room: &RoomId, command: Command) -> Result<(), Refusal> {
        self.ask(room, |reply| Message::Command { session, command, reply }).await
    }

    /// Is this session's person the host of that room?
    ///
    /// # Errors
    /// `room_…`, `not_in_room`, `not_allowed`.
    pub async fn check_host(&self, session: Arc<Session>, room: &RoomId) -> Result<(), Refusal> {
        self.ask(room, |reply| Message::CheckHost { session, reply }).await
    }

    /// A session's channel has opened; its number.
    pub fn attach(&self, session: &Arc<Session>) -> u64 {
        let channel = self.inside.shared.places.next_channel();
        session.channel.send_replace(channel);
        self.tell(session, |session| Message::Attached { session });
        channel
    }

    /// A session's channel has closed.
    pub fn detach(&self, session: &Arc<Session>, channel: u64) {
        if *session.channel.borrow() == channel {
            self.tell(session, |session| Message::Detached { session });
        }
    }

    /// What a listener hears and misses.
    pub fn take_report(&self, session: &Arc<Session>, report: ListenerReport) {
        self.tell_in(session, &report.room, |session| Message::Report { session, voices: report.voices });
    }

    /// When a speaker's voice was made.
    pub fn take_mark(&self, session: &Arc<Session>, room: &RoomId, mark: CaptureMark) {
        self.tell_in(session, room, |session| Message::Mark { session, mark });
    }

    /// Posts the whole view to a session that missed too much; the number before it.
    ///
    /// # Errors
    /// `busy`.
    pub async fn reopen(&self, session: Arc<Session>) -> Result<u64, Refusal> {
        let before = session.mailbox.last();
        let Some(place) = self.place_of(&session) else {
            // In no room: only the last event, that the last room is closed, can still be news.
            return Ok(before.saturating_sub(1));
        };
        match self.ask(&place.room, |reply| Message::Reopen { session, reply }).await {
            Err(refusal) if refusal.code == Code::Busy => Err(refusal),
            // Out of the room meanwhile: that is news enough.
            _ => Ok(before),
        }
    }

    /// Who would be cut off, not counting one.
    pub fn presence(&self, except: Option<PersonId>) -> Presence {
        let own = except.and_then(|person| self.inside.shared.places.of(&person)).map(|place| place.room);
        let open = self.inside.open.lock();
        // What a room published may be older than the place that somebody took in it a moment ago.
        let others = |(id, room): (&RoomId, &OpenRoom)| {
            room.handle.published().people.saturating_sub(usize::from(own == Some(*id)))
        };
        let counts = open.iter().map(others);
        counts.filter(|people| *people > 0).fold(Presence::default(), |sum, people| Presence {
            people: sum.people.saturating_add(u32::try_from(people).unwrap_or(u32::MAX)),
            rooms: sum.rooms.saturating_add(1),
        })
    }

    /// Ends all rooms, or keeps them for the next start; returns when the media server and the disk know.
    pub async fn close(&self, ending: Ending) {
        let rooms: Vec<RoomHandle> = self.inside.open.lock().values().map(|room| room.handle.clone()).collect();
        for room in rooms {
            if room.send(Message::Close { ending }).is_err() {
                tracing::debug!("a room had ended already");
            }
        }
        self.inside.actors.close();
        self.inside.shared.farewells.close();
        let all = async {
            self.inside.actors.wait().await;
            self.inside.shared.farewells.wait().await;
        };
        if timeout(CLOSE_LIMIT, all).await.is_err() {
            tracing::warn!("the media server or the disk does not answer; its rooms end by themselves");
        }
    }

    /// Somebody's turn: nobody is in two rooms because two requests crossed.
    async fn turn_of(&self, person: &PersonId) -> tokio::sync::MutexGuard<'_, ()> {
        self.inside.turns[usize::from(person.key()[0]) % TURNS].lock().await
    }

    async fn refuse_another_room(&self, person: &PersonId) -> Result<(), Refusal> {
        let standing = self.standing_of(person).await?;
        if !self.inside.starters.include(standing) {
            return Err(Refusal::new(Code::NotAllowed, "starting rooms is for members of this house"));
        }
        let open = self.inside.open.lock();
        if open.len() >= MAX_ROOMS {
            return Err(Refusal::new(Code::RateLimited, "too many rooms are open"));
        }
        let own = open.values().filter(|room| room.started_by == *person).count();
        if own >= ROOMS_PER_PERSON { Err(Code::TooManyRooms.into()) } else { Ok(()) }
    }

    async fn standing_of(&self, person: &PersonId) -> Result<Standing, Refusal> {
        let seen = self.inside.people.see(*person, self.inside.shared.clock.unix_ms()).await;
        seen.map_err(|error| Refusal::new(Code::StorageFailed, error.to_string()))
    }

    /// A person is in one room at a time. Leaving a stage for another room must be said aloud.
    fn refuse_elsewhere(&self, person: &PersonId, here: Option<&RoomId>, leave_other: bool) -> Result<(), Refusal> {
        let place = self.inside.shared.places.of(person).filter(|place| Some(&place.room) != here);
        let Some(place) = place.filter(|_| !leave_other) else { return Ok(()) };
        let is_on_stage = self.find(&place.room).is_ok_and(|room| is_on_stage(&room, person));
        if is_on_stage { Err(Code::OnStageElsewhere.into()) } else { Ok(()) }
    }

    async fn seat(&self, room: &RoomHandle, session: Arc<Session>) -> Result<Joined, Refusal> {
        let person = session.person;
        let joining = room.ask(|reply| Message::Join { session, reply });
        let (joined, earlier) = within_limit(joining).await?;
        if let Some(earlier) = earlier.filter(|place| place.room != joined.view.room.id)
            && let Ok(other) = self.find(&earlier.room)
            && other.send(Message::Depart { person, session: earlier.session }).is_err()
        {
            tracing::debug!(room = %earlier.room, "the room that was left had ended");
        }
        Ok(joined)
    }

    async fn ask<T>(
        &self,
        room: &RoomId,
        message: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Message,
    ) -> Result<T, Refusal> {
        let handle = self.find(room)?;
        within_limit(handle.ask(message)).await
    }

    /// Tells the room in which this session is.
    fn tell(&self, session: &Arc<Session>, message: impl FnOnce(Arc<Session>) -> Message) {
        if let Some(place) = self.place_of(session) {
            self.tell_in(session, &place.room, message);
        }
    }

    fn tell_in(&self, session: &Arc<Session>, room: &RoomId, message: impl FnOnce(Arc<Session>) -> Message) {
        let told = self.find(room).and_then(|room| room.send(message(session.clone())));
        if let Err(refusal) = told {
            tracing::debug!(%room, person = session.person.short(), %refusal, "a room that is not told");
        }
    }

    fn place_of(&self, session: &Session) -> Option<Place> {
        self.inside.shared.places.of(&session.person).filter(|place| place.session == session.id)
    }

    fn find(&self, id: &RoomId) -> Result<RoomHandle, Refusal> {
        let open = self.inside.open.lock().get(id).map(|room| room.handle.clone());
        open.ok_or_else(|| self.inside.ended.lock().explain(id))
    }

    /// Runs a room until it ends; then it is forgotten, and remembered as ended unless it is kept for the next start.
    fn run(&self, actor: RoomActor) -> RoomHandle {
        let handle = actor.handle();
        let (id, started_by) = (actor.id(), actor.started_by());
        self.inside.open.lock().insert(id, OpenRoom { handle: handle.clone(), started_by });
        let inside = self.inside.clone();
        self.inside.actors.spawn(async move {
            let ending = AssertUnwindSafe(actor.run()).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!(room = %id, "the room has failed on its way out");
                Ending::Over
            });
            if ending == Ending::Over {
                inside.ended.lock().remember(id);
            }
            inside.open.lock().remove(&id);
        });
        handle
    }

    async fn beat(&self) -> Result<(), HouseError> {
        let shared = &self.inside.shared;
        let (uptime_ms, unix_ms) = (shared.clock.now_ms(), shared.clock.unix_ms());
        shared.rooms.live(HouseLife { life: shared.life, uptime_ms, unix_ms }).await
    }

    async fn restore(&self) -> Result<(), HouseError> {
        let shared = &self.inside.shared;
        for id in shared.rooms.ended().await? {
            self.inside.ended.lock().remember(id);
        }
        let last = shared.rooms.last_alive().await?;
        // A clock that was set back says nothing about how long the house was closed.
        let closed_ms = last.map_or(0, |last| shared.clock.unix_ms().saturating_sub(last.unix_ms));
        for saved in shared.rooms.all().await? {
            let id = *saved.room.id();
            if closed_ms > MAX_CLOSED_MS {
                tracing::info!(room = %id, closed_ms, "a room ended while the house was closed");
                shared.rooms.end(id).await?;
                self.inside.ended.lock().remember(id);
            } else {
                tracing::info!(room = %id, "a room is open again");
                self.run(RoomActor::restored(shared.clone(), resumed(saved, last)));
            }
        }
        Ok(())
    }
}

/// The room's time goes on from where it stood when the house was last known to be alive.
fn resumed(saved: SavedRoom, last: Option<HouseLife>) -> SavedRoom {
    let SavedAt { room, life, uptime_ms } = saved.at;
    let went_on_ms = last.filter(|last| last.life == life).map_or(0, |last| last.uptime_ms.saturating_sub(uptime_ms));
    SavedRoom { at: SavedAt { room: room.after(went_on_ms), ..saved.at }, ..saved }
}

fn is_on_stage(room: &RoomHandle, person: &PersonId) -> bool {
    room.published().card.stage.iter().any(|face| face.id == *person)
}

async fn within_limit<T>(asking: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let late = || Err(Refusal::new(Code::Busy, "the room does not answer"));
    timeout(ANSWER_LIMIT, asking).await.unwrap_or_else(|_| late())
}

#[cfg(test)]
impl RoomRegistry {
    /// Makes the rules of a room fail, or what it does when it ends.
    pub fn fail(&self, room: &RoomId, on_the_way_out: bool) {
        let sent = self.find(room).and_then(|room| room.send(Message::Fail { on_the_way_out }));
        assert!(sent.is_ok());
    }

    /// One message that changes nothing.
    pub fn flood(&self, room: &RoomId) -> Result<(), Refusal> {
        self.find(room)?.send(Message::Depart { person: PersonId::from_key(&[0; 32]), session: 0 })
    }

    /// People who are in some room.
    pub fn places_taken(&self) -> usize {
        self.inside.shared.places.len()
    }
}
