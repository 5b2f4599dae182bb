//! Telling everybody in a room what changed: made once for each role, sent to each person with what is their own.

use std::{collections::HashMap, ops::Bound, sync::Arc};

use serambi_protocol::{
    Code, PersonId, Refusal, RoomEvent, RoomId, TopicChange,
    view::{Role, RoleView, RoomTime, RoomView, YouView},
};
use serambi_room::Room;

use super::{
    RoomActor,
    telling_times::{PEOPLE_TOLD_AT_ONCE, TellingTimes},
};
use crate::authenticator::Session;

/// When people are told again, and what is told to all of one role.
#[derive(Default)]
pub struct Telling {
    pub(super) times: TellingTimes,
    views: RoleViews,
    changes: Changes,
}

impl Telling {
    /// The room is not what it was.
    pub(super) fn has_news(&mut self) {
        self.times.has_news();
        self.views.current.clear();
        self.changes = Changes::default();
    }
}

/// What each role sees. As long as nothing in it changes a view stays the same one, so that it is compared and told
/// once.
#[derive(Default)]
struct RoleViews {
    /// Of the room as it is.
    current: HashMap<Role, Arc<RoleView>>,
    last: HashMap<Role, Arc<RoleView>>,
}

impl RoleViews {
    fn of(&mut self, room: &Room, role: Role) -> Arc<RoleView> {
        let current = self.current.entry(role).or_insert_with(|| {
            let view = room.role_view(role);
            let last = self.last.get(&role).filter(|last| ***last == view).cloned();
            let current = last.unwrap_or_else(|| Arc::new(view));
            self.last.insert(role, current.clone());
            current
        });
        current.clone()
    }

    /// Has nobody changed the room without a word?
    fn are_of(&self, room: &Room) -> bool {
        self.current.iter().all(|(role, view)| **view == room.role_view(*role))
    }
}

/// The changes from one role's view to another's, made once for all who need the same.
#[derive(Default)]
struct Changes {
    /// By the addresses of both.
    made: HashMap<(usize, usize), Vec<Arc<TopicChange>>>,
    /// Keeps the addresses above from being used again.
    views: Vec<Arc<RoleView>>,
}

impl Changes {
    fn between(&mut self, told: &Arc<RoleView>, next: &Arc<RoleView>) -> &[Arc<TopicChange>] {
        let pair = (Arc::as_ptr(told).addr(), Arc::as_ptr(next).addr());
        self.made.entry(pair).or_insert_with(|| {
            self.views.extend([told.clone(), next.clone()]);
            if Arc::ptr_eq(told, next) { Vec::new() } else { told.changes_to(next) }
        })
    }
}

impl RoomActor {
    /// What this person sees now: what is alike for their role, and what is their own.
    pub(super) fn seen_by(&mut self, person: &PersonId) -> Result<(Arc<RoleView>, YouView), Refusal> {
        let you = self.room.you(person).ok_or(Code::NotInRoom)?;
        Ok((self.telling.views.of(&self.room, you.role), you))
    }

    /// The room as that person sees it now, which from then on is what they have been told.
    pub(super) fn show(&mut self, person: &PersonId) -> Result<RoomView, Refusal> {
        let (told, you) = self.seen_by(person)?;
        let view = RoomView::new(self.now(), you.clone(), (*told).clone());
        if let Some(member) = self.members.get_mut(person) {
            member.told = told;
            member.told_you = you;
        }
        Ok(view)
    }

    pub(super) fn tell_if_due(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        if let Some(concerned) = self.telling.times.take_stage(now_ms) {
            let on_stage = self.room.people().take_while(|member| member.role.is_on_stage());
            let people: Vec<PersonId> = on_stage.map(|member| *member.person).chain(concerned).collect();
            self.tell(&people);
        }
        if let Some(begin) = self.telling.times.take_part_of_audience(now_ms) {
            self.tell_part_of_audience(begin, now_ms);
        }
    }

    fn tell_part_of_audience(&mut self, begin: Bound<PersonId>, now_ms: u64) {
        let part = self.members.range((begin, Bound::Unbounded)).take(PEOPLE_TOLD_AT_ONCE);
        let people: Vec<PersonId> = part.map(|(person, _)| *person).collect();
        self.tell(&people);
        let last = people.last().copied().filter(|_| people.len() == PEOPLE_TOLD_AT_ONCE);
        self.telling.times.told_part_of_audience(last, self.members.len(), now_ms);
    }

    /// Each of them hears what changed for them, and then what is to be said about it.
    fn tell(&mut self, people: &[PersonId]) {
        debug_assert!(self.telling.views.are_of(&self.room), "the room is another one and nobody said so");
        let (now, id) = (self.now(), self.id);
        for person in people {
            let Some(member) = self.members.get_mut(person).filter(|member| member.waits_for.is_none()) else {
                continue;
            };
            let Some(you) = self.room.you(person) else { continue };
            let next = self.telling.views.of(&self.room, you.role);
            let mut told: Vec<Arc<TopicChange>> = Vec::new();
            if you != member.told_you {
                told.push(Arc::new(TopicChange::You { record: Box::new(you.clone()) }));
                member.told_you = you;
            }
            told.extend(self.telling.changes.between(&member.told, &next).iter().cloned());
            member.told = next;
            told.append(&mut member.outgoing.take());
            post(&member.session, id, now, told);
        }
    }
}

/// Posts changes; nothing if there are none.
pub(super) fn post(session: &Session, room: RoomId, now: RoomTime, changes: Vec<Arc<TopicChange>>) {
    if !changes.is_empty() {
        session.mailbox.post(room, RoomEvent::Changed { now, changes });
    }
}
