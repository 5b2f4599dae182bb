//! Who may do what: the table of the room's rules, as one function.

use serambi_protocol::view::Role;

/// Everything a person can do in a room. One row of the table each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Listen, see who is here, react, leave quietly.
    TakePart,
    /// Raise and lower one's own hand (if the hand scope allows).
    RaiseHand,
    /// Be heard, once unmuted.
    SendVoice,
    /// Ask somebody to come in, copy the link.
    PingIn,
    /// Go back to the audience oneself (the last moderator: only after naming another).
    StepDown,
    /// Read the whole hand queue. A listener sees only their own place.
    SeeQueue,
    /// Invite to speak, take an invitation back, dismiss hands.
    Invite,
    /// Mute somebody on stage.
    Mute,
    /// Unmute somebody else. Nobody may; the row is here so that the table says so.
    Unmute,
    /// Move somebody else to the audience.
    MoveToAudience,
    /// Give the right to run the room.
    MakeModerator,
    /// Take that right back.
    TakeModerator,
    /// Put somebody out of the room.
    Remove,
    /// Change title, pinned link, hand scope, chat.
    ChangeRoom,
    /// Lock, unlock, change who may enter.
    ChangeEntry,
    /// Start and stop recording.
    Record,
    /// Have everybody send long frames.
    SaveUpload,
    /// Make somebody else host.
    HandOver,
    /// End the room for everyone.
    EndRoom,
    /// The same, while the host's connection is lost.
    EndRoomWithoutHost,
}

/// May somebody with the role `actor` do this to somebody else with the role `target`? For what is done to nobody in
/// particular the target is the actor's own role. Doing it to oneself is never asked here.
pub const fn may(actor: Role, target: Role, action: Action) -> bool {
    match action {
        Action::TakePart | Action::PingIn => true,
        Action::RaiseHand => matches!(actor, Role::Listener),
        Action::SendVoice | Action::StepDown | Action::SeeQueue => actor.is_on_stage(),
        Action::Invite
        | Action::MakeModerator
        | Action::ChangeRoom
        | Action::ChangeEntry
        | Action::Record
        | Action::EndRoomWithoutHost => actor.may_moderate(),
        Action::Mute | Action::MoveToAudience | Action::Remove => may_act_against(actor, target),
        Action::TakeModerator | Action::SaveUpload | Action::HandOver | Action::EndRoom => matches!(actor, Role::Host),
        Action::Unmute => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 4] = [Role::Listener, Role::Speaker, Role::Moderator, Role::Host];

    /// Action, then listener, speaker, moderator, host: `y` yes, `-` no, `2` yes but against neither host nor moderator.
    const TABLE: &[(Action, &str)] = &[
        (Action::TakePart, "y y y y"),
        (Action::RaiseHand, "y - - -"),
        (Action::SendVoice, "- y y y"),
        (Action::PingIn, "y y y y"),
        (Action::StepDown, "- y y y"),
        (Action::SeeQueue, "- y y y"),
        (Action::Invite, "- - y y"),
        (Action::Mute, "- - 2 y"),
        (Action::Unmute, "- - - -"),
        (Action::MoveToAudience, "- - 2 y"),
        (Action::MakeModerator, "- - y y"),
        (Action::TakeModerator, "- - - y"),
        (Action::Remove, "- - 2 y"),
        (Action::ChangeRoom, "- - y y"),
        (Action::ChangeEntry, "- - y y"),
        (Action::Record, "- - y y"),
        (Action::SaveUpload, "- - - y"),
        (Action::HandOver, "- - - y"),
        (Action::EndRoom, "- - - y"),
        (Action::EndRoomWithoutHost, "- - y y"),
    ];

    #[test]
    fn everybody_may_do_what_the_table_says_and_nothing_else() {
        for (action, row) in TABLE {
            for (actor, cell) in ROLES.into_iter().zip(row.split(' ')) {
                for target in ROLES {
                    let allowed = match cell {
                        "2" => matches!(target, Role::Speaker | Role::Listener),
                        cell => cell == "y",
                    };
                    assert_eq!(may(actor, target, *action), allowed, "{actor:?} {action:?} {target:?}");
                }
            }
        }
    }
}
