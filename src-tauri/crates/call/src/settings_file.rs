//! `settings.json`, read value by value: one that is unknown or broken falls back, the rest stays.

use serambi_protocol::{limits::NAME_CHARACTERS, name::read_name};
use serde_json::{Map, Value};

use crate::profile::Settings;

/// What was read, and what is needed to write it without losing what was not understood.
#[derive(Debug, Default)]
pub(crate) struct SettingsFile {
    pub(crate) settings: Settings,
    /// The whole object as it stood in the file.
    as_read: Map<String, Value>,
}

impl SettingsFile {
    /// Reads the text of a settings file; none: it is not JSON, or no object.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let as_read = serde_json::from_slice::<Map<String, Value>>(text).ok()?;
        let (mut settings, mut broken) = read_leniently(&Value::Object(as_read.clone()));
        // The length first: reading 50 MB letter by letter would hold up the start.
        let is_readable = |name: &str| name.len() <= 4 * NAME_CHARACTERS && read_name(name).is_ok();
        if !settings.name.is_empty() && !is_readable(&settings.name) {
            settings.name.clear();
            broken.push("/name".to_owned());
        }
        if !broken.is_empty() {
            tracing::warn!(?broken, "values of the settings are not understood and fall back");
        }
        Some(Self { settings, as_read })
    }

    /// The object to write for `next`: what has changed, beside everything that stood in the file.
    pub(crate) fn with(&self, next: Settings) -> Result<Self, serde_json::Error> {
        let before = serde_json::to_value(&self.settings)?;
        let mut as_read = self.as_read.clone();
        if let Value::Object(after) = serde_json::to_value(&next)? {
            for (key, value) in after {
                if before.get(&key) != Some(&value) || !as_read.contains_key(&key) {
                    as_read.insert(key, value);
                }
            }
        }
        Ok(Self { settings: next, as_read })
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(&self.as_read)
    }
}

/// The settings, and the JSON pointers (RFC 6901) of values that were not understood.
fn read_leniently(given: &Value) -> (Settings, Vec<String>) {
    if let Ok(settings) = serde_json::from_value(given.clone()) {
        return (settings, Vec::new());
    }
    let mut adopted = serde_json::to_value(Settings::default()).unwrap_or_default();
    let mut broken = Vec::new();
    adopt(&mut adopted, "", given, &mut broken);
    (serde_json::from_value(adopted).unwrap_or_default(), broken)
}

/// Takes a value over if the settings are readable with it, and otherwise the parts of it with which they are.
fn adopt(settings: &mut Value, pointer: &str, given: &Value, broken: &mut Vec<String>) {
    if put(settings, pointer, given.clone()) {
        return;
    }
    match given {
        Value::Object(entries) if settings.pointer(pointer).is_some_and(Value::is_object) => {
            for (key, value) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                adopt(settings, &format!("{pointer}/{key}"), value, broken);
            }
        }
        Value::Array(items) if settings.pointer(pointer).is_some_and(Value::is_array) => {
            for item in items {
                let next = settings.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
                adopt(settings, &format!("{pointer}/{next}"), item, broken);
            }
        }
        _ => broken.push(pointer.to_owned()),
    }
}

/// Puts a value at this place, unless the settings could not be read any more.
fn put(settings: &mut Value, pointer: &str, value: Value) -> bool {
    let mut candidate = settings.clone();
    let Some((parent, key)) = pointer.rsplit_once('/') else { return false };
    let key = key.replace("~1", "/").replace("~0", "~");
    match candidate.pointer_mut(parent) {
        Some(Value::Object(entries)) => {
            entries.insert(key, value);
        }
        Some(Value::Array(items)) => items.push(value),
        _ => return false,
    }
    let is_readable = serde_json::from_value::<Settings>(candidate.clone()).is_ok();
    if is_readable {
        *settings = candidate;
    }
    is_readable
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::profile::{SavedHouse, Theme};

    fn read(text: &str) -> SettingsFile {
        SettingsFile::read(text.as_bytes()).unwrap()
    }

    // Before, the whole file was put aside: nameless, without houses, with the system's devices.
    #[test]
    fn a_value_of_a_newer_version_falls_back_and_the_rest_stays() {
        let file = read(
            r#"{"name":"Wei","theme":"sepia","language":"id",
                "savedHouses":[{"name":"Porch","link":"serambi://a"},{"name":7}],
                "sound":{"microphone":{"id":"m","name":"Mic"},"echoCancelling":"sometimes","voices":{"nobody":1}}}"#,
        );
        let settings = &file.settings;
        assert_eq!((settings.name.as_str(), settings.theme), ("Wei", Theme::System));
        assert_eq!(settings.language.as_deref(), Some("id"));
        assert_eq!(settings.saved_houses, [SavedHouse { name: "Porch".into(), link: "serambi://a".into() }]);
        assert_eq!(settings.sound.microphone.as_ref().map(|device| device.id.as_str()), Some("m"));
        assert!(settings.sound.voices.is_empty());
    }

    #[test]
    fn what_was_not_understood_is_still_in_the_file_after_another_change() {
        let file = read(r#"{"name":"Wei","theme":"sepia","later":{"a":1}}"#);
        let next = Settings { name: "Li".into(), ..file.settings.clone() };
        let text: Value = serde_json::from_slice(&file.with(next).unwrap().text().unwrap()).unwrap();
        assert_eq!((&text["name"], &text["theme"], &text["later"]["a"]), (&"Li".into(), &"sepia".into(), &1.into()));
    }

    // A name of 50 MB ended the program at every start.
    #[test]
    fn a_name_that_cannot_be_one_is_no_name() {
        let name = "a".repeat(50_000_000);
        let file = read(&format!(r#"{{"name":"{name}","theme":"dark"}}"#));
        assert_eq!((file.settings.name.as_str(), file.settings.theme), ("", Theme::Dark));
    }

    #[test]
    fn what_is_no_object_is_not_read() {
        assert!(SettingsFile::read(b"{\"name\": \"Rat").is_none());
        assert!(SettingsFile::read(b"[]").is_none());
    }
}
