//! What happens to microphone and loudspeaker while a call lasts: lost, moved, back, and talk while muted.

use std::time::Instant;

use serambi_audio::AudioNotice;

use super::{CallActor, Flow, GO_ON};
use crate::{
    call_events::CallEvent, device_loss::Return, error::CallError, sound::SoundNews, sound_notice::SoundNotice,
};

impl CallActor {
    pub(super) fn take_sound(&mut self, news: SoundNews) -> Flow {
        match news {
            SoundNews::Notice(notice) => self.take_sound_notice(notice, Instant::now()),
            SoundNews::Broken(error) => self.note_loudspeaker(error),
        }
        GO_ON
    }

    fn take_sound_notice(&mut self, notice: AudioNotice, now: Instant) {
        match notice {
            AudioNotice::MicrophoneLost { reason } => {
                self.microphone_loss.begin(CallError::Microphone(reason), now);
            }
            AudioNotice::LoudspeakerLost { reason } => {
                self.loudspeaker_loss.begin(CallError::Loudspeaker(reason), now);
            }
            AudioNotice::MicrophoneBack { device } => {
                self.microphone_lost = None;
                match self.microphone_loss.end(&device) {
                    Return::Back => self.tell_sound(SoundNotice::MicrophoneBack { device }),
                    Return::Elsewhere => self.tell_sound(SoundNotice::MicrophoneMoved { device }),
                    Return::Unnoticed => {}
                }
            }
            AudioNotice::LoudspeakerBack { device } => {
                self.loudspeaker_problem = None;
                match self.loudspeaker_loss.end(&device) {
                    Return::Back => self.tell_sound(SoundNotice::LoudspeakerBack { device }),
                    Return::Elsewhere => self.tell_sound(SoundNotice::LoudspeakerMoved { device }),
                    Return::Unnoticed => {}
                }
            }
            // What is said in a sound check is no talk while muted.
            AudioNotice::TalkingWhileMuted if self.own.sound_check_goes_on() => {}
            other => {
                tracing::info!(?other, "sound");
                if let Some(notice) = SoundNotice::of(other) {
                    self.tell_sound(notice);
                }
            }
        }
    }

    fn tell_sound(&mut self, notice: SoundNotice) {
        self.events.tell(CallEvent::Sound(notice));
    }

    /// A device that nothing has replaced for a while is gone, and the person is told.
    pub(super) fn note_losses(&mut self, now: Instant) {
        if let Some(engine) = self.instruments.sound.engine() {
            let statistics = engine.statistics();
            self.microphone_loss.note_device(statistics.microphone.device);
            self.loudspeaker_loss.note_device(statistics.loudspeaker.device);
        }
        if !self.microphone.actual().open {
            self.microphone_loss.forget();
        } else if let Some(error) = self.microphone_loss.due(now) {
            self.microphone_lost = Some(error.code());
            self.events.tell(CallEvent::Problem(error));
        }
        if let Some(error) = self.loudspeaker_loss.due(now) {
            self.note_loudspeaker(error);
        }
    }

    fn note_loudspeaker(&mut self, error: CallError) {
        self.loudspeaker_problem = Some(error.code());
        self.events.tell(CallEvent::Problem(error));
    }
}
