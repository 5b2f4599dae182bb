//! One open room: a task that owns its rules, tells everybody in it what changed, and keeps it on the disk.
//!
//! Everything that happens to a room happens here, one thing after the other, so no two people can take the last place
//! on stage. A panic in a room's rules ends that room and no other.

mod connections;
mod door;
mod handle;
mod measuring;
mod media_side;
mod membership;
mod saving;
mod streams;
mod telling;
mod telling_times;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomEvent, RoomId,
    event::ClosedReason,
    view::{Role, RoleView, RoomTime, YouView},
};
use serambi_room::{Outcome, Room};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use crate::{
    authenticator::Session,
    capture_marks::CaptureMarks,
    loss_reports::LossReports,
    media::permission_reconciler::{PermissionReconciler, Report},
    registry::Shared,
    storage::SavedRoom,
};
pub use handle::{Ending, Message, Published, RoomHandle};
use saving::Saving;
pub use saving::keep_new_room;
use telling::Telling;

/// Where the answer to a command goes.
type Reply = oneshot::Sender<Result<(), Refusal>>;

/// Reports of the media side that may wait for a room; whoever has another one waits with it.
const MAX_REPORTS: usize = 64;
/// Messages that may wait for a room.
const MAX_WAITING: usize = 1_024;

/// Somebody in the room who is connected, or was a moment ago. (Seats without a member wait for people to come back.)
struct Member {
    session: Arc<Session>,
    /// What this person was told last.
    told: Arc<RoleView>,
    told_you: YouView,
    outgoing: streams::Outgoing,
    /// The grant that must be in force before this person hears of being on stage.
    waits_for: Option<u64>,
    /// Answers that wait for the same.
    replies: Vec<Reply>,
    /// Was on stage during this stay, and so is visible in the media room.
    was_on_stage: bool,
    link: connections::Link,
}

/// The actor of one room.
pub struct RoomActor {
    shared: Arc<Shared>,
    id: RoomId,
    started_by: PersonId,
    room: Room,
    /// The room's time when this actor was made, and the house's.
    resumed_at: RoomTime,
    opened_at_ms: u64,
    /// Somebody was connected to it at some time.
    was_visited: bool,
    members: BTreeMap<PersonId, Member>,
    streams_so_far: streams::StreamsSoFar,
    permissions: PermissionReconciler,
    telling: Telling,
    saving: Saving,
    loss_reports: LossReports,
    capture_marks: CaptureMarks,
    messages: mpsc::Receiver<Message>,
    reports: mpsc::Receiver<Report>,
    report_sender: mpsc::Sender<Report>,
    handle: RoomHandle,
    published: watch::Sender<Published>,
    /// The next look at everybody's connection.
    look_at_ms: u64,
    ending: Option<Ending>,
    #[cfg(test)]
    fails_on_its_way_out: bool,
}

impl RoomActor {
    /// The actor of a room that has just been started.
    pub fn new(shared: Arc<Shared>, room: Room, started_by: PersonId) -> Self {
        Self::make(shared, room, started_by, RoomTime(0))
    }

    /// The actor of a room that was open when the house was closed: everybody has a seat and nobody is connected.
    pub fn restored(shared: Arc<Shared>, saved: SavedRoom) -> Self {
        let mut room = saved.room;
        room.restart(saved.at.room);
        Self { was_visited: true, ..Self::make(shared, room, saved.started_by, saved.at.room) }
    }

    fn make(shared: Arc<Shared>, room: Room, started_by: PersonId, resumed_at: RoomTime) -> Self {
        let id = *room.id();
        let (messages, waiting) = mpsc::channel(MAX_WAITING);
        let (report_sender, reports) = mpsc::channel(MAX_REPORTS);
        let (published, card) = watch::channel(Published::of(&room, 0));
        let now_ms = shared.clock.now_ms();
        Self {
            permissions: PermissionReconciler::new(
                id,
                shared.media.service.clone(),
                shared.clock.clone(),
                report_sender.clone(),
            ),
            shared,
            id,
            started_by,
            room,
            resumed_at,
            opened_at_ms: now_ms,
            was_visited: false,
            members: BTreeMap::new(),
            streams_so_far: streams::StreamsSoFar::default(),
            telling: Telling::default(),
            saving: Saving::default(),
            loss_reports: LossReports::default(),
            capture_marks: CaptureMarks::default(),
            messages: waiting,
            reports,
            report_sender,
            handle: RoomHandle::new(messages, card),
            published,
            look_at_ms: now_ms + connections::LOOK_EVERY_MS,
            ending: None,
            #[cfg(test)]
            fails_on_its_way_out: false,
        }
    }

    /// How others reach it.
    pub fn handle(&self) -> RoomHandle {
        self.handle.clone()
    }

    /// Which room.
    pub fn id(&self) -> RoomId {
        self.id
    }

    /// Who started it.
    pub fn started_by(&self) -> PersonId {
        self.started_by
    }

    /// Works until the room is over, or kept for the next start of the house.
    pub async fn run(mut self) -> Ending {
        let span = tracing::info_span!("room", room = %self.id);
        async move {
            while self.ending.is_none() {
                if AssertUnwindSafe(self.turn()).catch_unwind().await.is_err() {
                    tracing::error!("the room's rules have failed; the room ends, the house goes on");
                    self.end_for_all(ClosedReason::Failed);
                    self.ending = Some(Ending::Over);
                }
            }
            self.part().await
        }
        .instrument(span)
        .await
    }

    /// One thing that happens, and what follows from it.
    async fn turn(&mut self) {
        let next = self.next_deadline_ms();
        let (clock, stop) = (self.shared.clock.clone(), self.shared.stop.clone());
        tokio::select! {
            // Whatever comes lets pass what is due first, so time is not kept waiting by those before it.
            biased;
            () = stop.cancelled() => self.ending = Some(Ending::Kept),
            written = self.saving.written() => self.take_written(&written),
            Some(report) = self.reports.recv() => {
                self.pass_time();
                self.take_media(report);
            }
            message = self.messages.recv() => match message {
                Some(message) => {
                    self.pass_time();
                    self.take_message(message).await;
                }
                None => self.ending = Some(Ending::Kept),
            },
            () = clock.reach(next) => self.pass_time(),
        }
        self.after_turn();
        if self.telling.times.is_telling_audience() {
            // The channels of those who were told come first: else all of them would be in the way of the next hand.
            tokio::task::yield_now().await;
        }
    }

    fn after_turn(&mut self) {
        if self.room.is_over() {
            self.ending.get_or_insert(Ending::Over);
            return;
        }
        self.tell_reactions();
        self.tell_if_due();
        self.publish();
        self.save_if_due();
    }

    fn next_deadline_ms(&self) -> u64 {
        let to_house = |at: RoomTime| self.opened_at_ms.saturating_add(at.since(self.resumed_at));
        let by_the_rules = [self.room.next_deadline(), self.room.reactions_due()].into_iter().flatten().map(to_house);
        let others = [self.telling.times.due_at_ms(), self.saving.due_at_ms(), self.next_measurement_ms()];
        others.into_iter().flatten().chain(by_the_rules).chain([self.look_at_ms]).min().unwrap_or(u64::MAX)
    }

    fn pass_time(&mut self) {
        let now = self.now();
        if self.room.next_deadline().is_some_and(|at| at <= now) {
            let outcome = self.room.pass_time(now);
            self.take_outcome(outcome);
        }
        self.look_at_connections();
        self.tell_speakers();
        self.pass_on_marks();
    }

    fn now(&self) -> RoomTime {
        self.resumed_at.after(self.shared.clock.now_ms().saturating_sub(self.opened_at_ms))
    }

    async fn take_message(&mut self, message: Message) {
        match message {
            Message::Join { session, reply } => {
                let joined = self.join(&session);
                // Whoever asked may have hung up; the seat is kept for a while.
                let _ = reply.send(joined);
            }
            Message::Command { session, command, reply } => self.command(&session, command, reply).await,
            Message::Depart { person, session } => self.depart(&person, session),
            Message::Grant { session, reply } => {
                let is_here = self.member(&session).map(drop);
                let grant = is_here.and_then(|()| self.grant(&session));
                let _ = reply.send(grant);
            }
            Message::CheckHost { session, reply } => {
                let is_host = self.room.role_of(&session.person) == Some(Role::Host);
                let answer = self.member(&session).map(drop);
                let _ = reply.send(answer.and_then(|()| if is_host { Ok(()) } else { Err(Code::NotAllowed.into()) }));
            }
            Message::Knock { session, waits, reply } => {
                let stands = self.knock(&session, waits);
                let _ = reply.send(stands);
            }
            Message::Callable { session, people, reply } => {
                let found = self.callable(&session, people);
                let _ = reply.send(found);
            }
            Message::Reopen { session, reply } => {
                let shown = self.member(&session).map(drop).and_then(|()| self.show(&session.person));
                let opened = shown.map(|view| {
                    session.mailbox.post(self.id, RoomEvent::Opened { view: Box::new(view) });
                    self.open_streams(&session);
                });
                let _ = reply.send(opened);
            }
            Message::Attached { session } => self.attached(&session),
            Message::Detached { session } => self.detached(&session),
            Message::Report { session, voices } => self.take_report(&session, voices),
            Message::Mark { session, mark } => self.take_mark(&session, mark),
            Message::Close { ending } => {
                if ending == Ending::Over {
                    self.end_for_all(ClosedReason::Ended);
                }
                self.ending = Some(ending);
            }
            #[cfg(test)]
            Message::Fail { on_the_way_out } => self.fail_for_a_test(on_the_way_out),
        }
    }

    /// Carries out a command, or refuses it. An act of a moderator is on the disk before it is acknowledged, or has not
    /// happened. The answer to a command that leads on stage comes when voice may be sent.
    async fn command(&mut self, session: &Arc<Session>, command: Command, reply: Reply) {
        if let Err(refusal) = self.member(session).map(drop) {
            return answer_with(reply, Err(refusal));
        }
        let person = session.person;
        let now = self.now();
        if let Command::React { reaction } = command {
            return answer_with(reply, self.room.react(now, &person, reaction));
        }
        let carried_out = if saving::is_saved_at_once(&command) {
            self.command_on_disk(now, &person, &command).await
        } else {
            self.room.command(now, &person, &command)
        };
        match carried_out {
            Err(refusal) => answer_with(reply, Err(refusal)),
            Ok(outcome) => {
                self.telling.times.has_news_for(&person);
                self.take_outcome(outcome);
                match self.members.get_mut(&person) {
                    Some(member) if member.waits_for.is_some() => member.replies.push(reply),
                    _ => answer_with(reply, Ok(())),
                }
            }
        }
    }

    /// What the rules decided: media first, then the words, then the farewells.
    fn take_outcome(&mut self, outcome: Outcome) {
        self.changed();
        for change in outcome.media {
            self.change_media(change);
        }
        self.take_chat(outcome.chat);
        for (person, notice) in outcome.notices {
            self.notify(&person, notice);
        }
        for (person, reason) in outcome.closed {
            self.farewell(&person, reason);
        }
    }

    /// Something changed: it is to be told, and to be saved.
    fn changed(&mut self) {
        self.telling.has_news();
        self.saving.has_changes(self.shared.clock.now_ms());
    }

    fn publish(&mut self) {
        let next = Published::of(&self.room, self.members.len());
        self.published.send_if_modified(|published| {
            let is_new = *published != next;
            if is_new {
                *published = next;
            }
            is_new
        });
    }

    /// The end: what is left to be said, and the room's place in the media server and on the disk.
    async fn part(mut self) -> Ending {
        #[cfg(test)]
        self.fail_if_a_test_asked();
        let ending = self.ending.unwrap_or(Ending::Over);
        match ending {
            Ending::Kept => self.save_now().await,
            Ending::Over => {
                tracing::info!("the room has ended");
                self.shared.farewells.spawn(saving::end_on_disk(self.shared.clone(), self.id));
                self.shared.farewells.spawn(self.permissions.end());
            }
        }
        ending
    }
}

fn answer(replies: Vec<Reply>) {
    replies.into_iter().for_each(|reply| answer_with(reply, Ok(())));
}

fn answer_with(reply: Reply, result: Result<(), Refusal>) {
    // Whoever asked may have hung up; what was done stays done.
    let _ = reply.send(result);
}

#[cfg(test)]
mod tests;
