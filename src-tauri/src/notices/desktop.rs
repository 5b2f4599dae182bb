//! The system's own notices: the only file that knows how they are shown.

use notify_rust::Notification;

use super::board::{Answer, Desktop, DesktopNotice, Words};

const APP_NAME: &str = "Serambi";

/// The desktop of whoever sits here.
pub(super) struct SystemDesktop;

/// How the buttons are called between the system and us.
#[cfg(not(target_os = "macos"))]
const YES: &str = "yes";
#[cfg(not(target_os = "macos"))]
const NO: &str = "no";

fn plain(words: &Words) -> Notification {
    Notification::new().appname(APP_NAME).summary(&words.title).body(&words.text).finalize()
}

#[cfg(not(target_os = "macos"))]
fn read(response: &notify_rust::NotificationResponse) -> Option<Answer> {
    use notify_rust::NotificationResponse::{Action, Default};
    match response {
        Default => Some(Answer::Open),
        Action(action) if action == YES => Some(Answer::Yes),
        Action(action) if action == NO => Some(Answer::No),
        _ => None,
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
mod freedesktop {
    //! Desktop Notifications Specification 1.2, over the session bus.

    use notify_rust::{Hint, NotificationHandle, NotificationResponse};

    use super::{Answer, Desktop, DesktopNotice, NO, SystemDesktop, Words, YES, plain, read};
    use crate::{notices::board::Buttons, screen_lock};

    /// The application's icon and desktop file, by name.
    const DESKTOP_ENTRY: &str = "serambi";
    /// What a press on the notice itself is called (specification, section 9).
    const OPEN: &str = "default";

    /// The sound of a message that wants to be read now (XDG Sound Naming Specification 0.8).
    const MESSAGE_SOUND: &str = "message-new-instant";

    /// What this desktop's notices can do.
    struct Abilities {
        actions: bool,
        markup: bool,
    }

    async fn abilities() -> Result<Abilities, String> {
        let asking = tokio::task::spawn_blocking(notify_rust::get_capabilities).await;
        let able = asking.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let has = |ability: &str| able.iter().any(|known| known == ability);
        Ok(Abilities { actions: has("actions"), markup: has("body-markup") })
    }

    impl Desktop for SystemDesktop {
        type Shown = NotificationHandle;

        async fn is_locked(&self) -> bool {
            screen_lock::is_locked().await
        }

        async fn show(
            &self,
            notice: &DesktopNotice,
            words: &Words,
            earlier: Option<&NotificationHandle>,
        ) -> Result<NotificationHandle, String> {
            let abilities = abilities().await?;
            let mut notification = plain(words);
            notification.icon(DESKTOP_ENTRY).hint(Hint::DesktopEntry(DESKTOP_ENTRY.to_owned()));
            if notice.has_sound {
                notification.sound_name(MESSAGE_SOUND);
            } else {
                notification.hint(Hint::SuppressSound(true));
            }
            if abilities.markup {
                notification.body(&without_markup(&words.text));
            }
            if abilities.actions {
                notification.action(OPEN, &words.title);
                if let Some(Buttons { yes, no }) = &notice.buttons {
                    notification.action(YES, yes).action(NO, no);
                }
            }
            if let Some(earlier) = earlier {
                notification.id(earlier.id());
            }
            notification.show_async().await.map_err(|error| error.to_string())
        }

        async fn answer(shown: &NotificationHandle) -> Option<Answer> {
            let mut answer = None;
            let take = |response: &NotificationResponse| answer = read(response);
            shown.wait_for_action_async(take).await;
            answer
        }

        async fn withdraw(&self, shown: &NotificationHandle) {
            shown.close_async().await;
        }
    }

    /// Names may hold anything: where the text is read as markup, theirs is none.
    fn without_markup(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_name_cannot_put_markup_into_a_notice() {
            assert_eq!(without_markup("<b>A & B</b>"), "&lt;b&gt;A &amp; B&lt;/b&gt;");
        }
    }
}

#[cfg(windows)]
mod toasts {
    //! Windows' toasts. One that has gone to the notification centre is not taken away again.

    use std::sync::{Mutex, PoisonError};

    use notify_rust::{Notification, NotificationResponse};
    use tokio::sync::oneshot;

    use super::{Answer, Desktop, DesktopNotice, NO, SystemDesktop, Words, YES, plain, read};
    use crate::notices::board::Buttons;

    /// Of the installed program, as its installer tells it to Windows (`tauri.conf.json`). Toasts of a program without
    /// one come under PowerShell's name.
    const APP_ID: &str = "org.serambi.Serambi";

    impl Desktop for SystemDesktop {
        /// What will be pressed; taken by whoever waits for it.
        type Shown = Mutex<Option<oneshot::Receiver<Answer>>>;

        /// The system's own settings say what of a notice is to be read on a locked screen.
        async fn is_locked(&self) -> bool {
            false
        }

        async fn show(
            &self,
            notice: &DesktopNotice,
            words: &Words,
            _earlier: Option<&Self::Shown>,
        ) -> Result<Self::Shown, String> {
            let mut notification = plain(words);
            if tauri::utils::platform::bundle_type().is_some() {
                notification.app_id(APP_ID);
            }
            if let Some(Buttons { yes, no }) = &notice.buttons {
                notification.action(YES, yes).action(NO, no);
            }
            if notice.has_sound {
                notification.sound_name("Default");
            }
            let (showing, shown) = oneshot::channel();
            let (pressing, pressed) = oneshot::channel();
            tokio::task::spawn_blocking(move || show_and_wait(&notification, showing, pressing));
            shown.await.map_err(|error| error.to_string())??;
            Ok(Mutex::new(Some(pressed)))
        }

        async fn answer(shown: &Self::Shown) -> Option<Answer> {
            let pressed = shown.lock().unwrap_or_else(PoisonError::into_inner).take()?;
            pressed.await.ok()
        }

        async fn withdraw(&self, _shown: &Self::Shown) {}
    }

    /// Returns when the toast was pressed or has gone. One thread does both: the library gives a toast's handle no name
    /// under which it could be kept. Whoever asked may have given up meanwhile.
    fn show_and_wait(
        notification: &Notification,
        showing: oneshot::Sender<Result<(), String>>,
        pressing: oneshot::Sender<Answer>,
    ) {
        let shown = match notification.show() {
            Ok(shown) => shown,
            Err(error) => return drop(showing.send(Err(error.to_string()))),
        };
        drop(showing.send(Ok(())));
        let take = |response: &NotificationResponse| {
            if let Some(answer) = read(response) {
                let _gone = pressing.send(answer);
            }
        };
        if let Err(error) = shown.wait_for_response(take) {
            tracing::info!(%error, "a toast has gone without a word");
        }
    }
}

/// macOS: shown. It brings the app to the front by itself when a notice is pressed, and the question stands there; to
/// wait for an answer takes a thread for each notice, for as long as it is kept. The system's own settings say what of
/// a notice is to be read on a locked screen.
#[cfg(target_os = "macos")]
impl Desktop for SystemDesktop {
    type Shown = ();

    async fn is_locked(&self) -> bool {
        false
    }

    async fn show(&self, notice: &DesktopNotice, words: &Words, _earlier: Option<&()>) -> Result<(), String> {
        let mut notification = plain(words);
        if notice.has_sound {
            notification.sound_name("Default");
        }
        let showing = tokio::task::spawn_blocking(move || notification.show().map(drop)).await;
        showing.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    async fn answer(_shown: &()) -> Option<Answer> {
        std::future::pending().await
    }

    async fn withdraw(&self, _shown: &()) {}
}
