//! How the rest of a house asks the porch: every question is a small piece of work sent to its task.

use std::{sync::Arc, time::Duration};

use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomId,
    api::{JoinRoom, Joined, MediaGrant, RoomCard, StartRoom},
    measurement::{CaptureMark, ListenerReport},
    view::Role,
};
use tokio::sync::{mpsc, oneshot};

use super::{Porch, Presence};
use crate::authenticator::Session;

/// How long a house that closes waits for its media server.
const FAREWELL_LIMIT: Duration = Duration::from_secs(3);

/// Something to be done on the porch.
pub(super) type Job = Box<dyn FnOnce(&mut Porch) + Send>;

/// Asks the porch.
#[derive(Clone)]
pub struct PorchHandle {
    jobs: mpsc::UnboundedSender<Job>,
}

impl PorchHandle {
    pub(super) fn new(jobs: mpsc::UnboundedSender<Job>) -> Self {
        Self { jobs }
    }

    /// The cards of all open rooms.
    ///
    /// # Errors
    /// `internal` if the house is closing; so for all below.
    pub async fn cards(&self) -> Result<Vec<RoomCard>, Refusal> {
        self.ask(|porch| porch.rooms.values().map(|room| room.rules().card()).collect()).await
    }

    /// One room's card.
    ///
    /// # Errors
    /// `room_not_found`, `room_ended`.
    pub async fn card(&self, room: RoomId) -> Result<RoomCard, Refusal> {
        self.ask(move |porch| porch.find(&room).map(|room| room.rules().card())).await?
    }

    /// Starts a room.
    ///
    /// # Errors
    /// `title_…`, `on_stage_elsewhere`, `rate_limited`.
    pub async fn start(&self, session: Arc<Session>, wish: StartRoom) -> Result<Joined, Refusal> {
        self.ask(move |porch| porch.start(&session, &wish)).await?
    }

    /// Lets somebody in.
    ///
    /// # Errors
    /// `room_…`, `on_stage_elsewhere`, and what the rules refuse.
    pub async fn join(&self, session: Arc<Session>, room: RoomId, wish: JoinRoom) -> Result<Joined, Refusal> {
        self.ask(move |porch| porch.join(&session, &room, &wish)).await?
    }

    /// A fresh grant for the media room.
    ///
    /// # Errors
    /// `room_…`, `not_in_room`.
    pub async fn grant(&self, session: Arc<Session>, room: RoomId) -> Result<MediaGrant, Refusal> {
        self.ask(move |porch| {
            porch.member(&session, &room)?;
            porch.grant(&session, &room)
        })
        .await?
    }

    /// Carries out a wish.
    ///
    /// # Errors
    /// `room_…`, `not_in_room`, and what the rules refuse.
    pub async fn command(&self, session: Arc<Session>, room: RoomId, command: Command) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.send(move |porch| porch.command(&session, &room, command, reply))?;
        answer.await.map_err(|_| closing())?
    }

    /// Does this session belong to the host of that room?
    ///
    /// # Errors
    /// `room_…`, `not_in_room`, `not_allowed`.
    pub async fn check_host(&self, session: Arc<Session>, room: RoomId) -> Result<(), Refusal> {
        self.ask(move |porch| {
            let role = porch.member(&session, &room)?.rules().role_of(&session.person);
            if role == Some(Role::Host) { Ok(()) } else { Err(Code::NotAllowed.into()) }
        })
        .await?
    }

    /// A session's channel has opened; its number.
    ///
    /// # Errors
    /// `internal`.
    pub async fn attach(&self, session: Arc<Session>) -> Result<u64, Refusal> {
        self.ask(move |porch| porch.attach(&session)).await
    }

    /// A session's channel has closed.
    pub fn detach(&self, session: Arc<Session>, channel: u64) {
        // A porch that is gone has forgotten them already.
        let _ = self.send(move |porch| porch.detach(&session, channel));
    }

    /// What a session hears and misses.
    pub fn take_report(&self, session: Arc<Session>, report: ListenerReport) {
        // A house that is closing has no use for it.
        let _ = self.send(move |porch| porch.take_report(&session, report));
    }

    /// When a session's voice was made.
    pub fn take_mark(&self, session: Arc<Session>, room: RoomId, mark: CaptureMark) {
        // As above.
        let _ = self.send(move |porch| porch.take_mark(&session, &room, mark));
    }

    /// Posts the whole view to a session that missed too much; the number before it.
    ///
    /// # Errors
    /// `internal`.
    pub async fn reopen(&self, session: Arc<Session>) -> Result<u64, Refusal> {
        self.ask(move |porch| porch.reopen(&session)).await
    }

    /// Who would be cut off, not counting one.
    pub async fn presence(&self, except: Option<PersonId>) -> Presence {
        let counted = self.ask(move |porch| porch.presence(except.as_ref())).await;
        counted.unwrap_or_default()
    }

    /// Ends all rooms; returns when the media server knows, or does not answer.
    pub async fn close(&self) {
        if let Ok(farewells) = self.ask(Porch::close).await
            && tokio::time::timeout(FAREWELL_LIMIT, farewells.wait()).await.is_err()
        {
            tracing::warn!("the media server does not answer; its rooms end by themselves");
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Porch) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        // Whoever asked may have hung up.
        self.send(move |porch| drop(reply.send(question(porch))))?;
        answer.await.map_err(|_| closing())
    }

    fn send(&self, job: impl FnOnce(&mut Porch) + Send + 'static) -> Result<(), Refusal> {
        self.jobs.send(Box::new(job)).map_err(|_| closing())
    }
}

fn closing() -> Refusal {
    Refusal::new(Code::HouseUnreachable, "the house is closing")
}
