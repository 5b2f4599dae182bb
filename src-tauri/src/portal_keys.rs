//! Keys from anywhere as the desktop's portal gives them (org.freedesktop.portal.GlobalShortcuts): under Wayland no
//! program sees keys of other windows by itself. The person chooses the keys in a question of the desktop's.

use std::{
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ashpd::desktop::{
    Session,
    global_shortcuts::{GlobalShortcuts, NewShortcut, Shortcut},
};
use futures_util::StreamExt;
use serambi_call::ComputerSettings;
use tauri::AppHandle;
use tokio::sync::watch;

use crate::{
    key_combination::KeyCombination,
    shortcuts::{KeyEvent, KeyState, ShortcutStates},
    view::Language,
    words::words,
};

/// A portal that is started for the question may take a moment; one that never answers is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How the keys are known to the desktop, which remembers them by these names.
const MUTE: &str = "mute";
const TALK: &str = "push-to-talk";

/// A key that the desktop is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    id: &'static str,
    description: String,
    /// What is proposed, as the shortcuts specification writes it.
    trigger: Option<String>,
}

/// What the desktop has given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Given {
    /// Nothing was asked yet, or the question stands.
    #[default]
    Asked,
    /// These keys, in the desktop's own words; those it gave none are not in the list.
    Keys(Vec<(String, String)>),
    /// There is no such portal.
    Missing,
}

/// The keys that the desktop was asked for.
pub struct PortalKeys {
    wanted: watch::Sender<Vec<Wanted>>,
    given: Arc<Mutex<Given>>,
}

/// Where what the desktop says goes.
struct Listener {
    app: AppHandle,
    given: Arc<Mutex<Given>>,
    heard: fn(&AppHandle, KeyEvent),
    changed: fn(&AppHandle),
}

impl PortalKeys {
    /// Asks for whatever [`Self::take`] says, for as long as the program lasts.
    pub fn start(app: AppHandle, heard: fn(&AppHandle, KeyEvent), changed: fn(&AppHandle)) -> Self {
        let (wanted, given) = (watch::Sender::new(Vec::new()), Arc::<Mutex<Given>>::default());
        let listener = Listener { app, given: given.clone(), heard, changed };
        tauri::async_runtime::spawn(listener.run(wanted.subscribe()));
        Self { wanted, given }
    }

    /// Is there a portal, as far as is known now?
    pub fn is_there(&self) -> bool {
        *lock(&self.given) != Given::Missing
    }

    /// The desktop's words for the keys it gave.
    pub fn states(&self) -> ShortcutStates {
        let given = lock(&self.given);
        let state = |id: &str| match &*given {
            Given::Keys(keys) => {
                let found = keys.iter().find(|(found, _)| found == id);
                KeyState { problem: None, described: found.map(|(_, words)| words.clone()) }
            }
            Given::Asked | Given::Missing => KeyState::default(),
        };
        ShortcutStates { mute: state(MUTE), talk: state(TALK) }
    }

    /// Asks the desktop for the keys of these settings, instead of those before.
    pub fn take(&self, settings: &ComputerSettings, language: Language) {
        let wanted = wanted(settings, language);
        self.wanted.send_if_modified(|before| std::mem::replace(before, wanted.clone()) != wanted);
    }
}

impl Listener {
    async fn run(self, mut wanted: watch::Receiver<Vec<Wanted>>) {
        loop {
            let keys = wanted.borrow_and_update().clone();
            if !keys.is_empty() {
                self.hold(&keys, &mut wanted).await;
                // Keys that were held when the desktop took them away come up now.
                (self.heard)(&self.app, KeyEvent::TalkReleased);
            }
            if wanted.changed().await.is_err() {
                return;
            }
        }
    }

    /// Holds these keys until others are wanted or the desktop takes them away.
    async fn hold(&self, keys: &[Wanted], wanted: &mut watch::Receiver<Vec<Wanted>>) {
        let opened = tokio::time::timeout(ANSWER_WITHIN, open()).await;
        let (portal, session) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return self.is_missing(&error.to_string()),
            Err(_) => return self.is_missing("no answer"),
        };
        let outcome = tokio::select! {
            outcome = self.listen(&portal, &session, keys) => outcome,
            // Seen again by whoever called.
            _ = wanted.changed() => {
                wanted.mark_changed();
                Ok(())
            }
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "the desktop gives no keys");
            self.tell(Given::Keys(Vec::new()));
        }
        // One that the desktop has closed itself is gone already.
        let _ = tokio::time::timeout(ANSWER_WITHIN, session.close()).await;
    }

    async fn listen(
        &self,
        portal: &GlobalShortcuts,
        session: &Session<GlobalShortcuts>,
        keys: &[Wanted],
    ) -> ashpd::Result<()> {
        let (mut down, mut up) = (portal.receive_activated().await?, portal.receive_deactivated().await?);
        let (mut changed, mut closed) = (portal.receive_shortcuts_changed().await?, session.receive_closed().await?);
        let asked: Vec<NewShortcut> = keys.iter().map(Wanted::asked).collect();
        self.tell(Given::Asked);
        let bound = portal.bind_shortcuts(session, &asked, None, Default::default()).await?;
        self.tell(given(bound.response()?.shortcuts()));
        loop {
            tokio::select! {
                Some(key) = down.next() => self.hear(key.shortcut_id(), KeyEvent::ToggleMute, KeyEvent::TalkPressed),
                Some(key) = up.next() => {
                    if key.shortcut_id() == TALK {
                        (self.heard)(&self.app, KeyEvent::TalkReleased);
                    }
                }
                Some(keys) = changed.next() => self.tell(given(keys.shortcuts())),
                _ = closed.next() => return Ok(()),
            }
        }
    }

    fn hear(&self, id: &str, mute: KeyEvent, talk: KeyEvent) {
        match id {
            MUTE => (self.heard)(&self.app, mute),
            TALK => (self.heard)(&self.app, talk),
            _ => tracing::debug!(id, "a key that is not ours"),
        }
    }

    fn is_missing(&self, detail: &str) {
        tracing::info!(detail, "the desktop has no portal for keys");
        self.tell(Given::Missing);
    }

    fn tell(&self, given: Given) {
        let before = std::mem::replace(&mut *lock(&self.given), given.clone());
        if before != given {
            (self.changed)(&self.app);
        }
    }
}

async fn open() -> ashpd::Result<(GlobalShortcuts, Session<GlobalShortcuts>)> {
    let portal = GlobalShortcuts::new().await?;
    let session = portal.create_session(Default::default()).await?;
    Ok((portal, session))
}

impl Wanted {
    fn asked(&self) -> NewShortcut {
        NewShortcut::new(self.id, &self.description).preferred_trigger(self.trigger.as_deref())
    }
}

fn wanted(settings: &ComputerSettings, language: Language) -> Vec<Wanted> {
    let one = |id, key, keys: &str| {
        let trigger = KeyCombination::from_str(keys).ok().and_then(KeyCombination::trigger);
        Wanted { id, description: words(language, key).to_owned(), trigger }
    };
    let mute = settings.mute_shortcut.as_deref().map(|keys| one(MUTE, "computer.mute", keys));
    let talk = settings.push_to_talk.then(|| one(TALK, "computer.talk", &settings.push_to_talk_key));
    mute.into_iter().chain(talk).collect()
}

fn given(shortcuts: &[Shortcut]) -> Given {
    let described = |shortcut: &&Shortcut| !shortcut.trigger_description().is_empty();
    let words = |shortcut: &Shortcut| (shortcut.id().to_owned(), shortcut.trigger_description().to_owned());
    Given::Keys(shortcuts.iter().filter(described).map(words).collect())
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desktop_is_asked_for_the_chosen_keys_in_the_persons_language() {
        let settings = ComputerSettings::default();
        let mute = Wanted {
            id: MUTE,
            description: "Mute and unmute from anywhere".to_owned(),
            trigger: Some("CTRL+SHIFT+m".to_owned()),
        };
        assert_eq!(wanted(&settings, Language::En), [mute]);
        let talks = ComputerSettings { push_to_talk: true, mute_shortcut: None, ..settings };
        let asked = wanted(&talks, Language::Id);
        assert_eq!((asked.len(), asked[0].id, asked[0].trigger.as_deref()), (1, TALK, Some("F8")));
        assert_ne!(asked[0].description, words(Language::En, "computer.talk"));
    }

    #[test]
    fn nobody_is_asked_for_keys_that_are_switched_off() {
        let off = ComputerSettings { mute_shortcut: None, ..ComputerSettings::default() };
        assert_eq!(wanted(&off, Language::En), []);
    }
}
