//! What one person may see of the room, and what can be seen from outside.

use serambi_protocol::{
    Act, Code, PersonId, RoomSwitch, RoomView,
    api::{CardPerson, RoomCard},
    door::KnockView,
    limits::AUDIENCE_LISTED,
    view::{
        Counts, HandView, InvitationKind, InvitationView, InvitedView, PersonView, Rights, Role, RoleView, RoomRecord,
        RoomTime, YouView,
    },
};

use crate::{
    door::Knock,
    hand_queue::Hand,
    invitation::Invitation,
    permission::{may, rights_of},
    room::Room,
    seat::Seat,
    succession::successor,
};

impl Room {
    /// The room as this person may see it; none if they have no seat.
    pub fn view_for(&self, now: RoomTime, person: &PersonId) -> Option<RoomView> {
        let you = self.you(person)?;
        let shared = self.role_view(you.role);
        Some(RoomView::new(now, you, shared))
    }

    /// What everybody of this role sees. Only those on stage see the hand queue, only moderators the invitations.
    pub fn role_view(&self, role: Role) -> RoleView {
        let stage = self.stage.places().map(|place| self.face(&place.person, self.stage.rank_of(place)));
        let listed = self.audience.iter().take(AUDIENCE_LISTED);
        RoleView {
            room: self.record(),
            counts: Counts { listeners: count(self.audience.len()) },
            rights: self.rights(role),
            stage: stage.collect(),
            audience: listed.map(|listener| self.face(&listener.person, listener.rank)).collect(),
            hands: if may(role, role, Act::SeeQueue) { self.queue() } else { Vec::new() },
            invitations: if may(role, role, Act::Invite) { self.invitations() } else { Vec::new() },
            door: if may(role, role, Act::AnswerDoor) { self.at_the_door() } else { Vec::new() },
        }
    }

    /// What is one person's own; none if they have no seat.
    pub fn you(&self, person: &PersonId) -> Option<YouView> {
        let role = self.role_of(person)?;
        let successor = self.successor_of(role);
        let (may, refused) = self.own_acts(person, role);
        Some(YouView {
            id: *person,
            role,
            muted: self.is_muted(person),
            place: self.hands.place_of(person).map(count),
            hand_blocked_until: self.hands.blocked_until(person),
            invitation: self.invitation_of(person),
            may,
            refused,
            leaving_asks: self.seats.len() > 1 && (role == Role::Host || successor.is_some()),
            successor,
        })
    }

    fn record(&self) -> RoomRecord {
        RoomRecord {
            id: self.id,
            title: self.title.clone(),
            host: self.host_name.clone(),
            stage_limit: count(self.places()),
            switches: self.switches.clone(),
            hand_scope: self.hands.scope,
            ends_at: self.stage_ends_at(),
        }
    }

    fn rights(&self, role: Role) -> Rights {
        let rights = rights_of(role, self.host_is_here(), self.switches.is_on(RoomSwitch::Locked));
        let is_refused = self.stage_is_full() && may(role, role, Act::Invite);
        Rights { invite_refused: is_refused.then_some(Code::StageFull), ..rights }
    }

    /// What can be seen before joining.
    pub fn card(&self) -> RoomCard {
        let face = |person: &PersonId| CardPerson { id: *person, name: self.name_of(person) };
        RoomCard {
            id: self.id,
            title: self.title.clone(),
            host: self.host_name.clone(),
            stage: self.stage.places().map(|place| face(&place.person)).collect(),
            listeners: count(self.audience.len()),
            locked: self.switches.is_on(RoomSwitch::Locked),
        }
    }

    /// Somebody who was on the stage is asked back onto it for as long as it is empty.
    fn invitation_of(&self, person: &PersonId) -> Option<InvitationView> {
        let made = self.invitations.open_of(person).map(|invitation| InvitationView {
            by: invitation.by.clone(),
            kind: if invitation.answers_hand { InvitationKind::YourTurn } else { InvitationKind::Invited },
            until: invitation.until,
        });
        let is_asked = self.may_take_empty_stage(person) && !self.stage.said_not_now(person);
        made.or_else(|| {
            let until = self.stage_ends_at().filter(|_| is_asked)?;
            let was_there = self.may_come_straight_back(person);
            let kind = if was_there { InvitationKind::YourTurn } else { InvitationKind::RunRoom };
            Some(InvitationView { by: self.host_name.clone(), kind, until })
        })
    }

    fn successor_of(&self, role: Role) -> Option<String> {
        let others = self.stage.others();
        let next = successor(others, |person| self.has_sound(person)).filter(|_| role == Role::Host)?;
        others.get(next).map(|place| self.name_of(&place.person))
    }

    fn face(&self, person: &PersonId, rank: u64) -> PersonView {
        PersonView {
            id: *person,
            rank,
            name: self.name_of(person),
            role: self.stage.role_of(person).unwrap_or(Role::Listener),
            muted: self.is_muted(person),
            connection: self.seats.get(person).map(|seat: &Seat| seat.shown).unwrap_or_default(),
        }
    }

    fn is_muted(&self, person: &PersonId) -> bool {
        self.stage.place_of(person).is_none_or(|place| place.muted)
    }

    fn queue(&self) -> Vec<HandView> {
        let view = |hand: &Hand| HandView {
            id: hand.person,
            rank: hand.rank,
            name: self.name_of(&hand.person),
            raised_at: hand.raised_at,
        };
        self.hands.hands().iter().map(view).collect()
    }

    fn at_the_door(&self) -> Vec<KnockView> {
        let view = |knock: &Knock| KnockView {
            id: knock.person,
            rank: knock.rank,
            name: knock.name.clone(),
            since: knock.since,
        };
        self.door.waiting().iter().map(view).collect()
    }

    fn invitations(&self) -> Vec<InvitedView> {
        let view = |invitation: &Invitation| InvitedView {
            id: invitation.person,
            rank: invitation.rank,
            name: self.name_of(&invitation.person),
            state: invitation.state,
            refused: invitation.why_not_again(),
            until: invitation.until,
        };
        self.invitations.iter().map(view).collect()
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
