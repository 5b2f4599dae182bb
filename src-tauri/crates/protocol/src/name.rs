//! Display names, titles, messages: one line that everybody can see, and the key by which two of them look alike.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        CanonicalCombiningClass, DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic, GeneralCategory,
        GeneralCategoryGroup, JoiningType, Script,
    },
};

use crate::{
    code::{Code, Refusal},
    limits::{MAX_COMBINING_MARKS, MESSAGE_CHARACTERS, NAME_CHARACTERS, TITLE_CHARACTERS},
};

const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';
const ZERO_WIDTH_JOINER: char = '\u{200D}';
const TEXT_PRESENTATION: char = '\u{FE0E}';
const EMOJI_PRESENTATION: char = '\u{FE0F}';
const ENCLOSING_KEYCAP: char = '\u{20E3}';
/// The emoji that tag characters make into the flag of a region (UTS 51 section 1.4.9).
const BLACK_FLAG: char = '\u{1F3F4}';
const LAST_TAG: char = '\u{E007F}';

/// The name without what cannot be seen at its ends.
///
/// # Errors
/// `name_empty`, `name_too_long`, `name_unreadable`.
pub fn read_name(text: &str) -> Result<String, Refusal> {
    let name = trim(text);
    if name.is_empty() {
        return Err(Code::NameEmpty.into());
    }
    check(name, NAME_CHARACTERS, Code::NameTooLong, Code::NameUnreadable)?;
    Ok(name.to_owned())
}

/// The title without what cannot be seen at its ends; empty is a title too.
///
/// # Errors
/// `title_too_long`, `title_unreadable`.
pub fn read_title(text: &str) -> Result<String, Refusal> {
    let title = trim(text);
    if !title.is_empty() {
        check(title, TITLE_CHARACTERS, Code::TitleTooLong, Code::TitleUnreadable)?;
    }
    Ok(title.to_owned())
}

/// The message without what cannot be seen at its ends: one line, held to the same as names.
///
/// # Errors
/// `message_empty`, `message_too_long`, `message_unreadable`.
pub fn read_message(text: &str) -> Result<String, Refusal> {
    let message = trim(text);
    if message.is_empty() {
        return Err(Code::MessageEmpty.into());
    }
    check(message, MESSAGE_CHARACTERS, Code::MessageTooLong, Code::MessageUnreadable)?;
    Ok(message.to_owned())
}

/// Equal for two names that look alike: Unicode's skeleton (UTS 39 section 4) with every run of blanks as one.
/// Only for comparing; it is no text to show.
pub fn confusable_key(name: &str) -> String {
    let skeleton: String = unicode_security::skeleton(name).collect();
    skeleton.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check(line: &str, max_characters: usize, too_long: Code, unreadable: Code) -> Result<(), Refusal> {
    if line.chars().count() > max_characters {
        return Err(Refusal::new(too_long, format!("at most {max_characters} characters")));
    }
    let characters: Vec<char> = line.chars().collect();
    let is_seen = characters.iter().any(|&c| is_visible(c) && !is_mark(c));
    let hidden = (0..characters.len()).find(|&at| !may_stand(&characters, at));
    match hidden {
        Some(at) => Err(Refusal::new(unreadable, format!("U+{:04X} at {at}", u32::from(characters[at])))),
        None if !is_seen => Err(Refusal::new(unreadable, "nothing to see")),
        None if has_stacked_marks(&characters) => {
            Err(Refusal::new(unreadable, format!("more than {MAX_COMBINING_MARKS} combining marks in a row")))
        }
        None => Ok(()),
    }
}

/// Both ends without blanks and invisible characters, but with those that belong to the last visible one.
fn trim(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| !is_visible(c) && !c.is_control() || c.is_whitespace());
    let mut end = text.len();
    let characters: Vec<char> = text.chars().collect();
    for at in (0..characters.len()).rev() {
        let last = characters[at];
        let is_blank = last.is_whitespace() || is_invisible(last) && !may_stand(&characters[..=at], at);
        if !is_blank {
            break;
        }
        end -= last.len_utf8();
    }
    &text[..end]
}

/// May the character at this place stand there? Visible ones may, blanks of one line too, invisible ones only where a
/// script or an emoji needs them.
fn may_stand(line: &[char], at: usize) -> bool {
    let current = line[at];
    let before = at.checked_sub(1).map(|at| line[at]);
    let after = line.get(at + 1).copied();
    match current {
        '\u{2028}' | '\u{2029}' => false,
        _ if current.is_control() => false,
        _ if !is_invisible(current) => true,
        ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER => at > 0 && after.is_some_and(is_visible) && joins(line, at),
        TEXT_PRESENTATION | EMOJI_PRESENTATION => before.is_some_and(|before| takes_presentation(before, after)),
        '\u{FE00}'..='\u{FE02}' | '\u{E0100}'..='\u{E01EF}' => before.is_some_and(|before| is_in(before, Script::Han)),
        '\u{180B}'..='\u{180D}' | '\u{180F}' => before.is_some_and(|before| is_in(before, Script::Mongolian)),
        '\u{E0020}'..='\u{E007F}' => is_in_flag(line, at),
        _ => false,
    }
}

/// Is a joiner at this place inside an emoji, or behind a letter whose shape depends on it (RFC 5892 appendix A.1)?
fn joins(line: &[char], at: usize) -> bool {
    let emoji_after = line.get(at + 1).is_some_and(|&after| is_pictograph(after));
    let before = line[at - 1];
    if line[at] == ZERO_WIDTH_JOINER && emoji_after {
        return before == EMOJI_PRESENTATION || is_emoji_modifier(before) || is_pictograph(before);
    }
    let is_virama = CodePointMapData::<CanonicalCombiningClass>::new().get(before) == CanonicalCombiningClass::Virama;
    let base = line[..at].iter().rev().find(|&&c| !is_mark(c));
    is_virama || base.is_some_and(|&base| has_joining_shapes(base) || needs_joiners(base))
}

/// A letter of a cursive script: Arabic, Syriac, N'Ko, Mongolian …
fn has_joining_shapes(letter: char) -> bool {
    let joining = CodePointMapData::<JoiningType>::new().get(letter);
    matches!(joining, JoiningType::DualJoining | JoiningType::RightJoining | JoiningType::LeftJoining)
}

/// A letter of a script that breaks or makes conjuncts with joiners also without a virama before them.
fn needs_joiners(letter: char) -> bool {
    [
        Script::Bengali,
        Script::Devanagari,
        Script::Gujarati,
        Script::Gurmukhi,
        Script::Kannada,
        Script::Khmer,
        Script::Malayalam,
        Script::Myanmar,
        Script::Oriya,
        Script::Sinhala,
        Script::Tamil,
        Script::Telugu,
    ]
    .into_iter()
    .any(|script| is_in(letter, script))
}

/// Emoji that exist in two presentations; digits only as keycaps.
fn takes_presentation(before: char, after: Option<char>) -> bool {
    let is_keycap = matches!(before, '0'..='9' | '#' | '*') && after == Some(ENCLOSING_KEYCAP);
    is_pictograph(before) || is_keycap
}

/// Tag characters from the black flag on, up to the one that ends them.
fn is_in_flag(line: &[char], at: usize) -> bool {
    let is_tag = |c: char| matches!(c, '\u{E0020}'..='\u{E007F}');
    let starts_at_flag = line[..at].iter().rev().find(|&&c| !is_tag(c)) == Some(&BLACK_FLAG);
    let ends = line[at..].iter().take_while(|&&c| is_tag(c)).any(|&c| c == LAST_TAG);
    starts_at_flag && ends
}

fn has_stacked_marks(line: &[char]) -> bool {
    let mut in_a_row = 0;
    line.iter().filter(|&&c| !is_invisible(c)).any(|&c| {
        in_a_row = if is_mark(c) { in_a_row + 1 } else { 0 };
        in_a_row > MAX_COMBINING_MARKS
    })
}

fn is_visible(character: char) -> bool {
    !character.is_whitespace() && !character.is_control() && !is_invisible(character)
}

/// Without a shape and without a width that means anything: format characters, fillers, direction marks, and the signs
/// that are drawn as nothing although Unicode counts them as symbols.
fn is_invisible(character: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        || matches!(character, '\u{2800}' | '\u{FFF9}'..='\u{FFFC}' | '\u{1D159}' | '\u{16FE4}')
        || is_noncharacter(character)
}

/// Code points that stand for no character (Unicode section 23.7).
fn is_noncharacter(character: char) -> bool {
    matches!(character, '\u{FDD0}'..='\u{FDEF}') || u32::from(character) & 0xFFFE == 0xFFFE
}

fn is_mark(character: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(character))
}

fn is_pictograph(character: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(character)
}

fn is_emoji_modifier(character: char) -> bool {
    CodePointSetData::new::<EmojiModifier>().contains(character)
}

fn is_in(character: char, script: Script) -> bool {
    CodePointMapData::<Script>::new().get(character) == script
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> Option<Code> {
        read_name(name).err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_name_is_one_readable_line() {
        assert_eq!(read_name("  Ratna Wijaya "), Ok("Ratna Wijaya".into()));
        assert_eq!(read_name("李晓雨"), Ok("李晓雨".into()));
        assert_eq!(refused(" \t "), Some(Code::NameEmpty));
        assert_eq!(refused(&"a".repeat(10_000)), Some(Code::NameTooLong));
        assert_eq!(refused("a\nb"), Some(Code::NameUnreadable));
        assert_eq!(refused("a\u{0}b"), Some(Code::NameUnreadable));
        assert_eq!(refused("a\u{202E}b"), Some(Code::NameUnreadable));
    }

    #[test]
    fn a_title_may_be_empty_but_not_long() {
        assert_eq!(read_title("   "), Ok(String::new()));
        assert_eq!(read_title(&"周".repeat(100)), Ok("周".repeat(100)));
        assert_eq!(read_title(&"周".repeat(101)).map_err(|e| e.code), Err(Code::TitleTooLong));
    }

    #[test]
    fn a_message_is_one_readable_line_of_at_most_five_hundred_characters() {
        let code = |text: &str| read_message(text).map_err(|refusal| refusal.code);
        assert_eq!(
            code("  see https://example.org/a?b=c \u{1F44F} "),
            Ok("see https://example.org/a?b=c \u{1F44F}".into())
        );
        assert_eq!(code(&format!(" {} ", "周".repeat(500))), Ok("周".repeat(500)));
        assert_eq!(code(&"周".repeat(501)), Err(Code::MessageTooLong));
        assert_eq!(code(" \u{200B} "), Err(Code::MessageEmpty));
        for unreadable in ["a\nb", "a\u{0}b", "a\u{202E}b", "a\u{200B}b"] {
            assert_eq!(code(unreadable), Err(Code::MessageUnreadable), "{}", unreadable.escape_unicode());
        }
    }

    /// Each of these passed as a name, and as a title kept the substitute "Room of …" away.
    #[test]
    fn a_name_that_cannot_be_seen_is_empty_and_such_a_title_is_none() {
        let invisible = [
            '\u{3164}',
            '\u{200B}',
            '\u{2060}',
            '\u{2800}',
            '\u{115F}',
            '\u{1160}',
            '\u{FFA0}',
            '\u{FE0F}',
            '\u{AD}',
            '\u{34F}',
            '\u{180E}',
            '\u{200C}',
            '\u{200D}',
            '\u{200E}',
            '\u{FEFF}',
            '\u{1D159}',
            '\u{E0041}',
            '\u{E0100}',
        ];
        for character in invisible {
            let name: String = [' ', character, character].iter().collect();
            assert_eq!(refused(&name), Some(Code::NameEmpty), "{}", character.escape_unicode());
            assert_eq!(read_title(&name), Ok(String::new()), "{}", character.escape_unicode());
        }
        assert_eq!(refused("\u{301}"), Some(Code::NameUnreadable), "a mark without a letter under it");
        assert_eq!(read_title("\u{301}").map_err(|e| e.code), Err(Code::TitleUnreadable));
    }

    #[test]
    fn nobody_takes_another_name_with_something_invisible_in_it() {
        for ani in ["Ani\u{200B}", "\u{200B}Ani", "Ani\u{AD}\u{2060} ", "Ani\u{FE0F}", "Ani\u{200D}", "Ani\u{202E}"] {
            assert_eq!(read_name(ani), Ok("Ani".into()), "{}", ani.escape_unicode());
        }
        for ani in
            ["A\u{200B}ni", "A\u{200D}ni", "A\u{200C}ni", "A\u{FE0F}ni", "A\u{AD}ni", "A\u{3164}ni", "A\u{E0061}ni"]
        {
            assert_eq!(refused(ani), Some(Code::NameUnreadable), "{}", ani.escape_unicode());
        }
    }

    #[test]
    fn joiners_and_selectors_stay_where_scripts_and_emoji_need_them() {
        let needed = [
            // Family, rainbow flag, heart, keycap, flag of Scotland.
            "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
            "Pelangi \u{1F3F3}\u{FE0F}\u{200D}\u{1F308}",
            "Ani \u{2764}\u{FE0F}",
            "1\u{FE0F}\u{20E3}",
            "\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
            "\u{1F469}\u{1F3FD}\u{200D}\u{1F4BB} Sari",
            // Persian "the houses", Devanagari with and without conjunct, Sinhala, a Han variant.
            "\u{62E}\u{627}\u{646}\u{647}\u{200C}\u{647}\u{627}",
            "\u{915}\u{94D}\u{200D}\u{937}",
            "\u{915}\u{94D}\u{200C}\u{937}",
            "\u{DC1}\u{DCA}\u{200D}\u{DBB}\u{DD3}",
            "\u{845B}\u{E0100}",
        ];
        for name in needed {
            assert_eq!(read_name(name), Ok(name.into()), "{}", name.escape_unicode());
        }
    }

    #[test]
    fn at_most_three_combining_marks_stand_in_a_row() {
        let stacked = |marks: usize| format!("Z{}", "\u{301}".repeat(marks));
        assert_eq!(read_name(&stacked(3)), Ok(stacked(3)));
        assert_eq!(refused(&stacked(4)), Some(Code::NameUnreadable));
        assert_eq!(refused(&stacked(60)), Some(Code::NameUnreadable));
        // Thai and Vietnamese names with marks on every second letter.
        for name in ["\u{E2A}\u{E38}\u{E19}\u{E35}\u{E22}\u{E4C}", "Nguye\u{302}\u{303}n", "Hie\u{302}\u{323}p"] {
            assert_eq!(read_name(name), Ok(name.into()));
        }
    }

    #[test]
    fn names_that_look_alike_have_the_same_key_and_others_have_not() {
        // Cyrillic А and і, a digit for a letter, a blank of another width, a decomposed accent.
        for (one, other) in
            [("Ani", "\u{410}n\u{456}"), ("Bill", "Bi1l"), ("Ani B", "Ani\u{2003}B"), ("Jos\u{E9}", "Jose\u{301}")]
        {
            assert_eq!(confusable_key(one), confusable_key(other), "{one} {other}");
        }
        assert_eq!(confusable_key("\u{845B}\u{E0100}"), confusable_key("\u{845B}"));
        for (one, other) in [("Ani", "Ari"), ("Ani", "Ana"), ("\u{674E}", "\u{738B}"), ("Sari", "Sari B")] {
            assert_ne!(confusable_key(one), confusable_key(other), "{one} {other}");
        }
    }
}
