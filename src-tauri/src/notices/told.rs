//! What a system notice tells, what it is about, and how it reads.

use serambi_protocol::view::{InvitationKind, InvitationView, RoomRecord};

use super::{
    board::{Buttons, DesktopNotice, Words},
    sentence::say,
};
use crate::view::Language;

/// What a notice is about: a newer one about the same takes its place on the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The question whether to come on stage.
    Invitation,
    /// The own microphone and the own place.
    OwnPlace,
    /// The hand queue.
    Hands,
    /// Who asks to come in.
    Door,
    /// Somebody who calls this person in.
    Call,
    /// The own connection.
    Connection,
    /// The end of the room, or of the own stay in it.
    Room,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Somebody asks this person to come on stage, or it is their turn.
    Invited(InvitationView),
    /// A moderator muted this person.
    MutedBy(String),
    /// A moderator moved this person to the audience.
    MovedToAudience,
    /// A moderator put this person out.
    Removed,
    /// Moderators: a hand went up.
    HandRaised {
        /// Whose.
        name: String,
        /// How many are up.
        count: u32,
    },
    /// Moderators: somebody asks to come in.
    AtTheDoor {
        /// Who.
        name: String,
        /// How many wait there.
        count: u32,
    },
    /// The connection is lost.
    ConnectionLost,
    /// The connection is back.
    ConnectionBack,
    /// The room is over.
    Ended {
        /// How long it lasted, minutes.
        minutes: u64,
    },
}

impl Told {
    /// What it is about.
    pub const fn subject(&self) -> Subject {
        match self {
            Self::Invited(_) => Subject::Invitation,
            Self::MutedBy(_) | Self::MovedToAudience => Subject::OwnPlace,
            Self::HandRaised { .. } => Subject::Hands,
            Self::AtTheDoor { .. } => Subject::Door,
            Self::ConnectionLost | Self::ConnectionBack => Subject::Connection,
            Self::Removed | Self::Ended { .. } => Subject::Room,
        }
    }

    /// Somebody else changed what this person's microphone sends: told also to those who are not to be disturbed.
    pub const fn touches_own_microphone(&self) -> bool {
        matches!(self, Self::MutedBy(_) | Self::MovedToAudience | Self::Removed)
    }

    /// Only an answer to what stands on the desktop: without that there is nothing to tell.
    const fn only_replaces(&self) -> bool {
        matches!(self, Self::ConnectionBack)
    }

    /// The same without anybody's name.
    fn without_names(&self, language: Language) -> Self {
        let somebody = say(language, "desktop.somebody", &[]);
        match self {
            Self::Invited(invitation) => Self::Invited(InvitationView { by: somebody, ..invitation.clone() }),
            Self::MutedBy(_) => Self::MutedBy(somebody),
            Self::HandRaised { count, .. } => Self::HandRaised { name: somebody, count: *count },
            Self::AtTheDoor { count, .. } => Self::AtTheDoor { name: somebody, count: *count },
            Self::MovedToAudience
            | Self::Removed
            | Self::ConnectionLost
            | Self::ConnectionBack
            | Self::Ended { .. } => self.clone(),
        }
    }

    /// The notice of it, in a room, in a language.
    pub fn notice(&self, room: &RoomRecord, language: Language) -> DesktopNotice {
        let mut on_locked = self.without_names(language).words(&unnamed(room, language), language);
        on_locked.text = capitalised(&on_locked.text);
        DesktopNotice {
            subject: self.subject(),
            words: self.words(room, language),
            on_locked,
            buttons: self.buttons(language),
            only_replaces: self.only_replaces(),
            has_sound: false,
        }
    }

    fn words(&self, room: &RoomRecord, language: Language) -> Words {
        let title_of_room = room_title(&room.title, &room.host, language);
        let in_room = ("title", title_of_room.as_str());
        let plain = |key: &str| say(language, key, &[]);
        let named = |key: &str, name: &str| say(language, key, &[("name", name)]);
        let (title, text) = match self {
            Self::Invited(InvitationView { by, kind, .. }) => match kind {
                InvitationKind::Invited => (named("desktop.invited", by), plain("invited.hint")),
                InvitationKind::YourTurn => (plain("desktop.turn"), say(language, "desktop.turn.text", &[in_room])),
                InvitationKind::RunRoom => (plain("desktop.run"), say(language, "desktop.run.text", &[in_room])),
            },
            Self::MutedBy(by) => (named("desktop.muted", by), plain("desktop.muted.text")),
            Self::MovedToAudience => (plain("desktop.moved"), plain("desktop.moved.text")),
            Self::Removed => (plain("desktop.removed"), title_of_room.clone()),
            Self::HandRaised { name, count } => {
                let text = say(language, "desktop.hand.text", &[("n", &count.to_string()), in_room]);
                (named("desktop.hand", name), text)
            }
            Self::AtTheDoor { name, count } => {
                let text = say(language, "desktop.door.text", &[("n", &count.to_string()), in_room]);
                (named("notice.atTheDoor", name), text)
            }
            Self::ConnectionLost => (plain("desktop.lost"), plain("desktop.lost.text")),
            Self::ConnectionBack => (plain("desktop.back"), title_of_room.clone()),
            Self::Ended { minutes } => {
                let text = say(language, "desktop.ended.text", &[in_room, ("n", &minutes.to_string())]);
                (plain("desktop.ended"), text)
            }
        };
        Words { title, text }
    }

    fn buttons(&self, language: Language) -> Option<Buttons> {
        let Self::Invited(InvitationView { kind, .. }) = self else { return None };
        let no = if *kind == InvitationKind::Invited { "later" } else { "not.now" };
        Some(Buttons { yes: say(language, "join.stage", &[]), no: say(language, no, &[]) })
    }
}

/// A room that is called nothing but a room, and whose host is nobody.
fn unnamed(room: &RoomRecord, language: Language) -> RoomRecord {
    RoomRecord { title: say(language, "desktop.this.room", &[]), host: String::new(), ..room.clone() }
}

/// A sentence that may begin with words from the middle of another one.
fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

pub(super) fn room_title(title: &str, host: &str, language: Language) -> String {
    if title.is_empty() { say(language, "room.untitled", &[("name", host)]) } else { title.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use serambi_protocol::{RoomId, command::HandScope, view::RoomTime};

    use super::*;

    pub(crate) fn room(title: &str) -> RoomRecord {
        RoomRecord {
            id: RoomId::from_random([1; 10]),
            title: title.to_owned(),
            host: "Ratna".to_owned(),
            stage_limit: 12,
            switches: serambi_protocol::switch::Switches::default(),
            hand_scope: HandScope::Everyone,
            ends_at: None,
        }
    }

    pub(crate) fn invitation(kind: InvitationKind) -> InvitationView {
        InvitationView { by: "Bagus".to_owned(), kind, until: RoomTime(300_000) }
    }

    fn everything() -> Vec<Told> {
        vec![
            Told::Invited(invitation(InvitationKind::Invited)),
            Told::Invited(invitation(InvitationKind::YourTurn)),
            Told::Invited(invitation(InvitationKind::RunRoom)),
            Told::MutedBy("Bagus".to_owned()),
            Told::MovedToAudience,
            Told::Removed,
            Told::HandRaised { name: "Dewi".to_owned(), count: 3 },
            Told::AtTheDoor { name: "Citra".to_owned(), count: 2 },
            Told::ConnectionLost,
            Told::ConnectionBack,
            Told::Ended { minutes: 42 },
        ]
    }

    fn read(told: &Told) -> [String; 2] {
        let Words { title, text } = told.notice(&room("Evening on the porch"), Language::En).words;
        [title, text]
    }

    #[test]
    fn notices_read_as_the_product_says() {
        let expected = [
            ["Bagus invited you to speak", "You arrive muted."],
            ["It's your turn", "Evening on the porch. You arrive muted."],
            ["Nobody is on stage", "Would you like to run Evening on the porch?"],
            ["Bagus muted you", "You can unmute yourself."],
            ["You were moved to the audience", "Your microphone is closed."],
            ["You were removed from this room", "Evening on the porch"],
            ["Dewi raised a hand", "3 in line in Evening on the porch"],
            ["Citra is at the door.", "2 wait to come into Evening on the porch"],
            ["You lost the connection", "Serambi keeps trying. Your place is kept for a minute."],
            ["You are back.", "Evening on the porch"],
            ["The room has ended", "Evening on the porch, 42 min"],
        ];
        for (told, expected) in everything().iter().zip(expected) {
            assert_eq!(read(told), expected);
        }
    }

    #[test]
    fn a_notice_on_a_locked_screen_names_neither_people_nor_the_room() {
        let secret = RoomRecord { host: "Ratna".to_owned(), ..room("Evening on the porch") };
        for language in [Language::En, Language::Id, Language::Zh] {
            for told in everything() {
                let Words { title, text } = told.notice(&secret, language).on_locked;
                let words = format!("{title} {text}");
                for name in ["Bagus", "Citra", "Dewi", "Ratna", "Evening"] {
                    assert!(!words.contains(name), "{language:?} {told:?}: {words}");
                }
            }
        }
        let read = |told: Told| told.notice(&secret, Language::En).on_locked;
        let hand = read(Told::HandRaised { name: "Dewi".to_owned(), count: 3 });
        assert_eq!([hand.title, hand.text], ["Somebody raised a hand", "3 in line in this room"]);
        let turn = read(Told::Invited(invitation(InvitationKind::YourTurn)));
        assert_eq!([turn.title, turn.text], ["It's your turn", "This room. You arrive muted."]);
    }

    #[test]
    fn every_notice_is_whole_in_every_language() {
        for language in [Language::En, Language::Id, Language::Zh] {
            for told in everything() {
                let notice = told.notice(&room(""), language);
                let buttons = notice.buttons.iter().flat_map(|buttons| [&buttons.yes, &buttons.no]);
                let Words { title, text } = &notice.words;
                let locked = [&notice.on_locked.title, &notice.on_locked.text];
                for words in [title, text].into_iter().chain(locked).chain(buttons) {
                    assert!(words.chars().count() > 1 && !words.contains(['{', '}']), "{language:?} {told:?}: {words}");
                    assert!(!words.starts_with("desktop."), "{language:?} has no {words}");
                }
            }
        }
    }

    #[test]
    fn a_question_has_its_two_answers_and_nothing_else_has_buttons() {
        for told in everything() {
            let asks = matches!(told, Told::Invited(_));
            assert_eq!(told.notice(&room(""), Language::En).buttons.is_some(), asks, "{told:?}");
        }
        let buttons = |kind| Told::Invited(invitation(kind)).buttons(Language::En).map(|buttons| buttons.no);
        assert_eq!(buttons(InvitationKind::Invited).as_deref(), Some("Maybe later"));
        assert_eq!(buttons(InvitationKind::YourTurn).as_deref(), Some("Not now"));
    }

    #[test]
    fn who_is_not_to_be_disturbed_is_told_what_happens_to_their_microphone_and_nothing_else() {
        let told: Vec<Told> = everything().into_iter().filter(Told::touches_own_microphone).collect();
        assert_eq!(told, [Told::MutedBy("Bagus".to_owned()), Told::MovedToAudience, Told::Removed]);
    }
}
