//! The notice of being called into a room.

use super::{
    board::{Buttons, DesktopNotice, Words},
    sentence::say,
    told::{Subject, room_title},
};
use crate::view::{CalledView, Language};

/// It reads the same wherever this person is, and is answered by a press.
pub fn called_notice(called: &CalledView, language: Language) -> DesktopNotice {
    let CalledView { by, house_name, card } = called;
    let title = room_title(&card.title, &card.host, language);
    let on_stage = card.stage.len().to_string();
    DesktopNotice {
        subject: Subject::Call,
        words: Words {
            title: say(language, "called", &[("name", by), ("title", &title)]),
            text: say(language, "called.text", &[("house", house_name), ("n", &on_stage)]),
        },
        on_locked: Words { title: say(language, "desktop.called", &[]), text: String::new() },
        buttons: Some(Buttons { yes: say(language, "home.join", &[]), no: say(language, "not.now", &[]) }),
        only_replaces: false,
        has_sound: true,
    }
}

#[cfg(test)]
mod tests {
    use serambi_protocol::{
        PersonId, RoomId,
        api::{CardPerson, RoomCard},
    };

    use super::*;

    fn called(title: &str) -> CalledView {
        let person = CardPerson { id: PersonId::from_key(&[1; 32]), name: "Ratna".to_owned() };
        let card = RoomCard {
            id: RoomId::from_random([1; 10]),
            title: title.to_owned(),
            host: "Ratna".to_owned(),
            stage: vec![person.clone(), person],
            listeners: 7,
            locked: true,
        };
        CalledView { by: "Bagus".to_owned(), house_name: "Rumah Bagus".to_owned(), card }
    }

    #[test]
    fn a_call_says_who_wants_one_where_and_has_two_answers() {
        let notice = called_notice(&called("Evening on the porch"), Language::En);
        assert_eq!(notice.words.title, "Bagus wants you in “Evening on the porch”");
        assert_eq!(notice.words.text, "Rumah Bagus · 2 on stage");
        assert_eq!(notice.on_locked.title, "Somebody wants you in a room");
        let buttons = notice.buttons.map(|buttons| [buttons.yes, buttons.no]);
        assert_eq!(buttons, Some(["Join".to_owned(), "Not now".to_owned()]));
    }

    #[test]
    fn a_call_is_whole_in_every_language() {
        for language in [Language::En, Language::Id, Language::Zh] {
            let notice = called_notice(&called(""), language);
            for words in [&notice.words.title, &notice.words.text, &notice.on_locked.title] {
                assert!(!words.contains(['{', '}']) && !words.contains("called"), "{language:?}: {words}");
            }
        }
    }
}
