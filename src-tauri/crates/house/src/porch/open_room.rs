//! One open room with the people in it: what each was told last, what each is still to be told, and where their
//! sound goes.

mod measuring;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serambi_protocol::{
    Code, Command, Notice, PersonId, Refusal, RoomEvent, RoomId, RoomView, event::ClosedReason, view::RoomTime,
};
use serambi_room::{MediaChange, Outcome, Room};
use tokio::sync::oneshot;

use crate::{
    authenticator::Session,
    capture_marks::CaptureMarks,
    loss_reports::LossReports,
    media::{keys::Standing, mirror::Mirror},
};

/// Changes within this time after people were told something are told together.
const COALESCE_MS: u64 = 30;
/// In a large room telling takes time itself. It gets at most a fifth of the porch's, so that wishes are heard; and
/// nobody waits longer than this.
const LONGEST_COALESCE_MS: u64 = 250;

/// Where the answer to a command goes.
pub type Reply = oneshot::Sender<Result<(), Refusal>>;

/// Somebody who is no longer in the room.
#[derive(Clone, Debug)]
pub struct Gone {
    /// Who.
    pub person: PersonId,
    /// Through which session they were here.
    pub session: u64,
}

struct Member {
    session: Arc<Session>,
    told: RoomView,
    notices: Vec<Notice>,
    /// The grant that must be in force before this person hears of being on stage.
    waits_for: Option<u64>,
    /// Answers that wait for the same.
    replies: Vec<Reply>,
    /// Was on stage during this stay, and so is visible in the media room.
    was_on_stage: bool,
    /// The connection is lost.
    is_lost: bool,
}

/// A room that is open.
pub struct OpenRoom {
    room: Room,
    id: RoomId,
    began_at_ms: u64,
    members: BTreeMap<PersonId, Member>,
    mirror: Mirror,
    /// Not before this are people told again.
    tell_at_ms: u64,
    has_news: bool,
    loss_reports: LossReports,
    capture_marks: CaptureMarks,
}

impl OpenRoom {
    /// A room that has just been started by `host`, with the outcome of starting it.
    pub fn new(room: Room, id: RoomId, mirror: Mirror, now_ms: u64) -> Self {
        Self {
            room,
            id,
            began_at_ms: now_ms,
            members: BTreeMap::new(),
            mirror,
            tell_at_ms: 0,
            has_news: false,
            loss_reports: LossReports::default(),
            capture_marks: CaptureMarks::default(),
        }
    }

    /// The rules' side of it.
    pub fn rules(&self) -> &Room {
        &self.room
    }

    /// How many people are in it, not counting one.
    pub fn people_except(&self, except: Option<&PersonId>) -> usize {
        self.members.keys().filter(|person| Some(*person) != except).count()
    }

    /// The next time at which something happens by itself.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let by_the_rules = self.room.next_deadline().map(|at| self.began_at_ms.saturating_add(at.0));
        let telling = self.has_news.then_some(self.tell_at_ms);
        by_the_rules.into_iter().chain(telling).chain(self.next_measurement_ms()).min()
    }

    /// Does what is due, and tells what is to be told.
    pub fn pass_time(&mut self, now_ms: u64) -> Vec<Gone> {
        let now = self.time(now_ms);
        let mut gone = Vec::new();
        if self.room.next_deadline().is_some_and(|at| at <= now) {
            let outcome = self.room.pass_time(now);
            gone = self.take(outcome);
        }
        if self.has_news && now_ms >= self.tell_at_ms {
            self.tell(now_ms);
        }
        self.tell_speakers(now_ms);
        gone
    }

    /// Lets somebody in, or in again.
    ///
    /// # Errors
    /// What the rules refuse.
    pub fn join(&mut self, session: &Arc<Session>, now_ms: u64) -> Result<Vec<Gone>, Refusal> {
        let mut outcome = self.room.join(self.time(now_ms), &session.person, &session.name)?;
        self.welcome(session, now_ms)?;
        // The token they get says whether they may publish: there is nothing to wait for.
        outcome
            .media
            .retain(|change| !matches!(change, MediaChange::MayPublish { person, .. } if *person == session.person));
        Ok(self.take(outcome))
    }

    /// Writes down who came in. Somebody who was here through another session is told on that one that it is over.
    ///
    /// # Errors
    /// `not_in_room` if the rules do not know them.
    pub fn welcome(&mut self, session: &Arc<Session>, now_ms: u64) -> Result<(), Refusal> {
        let told = self.view(&session.person, now_ms)?;
        self.mirror.welcome(&session.person);
        let earlier = self.members.remove(&session.person);
        let was_on_stage = earlier.as_ref().is_some_and(|member| member.was_on_stage) || told.you.role.is_on_stage();
        if let Some(earlier) = earlier {
            answer(earlier.replies);
            if earlier.session.id != session.id {
                close(&earlier.session, &self.id, ClosedReason::Replaced);
            }
        }
        let member = Member {
            session: session.clone(),
            told,
            notices: Vec::new(),
            waits_for: None,
            replies: Vec::new(),
            was_on_stage,
            is_lost: false,
        };
        self.members.insert(session.person.clone(), member);
        self.has_news = true;
        Ok(())
    }

    /// The room as that person sees it now, which from then on is what they have been told.
    ///
    /// # Errors
    /// `not_in_room`.
    pub fn show(&mut self, person: &PersonId, now_ms: u64) -> Result<RoomView, Refusal> {
        let view = self.view(person, now_ms)?;
        if let Some(member) = self.members.get_mut(person) {
            member.told = view.clone();
        }
        Ok(view)
    }

    /// What a person may do in the media room now.
    ///
    /// # Errors
    /// `not_in_room`.
    pub fn standing(&self, person: &PersonId, now_ms: u64) -> Result<Standing, Refusal> {
        let may_publish = self.view(person, now_ms)?.you.role.is_on_stage();
        let was_on_stage = self.members.get(person).is_some_and(|member| member.was_on_stage);
        Ok(Standing { may_publish, hidden: !(may_publish || was_on_stage) })
    }

    /// Carries out a wish, or refuses it. The answer to one that leads on stage comes when voice may be sent.
    pub fn command(&mut self, person: &PersonId, command: Command, reply: Reply, now_ms: u64) -> Vec<Gone> {
        let outcome = match self.room.command(self.time(now_ms), person, &command) {
            Ok(outcome) => outcome,
            Err(refusal) => {
                answer_with(reply, Err(refusal));
                return Vec::new();
            }
        };
        let gone = self.take(outcome);
        match self.members.get_mut(person) {
            Some(member) if member.waits_for.is_some() => member.replies.push(reply),
            _ => answer_with(reply, Ok(())),
        }
        gone
    }

    /// A person's channel was closed for too long.
    pub fn connection_lost(&mut self, person: &PersonId, now_ms: u64) -> Vec<Gone> {
        if let Some(member) = self.members.get_mut(person) {
            member.is_lost = true;
        }
        let outcome = self.room.connection_lost(self.time(now_ms), person);
        self.take(outcome)
    }

    /// A person's channel is open (again).
    pub fn connection_back(&mut self, person: &PersonId, now_ms: u64) -> Vec<Gone> {
        match self.members.get_mut(person) {
            Some(member) if member.is_lost => member.is_lost = false,
            _ => return Vec::new(),
        }
        let outcome = self.room.connection_back(self.time(now_ms), person);
        self.take(outcome)
    }

    /// The media server lets somebody publish now: they can be told.
    pub fn granted(&mut self, person: &PersonId, ticket: u64) {
        if let Some(member) = self.members.get_mut(person).filter(|member| member.waits_for == Some(ticket)) {
            member.waits_for = None;
            answer(std::mem::take(&mut member.replies));
            self.has_news = true;
        }
    }

    /// Puts right what the media server says about people and the rules do not.
    pub fn compare(&mut self, people: Vec<(PersonId, bool)>, now_ms: u64) {
        for (person, may_publish) in people {
            match self.standing(&person, now_ms) {
                Ok(standing) if standing.may_publish == may_publish => {}
                Ok(standing) if standing.may_publish => self.allow_again(&person),
                Ok(_) => self.mirror.deny(&person),
                Err(_) => self.mirror.remove(&person),
            }
        }
    }

    /// The new order takes the place of one that may still be under way, and so does its ticket.
    fn allow_again(&mut self, person: &PersonId) {
        let ticket = self.mirror.allow(person);
        if let Some(member) = self.members.get_mut(person).filter(|member| member.waits_for.is_some()) {
            member.waits_for = Some(ticket);
        }
    }

    /// Sends everybody home because the house closes.
    pub fn close_for_all(&mut self) {
        for (_, member) in std::mem::take(&mut self.members) {
            answer(member.replies);
            close(&member.session, &self.id, ClosedReason::Ended);
        }
    }

    /// Ends the media room too.
    pub fn end_media(self) -> impl Future<Output = ()> + Send + 'static {
        self.mirror.end()
    }

    fn time(&self, now_ms: u64) -> RoomTime {
        RoomTime(now_ms.saturating_sub(self.began_at_ms))
    }

    fn view(&self, person: &PersonId, now_ms: u64) -> Result<RoomView, Refusal> {
        self.room.view_for(self.time(now_ms), person).ok_or_else(|| Code::NotInRoom.into())
    }

    /// What the rules decided: media first, then the words, then the farewells.
    fn take(&mut self, outcome: Outcome) -> Vec<Gone> {
        self.has_news = true;
        for change in outcome.media {
            self.mirror_change(change);
        }
        for (person, notice) in outcome.notices {
            if let Some(member) = self.members.get_mut(&person) {
                member.notices.push(notice);
            }
        }
        outcome.closed.into_iter().filter_map(|(person, reason)| self.farewell(person, reason)).collect()
    }

    fn mirror_change(&mut self, change: MediaChange) {
        match change {
            MediaChange::MayPublish { person, may } => {
                let Some(member) = self.members.get_mut(&person) else { return };
                if may {
                    member.was_on_stage = true;
                    member.waits_for = Some(self.mirror.allow(&person));
                } else {
                    member.waits_for = None;
                    answer(std::mem::take(&mut member.replies));
                    self.mirror.deny(&person);
                }
            }
            MediaChange::Mute { person } => self.mirror.mute(&person),
            MediaChange::Remove { person } => self.mirror.remove(&person),
        }
    }

    fn farewell(&mut self, person: PersonId, reason: ClosedReason) -> Option<Gone> {
        let member = self.members.remove(&person)?;
        self.loss_reports.forget(&person);
        self.capture_marks.forget(&person);
        answer(member.replies);
        for notice in member.notices {
            member.session.mailbox.post(self.id.clone(), RoomEvent::Notice { notice });
        }
        close(&member.session, &self.id, reason);
        Some(Gone { person, session: member.session.id })
    }

    /// Everybody hears what changed for them, and then what is to be said about it.
    fn tell(&mut self, now_ms: u64) {
        self.has_news = false;
        let began = Instant::now();
        let now = self.time(now_ms);
        for (person, member) in &mut self.members {
            if member.waits_for.is_some() {
                continue;
            }
            let Some(view) = self.room.view_for(now, person) else { continue };
            for change in member.told.changes_to(&view) {
                member.session.mailbox.post(self.id.clone(), change);
            }
            member.told = view;
            for notice in member.notices.drain(..) {
                member.session.mailbox.post(self.id.clone(), RoomEvent::Notice { notice });
            }
        }
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let pause_ms = took_ms.saturating_mul(5).clamp(COALESCE_MS, LONGEST_COALESCE_MS);
        self.tell_at_ms = now_ms.saturating_add(pause_ms);
    }
}

fn close(session: &Session, room: &RoomId, reason: ClosedReason) {
    session.mailbox.post(room.clone(), RoomEvent::Closed { reason });
}

fn answer(replies: Vec<Reply>) {
    replies.into_iter().for_each(|reply| answer_with(reply, Ok(())));
}

fn answer_with(reply: Reply, result: Result<(), Refusal>) {
    // Whoever asked may have hung up; what was done stays done.
    let _ = reply.send(result);
}
