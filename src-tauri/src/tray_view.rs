//! What the tray shows: one of four shapes, and a menu with everything that can be done without the window.

use serambi_call::CallView;
use serambi_protocol::{
    RoomView,
    act::Act,
    view::{PersonView, Role},
};

use crate::{
    view::Language,
    words::{words, words_with_name},
};

/// The room this person is in, as far as the tray shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InRoom {
    title: String,
    host: String,
    role: Role,
    muted: bool,
    may_hand_over: bool,
    leaving_asks: bool,
}

impl InRoom {
    /// Out of what the window is told.
    pub fn of(call: &CallView, room: &RoomView) -> Self {
        let is_successor =
            |person: &PersonView| person.id != room.you.id && room.rights.may_on(Act::HandOver, person.role);
        Self {
            title: room.room.title.clone(),
            host: room.room.host.clone(),
            role: room.you.role,
            muted: call.microphone.muted,
            may_hand_over: room.stage.iter().any(is_successor),
            leaving_asks: room.you.leaving_asks,
        }
    }
}

/// The icon. Shapes, not only colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A house: in no room.
    House,
    /// The house with bars: listening.
    Listening,
    /// The house with a crossed dot: on stage, muted.
    Muted,
    /// The house with a microphone: it is open.
    Open,
}

/// What an entry of the menu does. Mute and unmute are two: a menu that was opened before a change must not do the
/// opposite of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Close the own microphone.
    Mute,
    /// Open it.
    Unmute,
    /// Show the window and ask who runs the room from now on.
    HandOver,
    /// Leave at once.
    Leave,
    /// Show the window and ask what becomes of the room.
    AskToLeave,
    /// Show the window.
    Show,
    /// Show it very small.
    SmallBar,
    /// Hold system notices back for an hour.
    QuietForAnHour,
    /// Hold them back no longer.
    EndQuiet,
    /// End the app, asking first if others would be cut off.
    Quit,
}

impl Choice {
    const ALL: [Self; 10] = [
        Self::Mute,
        Self::Unmute,
        Self::HandOver,
        Self::Leave,
        Self::AskToLeave,
        Self::Show,
        Self::SmallBar,
        Self::QuietForAnHour,
        Self::EndQuiet,
        Self::Quit,
    ];

    /// How the entry is known to the menu.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::HandOver => "hand-over",
            Self::Leave => "leave",
            Self::AskToLeave => "ask-to-leave",
            Self::Show => "show",
            Self::SmallBar => "small-bar",
            Self::QuietForAnHour => "quiet-for-an-hour",
            Self::EndQuiet => "end-quiet",
            Self::Quit => "quit",
        }
    }

    /// The choice of that id.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.id() == id)
    }
}

/// One line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Only to be read.
    Line(String),
    /// Can be chosen.
    Choice(Choice, String),
    /// The same, with a mark where it is the case.
    Check(Choice, String, bool),
    /// A line between groups.
    Separator,
}

/// The whole tray.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrayView {
    /// The icon.
    pub shape: Shape,
    /// Beside the pointer, where the system shows such.
    pub tooltip: String,
    /// The menu, from above.
    pub entries: Vec<Entry>,
}

impl TrayView {
    /// In this language, in this room or in none; `is_quiet`: system notices are held back.
    pub fn of(language: Language, room: Option<&InRoom>, is_quiet: bool) -> Self {
        let word = |key| words(language, key);
        let choice = |choice, key| Entry::Choice(choice, word(key).to_owned());
        let (act, key) = if is_quiet { (Choice::EndQuiet, "quiet") } else { (Choice::QuietForAnHour, "tray.quiet") };
        let quiet = Entry::Check(act, word(key).to_owned(), is_quiet);
        let last = [quiet, Entry::Separator, choice(Choice::Quit, "tray.quit")];
        let Some(room) = room else {
            let entries = [choice(Choice::Show, "tray.show")].into_iter().chain(last).collect();
            return Self { shape: Shape::House, tooltip: word("app.name").to_owned(), entries };
        };
        let shape = room.shape();
        let title = match room.title.as_str() {
            "" => words_with_name(language, "room.untitled", &room.host),
            title => title.to_owned(),
        };
        let state = word(match shape {
            Shape::House | Shape::Listening => "tray.listening",
            Shape::Muted => "tray.muted",
            Shape::Open => "tray.open",
        });
        let microphone = match shape {
            Shape::House | Shape::Listening => None,
            Shape::Muted => Some(choice(Choice::Unmute, "unmute")),
            Shape::Open => Some(choice(Choice::Mute, "mute")),
        };
        let tooltip = format!("{title}{}{state}", word("list.dot"));
        let leave = if room.leaving_asks {
            choice(Choice::AskToLeave, "tray.leave.asks")
        } else {
            choice(Choice::Leave, "leave")
        };
        let place = format!("{title}{}{}", word("list.dot"), word(room.role_key()));
        let entries = [Entry::Line(place), Entry::Line(state.to_owned()), Entry::Separator]
            .into_iter()
            .chain(microphone)
            .chain(room.may_hand_over.then(|| choice(Choice::HandOver, "handover")))
            .chain([leave, Entry::Separator])
            .chain([choice(Choice::Show, "tray.show"), choice(Choice::SmallBar, "tray.small")])
            .chain(last)
            .collect();
        Self { shape, tooltip, entries }
    }
}

impl InRoom {
    const fn role_key(&self) -> &'static str {
        match self.role {
            Role::Host => "role.host",
            Role::Moderator => "role.mod",
            Role::Speaker => "role.speaker",
            Role::Listener => "role.listener",
        }
    }

    fn shape(&self) -> Shape {
        match (self.role.is_on_stage(), self.muted) {
            (false, _) => Shape::Listening,
            (true, true) => Shape::Muted,
            (true, false) => Shape::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tests::LANGUAGES;

    fn listener() -> InRoom {
        InRoom {
            title: "Evening on the porch".into(),
            host: "Ratna".into(),
            role: Role::Listener,
            muted: true,
            may_hand_over: false,
            leaving_asks: false,
        }
    }

    fn choices(room: Option<&InRoom>) -> Vec<Choice> {
        let entries = TrayView::of(Language::En, room, false).entries;
        entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Choice(choice, _) => Some(choice),
                Entry::Line(_) | Entry::Check(..) | Entry::Separator => None,
            })
            .collect()
    }

    #[test]
    fn each_state_has_a_shape_of_its_own() {
        let shape = |room: Option<&InRoom>| TrayView::of(Language::En, room, false).shape;
        let muted = InRoom { role: Role::Speaker, ..listener() };
        assert_eq!(shape(None), Shape::House);
        assert_eq!(shape(Some(&listener())), Shape::Listening);
        assert_eq!(shape(Some(&muted)), Shape::Muted);
        assert_eq!(shape(Some(&InRoom { muted: false, ..muted })), Shape::Open);
    }

    #[test]
    fn the_menu_begins_with_the_room_the_role_and_the_state_as_lines_to_read() {
        let speaker = InRoom { role: Role::Speaker, muted: false, ..listener() };
        let entries = TrayView::of(Language::En, Some(&speaker), false).entries;
        assert_eq!(
            entries[..3],
            [
                Entry::Line("Evening on the porch · Speaker".into()),
                Entry::Line("On stage, microphone open".into()),
                Entry::Separator
            ]
        );
    }

    #[test]
    fn a_listener_can_leave_and_has_no_microphone_to_open() {
        assert_eq!(choices(Some(&listener())), [Choice::Leave, Choice::Show, Choice::SmallBar, Choice::Quit]);
    }

    #[test]
    fn whoever_is_on_stage_can_do_the_opposite_of_what_is_the_case() {
        let speaker = InRoom { role: Role::Speaker, ..listener() };
        assert_eq!(choices(Some(&speaker))[0], Choice::Unmute);
        assert_eq!(choices(Some(&InRoom { muted: false, ..speaker }))[0], Choice::Mute);
    }

    #[test]
    fn a_host_is_asked_before_leaving_and_can_hand_over_to_somebody_who_is_there() {
        let alone = InRoom { role: Role::Host, leaving_asks: true, ..listener() };
        assert_eq!(choices(Some(&alone))[..2], [Choice::Unmute, Choice::AskToLeave]);
        let with_others = InRoom { may_hand_over: true, ..alone };
        assert_eq!(choices(Some(&with_others))[..3], [Choice::Unmute, Choice::HandOver, Choice::AskToLeave]);
    }

    #[test]
    fn without_a_room_there_is_the_window_and_the_end() {
        assert_eq!(choices(None), [Choice::Show, Choice::Quit]);
    }

    #[test]
    fn do_not_disturb_is_marked_while_it_lasts_and_ended_by_the_same_entry() {
        let listener = listener();
        for room in [None, Some(&listener)] {
            let check = |is_quiet| {
                let entries = TrayView::of(Language::En, room, is_quiet).entries;
                entries.into_iter().find(|entry| matches!(entry, Entry::Check(..)))
            };
            let begin = Entry::Check(Choice::QuietForAnHour, "Don't disturb for an hour".into(), false);
            assert_eq!(check(false), Some(begin));
            assert_eq!(check(true), Some(Entry::Check(Choice::EndQuiet, "Don't disturb".into(), true)));
        }
    }

    #[test]
    fn a_room_without_a_title_is_its_hosts() {
        let untitled = InRoom { title: String::new(), ..listener() };
        let entries = TrayView::of(Language::En, Some(&untitled), false).entries;
        assert_eq!(entries[0], Entry::Line("Ratna's room · Listener".into()));
    }

    #[test]
    fn the_menu_has_words_in_every_language() {
        let host = InRoom { role: Role::Host, muted: false, may_hand_over: true, leaving_asks: true, ..listener() };
        let muted = InRoom { muted: true, leaving_asks: false, ..host.clone() };
        for language in LANGUAGES {
            for room in [None, Some(&host), Some(&muted), Some(&listener())] {
                for entry in [true, false].map(|is_quiet| TrayView::of(language, room, is_quiet).entries).concat() {
                    let (Entry::Line(text) | Entry::Choice(_, text) | Entry::Check(_, text, _)) = entry else {
                        continue;
                    };
                    let is_key = |text: &str| text.contains('.') && !text.contains(' ');
                    assert!(!text.is_empty() && !text.contains(['{', '}']) && !is_key(&text), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_choice_is_found_by_its_id() {
        assert!(Choice::ALL.into_iter().all(|choice| Choice::of(choice.id()) == Some(choice)));
        assert_eq!(Choice::of("nothing"), None);
    }
}
