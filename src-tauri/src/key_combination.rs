//! Key combinations that may be taken from every other program.

use std::str::FromStr;

use serambi_protocol::{Code, Refusal};
use tauri_plugin_global_shortcut::{Code as Key, Modifiers, Shortcut};

/// Modifiers by name, in the order in which they are written.
const MODIFIERS: [(&str, Modifiers); 4] =
    [("Ctrl", Modifiers::CONTROL), ("Alt", Modifiers::ALT), ("Shift", Modifiers::SHIFT), ("Super", Modifiers::SUPER)];

/// Keys that type nothing and move nothing: another program hardly misses them.
const FREE_KEYS: [Key; 26] = [
    Key::F1,
    Key::F2,
    Key::F3,
    Key::F4,
    Key::F5,
    Key::F6,
    Key::F7,
    Key::F8,
    Key::F9,
    Key::F10,
    Key::F11,
    Key::F12,
    Key::F13,
    Key::F14,
    Key::F15,
    Key::F16,
    Key::F17,
    Key::F18,
    Key::F19,
    Key::F20,
    Key::F21,
    Key::F22,
    Key::F23,
    Key::F24,
    Key::Pause,
    Key::ScrollLock,
];

/// A combination that leaves other programs every key they type with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCombination(Shortcut);

impl KeyCombination {
    /// What the system is asked for.
    pub const fn shortcut(self) -> Shortcut {
        self.0
    }

    /// The same as the shortcuts specification of freedesktop.org writes it (`CTRL+SHIFT+m`: modifiers, then the name
    /// of an X keysym); none for keys that stand elsewhere on every layout.
    #[cfg(target_os = "linux")]
    pub fn trigger(self) -> Option<String> {
        let name = self.0.key.to_string();
        let keysym = match (name.strip_prefix("Key"), name.strip_prefix("Digit")) {
            (Some(letter), _) => letter.to_lowercase(),
            (_, Some(digit)) => digit.to_owned(),
            _ if self.0.key == Key::Space => "space".to_owned(),
            _ if self.0.key == Key::ScrollLock => "Scroll_Lock".to_owned(),
            _ if FREE_KEYS.contains(&self.0.key) => name,
            _ => return None,
        };
        let held = |(word, modifier): &(&str, Modifiers)| self.0.mods.contains(*modifier).then(|| trigger_word(word));
        Some(MODIFIERS.iter().filter_map(held).chain([keysym]).collect::<Vec<_>>().join("+"))
    }
}

#[cfg(target_os = "linux")]
fn trigger_word(modifier: &str) -> String {
    if modifier == "Super" { "LOGO".to_owned() } else { modifier.to_uppercase() }
}

/// Reads `Ctrl+Shift+KeyM`: modifiers, then a W3C code.
impl FromStr for KeyCombination {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let wrong = |why: String| Refusal::new(Code::ShortcutWrong, why);
        let read = Shortcut::from_str(text).map_err(|error| wrong(error.to_string()))?;
        // NumLock is another key to the library that takes it.
        let is_modified = read.mods.intersects(Modifiers::CONTROL | Modifiers::ALT | Modifiers::SUPER);
        if read.key == Key::NumLock || !(is_modified || FREE_KEYS.contains(&read.key)) {
            return Err(wrong(format!("{text} would be missed in other programs")));
        }
        Ok(Self(read))
    }
}

impl std::fmt::Display for KeyCombination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, modifier) in MODIFIERS {
            if self.0.mods.contains(modifier) {
                write!(f, "{name}+")?;
            }
        }
        write!(f, "{}", self.0.key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serambi_call::ComputerSettings;

    fn read(text: &str) -> Result<String, Code> {
        KeyCombination::from_str(text).map(|keys| keys.to_string()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_combination_is_written_in_one_way() {
        assert_eq!(read("shift+CTRL+m").unwrap(), "Ctrl+Shift+KeyM");
        assert_eq!(read("Super+Alt+Digit1").unwrap(), "Alt+Super+Digit1");
        assert_eq!(read("F8").unwrap(), "F8");
        assert_eq!(read(&read("Ctrl+Shift+KeyM").unwrap()).unwrap(), "Ctrl+Shift+KeyM");
    }

    #[test]
    fn keys_that_people_type_with_are_not_taken_from_every_program() {
        for wrong in ["KeyM", "Shift+KeyM", "Space", "Enter", "Tab", "ArrowUp", "Shift+Digit1", "NumLock"] {
            assert_eq!(read(wrong), Err(Code::ShortcutWrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_combination_is_refused() {
        for wrong in ["", "+", "Ctrl+", "Ctrl+Shift", "KeyM+Ctrl", "Ctrl+Nothing", "Ctrl+KeyA+KeyB"] {
            assert_eq!(read(wrong), Err(Code::ShortcutWrong), "{wrong}");
        }
    }

    #[test]
    fn the_usual_combinations_are_some() {
        let usual = ComputerSettings::default();
        for keys in [usual.mute_shortcut.unwrap(), usual.push_to_talk_key] {
            assert_eq!(read(&keys), Ok(keys));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_combination_is_proposed_to_the_desktop_in_its_own_spelling() {
        let trigger = |keys: &str| keys.parse::<KeyCombination>().ok().and_then(KeyCombination::trigger);
        assert_eq!(trigger("Ctrl+Shift+KeyM").as_deref(), Some("CTRL+SHIFT+m"));
        assert_eq!(trigger("Super+Digit1").as_deref(), Some("LOGO+1"));
        assert_eq!(trigger("ScrollLock").as_deref(), Some("Scroll_Lock"));
        assert_eq!(trigger("F8").as_deref(), Some("F8"));
        assert_eq!(trigger("Ctrl+Slash"), None);
    }
}
