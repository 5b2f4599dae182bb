//! What one person may see of the room, and what can be seen from outside.

use serambi_protocol::{
    PersonId, RoomView,
    api::{CardPerson, RoomCard},
    limits::AUDIENCE_LISTED,
    view::{HandView, HandsView, InvitationView, InvitedView, PersonView, Role, RoomTime, YouView},
};

use crate::{permission::Action, permission::may, room::Room, succession::successor};

impl Room {
    /// The room as this person may see it; none if they have no seat. Listeners see of the hand queue only their own
    /// place; hand marks are for moderators and the person; invitations for moderators.
    pub fn view_for(&self, now: RoomTime, person: &PersonId) -> Option<RoomView> {
        let role = self.role_of(person)?;
        Some(RoomView {
            id: self.id.clone(),
            title: self.title.clone(),
            host: self.host_name.clone(),
            now,
            you: self.you(person, role),
            stage: self.stage.places().map(|place| self.face(&place.person, person, role)).collect(),
            audience: self.audience.iter().take(AUDIENCE_LISTED).map(|who| self.face(who, person, role)).collect(),
            listeners: count(self.audience.len()),
            stage_limit: count(self.places()),
            saves_upload: self.saves_upload,
            hands: self.hands_for(role),
            invitations: self.invitations_for(role),
            ends_at: self.stage_ends_at(),
        })
    }

    /// What can be seen before joining.
    pub fn card(&self) -> RoomCard {
        let face = |person: &PersonId| CardPerson { id: person.clone(), name: self.name_of(person) };
        RoomCard {
            id: self.id.clone(),
            title: self.title.clone(),
            host: self.host_name.clone(),
            stage: self.stage.places().map(|place| face(&place.person)).collect(),
            listeners: count(self.audience.len()),
        }
    }

    fn you(&self, person: &PersonId, role: Role) -> YouView {
        YouView {
            id: person.clone(),
            role,
            muted: self.is_muted(person),
            place: self.hands.place_of(person).map(count),
            hand_blocked_until: self.hands.blocked_until(person),
            invitation: self.invitation_of(person),
            successor: self.successor_of(role),
        }
    }

    /// Somebody who was on the stage is asked back onto it for as long as it is empty.
    fn invitation_of(&self, person: &PersonId) -> Option<InvitationView> {
        let made = self.invitations.open_of(person).map(|invitation| InvitationView {
            by: invitation.by.clone(),
            answers_hand: invitation.answers_hand,
            until: invitation.until,
        });
        let asked_back = self.may_come_straight_back(person) && !self.stage.said_not_now(person);
        made.or_else(|| {
            let until = self.stage_ends_at().filter(|_| asked_back)?;
            Some(InvitationView { by: self.host_name.clone(), answers_hand: true, until })
        })
    }

    fn successor_of(&self, role: Role) -> Option<String> {
        let others = self.stage.others();
        let next = successor(others, |person| self.is_away(person)).filter(|_| role == Role::Host)?;
        others.get(next).map(|place| self.name_of(&place.person))
    }

    fn face(&self, person: &PersonId, onlooker: &PersonId, role: Role) -> PersonView {
        PersonView {
            id: person.clone(),
            name: self.name_of(person),
            role: self.stage.role_of(person).unwrap_or(Role::Listener),
            muted: self.is_muted(person),
            away: self.is_away(person),
            hand: (role.may_moderate() || person == onlooker) && self.hands.is_up(person),
        }
    }

    fn is_muted(&self, person: &PersonId) -> bool {
        self.stage.place_of(person).is_none_or(|place| place.muted)
    }

    fn hands_for(&self, role: Role) -> HandsView {
        let queue: Vec<HandView> = if may(role, role, Action::SeeQueue) { self.queue() } else { Vec::new() };
        HandsView { scope: self.hands.scope, count: count(queue.len()), queue }
    }

    fn queue(&self) -> Vec<HandView> {
        let hands = self.hands.hands().iter();
        hands
            .map(|hand| HandView {
                person: hand.person.clone(),
                name: self.name_of(&hand.person),
                raised_at: hand.raised_at,
            })
            .collect()
    }

    fn invitations_for(&self, role: Role) -> Vec<InvitedView> {
        if !may(role, role, Action::Invite) {
            return Vec::new();
        }
        let invitations = self.invitations.iter();
        invitations
            .map(|invitation| InvitedView {
                person: invitation.person.clone(),
                name: self.name_of(&invitation.person),
                state: invitation.state,
            })
            .collect()
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
