//! What a call measures while it lasts: what is heard of the others, and how the own voice arrives.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use serambi_audio::LossReport;
use serambi_protocol::{
    api::ChannelSay,
    limits::LISTENER_REPORT_MS,
    measurement::{HouseTime, ListenerReport, VoiceReception},
};

use crate::{
    call::Shared,
    call_view::{CallEvent, Measurements},
    house_channel::HouseChannel,
    house_clock::HouseClock,
    listener_report::ListenerCounts,
    own_reception::OwnReception,
};

/// How often what is measured is looked at.
pub(crate) const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// The state between two looks.
pub(crate) struct Measuring {
    clock: HouseClock,
    counts: ListenerCounts,
    own: OwnReception,
    report_at: Instant,
}

impl Measuring {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            clock: HouseClock::default(),
            counts: ListenerCounts::default(),
            own: OwnReception::default(),
            report_at: now + Duration::from_millis(LISTENER_REPORT_MS),
        }
    }

    /// The house's clock showed `house` between `sent` and `received`.
    pub(crate) fn take_clock(&mut self, sent: Instant, house: HouseTime, received: Instant) {
        self.clock.take(sent, house, received);
    }

    /// Another house answers, or the same one opened anew.
    pub(crate) fn forget_house(&mut self) {
        self.clock.forget();
    }

    /// What all listeners together miss of the own voice: it is repeated accordingly. Between two words, and when none
    /// comes any more, the last one stands.
    pub(crate) fn take_reception(&mut self, shared: &Shared, reception: &VoiceReception, now: Instant) {
        self.own.take(reception, now);
        if let (Some(loss), Some(engine)) = (reception.loss, shared.sound.engine()) {
            // That nothing is lost is news too: only then does the engine repeat nothing at all.
            let report = LossReport { loss: loss.worst, mean_burst: loss.mean_burst, available_bitrate: None };
            engine.set_listener_loss(report);
        }
    }

    /// Once in [`MEASURE_EVERY`].
    pub(crate) fn look(&mut self, shared: &Shared, channel: &HouseChannel, now: Instant) {
        self.own.note_speaking(shared.is_audible(), now);
        if now >= self.report_at {
            self.report_at = now + Duration::from_millis(LISTENER_REPORT_MS);
            self.report(shared, channel);
        }
        shared.show(Measurements { voice_received: self.own.shown(now) });
    }

    fn report(&mut self, shared: &Shared, channel: &HouseChannel) {
        let Some(engine) = shared.sound.engine() else { return };
        let heard = engine.statistics().speakers;
        let voices =
            heard.iter().filter_map(|voice| Some((voice.id, shared.speakers.person(voice.id)?, voice.packets)));
        let voices = self.counts.since_last(voices);
        // In a silent room nobody asks; but whoever speaks is told also by those who hear nothing.
        if !voices.is_empty() || shared.somebody_should_be_heard() {
            channel.say(ChannelSay::Heard(ListenerReport { room: shared.room.clone(), voices }));
        }
    }
}

impl Shared {
    fn is_audible(&self) -> bool {
        let view = self.view();
        view.microphone.open && !view.microphone.muted
    }

    fn somebody_should_be_heard(&self) -> bool {
        let view = self.view();
        let you = &view.room.you.id;
        view.room.stage.iter().any(|person| !person.muted && !person.away && person.id != *you)
    }

    /// Shows what is measured, if it is anything new.
    fn show(&self, measured: Measurements) {
        let mut shown = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != measured {
            *shown = measured;
            drop(shown);
            self.tell(CallEvent::Measured);
        }
    }
}
