//! Who may do what: the table of the room's rules, as one function, and what of it a view tells its reader.

use serambi_protocol::{
    Act, Code, PersonId, RoomSwitch,
    act::{ActOnRoles, RefusedAct},
    view::{Rights, Role},
};

use crate::room::Room;

/// May somebody with the role `actor` do this to somebody else with the role `target`? For what is done to nobody in
/// particular the target is the actor's own role. Doing it to oneself is never asked here.
pub const fn may(actor: Role, target: Role, act: Act) -> bool {
    match act {
        Act::RaiseHand | Act::LowerHand | Act::AcceptInvitation => matches!(actor, Role::Listener),
        Act::SendVoice | Act::StepDown | Act::SeeQueue => actor.is_on_stage(),
        Act::Invite
        | Act::LowerAllHands
        | Act::MuteEveryone
        | Act::MakeModerator
        | Act::SetHandScope
        | Act::AnswerDoor
        | Act::RemoveMessages => actor.may_moderate(),
        Act::Ping | Act::Say | Act::React => true,
        Act::Mute | Act::MoveToAudience | Act::Remove => may_act_against(actor, target),
        Act::TakeModerator | Act::HandOver | Act::EndRoom => matches!(actor, Role::Host),
    }
}

/// May this role turn this switch?
pub const fn may_turn(actor: Role, switch: RoomSwitch) -> bool {
    match switch {
        RoomSwitch::Locked | RoomSwitch::StageHeld | RoomSwitch::ChatOff | RoomSwitch::ReactionsOff => {
            actor.may_moderate()
        }
        RoomSwitch::SavesUpload => matches!(actor, Role::Host),
    }
}

/// Never against the host, and never against another moderator; the host may act on everyone.
const fn may_act_against(actor: Role, target: Role) -> bool {
    match actor {
        Role::Host => true,
        Role::Moderator => !target.may_moderate(),
        Role::Speaker | Role::Listener => false,
    }
}

/// May this role end the room? A moderator only while there is no host who hears and is heard.
pub const fn may_end(actor: Role, host_is_here: bool) -> bool {
    may(actor, actor, Act::EndRoom) || (!host_is_here && actor.may_moderate())
}

/// May this role call people in? A listener not into a locked room.
pub const fn may_ping(actor: Role, is_locked: bool) -> bool {
    may(actor, actor, Act::Ping) && (!is_locked || actor.is_on_stage())
}

/// The roles to which an act on other people can apply at all.
const fn applies_to(act: Act, target: Role) -> bool {
    match act {
        Act::Invite => matches!(target, Role::Listener),
        Act::Mute | Act::MoveToAudience => target.is_on_stage(),
        Act::MakeModerator => matches!(target, Role::Speaker),
        Act::TakeModerator => matches!(target, Role::Moderator),
        Act::HandOver => matches!(target, Role::Moderator | Role::Speaker),
        Act::Remove => true,
        _ => false,
    }
}

/// Acts on the room as a whole.
const ON_ROOM: [Act; 6] =
    [Act::SeeQueue, Act::LowerAllHands, Act::MuteEveryone, Act::SetHandScope, Act::AnswerDoor, Act::RemoveMessages];
/// Acts on oneself.
const ON_SELF: [Act; 7] =
    [Act::RaiseHand, Act::LowerHand, Act::AcceptInvitation, Act::SendVoice, Act::StepDown, Act::Say, Act::React];
/// Acts on other people.
const ON_PEOPLE: [Act; 7] =
    [Act::Invite, Act::Mute, Act::MoveToAudience, Act::MakeModerator, Act::TakeModerator, Act::HandOver, Act::Remove];

/// What a view tells its reader: the table's row of one role.
pub(crate) fn rights_of(actor: Role, host_is_here: bool, is_locked: bool) -> Rights {
    let mut may_do: Vec<Act> = ON_ROOM.into_iter().filter(|act| may(actor, actor, *act)).collect();
    if may_end(actor, host_is_here) {
        may_do.push(Act::EndRoom);
    }
    if may_ping(actor, is_locked) {
        may_do.push(Act::Ping);
    }
    let roles_for = |act: Act| -> Vec<Role> {
        Role::ALL.into_iter().filter(|target| applies_to(act, *target) && may(actor, *target, act)).collect()
    };
    let on = ON_PEOPLE.into_iter().map(|act| ActOnRoles { act, roles: roles_for(act) });
    Rights {
        may: may_do,
        on: on.filter(|entry| !entry.roles.is_empty()).collect(),
        switches: RoomSwitch::ALL.into_iter().filter(|switch| may_turn(actor, *switch)).collect(),
        invite_refused: None,
    }
}

impl Room {
    /// The acts on oneself that can be done now, and those that only something about the room or the moment forbids.
    pub(crate) fn own_acts(&self, person: &PersonId, role: Role) -> (Vec<Act>, Vec<RefusedAct>) {
        let due = ON_SELF.into_iter().filter(|act| may(role, role, *act) && self.is_due(person, *act));
        let (mut may_do, mut refused) = (Vec::new(), Vec::new());
        for act in due {
            match self.why_not(person, role, act) {
                None => may_do.push(act),
                Some(code) => refused.push(RefusedAct { act, code }),
            }
        }
        (may_do, refused)
    }

    /// Would doing it change anything?
    fn is_due(&self, person: &PersonId, act: Act) -> bool {
        match act {
            Act::RaiseHand => !self.hands.is_up(person),
            Act::LowerHand => self.hands.is_up(person),
            Act::AcceptInvitation => self.invitations.open_of(person).is_some() || self.may_take_empty_stage(person),
            _ => true,
        }
    }

    fn why_not(&self, person: &PersonId, role: Role, act: Act) -> Option<Code> {
        match act {
            Act::RaiseHand => self.why_no_hand(person),
            Act::AcceptInvitation => self.stage_is_full().then_some(Code::StageFull),
            Act::SendVoice => self.why_no_unmuting(person, role),
            Act::StepDown => self.why_no_step_down(role),
            Act::Say => self.why_no_chat(),
            Act::React => self.why_no_reacting(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 4] = [Role::Listener, Role::Speaker, Role::Moderator, Role::Host];

    /// The act, then listener, speaker, moderator, host: `y` yes, `-` no, `2` yes but against neither host nor
    /// moderator.
    const TABLE: &[(Act, &str)] = &[
        (Act::RaiseHand, "y - - -"),
        (Act::LowerHand, "y - - -"),
        (Act::AcceptInvitation, "y - - -"),
        (Act::SendVoice, "- y y y"),
        (Act::StepDown, "- y y y"),
        (Act::SeeQueue, "- y y y"),
        (Act::Invite, "- - y y"),
        (Act::LowerAllHands, "- - y y"),
        (Act::Mute, "- - 2 y"),
        (Act::MuteEveryone, "- - y y"),
        (Act::MoveToAudience, "- - 2 y"),
        (Act::MakeModerator, "- - y y"),
        (Act::TakeModerator, "- - - y"),
        (Act::Remove, "- - 2 y"),
        (Act::SetHandScope, "- - y y"),
        (Act::AnswerDoor, "- - y y"),
        (Act::Ping, "y y y y"),
        (Act::Say, "y y y y"),
        (Act::React, "y y y y"),
        (Act::RemoveMessages, "- - y y"),
        (Act::HandOver, "- - - y"),
        (Act::EndRoom, "- - - y"),
    ];

    const SWITCHES: &[(RoomSwitch, &str)] = &[
        (RoomSwitch::Locked, "- - y y"),
        (RoomSwitch::StageHeld, "- - y y"),
        (RoomSwitch::ChatOff, "- - y y"),
        (RoomSwitch::ReactionsOff, "- - y y"),
        (RoomSwitch::SavesUpload, "- - - y"),
    ];

    #[test]
    fn every_switch_is_turned_by_those_whom_the_table_names() {
        assert_eq!(SWITCHES.len(), RoomSwitch::ALL.len());
        for (switch, row) in SWITCHES {
            for (actor, cell) in ROLES.into_iter().zip(row.split(' ')) {
                assert_eq!(may_turn(actor, *switch), cell == "y", "{actor:?} {switch:?}");
            }
        }
    }

    #[test]
    fn everybody_may_do_what_the_table_says_and_nothing_else() {
        for (act, row) in TABLE {
            for (actor, cell) in ROLES.into_iter().zip(row.split(' ')) {
                for target in ROLES {
                    let allowed = match cell {
                        "2" => matches!(target, Role::Speaker | Role::Listener),
                        cell => cell == "y",
                    };
                    assert_eq!(may(actor, target, *act), allowed, "{actor:?} {act:?} {target:?}");
                }
            }
        }
    }

    #[test]
    fn a_view_tells_each_role_the_acts_and_the_people_it_may_do_them_to() {
        let moderator = rights_of(Role::Moderator, true, false);
        assert!(moderator.may_on(Act::Mute, Role::Speaker) && !moderator.may_on(Act::Mute, Role::Moderator));
        assert!(moderator.may_on(Act::Remove, Role::Listener) && !moderator.may_on(Act::Remove, Role::Host));
        assert!(!moderator.may.contains(&Act::EndRoom), "while the host is here");
        assert!(rights_of(Role::Moderator, false, false).may.contains(&Act::EndRoom));
        let host = rights_of(Role::Host, true, false);
        assert!(host.may_on(Act::HandOver, Role::Speaker) && !host.may_on(Act::HandOver, Role::Listener));
        assert_eq!(rights_of(Role::Listener, true, true), Rights::default());
        assert_eq!(rights_of(Role::Listener, true, false).may, [Act::Ping]);
        assert_eq!(rights_of(Role::Speaker, true, true).may, [Act::SeeQueue, Act::Ping]);
    }
}
