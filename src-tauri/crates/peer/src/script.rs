//! The little language of `--do`: what a person does, and when.
//!
//! `3s unmute; 10s hand; on invited accept; 20s mute`: steps between semicolons, each a moment and an action. A moment
//! is a time since the start (`500ms`, `3s`, `1.5s`, `2m`) or `on EVENT`, which is every time that event is printed.

use std::time::Duration;

use clap::builder::ValueParserFactory;
use serambi_protocol::reaction::Reaction;

use crate::report;

/// What a person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Unmute,
    /// Nobody: the own microphone.
    Mute(Option<String>),
    Hand,
    Lower,
    Accept,
    Decline,
    Leave,
    End,
    Invite(String),
    InviteFirst,
    Cancel(String),
    /// Nobody: oneself.
    Audience(Option<String>),
    Moderator(String),
    Remove(String),
    Dismiss(String),
    Ping(String),
    LetIn(String),
    NotNow(String),
    /// Writes in the chat.
    Say(String),
    /// Shows one of the six.
    React(Reaction),
    Lock,
    Unlock,
    SaveUpload,
}

impl Action {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unmute => "unmute",
            Self::Mute(_) => "mute",
            Self::Hand => "hand",
            Self::Lower => "lower",
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Leave => "leave",
            Self::End => "end",
            Self::Invite(_) => "invite",
            Self::InviteFirst => "invite-first",
            Self::Cancel(_) => "cancel",
            Self::Audience(_) => "audience",
            Self::Moderator(_) => "moderator",
            Self::Remove(_) => "remove",
            Self::Dismiss(_) => "dismiss",
            Self::Ping(_) => "ping",
            Self::LetIn(_) => "let-in",
            Self::NotNow(_) => "not-now",
            Self::Say(_) => "say",
            Self::React(_) => "react",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::SaveUpload => "save-upload",
        }
    }
}

/// When.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after the start.
    At(Duration),
    /// Whenever this event is printed.
    On(String),
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub moment: Moment,
    pub action: Action,
}

/// All steps, in the order they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub steps: Vec<Step>,
}

/// What is wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    #[error("\"{0}\" has no action")]
    NoAction(String),
    #[error("\"{0}\" is not a time such as 500ms, 3s, 1.5s or 2m, nor \"on EVENT\"")]
    Moment(String),
    #[error("\"{0}\" is not an action")]
    Action(String),
    #[error("\"{0}\" needs a name, or a text")]
    NoName(&'static str),
    #[error("\"{0}\" takes no name, but there is \"{1}\"")]
    Surplus(&'static str, String),
}

impl std::str::FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let steps = text.split(';').map(str::trim).filter(|step| !step.is_empty()).map(read_step);
        Ok(Self { steps: steps.collect::<Result<_, _>>()? })
    }
}

impl ValueParserFactory for Script {
    type Parser = fn(&str) -> Result<Self, ScriptError>;

    fn value_parser() -> Self::Parser {
        |text| text.parse()
    }
}

impl Script {
    /// What to do when this event is printed.
    pub fn on<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Action> {
        self.steps.iter().filter(move |step| matches!(&step.moment, Moment::On(on) if on == event)).map(|s| &s.action)
    }

    /// What to do when, by time.
    pub fn by_time(&self) -> Vec<(Duration, Action)> {
        let mut timed: Vec<_> = self
            .steps
            .iter()
            .filter_map(|step| match step.moment {
                Moment::At(at) => Some((at, step.action.clone())),
                Moment::On(_) => None,
            })
            .collect();
        // Stable: steps of the same moment stay in the order they were written.
        timed.sort_by_key(|(at, _)| *at);
        timed
    }
}

fn read_step(text: &str) -> Result<Step, ScriptError> {
    let no_action = || ScriptError::NoAction(text.to_owned());
    let (first, rest) = split_word(text);
    let (moment, rest) = if first == "on" {
        let (event, rest) = split_word(rest);
        if event.is_empty() {
            return Err(no_action());
        }
        (Moment::On(event.to_owned()), rest)
    } else {
        (Moment::At(read_time(first).ok_or_else(|| ScriptError::Moment(first.to_owned()))?), rest)
    };
    let (word, name) = split_word(rest);
    if word.is_empty() {
        return Err(no_action());
    }
    Ok(Step { moment, action: read_action(word, name)? })
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

fn read_time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

fn read_action(word: &str, name: &str) -> Result<Action, ScriptError> {
    let optional = (!name.is_empty()).then(|| name.to_owned());
    let action = match word {
        "unmute" => Action::Unmute,
        "mute" => return Ok(Action::Mute(optional)),
        "hand" => Action::Hand,
        "lower" => Action::Lower,
        "accept" => Action::Accept,
        "decline" => Action::Decline,
        "leave" => Action::Leave,
        "end" => Action::End,
        "invite-first" => Action::InviteFirst,
        "save-upload" => Action::SaveUpload,
        "lock" => Action::Lock,
        "unlock" => Action::Unlock,
        "audience" => return Ok(Action::Audience(optional)),
        "invite" => return needs_name("invite", optional).map(Action::Invite),
        "cancel" => return needs_name("cancel", optional).map(Action::Cancel),
        "moderator" => return needs_name("moderator", optional).map(Action::Moderator),
        "remove" => return needs_name("remove", optional).map(Action::Remove),
        "ping" => return needs_name("ping", optional).map(Action::Ping),
        "let-in" => return needs_name("let-in", optional).map(Action::LetIn),
        "not-now" => return needs_name("not-now", optional).map(Action::NotNow),
        "say" => return needs_name("say", optional).map(Action::Say),
        "react" => return needs_name("react", optional).and_then(reaction).map(Action::React),
        "dismiss" => return needs_name("dismiss", optional).map(Action::Dismiss),
        _ => return Err(ScriptError::Action(word.to_owned())),
    };
    match optional {
        Some(name) => Err(ScriptError::Surplus(action.word(), name)),
        None => Ok(action),
    }
}

fn reaction(word: String) -> Result<Reaction, ScriptError> {
    Reaction::ALL
        .into_iter()
        .find(|reaction| report::word(reaction) == word)
        .ok_or(ScriptError::Action(format!("react {word}")))
}

fn needs_name(word: &'static str, name: Option<String>) -> Result<String, ScriptError> {
    name.ok_or(ScriptError::NoName(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Script, ScriptError> {
        text.parse()
    }

    #[test]
    fn a_script_says_what_is_done_and_when() {
        let script = read("3s unmute; 10s hand; on invited accept; 20s mute;").unwrap();
        assert_eq!(
            script.by_time(),
            [
                (Duration::from_secs(3), Action::Unmute),
                (Duration::from_secs(10), Action::Hand),
                (Duration::from_secs(20), Action::Mute(None)),
            ]
        );
        assert_eq!(script.on("invited").collect::<Vec<_>>(), [&Action::Accept]);
        assert_eq!(script.on("muted_by").count(), 0);
    }

    #[test]
    fn times_can_be_short_long_or_broken_and_need_not_be_in_order() {
        let script = read("2m leave; 1.5s hand; 500ms unmute; 0s lower").unwrap();
        let times: Vec<u128> = script.by_time().iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times, [0, 500, 1_500, 120_000]);
    }

    #[test]
    fn a_name_may_have_blanks() {
        let script = read("on hand_raised invite  Ratna Wijaya ; 1s mute 李晓雨; 2s audience").unwrap();
        assert_eq!(script.on("hand_raised").collect::<Vec<_>>(), [&Action::Invite("Ratna Wijaya".into())]);
        assert_eq!(script.steps[1].action, Action::Mute(Some("李晓雨".into())));
        assert_eq!(script.steps[2].action, Action::Audience(None));
    }

    #[test]
    fn one_of_the_six_is_shown() {
        assert_eq!(read("1s react thanks").unwrap().steps[0].action, Action::React(Reaction::Thanks));
        assert_eq!(read("1s react wave"), Err(ScriptError::Action("react wave".into())));
    }

    #[test]
    fn whatever_is_wrong_is_said() {
        assert_eq!(read("3s"), Err(ScriptError::NoAction("3s".into())));
        assert_eq!(read("on invited"), Err(ScriptError::NoAction("on invited".into())));
        assert_eq!(read("on"), Err(ScriptError::NoAction("on".into())));
        assert_eq!(read("soon mute"), Err(ScriptError::Moment("soon".into())));
        assert_eq!(read("3 mute"), Err(ScriptError::Moment("3".into())));
        assert_eq!(read("-3s mute"), Err(ScriptError::Moment("-3s".into())));
        assert_eq!(read("3s shout"), Err(ScriptError::Action("shout".into())));
        assert_eq!(read("3s invite"), Err(ScriptError::NoName("invite")));
        assert_eq!(read("3s unmute Wei"), Err(ScriptError::Surplus("unmute", "Wei".into())));
        assert_eq!(read(" ; ;"), Ok(Script::default()));
    }

    #[test]
    fn every_action_has_its_word() {
        for word in [
            "unmute",
            "mute",
            "hand",
            "lower",
            "accept",
            "decline",
            "leave",
            "end",
            "invite-first",
            "audience",
            "save-upload",
            "lock",
            "unlock",
        ] {
            assert_eq!(read(&format!("1s {word}")).unwrap().steps[0].action.word(), word);
        }
        for word in [
            "invite",
            "cancel",
            "moderator",
            "remove",
            "dismiss",
            "mute",
            "audience",
            "ping",
            "let-in",
            "not-now",
            "say",
        ] {
            assert_eq!(read(&format!("1s {word} Wei")).unwrap().steps[0].action.word(), word);
        }
    }
}
