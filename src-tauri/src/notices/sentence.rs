//! Sentences outside the window, from the window's own catalogues. Those used here are plain: `{name}` is replaced, and
//! nothing depends on a number.

use std::{collections::HashMap, sync::LazyLock};

use crate::view::Language;

type Catalogue = HashMap<String, String>;

static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../../../ui/src/words/en.json")));
static INDONESIAN: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../../../ui/src/words/id.json")));
static CHINESE: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../../../ui/src/words/zh.json")));

fn read(text: &str) -> Catalogue {
    // Built in, and read by a test: what cannot be read is shown as its keys.
    serde_json::from_str(text).unwrap_or_default()
}

/// The sentence of a key with its `{placeholders}` filled in.
pub fn say(language: Language, key: &str, values: &[(&str, &str)]) -> String {
    let catalogue = match language {
        Language::En => &ENGLISH,
        Language::Id => &INDONESIAN,
        Language::Zh => &CHINESE,
    };
    let mut rest = catalogue.get(key).map_or(key, String::as_str);
    let mut sentence = String::with_capacity(rest.len());
    // In one pass: a name with braces in it is put in as it is.
    while let Some((before, (name, after))) = rest.split_once('{').and_then(|(a, b)| Some((a, b.split_once('}')?))) {
        sentence.push_str(before);
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => sentence.push_str(value),
            None => sentence.extend(["{", name, "}"]),
        }
        rest = after;
    }
    sentence + rest
}

/// The first of the system's languages that we have, as far as the environment says it (gettext manual, section 2.3);
/// else English.
pub fn system_language() -> Language {
    let variables = ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"].map(|name| std::env::var(name).unwrap_or_default());
    wanted_language(variables.iter().flat_map(|wanted| wanted.split(':')))
}

fn wanted_language<'a>(locales: impl IntoIterator<Item = &'a str>) -> Language {
    locales.into_iter().find_map(known_language).unwrap_or(Language::En)
}

/// Our Chinese is in simplified characters: other scripts are others.
fn known_language(locale: &str) -> Option<Language> {
    let (language, region) =
        locale.split(['.', '@']).next().unwrap_or_default().split_once('_').unwrap_or((locale, ""));
    match (language.split('.').next().unwrap_or_default(), region) {
        ("en", _) => Some(Language::En),
        ("id", _) => Some(Language::Id),
        ("zh", "" | "CN" | "SG") => Some(Language::Zh),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_catalogues_can_be_read() {
        for catalogue in [&ENGLISH, &INDONESIAN, &CHINESE] {
            assert!(catalogue.len() > 300);
        }
    }

    #[test]
    fn names_are_put_in_as_they_are_also_with_braces_in_them() {
        let said = say(Language::En, "desktop.hand", &[("name", "{n} <b>")]);
        assert_eq!(said, "{n} <b> raised a hand");
    }

    #[test]
    fn the_first_system_language_that_there_is_is_spoken_else_english() {
        assert_eq!(wanted_language(["fr_FR.UTF-8", "id_ID.UTF-8"]), Language::Id);
        assert_eq!(wanted_language(["", "zh_CN.UTF-8"]), Language::Zh);
        assert_eq!(wanted_language(["zh_TW.UTF-8", "id"]), Language::Id);
        assert_eq!(wanted_language(["C.UTF-8"]), Language::En);
        assert_eq!(wanted_language(["en"]), Language::En);
    }
}
