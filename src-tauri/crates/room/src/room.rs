//! One room: what it consists of, and the door to its rules.

mod arriving;
mod at_the_door;
mod chatting;
mod connection;
mod hands;
mod inviting;
mod leaving;
mod passing_time;
mod reacting;
mod rows;
mod running;

use std::collections::{BTreeMap, BTreeSet};

use serambi_protocol::{
    Act, Code, Command, Notice, PersonId, Refusal, RoomId,
    switch::Switches,
    view::{Role, RoomTime},
};
use serde::{Deserialize, Serialize};

pub use at_the_door::Knocking;
pub use rows::PersonRow;

use crate::{
    chat::Chat, door::Door, hand_queue::HandQueue, invitation::Invitations, outcome::Outcome, permission::may,
    reactions::Reactions, seat::Seat, settings::Settings, stage::Stage, succession::HostClaims,
};

/// One room. Somebody who has a seat is on stage or in the audience, never both and never neither.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    pub(crate) id: RoomId,
    pub(crate) title: String,
    pub(crate) settings: Settings,
    /// Everybody who is here or whose seat is kept.
    pub(crate) seats: BTreeMap<PersonId, Seat>,
    pub(crate) stage: Stage,
    /// Listeners by when they came into the audience.
    pub(crate) audience: Vec<Listener>,
    /// Listeners that came into the audience so far.
    audience_count: u64,
    pub(crate) hands: HandQueue,
    pub(crate) invitations: Invitations,
    pub(crate) claims: HostClaims,
    pub(crate) switches: Switches,
    /// A room that was saved before it had one has nobody there.
    #[serde(default)]
    pub(crate) door: Door,
    /// In a room that was saved before it had one nobody wrote anything.
    #[serde(default)]
    pub(crate) chat: Chat,
    #[serde(skip)]
    pub(crate) reactions: Reactions,
    /// Whoever left the stage by themselves or by a lost connection.
    pub(crate) former_speakers: BTreeSet<PersonId>,
    blocked: BTreeSet<PersonId>,
    /// Removed without a block: not let in before this time.
    removed: BTreeMap<PersonId, RoomTime>,
    /// Left or lost: let into the locked room until this time.
    departed: BTreeMap<PersonId, RoomTime>,
    /// The display name of the host, or of the last one while there is none.
    pub(crate) host_name: String,
    /// Since when nobody at all has a seat.
    deserted_since: Option<RoomTime>,
    over: bool,
}

/// Somebody in the audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) person: PersonId,
    /// Compares who came into the audience first.
    pub(crate) rank: u64,
}

/// Somebody in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Who.
    pub person: &'a PersonId,
    /// Display name.
    pub name: &'a str,
    /// What they are here.
    pub role: Role,
    /// The connection is lost; the seat is kept for a while.
    pub away: bool,
    /// Hears and is heard, as far as is known.
    pub has_sound: bool,
}

impl Room {
    /// A new room at time zero: its host is alone on stage, muted.
    pub fn start(id: RoomId, title: String, host: PersonId, name: String, settings: Settings) -> (Room, Outcome) {
        let mut outcome = Outcome::default();
        outcome.may_publish(&host, true);
        let room = Room {
            id,
            title,
            settings,
            seats: BTreeMap::from([(host, Seat::taken_by(&name))]),
            stage: Stage::held_by(host),
            audience: Vec::new(),
            audience_count: 0,
            hands: HandQueue::default(),
            invitations: Invitations::default(),
            claims: HostClaims::default(),
            switches: Switches::default(),
            door: Door::default(),
            chat: Chat::default(),
            reactions: Reactions::default(),
            former_speakers: BTreeSet::from([host]),
            blocked: BTreeSet::new(),
            removed: BTreeMap::new(),
            departed: BTreeMap::new(),
            host_name: name,
            deserted_since: None,
            over: false,
        };
        (room, outcome)
    }

    /// Carries out what somebody in the room wants.
    ///
    /// # Errors
    /// `room_ended`, `not_in_room`, `not_allowed`, `person_not_here`, and what stands at the single commands. A refusal
    /// changes nothing, not even what time would have changed: if [`Room::next_deadline`] is due, it still is.
    pub fn command(&mut self, now: RoomTime, actor: &PersonId, command: &Command) -> Result<Outcome, Refusal> {
        self.when_time_has_passed(now, |room, out| room.carry_out(now, actor, command, out))
    }

    fn carry_out(
        &mut self,
        now: RoomTime,
        actor: &PersonId,
        command: &Command,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.refuse_if_over()?;
        let role = self.role_of(actor).ok_or(Code::NotInRoom)?;
        match command {
            Command::RaiseHand => self.raise_hand(now, actor, out),
            Command::LowerHand => self.lower_hand(actor),
            Command::DismissHand { person } => self.dismiss_hand(now, actor, person, out),
            Command::LowerAllHands => self.lower_all_hands(role, out),
            Command::SetHandScope { scope } => self.set_hand_scope(role, *scope),
            Command::SetSwitch { switch, on } => self.set_switch(role, *switch, *on),
            Command::Invite { person } => self.invite(now, actor, person, out),
            Command::CancelInvitation { person } => self.cancel_invitation(actor, person, out),
            Command::AcceptInvitation => self.accept_invitation(actor, out),
            Command::DeclineInvitation => self.decline_invitation(now, actor, out),
            Command::Ping { person } => self.ping(now, role, person),
            Command::LetIn { person } => self.let_in(now, role, person),
            Command::TurnAway { person } => self.turn_away(now, role, person),
            Command::Say { text } => self.say(now, actor, text, out),
            Command::DeleteMessage { id } => self.delete_message(actor, role, *id, out),
            Command::React { reaction } => self.react(now, actor, *reaction),
            Command::SetMuted { muted } => self.set_muted(actor, *muted),
            Command::Mute { person } => self.mute(actor, person, out),
            Command::MuteEveryone => self.mute_everyone(actor, role, out),
            Command::MakeModerator { person } => self.make_moderator(actor, person, out),
            Command::TakeModerator { person } => self.take_moderator(actor, person, out),
            Command::HandOver { person } => self.hand_over(actor, person, out),
            Command::MoveToAudience { person: Some(person) } if person != actor => {
                self.move_to_audience(now, actor, person, out)
            }
            Command::MoveToAudience { .. } => self.step_down(now, actor, role, out),
            Command::Leave => self.leave(now, actor, out),
            Command::Remove { person, block } => self.remove(now, actor, person, *block, out),
            Command::EndRoom => self.end_for_everyone(role, out),
        }
    }

    /// The house says whether somebody on stage follows this person, which matters while only such hands may go up.
    /// Forgotten when the person leaves.
    pub fn set_followed(&mut self, person: &PersonId, followed: bool) {
        if let Some(seat) = self.seats.get_mut(person) {
            seat.followed = followed;
        }
    }

    /// What somebody is here; none if they have no seat.
    pub fn role_of(&self, person: &PersonId) -> Option<Role> {
        self.seats.get(person)?;
        Some(self.stage.role_of(person).unwrap_or(Role::Listener))
    }

    /// May this person send voice? Exactly those on stage may.
    pub fn may_publish(&self, person: &PersonId) -> bool {
        self.stage.place_of(person).is_some()
    }

    /// Everybody with a seat: the stage in its order, then the audience in its order.
    pub fn people(&self) -> impl Iterator<Item = Member<'_>> {
        self.everybody().filter_map(|person| {
            let seat = self.seats.get(person)?;
            let role = self.stage.role_of(person).unwrap_or(Role::Listener);
            Some(Member { person, name: &seat.name, role, away: seat.is_away(), has_sound: seat.has_sound() })
        })
    }

    /// Which room.
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// Has it ended? Nothing can happen in it any more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn refuse_if_over(&self) -> Result<(), Refusal> {
        if self.over { Err(Code::RoomEnded.into()) } else { Ok(()) }
    }

    /// The role of somebody else in the room, if `actor` may do this to them.
    fn target(&self, actor: &PersonId, person: &PersonId, act: Act) -> Result<Role, Refusal> {
        let role = self.role_of(actor).ok_or(Code::NotInRoom)?;
        let target = self.role_of(person).ok_or(Code::PersonNotHere)?;
        if actor == person {
            return Err(Refusal::new(Code::NotAllowed, format!("{act:?} is for other people")));
        }
        refuse_unless(role, target, act)?;
        Ok(target)
    }

    /// The same for what only somebody on stage can have done to them.
    fn target_on_stage(&self, actor: &PersonId, person: &PersonId, act: Act) -> Result<Role, Refusal> {
        let target = self.target(actor, person, act)?;
        if target.is_on_stage() { Ok(target) } else { Err(Code::NotOnStage.into()) }
    }

    fn everybody(&self) -> impl Iterator<Item = &PersonId> {
        self.stage.places().map(|place| &place.person).chain(self.audience.iter().map(|listener| &listener.person))
    }

    fn everybody_but<'a>(&'a self, person: &'a PersonId) -> impl Iterator<Item = &'a PersonId> {
        self.everybody().filter(move |other| *other != person)
    }

    /// Tells those who run the room. Somebody who is away has nothing from a cue that is over.
    fn tell_moderators(&self, notice: &Notice, out: &mut Outcome) {
        let moderators = self.people().filter(|member| member.role.may_moderate() && !member.away);
        out.tell_each(moderators.map(|member| member.person), notice);
    }

    pub(crate) fn name_of(&self, person: &PersonId) -> String {
        self.seats.get(person).map(|seat| seat.name.clone()).unwrap_or_default()
    }

    pub(crate) fn has_sound(&self, person: &PersonId) -> bool {
        self.seats.get(person).is_some_and(Seat::has_sound)
    }

    /// Is there a host who hears and is heard?
    pub(crate) fn host_is_here(&self) -> bool {
        self.stage.host().is_some_and(|host| self.has_sound(host))
    }

    fn add_listener(&mut self, person: &PersonId) {
        self.audience_count += 1;
        self.audience.push(Listener { person: *person, rank: self.audience_count });
    }

    fn take_listener(&mut self, person: &PersonId) {
        self.audience.retain(|listener| listener.person != *person);
    }

    /// Places on stage that can be taken: without those kept for hosts who may come back. The first place of an empty
    /// stage is free whatever is kept, or nobody could bring the room back to life.
    pub(crate) fn places(&self) -> usize {
        self.settings.stage_limit.saturating_sub(self.claims.len()).max(1).max(self.stage.len())
    }

    pub(crate) fn stage_is_full(&self) -> bool {
        self.stage.len() >= self.places()
    }
}

fn refuse_unless(actor: Role, target: Role, act: Act) -> Result<(), Refusal> {
    if may(actor, target, act) {
        return Ok(());
    }
    Err(Refusal::new(Code::NotAllowed, format!("{act:?} by a {actor:?}")))
}
