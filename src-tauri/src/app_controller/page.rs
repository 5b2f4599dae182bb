//! What the app controller does for the page: what it is shown, and what follows from its going and coming.

use serambi_protocol::{Code, Refusal};
use tauri::ipc::Channel;

use super::{AppController, lock};
use crate::{
    ipc::{self, Problem},
    ongoing::Ongoing,
    polling::Attention,
    view::LevelBatch,
    window,
};

impl AppController {
    /// Streams sound levels to the window until the call or the channel ends.
    ///
    /// # Errors
    /// `no_call`.
    pub fn send_levels(&self, channel: Channel<LevelBatch>) -> Result<(), Refusal> {
        match lock(&self.shared.ongoing).as_mut() {
            Some(ongoing) => {
                ongoing.send_levels(self.shared.app.clone(), channel);
                Ok(())
            }
            None => Err(Code::NoCall.into()),
        }
    }

    /// Tells the window everything about the present call anew: it may be a new page.
    pub(crate) fn show_call_again(&self) {
        if let Some(ongoing) = lock(&self.shared.ongoing).as_ref() {
            ongoing.show_again();
        }
    }

    /// What the person looks at.
    pub(super) fn attention(&self) -> Attention {
        if !window::is_seen(&self.shared.app) {
            Attention::Elsewhere
        } else if lock(&self.shared.ongoing).is_some() {
            Attention::Room
        } else {
            Attention::Home
        }
    }

    /// Ends what only a page needs: nobody sees it. The microphone stays as it is.
    pub async fn page_is_let_go(&self) {
        self.close_sound_check().await;
        self.hold_to_talk(false);
        if let Some(ongoing) = lock(&self.shared.ongoing).as_mut() {
            ongoing.stop_levels();
        }
    }

    /// Closes a sound check and mutes, while nobody can see that the microphone is open.
    pub async fn page_is_gone(&self) {
        self.close_sound_check().await;
        if self.let_talk_keys_go() {
            // What a key had opened is not opened again by a new page.
            return self.mute_from_anywhere(true).await;
        }
        let muting = lock(&self.shared.ongoing).as_mut().and_then(Ongoing::begin_muted_for_page);
        if let Some(call) = muting
            && let Err(error) = call.set_muted(true).await
        {
            tracing::error!(%error, "the microphone was not muted");
        }
    }

    /// Shows the list anew, and opens the microphone again if [`Self::page_is_gone`] muted it.
    pub async fn page_is_back(&self) {
        self.shared.home.ask_again();
        let muted = lock(&self.shared.ongoing).as_mut().and_then(Ongoing::end_muted_for_page);
        if let Some(call) = muted
            && let Err(error) = call.set_muted(false).await
        {
            ipc::tell_once(&self.shared.app, Problem(error.into()));
        }
    }
}
