//! The words of what is not a page (the tray's menu), from the same catalogues as the window's.

use std::{collections::HashMap, sync::LazyLock};

use crate::view::Language;

type Catalogue = HashMap<String, String>;

static CATALOGUES: LazyLock<[Catalogue; 3]> = LazyLock::new(|| {
    [
        read(include_str!("../../ui/src/words/en.json")),
        read(include_str!("../../ui/src/words/id.json")),
        read(include_str!("../../ui/src/words/zh.json")),
    ]
});

/// The catalogues are part of the program, and a test reads them: there is nobody to tell of one that cannot be read.
fn read(text: &str) -> Catalogue {
    serde_json::from_str(text).unwrap_or_default()
}

/// The words of a key without placeholders; the key itself, if there are none.
pub fn words(language: Language, key: &'static str) -> &'static str {
    let [en, id, zh] = &*CATALOGUES;
    let catalogue = match language {
        Language::En => en,
        Language::Id => id,
        Language::Zh => zh,
    };
    catalogue.get(key).map_or(key, String::as_str)
}

/// The same with `{name}` filled in. Plurals and numbers are the page's: here nothing counts.
pub fn words_with_name(language: Language, key: &'static str, name: &str) -> String {
    words(language, key).replace("{name}", name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const LANGUAGES: [Language; 3] = [Language::En, Language::Id, Language::Zh];

    #[test]
    fn every_catalogue_can_be_read() {
        assert!(CATALOGUES.iter().all(|catalogue| catalogue.len() > 300));
        assert_eq!(words(Language::En, "leave"), "Leave quietly");
        assert_eq!(words(Language::Id, "leave"), "Keluar diam-diam");
        assert_eq!(words(Language::Zh, "leave"), "悄悄离开");
    }

    #[test]
    fn a_name_is_put_in_as_it_is() {
        assert_eq!(words_with_name(Language::En, "room.untitled", "{name} & Co"), "{name} & Co's room");
    }
}
