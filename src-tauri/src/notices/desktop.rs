//! The system's own notices: the only file that knows how they are shown.

use notify_rust::Notification;

use super::board::{Answer, Desktop, DesktopNotice};

const APP_NAME: &str = "Serambi";

/// The desktop of whoever sits here.
pub(super) struct SystemDesktop;

fn plain(notice: &DesktopNotice) -> Notification {
    Notification::new().appname(APP_NAME).summary(&notice.title).body(&notice.text).finalize()
}

#[cfg(all(unix, not(target_os = "macos")))]
mod freedesktop {
    //! Desktop Notifications Specification 1.2, over the session bus.

    use notify_rust::{Hint, NotificationHandle, NotificationResponse};

    use super::{Answer, Desktop, DesktopNotice, SystemDesktop, plain};
    use crate::notices::board::Buttons;

    /// The application's icon and desktop file, by name.
    const DESKTOP_ENTRY: &str = "serambi";
    /// What a press on the notice itself is called (specification, section 9).
    const OPEN: &str = "default";
    const YES: &str = "yes";
    const NO: &str = "no";

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

        async fn show(
            &self,
            notice: &DesktopNotice,
            earlier: Option<&NotificationHandle>,
        ) -> Result<NotificationHandle, String> {
            let abilities = abilities().await?;
            let mut notification = plain(notice);
            notification.icon(DESKTOP_ENTRY).hint(Hint::DesktopEntry(DESKTOP_ENTRY.to_owned()));
            if notice.has_sound {
                notification.sound_name(MESSAGE_SOUND);
            } else {
                notification.hint(Hint::SuppressSound(true));
            }
            if abilities.markup {
                notification.body(&without_markup(&notice.text));
            }
            if abilities.actions {
                notification.action(OPEN, &notice.title);
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

    fn read(response: &NotificationResponse) -> Option<Answer> {
        match response {
            NotificationResponse::Default => Some(Answer::Open),
            NotificationResponse::Action(action) if action == YES => Some(Answer::Yes),
            NotificationResponse::Action(action) if action == NO => Some(Answer::No),
            _ => None,
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

/// Windows and macOS: shown. They bring the app to the front by themselves when a notice is pressed.
#[cfg(not(all(unix, not(target_os = "macos"))))]
impl Desktop for SystemDesktop {
    type Shown = ();

    async fn show(&self, notice: &DesktopNotice, _earlier: Option<&()>) -> Result<(), String> {
        let mut notification = plain(notice);
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
