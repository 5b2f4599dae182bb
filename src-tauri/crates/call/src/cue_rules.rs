//! Which event of a call plays which cue, and how often (room rules 13). Pure: time is an argument.

use std::time::{Duration, Instant};

use serambi_audio::Cue;
use serambi_protocol::{Notice, view::Role};

use crate::connection::Connection;

/// However many hands go up, moderators hear one in this time.
const HAND_EVERY: Duration = Duration::from_secs(3);
/// However many ask to come in, moderators hear one in this time.
const DOOR_EVERY: Duration = Duration::from_secs(30);

/// Something that may be worth a cue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening<'a> {
    /// The house told this person something.
    Notice(&'a Notice),
    /// The own role was told anew.
    Role { before: Role, after: Role },
    /// The own connection was looked at.
    Connection { before: Connection, after: Connection },
}

/// What was played lately.
#[derive(Debug, Default)]
pub(crate) struct CueRules {
    hand_at: Option<Instant>,
    door_at: Option<Instant>,
}

impl CueRules {
    /// The cue of something that happens at `now`.
    pub(crate) fn cue(&mut self, happening: Happening<'_>, now: Instant) -> Option<Cue> {
        match happening {
            Happening::Notice(notice) => self.cue_of_notice(notice, now),
            Happening::Role { before, after } => (before.is_on_stage() != after.is_on_stage()).then_some(Cue::Stage),
            Happening::Connection { before, after } => (before.is_lost() != after.is_lost()).then_some(Cue::Connection),
        }
    }

    fn cue_of_notice(&mut self, notice: &Notice, now: Instant) -> Option<Cue> {
        match notice {
            Notice::HandRaised { .. } => is_time(&mut self.hand_at, HAND_EVERY, now).then_some(Cue::HandRaised),
            // The same sound: somebody waits for a moderator.
            Notice::AtTheDoor { .. } => is_time(&mut self.door_at, DOOR_EVERY, now).then_some(Cue::HandRaised),
            Notice::Invited { .. } | Notice::YourTurn | Notice::StageOffered => Some(Cue::Invited),
            // Sent only where somebody else did it.
            Notice::MutedBy { .. } => Some(Cue::Muted),
            // The role says so as well, and is told also where no notice is.
            Notice::OnStage | Notice::MovedToAudience => None,
            // Words are enough. That others come and go is never heard (13.1).
            Notice::InvitationCancelled
            | Notice::SaidLater { .. }
            | Notice::NoAnswer { .. }
            | Notice::StageFull
            | Notice::JoinedStage { .. }
            | Notice::HandDismissed
            | Notice::TurnPassed
            | Notice::YouAreModerator
            | Notice::YouAreNotModerator
            | Notice::YouAreHost
            | Notice::NewHost { .. }
            | Notice::Unknown => None,
        }
    }
}

/// Is it long enough since the last one? If so, this is one.
fn is_time(last: &mut Option<Instant>, every: Duration, now: Instant) -> bool {
    let is_time = last.is_none_or(|last| now.saturating_duration_since(last) >= every);
    if is_time {
        *last = Some(now);
    }
    is_time
}

#[cfg(test)]
mod tests {
    use serambi_protocol::Code;

    use super::*;

    fn name() -> String {
        "Dewi".to_owned()
    }

    fn of_notice(notice: &Notice) -> Option<Cue> {
        CueRules::default().cue(Happening::Notice(notice), Instant::now())
    }

    #[test]
    fn being_called_and_being_muted_are_heard() {
        for invitation in [Notice::Invited { by: name() }, Notice::YourTurn, Notice::StageOffered] {
            assert_eq!(of_notice(&invitation), Some(Cue::Invited), "{invitation:?}");
        }
        assert_eq!(of_notice(&Notice::MutedBy { by: name() }), Some(Cue::Muted));
    }

    #[test]
    fn joining_and_leaving_are_silent_and_so_is_what_words_are_enough_for() {
        for silent in [
            Notice::JoinedStage { name: name() },
            Notice::InvitationCancelled,
            Notice::SaidLater { name: name() },
            Notice::NoAnswer { name: name() },
            Notice::StageFull,
            Notice::HandDismissed,
            Notice::TurnPassed,
            Notice::YouAreModerator,
            Notice::YouAreNotModerator,
            Notice::YouAreHost,
            Notice::NewHost { name: name() },
            Notice::Unknown,
        ] {
            assert_eq!(of_notice(&silent), None, "{silent:?}");
        }
    }

    #[test]
    fn coming_on_stage_and_going_to_the_audience_are_heard_once_whoever_decided_it() {
        let mut rules = CueRules::default();
        let mut heard = |happening: Happening<'_>| rules.cue(happening, Instant::now());
        assert_eq!(heard(Happening::Role { before: Role::Listener, after: Role::Speaker }), Some(Cue::Stage));
        assert_eq!(heard(Happening::Notice(&Notice::OnStage)), None);
        assert_eq!(heard(Happening::Role { before: Role::Speaker, after: Role::Moderator }), None);
        assert_eq!(heard(Happening::Role { before: Role::Host, after: Role::Listener }), Some(Cue::Stage));
        assert_eq!(heard(Happening::Notice(&Notice::MovedToAudience)), None);
    }

    #[test]
    fn check_27_three_hundred_hands_in_three_seconds_are_one_cue() {
        let (mut rules, start) = (CueRules::default(), Instant::now());
        let mut heard = |ms: u64, count: u32| {
            let notice = Notice::HandRaised { name: name(), count };
            rules.cue(Happening::Notice(&notice), start + Duration::from_millis(ms))
        };
        let cues = (0..300).filter_map(|n| heard(u64::from(n) * 10, n + 1)).count();
        assert_eq!(cues, 1);
        assert_eq!(heard(3_000, 301), Some(Cue::HandRaised), "the next one is a new hand");
    }

    #[test]
    fn people_at_the_door_are_one_cue_in_thirty_seconds() {
        let (mut rules, start) = (CueRules::default(), Instant::now());
        let mut heard = |seconds: u64| {
            let notice = Notice::AtTheDoor { name: name(), count: 1 };
            rules.cue(Happening::Notice(&notice), start + Duration::from_secs(seconds))
        };
        assert_eq!((heard(0), heard(29), heard(30)), (Some(Cue::HandRaised), None, Some(Cue::HandRaised)));
    }

    #[test]
    fn a_lost_connection_is_heard_once_when_it_goes_and_once_when_it_is_back() {
        let mut rules = CueRules::default();
        let course = [
            Connection::Connected,
            Connection::SoundReconnecting,
            Connection::Reconnecting,
            Connection::HouseRestarting,
            Connection::Lost,
            Connection::SoundImpossible { code: Code::MediaFailed, udp_port: None, tcp_port: None },
            Connection::HouseReconnecting,
            Connection::Connected,
            Connection::CannotHear,
            Connection::NobodyHears,
            Connection::Connected,
        ];
        let steps = course.windows(2).enumerate();
        let heard: Vec<usize> = steps
            .filter_map(|(n, step)| {
                let happening = Happening::Connection { before: step[0], after: step[1] };
                rules.cue(happening, Instant::now()).map(|cue| {
                    assert_eq!(cue, Cue::Connection);
                    n
                })
            })
            .collect();
        assert_eq!(heard, [0, 5]);
    }
}
