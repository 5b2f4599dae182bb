//! The notice commands of the app controller: what is told outside the window, what an answer to it does, and do not
//! disturb.

use serambi_call::{DoNotDisturb, QuietFor, RoomCommand};
use serambi_protocol::{Command, Refusal, view::RoomRecord};
use tauri::{AppHandle, Manager};

use super::{AppController, ControllerSlot, lock, read_language};
use crate::{
    ipc::{self, Problem},
    local_time::{unix_ms, wall_clock},
    notices::{Answer, NoticeAct, NoticeBoard, Subject, Told, system_language},
    view::Language,
    window,
};

/// An empty desktop, and what is done when something on it is pressed.
pub(super) fn board(app: AppHandle) -> NoticeBoard {
    NoticeBoard::start(move |subject, answer| {
        if let Some(controller) = app.state::<ControllerSlot>().get() {
            tauri::async_runtime::spawn(async move { controller.take_answer(subject, answer).await });
        }
    })
}

impl AppController {
    /// Whether notices are held back now, and until when.
    pub fn do_not_disturb(&self) -> DoNotDisturb {
        self.settings().do_not_disturb.at(unix_ms())
    }

    /// Holds notices back from now on, or no longer. Those about the own microphone come all the same.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_do_not_disturb(&self, quiet: QuietFor) -> Result<(), Refusal> {
        self.change_settings(|settings| settings.do_not_disturb = DoNotDisturb::begin(quiet, wall_clock()))?;
        self.refresh_tray();
        Ok(())
    }

    /// The same from the tray: what goes wrong is told to the window.
    pub fn be_quiet(&self, quiet: QuietFor) {
        if let Err(refusal) = self.set_do_not_disturb(quiet) {
            ipc::tell_once(&self.shared.app, Problem(refusal));
        }
    }

    /// The person looks at the window: it says everything itself.
    pub fn window_is_in_front(&self) {
        self.shared.notices.withdraw_all();
    }

    /// Tells what happened in this room outside the window, if that is the place for it.
    pub(crate) fn carry_out(&self, act: NoticeAct, room: &RoomRecord) {
        match act {
            NoticeAct::Withdraw(subject) => self.shared.notices.withdraw(subject),
            NoticeAct::Tell(told) if self.is_for_desktop(&told) => self.tell_outside(&told, room),
            // What was said before about the same is no longer true.
            NoticeAct::Tell(told) => self.shared.notices.withdraw(told.subject()),
        }
    }

    fn is_for_desktop(&self, told: &Told) -> bool {
        let in_a_room = lock(&self.shared.ongoing).is_some();
        let is_quiet = self.settings().do_not_disturb.is_quiet(unix_ms(), in_a_room);
        (!is_quiet || told.touches_own_microphone()) && !window::is_in_front(&self.shared.app)
    }

    fn tell_outside(&self, told: &Told, room: &RoomRecord) {
        self.shared.notices.show(told.notice(room, self.notice_language()));
        if told.subject() == Subject::Invitation {
            window::ask_for_attention(&self.shared.app);
        }
    }

    /// The chosen language; before there is one, the system's.
    pub(super) fn notice_language(&self) -> Language {
        self.settings().language.as_deref().and_then(read_language).unwrap_or_else(system_language)
    }

    async fn take_answer(&self, subject: Subject, answer: Answer) {
        let outcome = match (subject, answer) {
            (Subject::Invitation, Answer::No) => self.decline_invitation().await,
            (Subject::Call, Answer::No) => {
                self.pass_called();
                Ok(())
            }
            (Subject::Call, Answer::Yes) => {
                window::bring_to_front(&self.shared.app).await;
                self.join_called(false).await
            }
            (Subject::Invitation, Answer::Yes) => {
                window::bring_to_front(&self.shared.app).await;
                self.accept_invitation().await
            }
            _ => {
                window::bring_to_front(&self.shared.app).await;
                Ok(())
            }
        };
        if let Err(refusal) = outcome {
            ipc::tell_once(&self.shared.app, Problem(refusal));
        }
    }

    async fn accept_invitation(&self) -> Result<(), Refusal> {
        Ok(self.call()?.accept_invitation().await?)
    }

    async fn decline_invitation(&self) -> Result<(), Refusal> {
        Ok(self.call()?.command(RoomCommand::try_from(Command::DeclineInvitation)?).await?)
    }
}
