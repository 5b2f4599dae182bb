//! What a call measures while it lasts: what is heard of the others and how late, and how the own voice arrives.

use std::time::{Duration, Instant};

use serambi_audio::{Audience, EngineStatistics, LossReport};
use serambi_protocol::{
    RoomSwitch, RoomView,
    api::ChannelSay,
    limits::{CAPTURE_MARK_MS, LISTENER_REPORT_MS},
    measurement::{CaptureMark, HouseTime, ListenerReport, VoiceMark, VoiceReception},
    view::PersonView,
};

use crate::{
    call::Instruments,
    call_view::Measurements,
    house_channel::HouseChannel,
    house_clock::{HouseClock, micros_between},
    listener_report::ListenerCounts,
    media::SentVoice,
    own_reception::OwnReception,
    voice_delay::{Heard, VoiceDelays},
};

/// How often what is measured is looked at.
pub(crate) const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// The state between two looks.
pub(crate) struct Measuring {
    clock: HouseClock,
    counts: ListenerCounts,
    own: OwnReception,
    /// People who said lately that they listen to the own voice.
    listeners: u32,
    delays: VoiceDelays,
    report_at: Instant,
    mark_at: Instant,
    marked: Option<SentVoice>,
}

impl Measuring {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            clock: HouseClock::default(),
            counts: ListenerCounts::default(),
            own: OwnReception::default(),
            listeners: 0,
            delays: VoiceDelays::default(),
            report_at: now + Duration::from_millis(LISTENER_REPORT_MS),
            mark_at: now,
            marked: None,
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

    /// When the others' voices were made.
    pub(crate) fn take_marks(&mut self, marks: Vec<VoiceMark>, now: Instant) {
        marks.into_iter().for_each(|mark| self.delays.take_mark(mark, now));
    }

    /// When the house passed on the last packets that these marks speak of.
    pub(crate) fn passed_on_at(&self, marks: &[VoiceMark], now: Instant) -> Option<Instant> {
        let forwarded = marks.iter().filter_map(|mark| mark.passage).map(|passage| passage.forwarded).max()?;
        self.clock.moment_of(forwarded, now)
    }

    /// What all listeners together miss of the own voice: it is repeated accordingly. Between two words, and when none
    /// comes any more, the last one stands.
    pub(crate) fn take_reception(&mut self, instruments: &Instruments, reception: &VoiceReception, now: Instant) {
        self.own.take(reception, now);
        self.listeners = reception.listeners;
        if let (Some(loss), Some(engine)) = (reception.loss, instruments.sound.engine()) {
            // That nothing is lost is news too: only then does the engine repeat nothing at all.
            let report = LossReport { loss: loss.worst, mean_burst: loss.mean_burst, available_bitrate: None };
            engine.set_listener_loss(report);
        }
    }

    /// Who is spoken to: frames are short for a few near listeners, and long where the host saves upload.
    fn audience(&self, room: &RoomView, now: Instant) -> Audience {
        // The best exchange is wrong by half its round trip at most.
        let round_trip_ms = self.clock.error_micros(now).map_or(f32::INFINITY, |error| error as f32 / 500.0);
        Audience {
            listeners: self.listeners,
            round_trip_ms,
            saves_headers: room.room.switches.is_on(RoomSwitch::SavesUpload),
        }
    }

    /// Once in [`MEASURE_EVERY`]; `speaks`: the own microphone is open to the room.
    pub(crate) fn look(
        &mut self,
        instruments: &Instruments,
        channel: &HouseChannel,
        room: &RoomView,
        speaks: bool,
        now: Instant,
    ) -> Measurements {
        self.own.note_speaking(speaks, now);
        if let Some(engine) = instruments.sound.engine() {
            if speaks {
                engine.set_audience(self.audience(room, now));
            }
            let heard = engine.statistics();
            self.measure_delays(instruments, &heard, now);
            let counters = heard.remote_voices.iter().map(|voice| (voice.id, voice.packets));
            if now >= self.report_at || self.counts.are_alarming(counters) {
                self.report_at = now + Duration::from_millis(LISTENER_REPORT_MS);
                self.report(instruments, channel, room, &heard);
            }
        }
        if now >= self.mark_at {
            self.mark(instruments, channel, room, now);
        }
        let delays = self.delays.shown(now);
        let clock_error = self.clock.error_micros(now).filter(|_| !delays.is_empty());
        Measurements {
            voice_received: self.own.shown(now),
            delays,
            clock_error_ms: clock_error.and_then(|micros| u32::try_from((micros + 999) / 1_000).ok()),
        }
    }

    fn measure_delays(&mut self, instruments: &Instruments, heard: &EngineStatistics, now: Instant) {
        for voice in &heard.remote_voices {
            let Some((mark, person)) = voice.heard.zip(instruments.speakers.person(voice.id)) else { continue };
            let heard = Heard {
                timestamp: mark.timestamp,
                arrived_at: mark.arrived_at,
                buffer_micros: mark.buffer_micros,
                heard_at: mark.heard_at,
            };
            self.delays.hear(&person, heard, &self.clock, now);
        }
    }

    /// Says when the own voice was made, once it has gone on since it was said last.
    fn mark(&mut self, instruments: &Instruments, channel: &HouseChannel, room: &RoomView, now: Instant) {
        let Some(sent) = instruments.voice_out.last_sent().filter(|sent| self.marked != Some(*sent)) else { return };
        let Some(left) = self.clock.at(sent.sent_at) else { return };
        // Both moments are of the own clock: only one of them needs an estimate of the house's.
        let captured = left.plus_micros(micros_between(sent.sent_at, sent.captured_at));
        self.marked = Some(sent);
        self.mark_at = now + Duration::from_millis(CAPTURE_MARK_MS);
        let mark = CaptureMark { timestamp: sent.timestamp, captured, sent: left };
        channel.say(ChannelSay::Captured { room: room.room.id, mark });
    }

    fn report(&mut self, instruments: &Instruments, channel: &HouseChannel, room: &RoomView, heard: &EngineStatistics) {
        let voices = heard
            .remote_voices
            .iter()
            .filter_map(|voice| Some((voice.id, instruments.speakers.person(voice.id)?, voice.packets)));
        let voices = self.counts.since_last(voices);
        // In a silent room nobody asks; but whoever speaks is told also by those who hear nothing.
        if !voices.is_empty() || somebody_should_be_heard(room) {
            channel.say(ChannelSay::Heard(ListenerReport { room: room.room.id, voices }));
        }
    }
}

fn somebody_should_be_heard(room: &RoomView) -> bool {
    let can_be_heard = |person: &PersonView| !person.muted && person.connection.has_sound();
    room.stage.iter().any(|person| person.id != room.you.id && can_be_heard(person))
}
