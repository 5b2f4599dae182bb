//! The own microphone, the mute and the published track: changed together, one wish at a time, and never shown as muted
//! before it is.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use serambi_protocol::{Code, Command, Refusal};

use crate::{
    call::Shared,
    call_view::{CallEvent, MicrophoneView},
    media::Voice,
};

impl Shared {
    /// Brings microphone and track to what the own role asks for.
    pub(crate) async fn settle_stage(&self) {
        let _turn = self.turn.lock().await;
        if self.is_on_stage() {
            if self.media.voice() == Voice::Absent {
                self.media.set_voice(Voice::Muted);
            }
            if !self.sound.microphone_is_open()
                && let Err(refusal) = self.open_microphone().await
            {
                self.tell(CallEvent::Problem(refusal));
            }
        } else {
            self.go_quiet().await;
            self.media.set_voice(Voice::Absent);
            // Whoever checks their sound keeps the microphone until that is over; nothing of it is sent.
            if !self.rehearsing.goes_on() {
                self.close_microphone().await;
            }
        }
    }

    async fn open_microphone(&self) -> Result<(), Refusal> {
        let opened = self.sound.open_microphone().await;
        let problem = opened.as_ref().err().map(|refusal| refusal.code);
        let open = self.sound.microphone_is_open();
        self.change(|view| view.microphone = MicrophoneView { open, muted: true, problem });
        opened
    }

    pub(crate) async fn close_microphone(&self) {
        self.sound.close_microphone().await;
        self.change(|view| view.microphone = MicrophoneView::default());
    }

    /// No voice leaves this machine when this returns, and only then the view says so.
    pub(crate) async fn go_quiet(&self) {
        self.sound.set_muted(true).await;
        self.voice_out.shut().await;
        self.change(|view| view.microphone.muted = true);
    }

    pub(crate) async fn accept_invitation(&self) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        self.open_microphone().await?;
        let accepted = self.ask(&Command::AcceptInvitation).await;
        if accepted.is_err() && !self.is_on_stage() {
            self.close_microphone().await;
        }
        accepted
    }

    pub(crate) async fn mute(&self) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        self.go_quiet().await;
        self.tell_media_muted();
        match self.tell_house_muted(true).await {
            // The mute stands; the house is told as soon as it is back.
            Err(refusal) if refusal.code == Code::HouseUnreachable => Ok(()),
            told => told,
        }
    }

    pub(crate) async fn unmute(&self) -> Result<(), Refusal> {
        let _turn = self.turn.lock().await;
        if !self.is_on_stage() {
            return Err(Code::NotOnStage.into());
        }
        if !self.sound.microphone_is_open() {
            self.open_microphone().await?;
        }
        self.tell_house_muted(false).await?;
        self.media.set_voice(Voice::Open);
        self.voice_out.open();
        self.sound.set_muted(false).await;
        self.change(|view| view.microphone.muted = false);
        Ok(())
    }

    /// A moderator muted us, or we came back to a seat that is muted.
    pub(crate) async fn obey_mute(&self) {
        let _turn = self.turn.lock().await;
        self.go_quiet().await;
        self.tell_media_muted();
    }

    /// The house and the microphone may disagree after a lost connection or a crossing of two wishes. What is really
    /// sent counts, so the house is told.
    pub(crate) async fn settle_mute(&self) {
        let _turn = self.turn.lock().await;
        let (on_stage, said, muted) = {
            let view = self.view();
            (view.room.you.role.is_on_stage(), view.room.you.muted, view.microphone.muted)
        };
        if on_stage
            && said != muted
            && let Err(refusal) = self.tell_house_muted(muted).await
        {
            tracing::debug!(%refusal, "the house could not be told about the mute");
        }
    }

    fn tell_media_muted(&self) {
        if self.media.voice() == Voice::Open {
            self.media.set_voice(Voice::Muted);
        }
    }

    async fn tell_house_muted(&self, muted: bool) -> Result<(), Refusal> {
        let told = self.ask(&Command::SetMuted { muted }).await;
        *self.told_house_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        told
    }

    /// How long ago we told the house whether we are muted: its events may still be older than that.
    pub(crate) fn told_house_ago(&self) -> Option<Duration> {
        self.told_house_at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }
}
