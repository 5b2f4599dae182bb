//! Carries one room's decisions into the media server: who may publish, who is muted, who is removed.
//!
//! The room there begins and ends with the room here; nobody else creates one. Each person has a worker that carries
//! out their orders one after the other, so a person whose media connection is not there yet keeps nobody else waiting.
//! A newer order ends the attempts at an older one that it makes pointless. In between, a reconcile loop compares what
//! the media server says with what the room says: a pass outlives the role it was given for, and the media server does
//! not know that.

use std::{collections::HashMap, time::Duration};

use livekit_protocol::participant_info::State;
use serambi_protocol::{PersonId, RoomId, measurement::VoiceMark};
use serambi_sfu::SILENT_MS_ATTRIBUTE;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    keys::Standing,
    pass_order::DecidedAt,
    room_service::{CallError, RoomService},
};
use crate::clock::Clock;

/// Waits between attempts: the first, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Attempts at one order: about two minutes. The watch goes on after that.
const ATTEMPTS: u32 = 120;
/// A person who may publish is told so at the latest after this time, even if the media server is silent.
const TELL_ANYWAY: Duration = Duration::from_secs(2);
/// A media connection takes some 200 ms. Somebody who has none after this time is told without it.
const CONNECT_LIMIT: Duration = Duration::from_millis(400);
/// How often the people in the media room are compared: the server inside this program costs next to nothing to ask.
const WATCH_EMBEDDED_MS: u64 = 2_000;
const WATCH_REMOTE_MS: u64 = 5_000;
/// Orders waiting for one person. Beyond it the media server has not answered for so long that only the last ones
/// matter.
const MAX_ORDERS_WAITING: usize = 16;

/// What the media side tells whoever decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The grant with this ticket is in force (or long overdue): the person can be told.
    Granted {
        /// Where.
        room: RoomId,
        /// Who.
        person: PersonId,
        /// Which grant, from [`PermissionReconciler::allow`].
        ticket: u64,
    },
    /// Who is in the media room right now, hidden listeners too.
    Seen {
        /// Where.
        room: RoomId,
        /// Everybody.
        people: Vec<SeenParticipant>,
    },
    /// When the marked packets came and went.
    Passed {
        /// Where.
        room: RoomId,
        /// The marks, with what the media server knows of them.
        marks: Vec<VoiceMark>,
    },
}

/// A person as the media server sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenParticipant {
    /// Who.
    pub person: PersonId,
    /// The media server lets them send voice.
    pub may_publish: bool,
    /// Milliseconds since something last arrived from them on their media connection; none if nothing did. (A stock
    /// LiveKit server does not say: 0 while it calls the connection up, none otherwise.)
    pub silent_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Allow { ticket: u64, decided_at: DecidedAt },
    Deny { decided_at: DecidedAt },
    Mute,
    Remove { decided_at: DecidedAt },
}

impl Order {
    /// The order itself, if it says what the person may do.
    fn standing(self) -> Option<Order> {
        (self != Order::Mute).then_some(self)
    }

    /// Is `self` pointless once `newer` was given?
    fn is_overtaken_by(self, newer: Order) -> bool {
        !matches!((self, newer), (Order::Remove { .. }, _) | (_, Order::Mute))
    }
}

/// The orders of one person on their way.
#[derive(Debug)]
struct Waiting {
    orders: mpsc::Sender<Order>,
    worker: JoinHandle<()>,
    /// The last one that says what the person may do.
    standing: Option<Order>,
}

/// What one room decided, on its way into the media server.
#[derive(Debug)]
pub struct PermissionReconciler {
    room: RoomId,
    service: RoomService,
    reports: mpsc::Sender<Report>,
    waiting: HashMap<PersonId, Waiting>,
    watching: Option<JoinHandle<()>>,
    stop: CancellationToken,
    tickets: u64,
}

impl PermissionReconciler {
    /// Creates the media room, and begins to carry decisions about `room`. In the server inside this program the media
    /// room is there before anybody can join it.
    pub fn new(room: RoomId, service: RoomService, clock: Clock, reports: mpsc::Sender<Report>) -> Self {
        let created = service.embedded_server().map(|embedded| embedded.create_room(&room));
        if let Some(Err(error)) = &created {
            tracing::warn!(%room, %error, "the media room is created later");
        }
        let stop = CancellationToken::new();
        let watch = RoomWatch {
            room,
            period_ms: if created.is_some() { WATCH_EMBEDDED_MS } else { WATCH_REMOTE_MS },
            is_created: matches!(created, Some(Ok(()))),
            service: service.clone(),
            reports: reports.clone(),
            stop: stop.clone(),
        };
        let watching = Some(tokio::spawn(watch.run(clock.now_ms(), clock)));
        Self { room, service, reports, waiting: HashMap::new(), watching, stop, tickets: 0 }
    }

    /// Somebody comes (back) in with a new token: what was still to be done about their last visit is over.
    pub fn welcome(&mut self, person: &PersonId) {
        if let Some(waiting) = self.waiting.remove(person) {
            waiting.worker.abort();
        }
    }

    /// Lets somebody publish, and shows them. A [`Report::Granted`] with the ticket follows.
    pub fn allow(&mut self, person: &PersonId) -> u64 {
        self.tickets += 1;
        let decided_at = self.service.decide(person);
        self.order(person, Order::Allow { ticket: self.tickets, decided_at });
        self.tickets
    }

    /// Takes that away. They stay visible: hiding somebody again leaves a ghost with the others.
    pub fn deny(&mut self, person: &PersonId) {
        let decided_at = self.service.decide(person);
        self.order(person, Order::Deny { decided_at });
    }

    /// Mutes what somebody publishes.
    pub fn mute(&mut self, person: &PersonId) {
        self.order(person, Order::Mute);
    }

    /// Puts somebody out. Every pass they were given before is void.
    pub fn remove(&mut self, person: &PersonId) {
        let decided_at = self.service.decide(person);
        self.order(person, Order::Remove { decided_at });
    }

    /// Ends the media room; returns once that is done or given up.
    pub fn end(mut self) -> impl Future<Output = ()> + Send + 'static {
        self.stop.cancel();
        let (room, service) = (self.room, self.service.clone());
        // Joined, not aborted: a room that is being created must not come after its end.
        let watching = self.watching.take();
        let workers: Vec<JoinHandle<()>> = self.waiting.drain().map(|(_, waiting)| waiting.worker).collect();
        workers.iter().for_each(JoinHandle::abort);
        async move {
            for task in workers.into_iter().chain(watching) {
                if let Some(error) = task.await.err().filter(JoinError::is_panic) {
                    tracing::error!(%room, %error, "a task of the media room panicked");
                }
            }
            let mut pause = FIRST_PAUSE;
            while let Err(CallError::NoAnswer(error)) = service.delete_room(&room).await {
                if pause >= LONGEST_PAUSE {
                    tracing::warn!(%room, %error, "the media room could not be ended");
                    return;
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }

    fn order(&mut self, person: &PersonId, order: Order) {
        let mut earlier = None;
        if let Some(waiting) = self.waiting.get_mut(person) {
            match waiting.orders.try_send(order) {
                Ok(()) => {
                    waiting.standing = order.standing().or(waiting.standing);
                    return;
                }
                Err(mpsc::error::TrySendError::Full(_)) => {
                    tracing::warn!(room = %self.room, person = person.short(), "too many orders wait");
                    waiting.worker.abort();
                    earlier = waiting.standing;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
        self.waiting.retain(|_, waiting| !waiting.orders.is_closed());
        self.begin_worker(person, earlier.filter(|earlier| !earlier.is_overtaken_by(order)), order);
    }

    fn begin_worker(&mut self, person: &PersonId, first: Option<Order>, second: Order) {
        let (orders, inbox) = mpsc::channel(MAX_ORDERS_WAITING);
        let mut standing = None;
        for order in first.into_iter().chain([second]) {
            standing = order.standing().or(standing);
            // Its queue is empty and the receiver is right here.
            let _ = orders.try_send(order);
        }
        let worker = Worker {
            room: self.room,
            person: *person,
            service: self.service.clone(),
            reports: self.reports.clone(),
            orders: inbox,
            next: None,
        };
        let worker = tokio::spawn(worker.work());
        self.waiting.insert(*person, Waiting { orders, worker, standing });
    }
}

impl Drop for PermissionReconciler {
    fn drop(&mut self) {
        self.stop.cancel();
        self.waiting.values().for_each(|waiting| waiting.worker.abort());
    }
}

struct Worker {
    room: RoomId,
    person: PersonId,
    service: RoomService,
    reports: mpsc::Sender<Report>,
    orders: mpsc::Receiver<Order>,
    /// The order that overtook the last one.
    next: Option<Order>,
}

impl Worker {
    async fn work(mut self) {
        loop {
            let order = match self.next.take() {
                Some(order) => order,
                None => match self.orders.recv().await {
                    Some(order) => order,
                    None => return,
                },
            };
            self.carry_out(order).await;
            if matches!(order, Order::Remove { .. }) {
                return;
            }
        }
    }

    async fn carry_out(&mut self, order: Order) {
        let began = Instant::now();
        let tell_at = began + TELL_ANYWAY;
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.call_and_tell(order, tell_at).await {
                Ok(()) => return self.report(order).await,
                // Who is not there cannot publish, be heard or be put out; but may come and then must be let on.
                Err(CallError::NotFound(_)) if !matches!(order, Order::Allow { .. }) => return,
                Err(CallError::Refused(error)) => {
                    tracing::error!(room = %self.room, person = self.person.short(), ?order, error, "media refuses");
                    return self.report(order).await;
                }
                Err(error) => {
                    tracing::debug!(room = %self.room, person = self.person.short(), ?order, attempt, %error, "again");
                    if matches!(error, CallError::NotFound(_)) && began.elapsed() >= CONNECT_LIMIT {
                        self.report(order).await;
                    }
                }
            }
            if self.is_overtaken(order, pause).await {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        tracing::warn!(room = %self.room, person = self.person.short(), ?order, "the media server was not reached");
    }

    /// One attempt; the report does not wait for it longer than `tell_at`.
    async fn call_and_tell(&self, order: Order, tell_at: Instant) -> Result<(), CallError> {
        let mut call = std::pin::pin!(self.call(order));
        tokio::select! {
            result = &mut call => return result,
            () = tokio::time::sleep_until(tell_at) => self.report(order).await,
        }
        call.await
    }

    async fn call(&self, order: Order) -> Result<(), CallError> {
        let on_stage = Standing { may_publish: true, hidden: false };
        let off_stage = Standing { may_publish: false, hidden: false };
        match order {
            Order::Allow { decided_at, .. } => self.set_standing(on_stage, decided_at).await,
            Order::Deny { decided_at } => self.set_standing(off_stage, decided_at).await,
            Order::Mute => self.service.mute(&self.room, &self.person).await,
            Order::Remove { decided_at } => self.service.remove(&self.room, &self.person, decided_at).await,
        }
    }

    async fn set_standing(&self, standing: Standing, decided_at: DecidedAt) -> Result<(), CallError> {
        self.service.set_standing(&self.room, &self.person, standing, decided_at).await
    }

    async fn report(&self, order: Order) {
        if let Order::Allow { ticket, .. } = order {
            let granted = Report::Granted { room: self.room, person: self.person, ticket };
            // Nobody listens any more when the house closes.
            let _ = self.reports.send(granted).await;
        }
    }

    /// Waits for `pause`, or until a newer order makes this one pointless.
    async fn is_overtaken(&mut self, order: Order, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return false,
                newer = self.orders.recv() => match newer {
                    Some(newer) if order.is_overtaken_by(newer) => {
                        self.next = Some(newer);
                        return true;
                    }
                    // A mute of somebody who could not be let on yet: there is nothing to mute.
                    Some(_) => {}
                    None => return true,
                },
            }
        }
    }
}

/// Keeps the media room there, and reports who is in it.
struct RoomWatch {
    room: RoomId,
    period_ms: u64,
    is_created: bool,
    service: RoomService,
    reports: mpsc::Sender<Report>,
    stop: CancellationToken,
}

impl RoomWatch {
    /// Runs until it is stopped; a call that is under way is finished first.
    async fn run(mut self, began_at_ms: u64, clock: Clock) {
        let mut next_ms = began_at_ms.saturating_add(self.period_ms);
        self.create_soon().await;
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.reach(next_ms) => {}
            }
            self.look().await;
            next_ms = clock.now_ms().saturating_add(self.period_ms);
        }
    }

    /// The first person is on their way: a media server that is busy for a moment is asked again at once.
    async fn create_soon(&mut self) {
        let mut pause = FIRST_PAUSE;
        while !self.is_created && !self.stop.is_cancelled() {
            self.create().await;
            if self.is_created || pause > LONGEST_PAUSE {
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn create(&mut self) {
        match self.service.create_room(&self.room).await {
            Ok(()) => self.is_created = true,
            Err(error) => tracing::warn!(room = %self.room, %error, "the media room could not be created"),
        }
    }

    async fn look(&mut self) {
        if !self.is_created {
            self.create().await;
        }
        match self.service.list(&self.room).await {
            Ok(people) => {
                // Whoever is no person (a recorder of the cluster's owner, say) is none of the room's business.
                let people = people.into_iter().filter_map(seen).collect();
                let report = Report::Seen { room: self.room, people };
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    // Nobody listens any more when the house closes.
                    _ = self.reports.send(report) => {}
                }
            }
            // A media server that was restarted, or closed the empty room.
            Err(CallError::NotFound(_)) => self.is_created = false,
            Err(error) => tracing::debug!(room = %self.room, %error, "the media room could not be looked at"),
        }
    }
}

fn seen(info: livekit_protocol::ParticipantInfo) -> Option<SeenParticipant> {
    let said = info.attributes.get(SILENT_MS_ATTRIBUTE).and_then(|text| text.parse().ok());
    let silent_ms = said.or_else(|| (info.state() == State::Active).then_some(0));
    let person = PersonId::try_from(info.identity).ok()?;
    let may_publish = info.permission.is_some_and(|permission| permission.can_publish);
    Some(SeenParticipant { person, may_publish, silent_ms })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::media::keys::Keys;

    #[test]
    fn the_media_server_says_for_how_long_somebody_was_silent_or_else_whether_they_are_active() {
        let person = PersonId::from_key(&[3; 32]);
        let joined =
            [(State::Joining, None, None), (State::Joined, None, None), (State::Joined, Some("7200"), Some(7_200))];
        let active = [(State::Active, None, Some(0)), (State::Active, Some("90"), Some(90))];
        for (state, said, silent_ms) in joined.into_iter().chain(active) {
            let info = livekit_protocol::ParticipantInfo {
                identity: person.to_string(),
                state: state as i32,
                attributes: said.map(|said| (SILENT_MS_ATTRIBUTE.to_owned(), said.to_owned())).into_iter().collect(),
                ..livekit_protocol::ParticipantInfo::default()
            };
            let expected = SeenParticipant { person, may_publish: false, silent_ms };
            assert_eq!(seen(info), Some(expected));
        }
    }

    #[tokio::test]
    async fn orders_for_a_media_server_that_hangs_are_bounded_and_the_last_word_about_somebody_stays() {
        // It takes connections and says nothing.
        let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let service = RoomService::new(&format!("http://{}", hanging.local_addr().unwrap()), Keys::random()).unwrap();
        let (reports, _heard) = mpsc::channel(1);
        let mut reconciler =
            PermissionReconciler::new(RoomId::from_random([4; 10]), service, Clock::default(), reports);
        let person = PersonId::from_key(&[3; 32]);
        reconciler.deny(&person);
        (0..10 * MAX_ORDERS_WAITING).for_each(|_| reconciler.mute(&person));
        let waiting = &reconciler.waiting[&person];
        assert_eq!(waiting.orders.max_capacity(), MAX_ORDERS_WAITING);
        assert!(matches!(waiting.standing, Some(Order::Deny { .. })));
    }

    #[test]
    fn only_an_order_that_makes_an_older_one_pointless_overtakes_it() {
        let decided_at = DecidedAt(0);
        let (deny, remove) = (Order::Deny { decided_at }, Order::Remove { decided_at });
        let allow = Order::Allow { ticket: 1, decided_at };
        for (older, newer, overtaken) in [
            (allow, deny, true),
            (allow, remove, true),
            (allow, Order::Mute, false),
            (deny, allow, true),
            (Order::Mute, deny, true),
            (Order::Mute, Order::Mute, false),
            (remove, allow, false),
        ] {
            assert_eq!(older.is_overtaken_by(newer), overtaken, "{older:?} by {newer:?}");
        }
    }
}
