//! The smaller rules between the numbered checks.

use serambi_protocol::{
    Act, Code, Command, Notice, RoomSwitch,
    act::RefusedAct,
    command::HandScope,
    event::ClosedReason,
    switch::Switches,
    view::{InvitationKind, InvitationState, PersonConnection, Role, RoomTime},
};
use serambi_room::Settings;

use crate::timetable::*;

#[test]
fn a_new_hand_gives_moderators_a_cue_at_most_every_three_seconds_with_the_exact_count() {
    let mut room = Timetable::a_starts();
    room.joins("B C D E").brings_up("E").forget_notices();
    room.at(10_000).raise_hands("B").at(12_999).raise_hands("C").at(13_000).raise_hands("D");
    let cue = |name: &str, count| Notice::HandRaised { name: name.into(), count };
    assert_eq!(room.told("A"), [cue("B", 1), cue("D", 3)]);
    assert_eq!(room.told("E"), [], "a speaker may read the queue but gets no cue");
}

#[test]
fn a_dismissed_hand_cannot_go_up_again_for_thirty_seconds_even_by_leaving_and_joining() {
    let mut room = Timetable::a_starts();
    room.joins("B").raise_hands("B").at(1_000).does("A", dismiss("B"));
    assert_eq!(room.told("B"), [Notice::HandDismissed]);
    assert_eq!(room.view("B").you.hand_blocked_until, Some(RoomTime(31_000)));
    assert_eq!(room.cannot("A", dismiss("B")), Code::HandNotUp);
    room.leaves("B").joins("B").at(30_999);
    assert_eq!(room.cannot("B", Command::RaiseHand), Code::HandTooSoon);
    room.at(31_000).raise_hands("B");
    assert_eq!(room.view("B").you.hand_blocked_until, None);
}

#[test]
fn lowering_all_hands_clears_the_queue_and_leaves_invitations_alone() {
    let mut room = Timetable::a_starts();
    room.joins("B C").raise_hands("B C").does("A", invite("B")).forget_notices().does("A", Command::LowerAllHands);
    assert_eq!(room.queue("A"), "");
    assert_eq!(room.told("C"), [Notice::HandDismissed]);
    room.raise_hands("C").does("B", Command::AcceptInvitation);
    assert_eq!(room.stage(), "A B");
}

#[test]
fn lowering_a_hand_takes_the_offer_that_answered_it_but_not_an_unasked_one() {
    let mut room = Timetable::a_starts();
    room.joins("B C").raise_hands("B").does("A", invite("B")).does("B", Command::LowerHand);
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::InvitationGone);
    room.does("A", invite("C")).raise_hands("C").does("C", Command::LowerHand);
    room.does("C", Command::AcceptInvitation);
}

#[test]
fn a_hand_goes_down_by_itself_on_stage_and_on_leaving() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").raise_hands("B C D").brings_up("B").leaves("C");
    assert_eq!(room.queue("A"), "D");
    room.joins("C");
    assert_eq!(room.view("C").you.place, None);
}

#[test]
fn raising_a_hand_twice_keeps_the_place_and_lowering_twice_does_nothing() {
    let mut room = Timetable::a_starts();
    room.joins("B C").raise_hands("B C B");
    assert_eq!(room.queue("A"), "B C");
    room.does("A", scope(HandScope::Off)).forget_notices().raise_hands("B");
    assert_eq!(room.anybody_told(), [], "a hand that is up is no new hand");
    room.does("B", Command::LowerHand).does("B", Command::LowerHand);
    assert_eq!(room.queue("A"), "C");
}

#[test]
fn a_listener_sees_their_own_place_and_a_speaker_the_queue_and_only_moderators_the_invitations() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("D").raise_hands("B C").does("A", invite("B"));
    assert_eq!((room.queue("C").as_str(), room.view("C").you.place), ("", Some(2)));
    assert_eq!((room.queue("A").as_str(), room.queue("D").as_str()), ("B C", "B C"));
    assert_eq!(room.view("A").invitations.len(), 1);
    assert_eq!(room.view("D").invitations, []);
    assert_eq!(room.view("B").invitations, []);
    assert_eq!(room.view("B").you.invitation.map(|invitation| invitation.by), Some("A".into()));
}

#[test]
fn maybe_later_is_told_to_moderators_and_holds_for_a_minute() {
    let mut room = Timetable::a_starts();
    room.joins("B").at(1_000).does("A", invite("B"));
    assert_eq!(room.cannot("A", invite("B")), Code::AlreadyInvited);
    room.at(2_000).does("B", Command::DeclineInvitation);
    assert_eq!(room.told("A"), [Notice::SaidLater { name: "B".into() }]);
    assert_eq!(room.view("A").invitations[0].state, InvitationState::Later);
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::InvitationGone);
    room.at(61_999);
    assert_eq!(room.cannot("A", invite("B")), Code::InviteTooSoon);
    room.at(62_000).does("A", invite("B"));
}

#[test]
fn only_who_could_still_accept_is_told_that_the_stage_filled_up() {
    let mut room = Timetable::a_starts_with(Settings { stage_limit: 2, ..Settings::default() });
    room.joins("B C D").does("A", invite("B")).does("A", invite("C")).does("A", invite("D"));
    room.does("C", Command::DeclineInvitation).does("B", Command::AcceptInvitation);
    assert!(!room.told("C").contains(&Notice::StageFull));
    assert!(room.told("D").contains(&Notice::StageFull));
}

#[test]
fn no_answer_is_shown_for_a_minute_and_the_person_can_be_invited_again_at_once() {
    let mut room = Timetable::a_starts();
    room.joins("B C").does("A", invite("B")).does("A", invite("C")).at(300_000).does("A", invite("B"));
    room.at(359_999);
    assert_eq!(room.view("A").invitations.len(), 2);
    room.at(360_000);
    assert_eq!(room.view("A").invitations.len(), 1);
}

#[test]
fn an_invitation_is_used_once() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B");
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::AlreadyOnStage);
    room.does("B", STEP_DOWN);
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::InvitationGone);
}

#[test]
fn the_host_mutes_everyone_but_a_moderator_spares_host_and_moderators() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B C D").does("A", make_moderator("B")).does("A", make_moderator("C"));
    for name in ["A", "B", "C", "D"] {
        room.does(name, UNMUTE);
    }
    room.does("B", Command::MuteEveryone);
    assert_eq!(["A", "B", "C", "D"].map(|name| room.is_muted(name)), [false, false, false, true]);
    room.does("A", Command::MuteEveryone);
    assert_eq!(["A", "B", "C", "D"].map(|name| room.is_muted(name)), [false, true, true, true]);
    assert_eq!(room.cannot("D", Command::MuteEveryone), Code::NotAllowed);
}

#[test]
fn muting_somebody_who_says_to_be_muted_reaches_the_media_server_but_is_no_news_to_them() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").forget_notices().does("A", mute("B"));
    assert_eq!(room.media.muted, [person("B")]);
    assert_eq!(room.told("B"), []);
}

#[test]
fn nobody_acts_on_themselves_with_a_moderators_words() {
    let mut room = Timetable::a_starts();
    for command in [mute("A"), remove("A"), hand_over("A"), make_moderator("A"), invite("A"), dismiss("A")] {
        assert_eq!(room.cannot("A", command), Code::NotAllowed);
    }
}

#[test]
fn listeners_and_speakers_cannot_run_the_room() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B").raise_hands("D");
    for name in ["B", "C"] {
        for command in [invite("D"), cancel("D"), dismiss("D"), mute("A"), to_audience("A"), remove("D")] {
            assert_eq!(room.cannot(name, command), Code::NotAllowed);
        }
        let commands = [Command::LowerAllHands, Command::MuteEveryone, Command::EndRoom, scope(HandScope::Off)];
        for command in commands {
            assert_eq!(room.cannot(name, command), Code::NotAllowed);
        }
        for command in [make_moderator("A"), take_moderator("A"), save_upload(true), hand_over("A")] {
            assert_eq!(room.cannot(name, command), Code::NotAllowed);
        }
    }
}

#[test]
fn what_the_host_saves_everybody_sees_and_it_stays_with_the_room_when_the_host_changes() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B C").does("A", make_moderator("C")).does("A", save_upload(true));
    assert!("A B C D".split(' ').all(|name| room.view(name).room.switches.is_on(RoomSwitch::SavesUpload)));
    room.does("A", hand_over("B"));
    assert!(room.view("D").room.switches.is_on(RoomSwitch::SavesUpload));
    assert_eq!(room.cannot("C", save_upload(false)), Code::NotAllowed);
    room.does("B", save_upload(false));
    assert!(!room.view("D").room.switches.is_on(RoomSwitch::SavesUpload));
}

#[test]
fn what_needs_the_stage_is_refused_for_listeners_and_absent_people() {
    let mut room = Timetable::a_starts();
    room.joins("B");
    for command in [mute("B"), to_audience("B"), make_moderator("B"), take_moderator("B"), hand_over("B")] {
        assert_eq!(room.cannot("A", command), Code::NotOnStage);
    }
    assert_eq!(room.cannot("B", STEP_DOWN), Code::NotOnStage);
    assert_eq!(room.cannot("B", to_audience("B")), Code::NotOnStage);
    assert_eq!(room.cannot("A", invite("X")), Code::PersonNotHere);
    assert_eq!(room.cannot("X", Command::RaiseHand), Code::NotInRoom);
    assert_eq!(room.cannot("A", Command::RaiseHand), Code::AlreadyOnStage);
    room.brings_up("B");
    assert_eq!(room.cannot("A", invite("B")), Code::AlreadyOnStage);
}

#[test]
fn a_speaker_goes_to_the_audience_by_themselves_or_by_a_moderator_and_may_raise_a_hand_again() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B C").forget_notices();
    room.does("B", STEP_DOWN).does("A", to_audience("C"));
    assert_eq!(room.stage(), "A");
    assert_eq!(room.told("B"), []);
    assert_eq!(room.told("C"), [Notice::MovedToAudience]);
    assert_eq!(room.view("A").audience.iter().map(|face| face.name.as_str()).collect::<String>(), "BC");
    room.raise_hands("B C");
}

#[test]
fn the_last_moderator_cannot_go_to_the_audience_before_naming_another() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B");
    assert_eq!(room.cannot("A", STEP_DOWN), Code::LastModerator);
    room.does("A", make_moderator("B")).are_away("B");
    assert_eq!(room.cannot("A", STEP_DOWN), Code::LastModerator, "one who is away cannot invite");
    room.is_back("B").does("A", to_audience("A"));
    assert_eq!((room.role("A"), room.role("B")), (Some(Role::Listener), Some(Role::Host)));
}

#[test]
fn moderators_come_and_go_by_the_host_and_are_told() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B C D").forget_notices();
    room.does("A", make_moderator("C")).does("C", make_moderator("D")).does("C", make_moderator("D"));
    assert_eq!(room.stage(), "A C D B");
    assert_eq!(room.told("D"), [Notice::YouAreModerator], "once, however often it is said");
    assert_eq!(room.cannot("C", take_moderator("D")), Code::NotAllowed);
    room.does("A", take_moderator("C"));
    assert_eq!(room.stage(), "A D B C");
    assert_eq!(room.told("C"), [Notice::YouAreModerator, Notice::YouAreNotModerator]);
}

#[test]
fn who_hands_over_stays_as_moderator_and_comes_back_as_a_listener() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B").forget_notices().does("A", hand_over("B"));
    assert_eq!((room.role("A"), room.role("B")), (Some(Role::Moderator), Some(Role::Host)));
    assert_eq!(room.told("B"), [Notice::YouAreHost]);
    assert_eq!(room.told("A"), [Notice::NewHost { name: "B".into() }]);
    room.leaves("A").joins("A");
    assert_eq!(room.role("A"), Some(Role::Listener));
}

#[test]
fn a_speaker_made_host_by_handing_over_is_a_moderator_after_handing_back() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("C B").does("A", hand_over("B")).does("B", hand_over("A"));
    assert_eq!(room.role("B"), Some(Role::Moderator));
    assert_eq!(room.stage(), "A B C");
}

#[test]
fn a_room_is_not_handed_to_somebody_who_is_away() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").are_away("B");
    assert_eq!(room.cannot("A", hand_over("B")), Code::PersonNotHere);
}

#[test]
fn a_host_who_left_quietly_is_host_again_within_ten_minutes() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").at(60_000).leaves("A").at(659_999).joins("A");
    assert_eq!((room.role("A"), room.role("B")), (Some(Role::Host), Some(Role::Moderator)));
    assert!(room.is_muted("A"));
    room.at(700_000).leaves("A").at(1_300_000).joins("A");
    assert_eq!((room.role("A"), room.role("B")), (Some(Role::Listener), Some(Role::Host)));
}

#[test]
fn the_place_of_a_host_who_may_come_back_is_kept_and_seen_to_be() {
    let mut room = Timetable::a_starts_with(Settings { stage_limit: 3, ..Settings::default() });
    room.joins("B C D").brings_up("B C").leaves("A");
    assert_eq!(room.view("B").room.stage_limit, 2);
    assert_eq!(room.cannot("B", invite("D")), Code::StageFull);
    room.joins("A");
    assert_eq!(room.stage(), "A B C");
    room.leaves("A").at(600_000);
    assert_eq!(room.view("B").room.stage_limit, 3);
    room.does("B", invite("D")).does("D", Command::AcceptInvitation);
    assert_eq!(room.stage(), "B C D");
}

#[test]
fn the_ten_minutes_of_a_host_count_from_the_loss_of_the_connection() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").loses("A").at(600_000).joins("A");
    assert_eq!(room.role("A"), Some(Role::Listener));
}

#[test]
fn places_kept_for_former_hosts_do_not_keep_an_empty_stage_empty() {
    let mut room = Timetable::a_starts_with(Settings { stage_limit: 2, ..Settings::default() });
    room.joins("B C").brings_up("C").does("C", STEP_DOWN).brings_up("B").leaves("A B");
    assert_eq!(room.view("C").room.stage_limit, 1);
    room.does("C", Command::AcceptInvitation);
    assert_eq!(room.role("C"), Some(Role::Host));
    room.joins("B").joins("A");
    assert_eq!(room.stage(), "B C");
    assert_eq!(room.role("A"), Some(Role::Listener), "both places are taken");
}

#[test]
fn a_host_who_comes_back_under_another_name_is_named_so() {
    let mut room = Timetable::a_starts();
    room.joins("B");
    let _ = room.room.join(room.now, &person("A"), "Ayu").unwrap();
    assert_eq!(room.view("B").room.host, "Ayu");
    room.leaves("A");
    assert_eq!(room.view("B").room.host, "Ayu");
}

#[test]
fn the_first_host_back_ends_the_claim_of_those_who_stood_in() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B C").leaves("A B");
    assert_eq!(room.role("C"), Some(Role::Host));
    room.joins("A").joins("B");
    assert_eq!((room.role("A"), room.role("B")), (Some(Role::Host), Some(Role::Listener)));
}

#[test]
fn one_who_stood_in_is_host_again_until_the_first_host_is_back() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B C").leaves("A B").joins("B");
    assert_eq!(room.role("B"), Some(Role::Host));
    room.joins("A");
    assert_eq!((room.role("A"), room.role("B")), (Some(Role::Host), Some(Role::Moderator)));
}

#[test]
fn somebody_who_is_there_follows_the_host_before_somebody_who_is_away() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B C").does("A", make_moderator("B")).are_away("B");
    assert_eq!(room.view("A").you.successor, Some("C".into()));
    room.leaves("A");
    assert_eq!((room.role("B"), room.role("C")), (Some(Role::Moderator), Some(Role::Host)));
}

#[test]
fn if_everybody_else_on_stage_is_away_one_of_them_is_host_all_the_same() {
    let mut room = Timetable::a_starts();
    room.joins("B L").brings_up("B").loses("B").at(30_000).leaves("A");
    assert_eq!(room.role("B"), Some(Role::Host));
    room.at(60_000);
    assert_eq!(room.stage(), "");
    assert_eq!(room.view("L").room.ends_at, Some(RoomTime(360_000)));
}

#[test]
fn people_lost_in_the_same_moment_do_not_become_host_on_the_way_out() {
    let mut room = Timetable::a_starts();
    room.joins("B L").brings_up("B").forget_notices().loses("A B").at(60_000);
    assert_eq!(room.anybody_told(), []);
    room.joins("B");
    assert_eq!(room.role("B"), Some(Role::Host), "as a former speaker on an empty stage");
    room.joins("A");
    assert_eq!(room.role("A"), Some(Role::Host));
}

#[test]
fn who_was_on_stage_and_still_listens_is_asked_back_while_the_stage_is_empty() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B C").does("B", STEP_DOWN).does("C", STEP_DOWN).leaves("A");
    let asked = |room: &Timetable, name: &str| room.view(name).you.invitation.map(|invitation| invitation.until);
    assert_eq!(asked(&room, "B"), Some(RoomTime(300_000)));
    assert_eq!(asked(&room, "D"), None);
    assert_eq!(room.cannot("D", Command::AcceptInvitation), Code::InvitationGone);
    room.does("C", Command::DeclineInvitation);
    assert_eq!(asked(&room, "C"), None);
    room.does("B", Command::AcceptInvitation);
    assert_eq!(room.role("B"), Some(Role::Host));
    assert_eq!(room.cannot("C", Command::AcceptInvitation), Code::InvitationGone);
}

#[test]
fn an_open_invitation_of_a_host_who_left_still_brings_somebody_on_the_empty_stage_as_host() {
    let mut room = Timetable::a_starts();
    room.joins("B").does("A", invite("B")).leaves("A").does("B", Command::AcceptInvitation);
    assert_eq!(room.role("B"), Some(Role::Host));
}

#[test]
fn a_stage_for_one_can_be_taken_again_when_it_is_empty() {
    let mut room = Timetable::a_starts_with(Settings { stage_limit: 1, ..Settings::default() });
    room.joins("B");
    assert_eq!(room.cannot("A", invite("B")), Code::StageFull);
    room.leaves("A").joins("A");
    assert_eq!(room.role("A"), Some(Role::Host));
}

#[test]
fn a_deserted_room_lives_on_if_somebody_comes_within_the_minute() {
    let mut room = Timetable::a_starts();
    room.leaves("A").at(59_000).joins("C").at(299_000);
    assert!(!room.room.is_over());
    assert_eq!(room.role("C"), Some(Role::Listener));
    room.at(300_000);
    assert!(room.room.is_over(), "nobody came back on stage");
}

#[test]
fn a_moderator_may_end_the_room_only_while_the_host_is_away() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B C").does("A", make_moderator("B"));
    assert_eq!(room.cannot("B", Command::EndRoom), Code::NotAllowed);
    room.are_away("A");
    assert_eq!(room.cannot("C", Command::EndRoom), Code::NotAllowed);
    room.does("B", Command::EndRoom);
    assert!(room.room.is_over());
}

#[test]
fn joining_again_from_another_place_keeps_the_seat_and_mutes() {
    let mut room = Timetable::a_starts();
    room.joins("B C").does("A", UNMUTE).raise_hands("B C").joins("A B");
    assert_eq!(room.role("A"), Some(Role::Host));
    assert!(room.is_muted("A"));
    assert_eq!(room.media.muted, [person("A")]);
    assert_eq!(room.queue("A"), "B C");
}

#[test]
fn joining_within_the_minute_takes_the_kept_seat_under_the_new_name() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").loses("B").at(59_999);
    let _ = room.room.join(room.now, &person("B"), "Budi").unwrap();
    assert_eq!(room.stage(), "A Budi");
    assert_eq!(room.role("B"), Some(Role::Speaker));
    room.at(120_000);
    assert_eq!(room.role("B"), Some(Role::Speaker));
}

#[test]
fn a_connection_that_was_never_lost_does_not_mute_when_it_is_said_to_be_back() {
    let mut room = Timetable::a_starts();
    room.does("A", UNMUTE).is_back("A");
    assert!(!room.is_muted("A"));
}

#[test]
fn a_moderator_who_is_away_gets_no_cue() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B").does("A", make_moderator("B")).are_away("A").forget_notices().raise_hands("C");
    assert_eq!(room.told("A"), []);
    assert_eq!(room.told("B").len(), 1);
}

#[test]
fn a_connection_back_too_late_finds_no_seat() {
    let mut room = Timetable::a_starts();
    room.joins("B").loses("B").at_unnoticed(60_000).is_back("B");
    assert_eq!(room.role("B"), None);
}

#[test]
fn who_joins_in_the_moment_the_seat_is_given_up_is_a_newcomer_and_not_told_to_be_out() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B").raise_hands("C").loses("B C").at_unnoticed(60_000).joins("B C");
    assert_eq!((room.role("B"), room.role("C")), (Some(Role::Listener), Some(Role::Listener)));
    assert_eq!((room.closed("B"), room.closed("C")), (None, Some(ClosedReason::Lost)), "C was noticed with B");
}

#[test]
fn a_second_loss_while_away_does_not_prolong_the_seat() {
    let mut room = Timetable::a_starts();
    room.joins("B").loses("B").at(30_000).loses("B").at(60_000);
    assert_eq!(room.role("B"), None);
}

#[test]
fn only_the_host_is_told_who_would_run_the_room() {
    let mut room = Timetable::a_starts();
    assert_eq!(room.view("A").you.successor, None);
    room.joins("B C").brings_up("B").does("A", make_moderator("B"));
    assert_eq!(room.view("A").you.successor, Some("B".into()));
    assert_eq!(room.view("B").you.successor, None);
    assert_eq!(room.view("C").you.successor, None);
}

#[test]
fn the_card_shows_the_stage_by_name_and_counts_the_listeners() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B");
    let card = room.room.card();
    assert_eq!((card.title.as_str(), card.host.as_str(), card.listeners), ("Porch", "A", 2));
    assert_eq!(room.stage(), "A B");
}

#[test]
fn a_large_audience_is_listed_in_part_and_counted_in_full() {
    let mut room = Timetable::a_starts();
    for number in 0..250u8 {
        let mut key = [200; 32];
        key[0] = number;
        let _ = room.room.join(room.now, &serambi_protocol::PersonId::from_key(&key), "crowd").unwrap();
    }
    let view = room.view("A");
    assert_eq!((view.audience.len(), view.counts.listeners), (200, 250));
}

#[test]
fn a_locked_room_keeps_everybody_inside_and_lets_back_in_who_only_lost_the_connection_or_was_host() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").does("A", make_moderator("B")).does("B", lock(true)).loses("A").joins("A");
    room.leaves("A").at(500_000).joins("A");
    assert_eq!(room.role("A"), Some(Role::Host), "a host may come back for ten minutes");
}

#[test]
fn only_moderators_lock_the_room() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B");
    assert_eq!((room.cannot("B", lock(true)), room.cannot("C", lock(true))), (Code::NotAllowed, Code::NotAllowed));
    room.does("A", make_moderator("B")).does("B", lock(true));
}

#[test]
fn check_13_while_the_stage_is_held_a_muted_speaker_stays_muted_and_a_moderator_does_not() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").brings_up("B C D").does("A", make_moderator("C")).does("D", UNMUTE).does("C", hold(true));
    assert_eq!(room.cannot("B", UNMUTE), Code::StageHeld);
    assert_eq!(room.view("B").you.refused, [RefusedAct { act: Act::SendVoice, code: Code::StageHeld }]);
    assert!(room.view("D").you.may.contains(&Act::SendVoice), "who is talking may finish");
    room.does("C", UNMUTE).does("D", MUTE);
    assert_eq!(room.cannot("D", UNMUTE), Code::StageHeld);
    assert_eq!(room.cannot("D", hold(false)), Code::NotAllowed);
    room.does("A", hold(false)).does("B", UNMUTE).does("D", UNMUTE);
}

fn hold(on: bool) -> Command {
    Command::SetSwitch { switch: RoomSwitch::StageHeld, on }
}

#[test]
fn check_31_who_is_removed_without_a_block_stays_out_for_five_minutes() {
    let mut room = Timetable::a_starts();
    room.joins("B").at(1_000).does("A", remove("B")).at(300_999);
    assert_eq!(room.cannot_join("B"), Code::RemovedRecently);
    room.at(301_000).joins("B");
}

#[test]
fn check_35_a_host_without_sound_is_shown_so_at_ten_seconds_and_followed_at_sixty() {
    let mut room = Timetable::a_starts();
    room.joins("B L").brings_up("B").has_sound_again("B").does("A", UNMUTE).loses_sound("A").at(9_999);
    assert_eq!(room.connection("A"), PersonConnection::Weak);
    room.at(10_000);
    assert_eq!(room.connection("A"), PersonConnection::NoSound);
    room.at(59_999);
    assert_eq!(room.role("A"), Some(Role::Host));
    room.forget_notices().at(60_000);
    assert_eq!((room.role("A"), room.role("B")), (Some(Role::Moderator), Some(Role::Host)));
    assert_eq!(room.told("L"), [Notice::NewHost { name: "B".into() }]);
    room.at(120_000).has_sound_again("A");
    assert_eq!(room.role("A"), Some(Role::Host), "back within ten minutes");
}

#[test]
fn a_host_without_sound_stays_host_while_nobody_with_sound_could_follow() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").loses_sound("B").loses_sound("A").at(600_000);
    assert_eq!(room.role("A"), Some(Role::Host));
    room.has_sound_again("B");
    room.at(600_001);
    assert_eq!(room.role("B"), Some(Role::Host));
}

#[test]
fn check_36_who_has_lost_the_house_but_not_the_sound_keeps_the_seat_and_is_not_muted() {
    let mut room = Timetable::a_starts();
    room.joins("B").brings_up("B").has_sound_again("B").does("B", UNMUTE).loses("B").at(3_999);
    assert_eq!(room.connection("B"), PersonConnection::Good);
    room.at(600_000);
    assert_eq!((room.connection("B"), room.role("B")), (PersonConnection::Weak, Some(Role::Speaker)));
    assert!(!room.is_muted("B"));
    room.does("A", mute("B")).is_back("B");
    assert!(room.is_muted("B") && room.media.muted == [person("B")]);
}

#[test]
fn the_sixty_seconds_of_a_seat_count_from_the_last_sign_of_life_on_either_half() {
    let mut room = Timetable::a_starts();
    room.joins("B").has_sound_again("B").loses("B").at(30_000).loses_sound("B").at(89_999);
    assert_eq!(room.connection("B"), PersonConnection::Away);
    assert_eq!(room.role("B"), Some(Role::Listener));
    room.at(90_000);
    assert_eq!(room.role("B"), None);
}

#[test]
fn check_37_who_was_moved_to_the_audience_comes_back_as_a_listener_when_the_stage_is_empty() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B C").does("A", to_audience("B")).does("C", STEP_DOWN).leaves("A");
    assert_eq!(room.cannot("B", Command::AcceptInvitation), Code::InvitationGone);
    room.leaves("B").joins("B");
    assert_eq!(room.role("B"), Some(Role::Listener));
    room.does("C", Command::AcceptInvitation);
    assert_eq!(room.role("C"), Some(Role::Host), "who went by themselves may come straight back");
}

#[test]
fn check_38_a_turn_that_runs_out_takes_the_hand_down() {
    let mut room = Timetable::a_starts();
    room.joins("B C").raise_hands("B C").does("A", invite("B")).forget_notices().at(60_000);
    assert_eq!(room.queue("A"), "C");
    assert_eq!(room.told("B"), [Notice::TurnPassed]);
    assert_eq!(room.told("A"), [Notice::NoAnswer { name: "B".into() }]);
    room.raise_hands("B");
    assert_eq!(room.queue("A"), "C B");
}

#[test]
fn not_now_takes_the_hand_down_and_a_hand_raised_after_it_can_be_answered_at_once() {
    let mut room = Timetable::a_starts();
    room.joins("B C").raise_hands("B C").does("A", invite("B")).does("B", Command::DeclineInvitation);
    assert_eq!(room.queue("A"), "C");
    assert_eq!(room.cannot("A", invite("B")), Code::InviteTooSoon);
    room.raise_hands("B").does("A", invite("B"));
}

#[test]
fn after_two_minutes_without_a_stage_the_listener_who_is_there_longest_is_asked_to_run_the_room() {
    let mut room = Timetable::a_starts();
    room.joins("B C D").leaves("B A").forget_notices().at(119_999);
    assert_eq!(room.view("C").you.invitation, None);
    room.at(120_000);
    assert_eq!(room.told("C"), [Notice::StageOffered]);
    assert_eq!(room.view("C").you.invitation.map(|invitation| invitation.kind), Some(InvitationKind::RunRoom));
    assert_eq!(room.cannot("D", Command::AcceptInvitation), Code::InvitationGone);
    room.does("C", Command::DeclineInvitation).does("D", Command::AcceptInvitation);
    assert_eq!((room.role("D"), room.role("C")), (Some(Role::Host), Some(Role::Listener)));
}

#[test]
fn check_33_a_room_that_was_restarted_has_everybody_in_their_places_muted_and_waits_for_them_anew() {
    let mut room = Timetable::a_starts();
    room.joins("B C D E").brings_up("B").does("A", make_moderator("B")).does("A", UNMUTE).does("B", UNMUTE);
    room.raise_hands("C D").at(50_000).does("A", invite("C"));
    let text = serde_json::to_string(&room.room).unwrap();
    room.room = serde_json::from_str(&text).unwrap();
    room.room.restart(room.now);
    assert_eq!((room.stage().as_str(), room.queue("A").as_str()), ("A B", "C D"));
    assert!(room.is_muted("A") && room.is_muted("B"));
    room.at(109_999).joins("A B C D E");
    assert_eq!((room.role("A"), room.role("B")), (Some(Role::Host), Some(Role::Moderator)));
    room.does("C", Command::AcceptInvitation);
    assert_eq!(room.stage(), "A B C", "the invitation was still open");
}

#[test]
fn a_view_says_what_its_reader_may_do() {
    let mut room = Timetable::a_starts();
    room.joins("B C").brings_up("B").does("A", scope(HandScope::Off));
    let (host, speaker, listener) = (room.view("A"), room.view("B"), room.view("C"));
    assert!(
        host.rights.switches.is_on(RoomSwitch::Locked)
            && host.may(Act::EndRoom)
            && host.rights.may_on(Act::Invite, Role::Listener)
    );
    assert!(!host.may(Act::StepDown), "the last moderator names another first");
    assert!(
        speaker.may(Act::StepDown) && speaker.may(Act::SendVoice) && speaker.rights.switches == Switches::default()
    );
    let refused = [RefusedAct { act: Act::RaiseHand, code: Code::HandsOff }];
    assert_eq!((listener.you.may, listener.you.refused), (vec![Act::Say, Act::React], refused.to_vec()));
    assert_eq!(host.you.refused, [RefusedAct { act: Act::StepDown, code: Code::LastModerator }]);
    assert!(host.you.leaving_asks && !speaker.you.leaving_asks);
    room.does("A", scope(HandScope::Everyone)).raise_hands("C");
    assert_eq!(room.view("C").you.may, [Act::LowerHand, Act::Say, Act::React]);
}

#[test]
fn a_full_stage_is_said_to_those_who_could_invite() {
    let mut room = Timetable::a_starts_with(Settings { stage_limit: 2, ..Settings::default() });
    room.joins("B C");
    assert_eq!(room.view("A").rights.invite_refused, None);
    room.brings_up("B");
    assert_eq!(room.view("A").rights.invite_refused, Some(Code::StageFull));
    assert_eq!(room.view("B").rights.invite_refused, None);
}
