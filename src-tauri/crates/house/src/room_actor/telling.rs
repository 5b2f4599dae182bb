//! Telling everybody in a room what changed: made once for each role, sent to each person with what is their own.

use std::{collections::HashMap, sync::Arc};

use serambi_protocol::{
    Code, Notice, PersonId, Refusal, RoomEvent, RoomId, TopicChange,
    view::{Role, RoleView, RoomTime, YouView},
};

use super::RoomActor;
use crate::authenticator::Session;

/// Changes within this time after people were told something are told together.
const COALESCE_MS: u64 = 30;
/// In a large room telling takes time itself: each member adds so much to that pause, up to the longest one.
const COALESCE_MICROS_PER_MEMBER: u64 = 50;
const MAX_COALESCE_MS: u64 = 200;

/// When people are told again, and what those of each role were told last.
#[derive(Default)]
pub struct Telling {
    is_due: bool,
    not_before_ms: u64,
    last: HashMap<Role, Arc<RoleView>>,
}

impl Telling {
    pub(super) fn has_news(&mut self) {
        self.is_due = true;
    }

    pub(super) fn due_at_ms(&self) -> Option<u64> {
        self.is_due.then_some(self.not_before_ms)
    }

    /// The same view as long as nothing in it changes, so that it is compared and told once.
    fn keep(&mut self, role: Role, view: RoleView) -> Arc<RoleView> {
        match self.last.get(&role) {
            Some(last) if **last == view => last.clone(),
            _ => {
                let view = Arc::new(view);
                self.last.insert(role, view.clone());
                view
            }
        }
    }
}

/// The changes from one role's view to another's, made once for all who need the same.
#[derive(Default)]
struct Changes {
    made: HashMap<(*const RoleView, *const RoleView), Vec<Arc<TopicChange>>>,
    /// Keeps the addresses above from being used again.
    views: Vec<Arc<RoleView>>,
}

impl Changes {
    fn between(&mut self, told: &Arc<RoleView>, next: &Arc<RoleView>) -> &[Arc<TopicChange>] {
        let pair = (Arc::as_ptr(told), Arc::as_ptr(next));
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
        let shared = self.telling.keep(you.role, self.room.role_view(you.role));
        Ok((shared, you))
    }

    pub(super) fn tell_if_due(&mut self) {
        let now_ms = self.shared.clock.now_ms();
        if self.telling.due_at_ms().is_some_and(|at| at <= now_ms) {
            self.tell();
            let crowd_ms = self.members.len() as u64 * COALESCE_MICROS_PER_MEMBER / 1_000;
            self.telling.not_before_ms = now_ms + (COALESCE_MS + crowd_ms).min(MAX_COALESCE_MS);
        }
    }

    /// Everybody hears what changed for them, and then what is to be said about it.
    fn tell(&mut self) {
        self.telling.is_due = false;
        let (now, id) = (self.now(), self.id);
        let mut views: HashMap<Role, Arc<RoleView>> = HashMap::new();
        let mut changes = Changes::default();
        for (person, member) in &mut self.members {
            if member.waits_for.is_some() {
                continue;
            }
            let Some(you) = self.room.you(person) else { continue };
            let role = you.role;
            let (room, telling) = (&self.room, &mut self.telling);
            let next = views.entry(role).or_insert_with(|| telling.keep(role, room.role_view(role))).clone();
            let mut told: Vec<Arc<TopicChange>> = Vec::new();
            if you != member.told_you {
                told.push(Arc::new(TopicChange::You { record: Box::new(you.clone()) }));
                member.told_you = you;
            }
            told.extend(changes.between(&member.told, &next).iter().cloned());
            member.told = next;
            post(&member.session, id, now, told, std::mem::take(&mut member.notices));
        }
    }
}

/// Posts changes and, behind them, notices; nothing if there are none.
pub(super) fn post(
    session: &Session,
    room: RoomId,
    now: RoomTime,
    mut changes: Vec<Arc<TopicChange>>,
    notices: Vec<Notice>,
) {
    if !notices.is_empty() {
        changes.push(Arc::new(TopicChange::Notices { stream: notices }));
    }
    if !changes.is_empty() {
        session.mailbox.post(room, RoomEvent::Changed { now, changes });
    }
}
