//! Carries one room's decisions into the media server: who may publish, who is muted, who is out.
//!
//! Each person has a worker that carries out their orders one after the other, so a person whose media connection is
//! not there yet keeps nobody else waiting. A newer order ends the attempts at an older one that it makes pointless.
//! In between, a watch compares what the media server says with what the room says: a token outlives the role it was
//! given for, and the media server does not know that.

use std::{collections::HashMap, time::Duration};

use livekit_protocol as lk;
use serambi_protocol::{PersonId, RoomId, measurement::VoiceMark};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

use super::{
    keys::Standing,
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
/// How often the watch looks.
const WATCH_EVERY_MS: u64 = 5_000;

/// What the media side tells whoever decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The grant with this ticket is in force (or long overdue): the person can be told.
    Granted {
        /// Where.
        room: RoomId,
        /// Who.
        person: PersonId,
        /// Which grant, from [`Mirror::allow`].
        ticket: u64,
    },
    /// Who is in the media room right now.
    Seen {
        /// Where.
        room: RoomId,
        /// Everybody in it.
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

/// Somebody in the media room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenParticipant {
    /// Who.
    pub person: PersonId,
    /// May send voice, says the media server.
    pub may_publish: bool,
    /// Something came from them a moment ago.
    pub alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Allow { ticket: u64 },
    Deny,
    Mute,
    Remove,
}

impl Order {
    /// Is `self` pointless once `newer` was given?
    fn is_overtaken_by(self, newer: Order) -> bool {
        !matches!((self, newer), (Order::Remove, _) | (_, Order::Mute))
    }
}

/// The mirror of one room.
#[derive(Debug)]
pub struct Mirror {
    room: RoomId,
    service: RoomService,
    reports: mpsc::UnboundedSender<Report>,
    workers: HashMap<PersonId, (mpsc::UnboundedSender<Order>, AbortHandle)>,
    watch: AbortHandle,
    tickets: u64,
}

impl Mirror {
    /// Begins to mirror `room`.
    pub fn new(room: RoomId, service: RoomService, clock: Clock, reports: mpsc::UnboundedSender<Report>) -> Self {
        let watch = tokio::spawn(watch(room.clone(), service.clone(), clock, reports.clone())).abort_handle();
        Self { room, service, reports, workers: HashMap::new(), watch, tickets: 0 }
    }

    /// Somebody comes (back) in with a new token: what was still to be done about their last visit is over.
    pub fn welcome(&mut self, person: &PersonId) {
        if let Some((_, worker)) = self.workers.remove(person) {
            worker.abort();
        }
    }

    /// Lets somebody publish, and shows them. A [`Report::Granted`] with the ticket follows.
    pub fn allow(&mut self, person: &PersonId) -> u64 {
        self.tickets += 1;
        self.order(person, Order::Allow { ticket: self.tickets });
        self.tickets
    }

    /// Takes that away. They stay visible: hiding somebody again leaves a ghost with the others.
    pub fn deny(&mut self, person: &PersonId) {
        self.order(person, Order::Deny);
    }

    /// Mutes what somebody publishes.
    pub fn mute(&mut self, person: &PersonId) {
        self.order(person, Order::Mute);
    }

    /// Puts somebody out.
    pub fn remove(&mut self, person: &PersonId) {
        self.order(person, Order::Remove);
    }

    /// Ends the media room; returns once that is done or given up.
    pub fn end(self) -> impl Future<Output = ()> + Send + 'static {
        let (room, service) = (self.room.clone(), self.service.clone());
        async move {
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
        if let Some((orders, _)) = self.workers.get(person)
            && orders.send(order).is_ok()
        {
            return;
        }
        self.workers.retain(|_, (orders, _)| !orders.is_closed());
        let (orders, waiting) = mpsc::unbounded_channel();
        // The receiver is right here.
        let _ = orders.send(order);
        let worker = Worker {
            room: self.room.clone(),
            person: person.clone(),
            service: self.service.clone(),
            reports: self.reports.clone(),
            orders: waiting,
            next: None,
        };
        self.workers.insert(person.clone(), (orders, tokio::spawn(worker.work()).abort_handle()));
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.watch.abort();
        self.workers.values().for_each(|(_, worker)| worker.abort());
    }
}

struct Worker {
    room: RoomId,
    person: PersonId,
    service: RoomService,
    reports: mpsc::UnboundedSender<Report>,
    orders: mpsc::UnboundedReceiver<Order>,
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
            if order == Order::Remove {
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
                Ok(()) => return self.report(order),
                // Who is not there cannot publish, be heard or be put out; but may come and then must be let on.
                Err(CallError::NotFound(_)) if !matches!(order, Order::Allow { .. }) => return,
                Err(CallError::Refused(error)) => {
                    tracing::error!(room = %self.room, person = self.person.short(), ?order, error, "media refuses");
                    return self.report(order);
                }
                Err(error) => {
                    tracing::debug!(room = %self.room, person = self.person.short(), ?order, attempt, %error, "again");
                    if matches!(error, CallError::NotFound(_)) && began.elapsed() >= CONNECT_LIMIT {
                        self.report(order);
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
            () = tokio::time::sleep_until(tell_at) => self.report(order),
        }
        call.await
    }

    async fn call(&self, order: Order) -> Result<(), CallError> {
        let on_stage = Standing { may_publish: true, hidden: false };
        let off_stage = Standing { may_publish: false, hidden: false };
        match order {
            Order::Allow { .. } => self.service.set_standing(&self.room, &self.person, on_stage).await,
            Order::Deny => self.service.set_standing(&self.room, &self.person, off_stage).await,
            Order::Mute => self.service.mute(&self.room, &self.person).await,
            Order::Remove => self.service.remove(&self.room, &self.person).await,
        }
    }

    fn report(&self, order: Order) {
        if let Order::Allow { ticket } = order {
            let granted = Report::Granted { room: self.room.clone(), person: self.person.clone(), ticket };
            // Nobody listens any more when the house closes.
            let _ = self.reports.send(granted);
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

async fn watch(room: RoomId, service: RoomService, clock: Clock, reports: mpsc::UnboundedSender<Report>) {
    loop {
        clock.reach(clock.now_ms() + WATCH_EVERY_MS).await;
        match service.list(&room).await {
            Ok(people) => {
                // Whoever is no person (a recorder of the cluster's owner, say) is none of the room's business.
                let people = people.into_iter().filter_map(|seen| {
                    let person = PersonId::try_from(seen.identity).ok()?;
                    let may_publish = seen.permission.is_some_and(|permission| permission.can_publish);
                    let alive = seen.state == lk::participant_info::State::Active as i32;
                    Some(SeenParticipant { person, may_publish, alive })
                });
                if reports.send(Report::Seen { room: room.clone(), people: people.collect() }).is_err() {
                    return;
                }
            }
            Err(CallError::NotFound(_)) => {}
            Err(error) => tracing::debug!(%room, %error, "the media room could not be looked at"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_order_that_makes_an_older_one_pointless_overtakes_it() {
        let allow = Order::Allow { ticket: 1 };
        for (older, newer, overtaken) in [
            (allow, Order::Deny, true),
            (allow, Order::Remove, true),
            (allow, Order::Mute, false),
            (Order::Deny, allow, true),
            (Order::Mute, Order::Deny, true),
            (Order::Mute, Order::Mute, false),
            (Order::Remove, allow, false),
        ] {
            assert_eq!(older.is_overtaken_by(newer), overtaken, "{older:?} by {newer:?}");
        }
    }
}
