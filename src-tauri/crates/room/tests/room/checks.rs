//! The numbered checks a room must pass, as far as they are rules. A starts every room.

use serambi_protocol::{
    Code, Command, Notice,
    command::HandScope,
    event::ClosedReason,
    reaction::Reaction,
    view::{InvitationState, PersonConnection, Role},
};
use serambi_room::Settings;

use crate::timetable::*;

#[test]
fn check_01_the_starter_is_host_on_stage_and_muted_and_who_joins_is_a_listener() {
    let mut room = Timetable::a_starts();
    room.at(1_000).joins("B");
    assert_eq!(room.role("A"), Some(Role::Host));
    assert_eq!(room.stage(), "A");
    assert!(room.is_muted("A"));
    assert_eq!(room.role("B"), Some(Role::Listener));
    assert!(!room.room.may_publish(&person("B")));
}

#[test]
fn check_02_somebody_who_joins_and_leaves_ten_times_is_not_noticed() {
    let mut room = Timetable::a_starts();
    for minute in 1..=10 {
        room.at(minute * 60_000).joins("B").at(minute * 60_000 + 10_000).leaves("B");
    }
    room.joins("B").loses("B").at(3_600_000);
    assert_eq!(room.role("B"), None);
    assert_eq!(room.anybody_told(), []);
}

#[test]
fn check_03_a_client_that_sends_without_the_stage_has_no_right_to() {
    let mut room = Timetable::a_starts();
    room.joins("B C");
    assert_eq!(room.cannot("B", UNMUTE), Code::NotOnStage);
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::InvitationGone);
    assert_eq!(room.media.speakers, [person("A")].into());
}

#[test]
fn check_04_hands_are_off_for_everybody_whatever_their_client_shows() {
    let mut room = Timetable::a_starts();
    room.joins("B C").raise_hands("C").does("A", scope(HandScope::Off));
    assert_eq!(room.cannot("B", Command::RaiseHand), Code::HandsOff);
    assert_eq!(room.queue("A"), "C", "a hand that is up stays up");
}

#[test]
fn check_05_only_followed_people_may_raise_and_a_raised_hand_outlives_the_following() {
    let mut room = Timetable::a_starts();
    room.joins("B C").does("A", scope(HandScope::Followed));
    room.room.set_followed(&person("B"), true);
    room.raise_hands("B");
    assert_eq!(room.cannot("C", Command::RaiseHand), Code::HandsFollowedOnly);
    room.room.set_followed(&person("B"), false);
    assert_eq!(room.queue("A"), "B");
    room.does("B", Command::LowerHand);
    assert_eq!(room.cannot("B", Command::RaiseHand), Code::HandsFollowedOnly);
}

#[test]
fn check_06_queue_keeps_the_order_of_raising() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").at(1_000).raise_hands("B").at(2_000).raise_hands("C").at(3_000).raise_hands("D");
    assert_eq!(room.queue("A"), "B C D");
    room.at(4_000).does("C", Command::LowerHand).at(5_000).does("C", Command::RaiseHand);
    assert_eq!(room.queue("A"), "B D C");
    assert_eq!(
        [room.view("B"), room.view("D"), room.view("C")].map(|view| view.you.place),
        [Some(1), Some(2), Some(3)]
    );
}

#[test]
fn check_07_who_accepts_is_on_stage_and_muted() {
    let mut room = Timetable::a_starts();
    room.joins("B C").does("A", invite("B"));
    assert_eq!(room.told("B"), [Notice::Invited { by: "A".into() }]);
    assert!(!room.room.may_publish(&person("B")), "not before agreeing");
    room.does("B", Command::AcceptInvitation);
    assert_eq!(room.stage(), "A B");
    assert!(room.is_muted("B"));
    assert_eq!(room.told("B"), [Notice::OnStage]);
    assert_eq!(room.told("C"), [Notice::JoinedStage { name: "B".into() }]);
}

#[test]
fn check_08_an_unasked_invitation_is_gone_after_five_minutes() {
    let mut room = Timetable::a_starts();
    room.joins("B").does("A", invite("B")).at(299_999);
    assert!(room.view("B").you.invitation.is_some());
    room.told("B");
    room.at(300_000);
    assert_eq!(room.view("B").you.invitation, None);
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::InvitationGone);
    assert_eq!(room.told("B"), [], "it disappears silently");
    assert_eq!(room.told("A"), [Notice::NoAnswer { name: "B".into() }]);
    assert_eq!(room.view("A").invitations[0].state, InvitationState::NoAnswer);
}

#[test]
fn check_08_an_invitation_that_answers_a_hand_is_gone_after_one_minute_and_the_hand_is_down() {
    let mut room = Timetable::a_starts();
    room.joins("B").raise_hands("B").does("A", invite("B"));
    assert_eq!(room.told("B"), [Notice::YourTurn]);
    room.at(59_999);
    assert!(room.view("B").you.invitation.is_some());
    room.at(60_000);
    assert_eq!(room.view("B").you.invitation, None);
    assert_eq!(room.queue("A"), "");
}

#[test]
fn check_08_accepting_late_is_refused_even_if_nobody_told_the_room_the_time() {
    let mut room = Timetable::a_starts();
    room.joins("B").does("A", invite("B")).at_unnoticed(300_000);
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::InvitationGone);
    room.told("A");
    room.at(300_000);
    assert_eq!(room.told("A"), [Notice::NoAnswer { name: "B".into() }], "and the moderator still hears of it");
}

#[test]
fn check_09_of_a_cancel_and_an_accept_at_the_same_moment_exactly_one_happens() {
    let mut room = Timetable::a_starts();
    room.joins("B").does("A", invite("B")).does("A", cancel("B"));
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::InvitationGone);
    assert_eq!(room.stage(), "A");
    assert_eq!(room.told("B"), [Notice::Invited { by: "A".into() }, Notice::InvitationCancelled]);

    room.does("A", invite("B")).does("B", Command::AcceptInvitation);
    assert_eq!(room.cannot("A", cancel("B")), Code::InvitationGone);
    assert_eq!(room.stage(), "A B");
}

#[test]
fn check_10_two_invitations_for_the_last_place_bring_one_person_on_stage() {
    let mut room = Timetable::a_starts_with(Settings { stage_limit: 3, ..Settings::default() });
    room.joins("B C D E").brings_up("B").does("A", make_moderator("B"));
    room.raise_hands("E D").does("A", invite("C")).does("B", invite("D"));
    room.does("C", Command::AcceptInvitation);
    assert_eq!(room.told("D").last(), Some(&Notice::StageFull));
    assert_eq!(room.cannot("D", Command::AcceptInvitation), Code::StageFull);
    assert_eq!(room.stage(), "A B C");
    assert_eq!(room.view("D").you.place, Some(2));
    assert_eq!(room.cannot("A", invite("E")), Code::StageFull);

    room.does("C", STEP_DOWN).does("D", Command::AcceptInvitation);
    assert_eq!(room.stage(), "A B D");
}

#[test]
fn check_11_a_moderators_mute_is_carried_out_at_once_and_can_be_undone_by_the_muted_alone() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").does("B", UNMUTE).forget_notices();
    room.does("A", mute("B"));
    assert!(room.is_muted("B"));
    assert_eq!(room.media.muted, [person("B")]);
    assert_eq!(room.told("B"), [Notice::MutedBy { by: "A".into() }]);
    room.does("B", UNMUTE);
    assert!(!room.is_muted("B"));
}

#[test]
fn check_12_no_command_opens_the_microphone_of_somebody_else() {
    for muted_role in [Role::Speaker, Role::Moderator] {
        for command in commands_about("B") {
            let mut room = Timetable::a_starts();
            room.joins("B").brings_up("B");
            if muted_role == Role::Moderator {
                room.does("A", make_moderator("B"));
            }
            assert!(room.is_muted("B"));
            // Carried out or refused: B must not be open afterwards.
            let _ = room.room.command(room.now, &person("A"), &command);
            let seen = room.room.view_for(room.now, &person("B"));
            assert!(seen.is_none_or(|view| view.you.muted), "{command:?}");
        }
    }
}

/// Every command there is, about this person where it is about somebody. A new one does not compile until it is here.
fn commands_about(name: &str) -> Vec<Command> {
    let mut commands = vec![Command::RaiseHand];
    while let Some(next) = commands.last().and_then(|last| command_after(last, name)) {
        commands.push(next);
    }
    commands
}

fn command_after(command: &Command, name: &str) -> Option<Command> {
    Some(match command {
        Command::RaiseHand => Command::LowerHand,
        Command::LowerHand => Command::AcceptInvitation,
        Command::AcceptInvitation => Command::DeclineInvitation,
        Command::DeclineInvitation => UNMUTE,
        Command::SetMuted { muted: false } => MUTE,
        Command::SetMuted { muted: true } => STEP_DOWN,
        Command::MoveToAudience { person: None } => to_audience(name),
        Command::MoveToAudience { person: Some(_) } => invite(name),
        Command::Invite { .. } => cancel(name),
        Command::CancelInvitation { .. } => dismiss(name),
        Command::DismissHand { .. } => Command::LowerAllHands,
        Command::LowerAllHands => scope(HandScope::Off),
        Command::SetHandScope { .. } => mute(name),
        Command::Mute { .. } => Command::MuteEveryone,
        Command::MuteEveryone => make_moderator(name),
        Command::MakeModerator { .. } => take_moderator(name),
        Command::TakeModerator { .. } => lock(true),
        Command::SetSwitch { .. } => hand_over(name),
        Command::HandOver { .. } => remove(name),
        Command::Remove { block: false, .. } => remove_and_block(name),
        Command::Remove { block: true, .. } => ping(name),
        Command::Ping { .. } => let_in(name),
        Command::LetIn { .. } => turn_away(name),
        Command::TurnAway { .. } => say("hello"),
        Command::Say { .. } => delete(1),
        Command::DeleteMessage { .. } => Command::React { reaction: Reaction::Clap },
        Command::React { .. } => Command::Leave,
        Command::Leave => Command::EndRoom,
        Command::EndRoom => return None,
    })
}

#[test]
fn check_14_a_moderator_can_remove_neither_the_host_nor_another_moderator_but_the_host_can() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B C").does("A", make_moderator("B")).does("A", make_moderator("C"));
    for command in [remove("A"), remove("C"), mute("A"), mute("C"), to_audience("A"), to_audience("C")] {
        assert_eq!(room.cannot("B", command), Code::NotAllowed);
    }
    room.does("A", remove("C"));
    assert_eq!(room.role("C"), None);
    assert_eq!(room.closed("C"), Some(ClosedReason::Removed));
}

#[test]
fn check_15_who_is_removed_and_blocked_does_not_come_back_and_others_do() {
    let mut room = Timetable::a_starts();
    room.joins("B C").does("A", remove_and_block("B")).does("A", remove("C"));
    assert_eq!(room.cannot_join("B"), Code::Blocked);
    room.at(300_000).joins("C D");
    assert_eq!(room.cannot_join("B"), Code::Blocked);
    assert_eq!(room.role("D"), Some(Role::Listener));
    assert_eq!(room.role("C"), Some(Role::Listener), "removed without a block");
}

#[test]
fn check_16_the_moderator_who_has_been_one_longest_follows_the_host() {
    let mut room = Timetable::a_starts();
    room.joins("D C B").brings_up("D C B");
    room.at(600_000).does("A", make_moderator("B")).at(900_000).does("A", make_moderator("C"));
    assert_eq!(room.stage(), "A B C D");
    assert_eq!(room.view("A").you.successor, Some("B".into()));
    room.forget_notices().leaves("A");
    assert_eq!(room.role("B"), Some(Role::Host));
    assert_eq!(room.told("B"), [Notice::YouAreHost]);
    assert_eq!(room.told("C"), [Notice::NewHost { name: "B".into() }]);
    room.leaves("B");
    assert_eq!(room.role("C"), Some(Role::Host));
}

#[test]
fn check_17_without_moderators_the_speaker_who_has_been_on_stage_longest_follows_and_can_invite() {
    let mut room = Timetable::a_starts();
    room.joins("C B D").at(1_000).brings_up("B").at(2_000).brings_up("C").leaves("A");
    assert_eq!(room.role("B"), Some(Role::Host));
    assert_eq!(room.role("C"), Some(Role::Speaker));
    room.does("B", invite("D"));
}

#[test]
fn check_18_a_host_back_at_59_seconds_is_host_on_stage_and_muted() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").does("A", UNMUTE).loses("A").at(59_000);
    let host = &room.view("B").stage[0];
    assert_eq!((host.name.as_str(), host.role, host.connection), ("A", Role::Host, PersonConnection::Away));
    room.is_back("A");
    assert_eq!(room.role("A"), Some(Role::Host));
    assert!(room.is_muted("A"));
    assert_eq!(room.view("B").stage[0].connection, PersonConnection::Good);
    assert_eq!(room.media.muted, [person("A")]);
    room.at(3_600_000);
    assert_eq!(room.role("A"), Some(Role::Host));
}

#[test]
fn check_18_a_host_away_for_61_seconds_is_followed_and_is_host_again_at_5_minutes() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B C").loses("A").at(61_000);
    assert_eq!(room.role("A"), None);
    assert_eq!(room.closed("A"), Some(ClosedReason::Lost));
    assert_eq!(room.role("B"), Some(Role::Host));
    room.at(300_000).joins("A");
    assert_eq!(room.role("A"), Some(Role::Host));
    assert!(room.is_muted("A"));
    assert_eq!(room.role("B"), Some(Role::Moderator));
    assert_eq!(room.told("C").last(), Some(&Notice::NewHost { name: "A".into() }));
}

#[test]
fn check_18_a_host_back_at_11_minutes_is_a_listener() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").loses("A").at(660_000).joins("A");
    assert_eq!(room.role("A"), Some(Role::Listener));
    assert_eq!(room.role("B"), Some(Role::Host));
}

#[test]
fn check_19_an_empty_stage_waits_five_minutes_and_a_former_speaker_comes_straight_back_as_host() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B").leaves("B A");
    assert_eq!(room.stage(), "");
    assert_eq!(room.view("C").room.ends_at.map(|end| end.0), Some(300_000));
    assert_eq!(room.view("C").room.host, "A", "the last host is still named");
    room.at(240_000).joins("B D");
    assert_eq!(room.role("B"), Some(Role::Host));
    assert!(room.is_muted("B"));
    assert_eq!(room.role("D"), Some(Role::Listener), "who was never on stage listens");
    assert_eq!(room.view("C").room.ends_at, None);
    room.at(3_600_000);
    assert!(!room.room.is_over());
}

#[test]
fn check_19_an_empty_stage_to_which_nobody_comes_back_ends_the_room() {
    let mut room = Timetable::a_starts();
    room.at(1_000).joins("C").leaves("A").at(300_999);
    assert!(!room.room.is_over());
    room.at(301_000);
    assert!(room.room.is_over());
    assert_eq!(room.closed("C"), Some(ClosedReason::Ended));
}

#[test]
fn check_20_a_room_with_nobody_in_it_is_gone_after_a_minute() {
    let mut room = Timetable::a_starts();
    room.joins("B").leaves("A B").at(59_999);
    assert!(!room.room.is_over());
    room.at(60_000);
    assert!(room.room.is_over());
    assert_eq!(room.cannot_join("B"), Code::RoomEnded);
    assert_eq!(room.room.next_deadline(), None);
}

#[test]
fn check_22_a_hand_keeps_its_place_while_its_owner_is_away_for_30_seconds() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").raise_hands("C B D").loses("B").at(30_000).is_back("B");
    assert_eq!(room.queue("A"), "C B D");
    assert_eq!(room.view("B").you.place, Some(2));
}

#[test]
fn check_27_300_hands_in_3_seconds_give_one_cue_and_300_entries_in_order() {
    let mut room = Timetable::a_starts();
    let crowd: Vec<_> = (0..300u32).map(crowd_member).collect();
    for person in &crowd {
        let _ = room.room.join(room.now, person, "crowd").unwrap();
    }
    let mut cues = 0;
    for (index, person) in crowd.iter().enumerate() {
        room.at(1_000 + index as u64 * 10 - index as u64 / 100);
        let outcome = room.room.command(room.now, person, &Command::RaiseHand).unwrap();
        cues += outcome.notices.len();
    }
    assert_eq!(cues, 1);
    let hands = room.view("A").hands;
    assert_eq!(hands.len(), 300);
    assert!(hands.iter().map(|hand| &hand.id).eq(&crowd));
    assert!(hands.is_sorted_by_key(|hand| hand.raised_at));
}

fn crowd_member(number: u32) -> serambi_protocol::PersonId {
    let mut key = [1; 32];
    // Reversed, so that the order of the ids is not the order of arrival.
    key[..4].copy_from_slice(&(300 - number).to_be_bytes());
    serambi_protocol::PersonId::from_key(&key)
}

#[test]
fn check_29_the_host_ends_the_room_and_everybody_is_out() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B").loses("C");
    assert_eq!(room.cannot("B", Command::EndRoom), Code::NotAllowed);
    room.does("A", Command::EndRoom);
    assert!(room.room.is_over());
    for name in ["A", "B", "C"] {
        assert_eq!(room.closed(name), Some(ClosedReason::Ended));
        assert_eq!(room.role(name), None);
    }
    assert_eq!(room.media.speakers, [].into());
    assert_eq!(room.cannot("A", UNMUTE), Code::RoomEnded);
}
