//! What may stand in a display name or a room title: one readable line.

use crate::{
    code::{Code, Refusal},
    limits::{NAME_CHARACTERS, TITLE_CHARACTERS},
};

/// Control characters, line ends, and the marks that turn the direction of what follows (Unicode TR 36 section 3.4).
fn is_unreadable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// The name without outer blanks.
///
/// # Errors
/// `name_empty`, `name_too_long`, `name_unreadable`.
pub fn read_name(text: &str) -> Result<String, Refusal> {
    let name = text.trim();
    if name.is_empty() {
        return Err(Code::NameEmpty.into());
    }
    if name.chars().count() > NAME_CHARACTERS {
        return Err(Refusal::new(Code::NameTooLong, format!("at most {NAME_CHARACTERS} characters")));
    }
    if name.chars().any(is_unreadable) {
        return Err(Code::NameUnreadable.into());
    }
    Ok(name.to_owned())
}

/// The title without outer blanks; empty is a title too.
///
/// # Errors
/// `title_too_long`, `title_unreadable`.
pub fn read_title(text: &str) -> Result<String, Refusal> {
    let title = text.trim();
    if title.chars().count() > TITLE_CHARACTERS {
        return Err(Refusal::new(Code::TitleTooLong, format!("at most {TITLE_CHARACTERS} characters")));
    }
    if title.chars().any(is_unreadable) {
        return Err(Code::TitleUnreadable.into());
    }
    Ok(title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_readable_line() {
        assert_eq!(read_name("  Ratna Wijaya "), Ok("Ratna Wijaya".into()));
        assert_eq!(read_name("李晓雨"), Ok("李晓雨".into()));
        assert_eq!(read_name(" \t ").map_err(|e| e.code), Err(Code::NameEmpty));
        assert_eq!(read_name(&"a".repeat(10_000)).map_err(|e| e.code), Err(Code::NameTooLong));
        assert_eq!(read_name("a\nb").map_err(|e| e.code), Err(Code::NameUnreadable));
        assert_eq!(read_name("a\u{202E}b").map_err(|e| e.code), Err(Code::NameUnreadable));
    }

    #[test]
    fn a_title_may_be_empty_but_not_long() {
        assert_eq!(read_title("   "), Ok(String::new()));
        assert_eq!(read_title(&"周".repeat(100)), Ok("周".repeat(100)));
        assert_eq!(read_title(&"周".repeat(101)).map_err(|e| e.code), Err(Code::TitleTooLong));
    }
}
